"""Folders of models that are not as they should be: one line that names the file, whatever is wrong with it."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
import os
import resource
import shutil
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from tokenizers import AddedToken
from transformers import AutoTokenizer

from jobs.main import main
from selfinstruct.engines import EngineSettings, TransformersOptions, identify, open_engine
from selfinstruct.engines.checkpoint import FLOOR, context
from selfinstruct.engines.rendering import Chat, render_chats
from selfinstruct.engines.transformers import TransformersEngine
from selfinstruct.errors import InputError
from selfinstruct.finetune.plan import prepare
from selfinstruct.finetune.settings import TuneSettings
from selfinstruct.prompts import Prompt, PromptSet, Sampling
from selfinstruct.records import Completion, Finish, Kind, Request
from selfinstruct.tiny import MODEL
from tests.tools.random_models import make_model, make_tokenizer

SAMPLING = Sampling(0.7, 1.0, 0.0, 0.0, 3, ("\n",))
PROMPTS = PromptSet("test", False, {Kind.CLASSIFY: Prompt("Task: ", "{instruction}", "\n", SAMPLING)}, "")
CHAT = PromptSet("test", True, PROMPTS.prompts, "")
CONFIG, GENERATION, TOKENS, TOKENIZER = (
    "config.json",
    "generation_config.json",
    "tokenizer_config.json",
    "tokenizer.json",
)
TEMPLATE, INDEX, WEIGHTS = "chat_template.jinja", "model.safetensors.index.json", "model.safetensors"

BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
CHARSMAP = base64.b64encode(b"\4\0\0\0trie" + b"a" * 5000 + b"\0").decode()
REPLACE = {"type": "Replace", "pattern": {"String": "a"}, "content": "aa"}

Make = Callable[[str], Path]


@pytest.fixture(scope="module", autouse=True)
def _bounds() -> Iterator[None]:
    """One thread, and no more memory than a test may need: what would fill it ends this process and not others."""
    threads, limits = torch.get_num_threads(), resource.getrlimit(resource.RLIMIT_AS)
    torch.set_num_threads(1)
    resource.setrlimit(resource.RLIMIT_AS, (psutil.Process().memory_info().vms + 4 * 2**30, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, limits)
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Gives the folder of a small random model by the name of its architecture."""
    made: dict[str, Path] = {}

    def folder_of(name: str) -> Path:
        if name not in made:
            made[name] = tmp_path_factory.mktemp(name)
            make_tokenizer().save_pretrained(made[name])
            make_model(name).save_pretrained(made[name])
        return made[name]

    return folder_of


@pytest.fixture
def folder(make: Make, tmp_path: Path) -> Path:
    """A model to spoil."""
    return Path(shutil.copytree(make("llama"), tmp_path / "model"))


def tried(folder: Path, prompts: PromptSet = PROMPTS, text: str = "name a river", **options: Any) -> Completion:
    """What a folder's model makes of a request, after everything that comes before one."""
    model = EngineSettings(model=str(folder), transformers=TransformersOptions(**options))
    identify(model)
    context(model)
    engine = open_engine(model, prompts)
    assert isinstance(engine, TransformersEngine)
    engine.add([Request("a", Kind.CLASSIFY, text, 1)])
    while not (done := engine.step()):
        pass
    return done[0]


def refused(folder: Path, file: str, prompts: PromptSet = PROMPTS, **options: Any) -> str:
    """The one line that is said of a folder, which names it and the file."""
    with pytest.raises(InputError) as caught:
        tried(folder, prompts, **options)
    for line in caught.value.problems:
        assert len(line) < 1000
        assert len(line.splitlines()) == 1
        assert f"{folder}: {file}" in line
        assert "above" not in line
    return str(caught.value)


def change(path: Path, **values: Any) -> None:
    path.write_text(json.dumps({**(json.loads(path.read_text()) if path.exists() else {}), **values}))


# ---- files that are not what they should be


@pytest.mark.parametrize("file", [CONFIG, GENERATION, TOKENS, "special_tokens_map.json", "added_tokens.json"])
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"[]", "holds a list, must hold an object"),
        (b'"x"', "holds a str"),
        (b"", "not JSON: Expecting value at character 1"),
        (b'{"a": ', "not JSON: Expecting value at character 7"),
        (b'{"a": "\xff"}', "not UTF-8 at byte 7"),
        (b'{"a": NaN}', "holds NaN or an infinite number"),
        (b'{"a": [[1e999]]}', "holds NaN or an infinite number"),
        (b'{"a": ' + b"9" * 5000 + b"}", "a number of 5,000 digits"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (None, "is no file"),
    ],
    ids=["list", "text", "empty", "cut", "invalid UTF-8", "NaN", "infinity", "huge number", "deep", "folder"],
)
def test_files_that_hold_no_object(folder: Path, file: str, content: bytes | None, said: str) -> None:
    path = folder / file
    path.unlink(missing_ok=True)
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    assert said in refused(folder, file)


@pytest.mark.parametrize("file", [CONFIG, GENERATION, TOKENS, TOKENIZER, TEMPLATE, WEIGHTS, "vocab.json", "more.json"])
@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_what_is_no_file_is_not_opened(folder: Path, file: str, kind: str) -> None:
    (folder / file).unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(folder / file)
    else:
        (folder / file).symlink_to("/dev/zero")
    assert "is no file but a pipe or a device" in refused(folder, file)


@pytest.mark.parametrize("file", [CONFIG, TOKENIZER, WEIGHTS])
def test_a_link_to_itself(folder: Path, file: str) -> None:
    (folder / file).unlink()
    (folder / file).symlink_to(file)
    assert "cannot be read: Too many levels of symbolic links" in refused(folder, file)


def test_a_template_that_is_far_too_large(folder: Path) -> None:
    (folder / TEMPLATE).write_text("x" * 2**20 + "x")
    assert "is larger than 1 MiB" in refused(folder, TEMPLATE, CHAT)


def test_a_template_in_another_encoding(folder: Path) -> None:
    (folder / TEMPLATE).write_bytes(b"{{ messages }} \xff")
    assert "cannot be read: 'utf-8' codec" in refused(folder, TEMPLATE, CHAT)


def test_finetuning_begins_nothing_with_other_weights(folder: Path, tmp_path: Path) -> None:
    change(folder / CONFIG, intermediate_size=96)
    (tmp_path / "a.jsonl").write_text('{"instruction": "Name a lake near here.", "output": "Inari"}\n')
    with pytest.raises(InputError, match=f"{CONFIG}: describes .* as "):
        prepare([str(tmp_path / "a.jsonl")], EngineSettings(model=str(folder)), TuneSettings(max_length=64), 1)
    save_file({"a": torch.zeros(1)}, folder / WEIGHTS)
    with pytest.raises(InputError, match=f"{WEIGHTS}: its safetensors lack weights"):
        prepare([str(tmp_path / "a.jsonl")], EngineSettings(model=str(folder)), TuneSettings(max_length=64), 1)


def header(change: Callable[[dict[str, Any]], object]) -> Callable[[bytes], bytes]:
    def changed(data: bytes) -> bytes:
        size = int.from_bytes(data[:8], "little")
        described = json.loads(data[8 : 8 + size])
        change(next(each for name, each in described.items() if name != "__metadata__"))
        said = json.dumps(described).encode()
        return len(said).to_bytes(8, "little") + said + data[8 + size :]

    return changed


TORN: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "cut": lambda data: data[:-100],
    "cut in the header": lambda data: data[:100],
    "a pointer": lambda data: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
    "a header without end": lambda data: (2**60).to_bytes(8, "little") + data[8:],
    "a huge shape": header(lambda each: each.update(shape=[2**40, 2**40])),
    "a shape below nothing": header(lambda each: each.update(shape=[-1])),
    "another place": header(lambda each: each.update(data_offsets=[0, 2**50])),
    "an unknown format": header(lambda each: each.update(dtype="X9")),
}


@pytest.mark.parametrize("change", TORN.values(), ids=TORN)
def test_torn_weights_are_named_before_anything_is_begun(
    folder: Path, tmp_path: Path, change: Callable[[bytes], bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / WEIGHTS).write_bytes(change((folder / WEIGHTS).read_bytes()))
    (tmp_path / "a.jsonl").write_text('{"instruction": "Name a lake near here.", "output": "Inari"}\n')
    with pytest.raises(InputError, match=f"{WEIGHTS}: cannot be loaded: "):
        identify(EngineSettings(model=str(folder)))
    out = tmp_path / "out"
    for command in (
        ["finetune", str(tmp_path / "a.jsonl"), "--model", str(folder), "--out", str(out)],
        ["generate", "--model", str(folder), "--out", str(out)],
    ):
        assert main(command) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert f"{folder}: {WEIGHTS}: cannot be loaded: " in line
        assert not out.exists()


def test_a_file_that_is_far_too_large(folder: Path) -> None:
    with (folder / GENERATION).open("r+b") as file:
        file.truncate(2**30)
    assert "larger than 64 MiB" in refused(folder, GENERATION)


@pytest.mark.parametrize(
    ("file", "values", "said"),
    [
        (CONFIG, {"dtype": "nonsense", "torch_dtype": "nonsense"}, "nonsense"),
        (CONFIG, {"model_type": "nothing"}, "nothing"),
        (CONFIG, {"model_type": []}, "cannot be loaded"),
        (CONFIG, {"hidden_size": "large"}, "hidden_size"),
        (CONFIG, {"hidden_size": -8}, "cannot be loaded"),
        (CONFIG, {"num_attention_heads": 0}, "cannot be loaded"),
        (CONFIG, {"hidden_act": "none"}, "none"),
        (CONFIG, {"rope_parameters": {"rope_type": "odd"}}, "odd"),
        (CONFIG, {"rms_norm_eps": 1e999}, "an infinite number"),
        (CONFIG, {"max_position_embeddings": "long"}, "must be a whole number of tokens"),
        (CONFIG, {"text_config": {"max_position_embeddings": -5}}, "text_config.max_position_embeddings is -5"),
        (CONFIG, {"vocab_size": 500}, "describes lm_head.weight as 500x32, model.safetensors holds it as"),
        (CONFIG, {"num_hidden_layers": 3}, "model.safetensors: its safetensors lack weights"),
        (CONFIG, {"auto_map": {"AutoConfig": "a.B"}, "model_type": "new"}, "trust_remote_code would run"),
        (CONFIG, {"configuration_files": ["config.5.0.0.json"]}, "names other 'configuration_files'"),
        (GENERATION, {"eos_token_id": "end"}, "eos_token_id is 'end', must be a token's number"),
        (GENERATION, {"eos_token_id": [[1]]}, "eos_token_id is [[1]]"),
        (GENERATION, {"watermarking_config": 5}, "cannot be loaded"),
        (TOKENS, {"tokenizer_class": 5}, "cannot be loaded"),
        (TOKENS, {"model_max_length": "long"}, "cannot be loaded"),
        (TOKENS, {"added_tokens_decoder": {"x": 5}}, "cannot be loaded"),
        (TOKENIZER, {"model": {"type": "Odd"}}, "cannot be loaded"),
        (TOKENIZER, {"added_tokens": None}, "cannot be loaded"),
        (TOKENIZER, {"decoder": {"type": "Odd"}}, "cannot be loaded"),
    ],
    ids=lambda each: str(each)[:30],
)
def test_values_that_no_model_can_be_made_of(folder: Path, file: str, values: Any, said: str) -> None:
    change(folder / file, **values)
    assert said in refused(folder, WEIGHTS if said.startswith(WEIGHTS) else file)


# ---- sizes that no memory holds


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("llama", {"num_hidden_layers": 10**9}),
        ("llama", {"num_hidden_layers": 90_000}),
        ("llama", {"num_labels": 10**10}),
        ("llama", {"vocab_size": 10**12}),
        ("llama", {"hidden_size": 2**40, "num_attention_heads": 4}),
        ("llama", {"head_dim": 10**11}),
        ("llama", {"intermediate_size": 10**13}),
        ("llama", {"vocab_size": 10**30}),
        ("gpt2", {"n_positions": 10**6}),
        ("gpt2", {"n_layer": 10**8}),
        ("gpt2", {"n_inner": 10**12}),
        ("gemma2", {"num_hidden_layers": 10**9, "layer_types": None}),
        ("gpt_oss", {"num_local_experts": 10**7}),
        ("gpt_oss", {"num_local_experts": 90_000}),
        ("bloom", {"n_head": 10**9}),
    ],
    ids=lambda each: each if isinstance(each, str) else "-".join(each),
)
def test_sizes_of_terabytes(make: Make, tmp_path: Path, name: str, values: dict[str, Any]) -> None:
    folder = Path(shutil.copytree(make(name), tmp_path / "model"))
    change(folder / CONFIG, **values)
    before = memory()
    refused(folder, CONFIG)
    assert memory() - before < 2**29


def memory() -> int:
    """The most bytes that this process has taken so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ({"normalizer": {"type": "Sequence", "normalizers": [REPLACE] * 60}}, "its normalizer may make a text"),
        ({"decoder": {"type": "Sequence", "decoders": [REPLACE] * 60}}, "its decoder may make a text"),
        ({"pre_tokenizer": {"type": "Sequence", "pretokenizers": [BYTES] * 60}}, "its pre_tokenizer may make a text"),
        ({"normalizer": {"type": "Replace", "pattern": {"Regex": ""}, "content": "a" * 5000}}, "its normalizer may"),
        ({"normalizer": {"type": "Prepend", "prepend": "a" * 5000}}, "its normalizer may"),
        ({"normalizer": {"type": "Precompiled", "precompiled_charsmap": CHARSMAP}}, "its normalizer may"),
        (
            {
                "padding": {
                    "strategy": {"Fixed": 10**9},
                    "direction": "Right",
                    "pad_to_multiple_of": None,
                    "pad_id": 0,
                    "pad_type_id": 0,
                    "pad_token": "x",
                }
            },
            None,
        ),
        ({"truncation": {"max_length": 1, "strategy": "LongestFirst", "stride": 0, "direction": "Right"}}, None),
        ({"normalizer": {"type": "Sequence", "normalizers": [{**REPLACE, "content": "b"}] * 60}}, None),
    ],
    ids=["replace", "decoder", "bytes", "expression", "prepend", "charsmap", "padding", "truncation", "harmless"],
)
def test_tokenizers_that_make_texts_longer(folder: Path, part: dict[str, Any], said: str | None) -> None:
    change(folder / TOKENIZER, **part)
    if said is not None:
        assert said in refused(folder, TOKENIZER)
    else:
        assert tried(folder).prompt_tokens < 40


# ---- anything else


JUNK: list[Any] = [
    *(None, True, -1, 0, 1, 3, 2**31, 10**12, 10**30, 0.5, -1e308, "", "x", "1", "a/b", [], [1], ["x"], [[1]], {}),
    *({"a": {"b": []}}, "../x", 4096, 99_999),
]
KEYS = {
    CONFIG: ["rope_scaling", "layer_types", "quantization_config", "auto_map", "id2label", "text_config", "sub_configs",
             "attribute_map", "fusion_config", "per_layer_config", "sliding_window", "pruned_heads", "name_or_path"],
    GENERATION: ["temperature", "cache_implementation", "suppress_tokens", "compile_config", "watermarking_config"],
    TOKENS: ["added_tokens_decoder", "extra_special_tokens", "bos_token", "chat_template", "vocab", "vocab_file",
             "init_inputs", "auto_map", "model_specific_special_tokens", "split_special_tokens", "tokenizer_object"],
    TOKENIZER: ["truncation", "padding", "normalizer"],
}  # fmt: skip


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where a value could be changed, long lists and vocabularies in their beginnings only."""
    keys = list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []
    for key in keys[:40]:
        yield (*at, key)
        yield from places(value[key], (*at, key))


@pytest.fixture(scope="module")
def whole(make: Make) -> dict[str, Any]:
    return {file: json.loads((make("llama") / file).read_text()) for file in KEYS}


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), file=st.sampled_from(list(KEYS)))
def test_a_changed_folder_works_or_is_refused(make: Make, whole: Any, tmp_path: Path, data: Any, file: str) -> None:
    value = copy.deepcopy(whole[file])
    for _ in range(data.draw(st.integers(1, 2))):
        at = data.draw(st.sampled_from([*places(value), *((key,) for key in KEYS[file])]))
        inner = value
        for key in at[:-1]:
            inner = inner[key]
        if data.draw(st.integers(0, 5)) or (isinstance(inner, dict) and at[-1] not in inner):
            inner[at[-1]] = copy.deepcopy(data.draw(st.sampled_from(JUNK)))
        else:
            del inner[at[-1]]
    text = json.dumps(value)
    shutil.rmtree(tmp_path / "model", ignore_errors=True)
    folder = Path(shutil.copytree(make("llama"), tmp_path / "model"))
    (folder / file).write_text(
        text[: data.draw(st.integers(0, len(text)))] if not data.draw(st.integers(0, 9)) else text
    )
    before = memory()
    for line in said_of(folder):
        assert line.startswith(f"--model: {folder}: ")
        assert len(line.splitlines()) == 1
        assert len(line) < 1000
    assert memory() - before < 2**29


def said_of(folder: Path) -> Sequence[str]:
    """What is wrong with a folder; nothing if its model answers."""
    try:
        tried(folder)
    except InputError as error:
        return error.problems
    return ()


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_changed_weights_work_or_are_refused(make: Make, tmp_path: Path, data: Any) -> None:
    shutil.rmtree(tmp_path / "model", ignore_errors=True)
    folder = Path(shutil.copytree(make("llama"), tmp_path / "model"))
    content = bytearray((folder / WEIGHTS).read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, 3000))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.sampled_from([len(content), 0, 7, 8, 100, len(content) - 1]))
    (folder / WEIGHTS).write_bytes(content[:cut])
    for line in said_of(folder):
        assert line.startswith((f"--model: {folder}: {WEIGHTS}", f"--model: {folder}: {CONFIG}"))
        assert len(line.splitlines()) == 1


# ---- the tokens that model and tokenizer know


def test_a_tokenizer_with_more_tokens_than_the_model(folder: Path) -> None:
    value = json.loads((folder / TOKENIZER).read_text())
    value["model"]["vocab"]["qqq"] = 10_000
    (folder / TOKENIZER).write_text(json.dumps(value))
    assert "has tokens up to 10000, the model only" in refused(folder, TOKENIZER)


def test_a_token_that_was_added_beyond_the_model_fails_its_request_alone(folder: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens([AddedToken("qqq", special=False)])
    tokenizer.save_pretrained(folder)
    assert tried(folder).finish is not Finish.FAILED
    failed = tried(folder, text="say qqq")
    assert failed.finish is Finish.FAILED
    assert "of which the model knows nothing" in str(failed.error)
    prompts = PromptSet("t", False, {Kind.CLASSIFY: Prompt("qqq", "{instruction}", "\n", SAMPLING)}, "")
    with pytest.raises(InputError, match="the classify prompt has the token"):
        tried(folder, prompts)


def test_a_regular_expression_that_never_ends_is_the_tokenizers_fault(folder: Path) -> None:
    endless = {"type": "Split", "pattern": {"Regex": "(a|a|aa)+$"}, "behavior": "Isolated", "invert": False}
    change(folder / TOKENIZER, pre_tokenizer=endless)
    with pytest.raises(InputError, match=r"model: tokenizer\.json: .*retry-limit-in-match"):
        tried(folder, text="a" * 100 + "b")


# ---- weights that are named


def shard(folder: Path, *names: str) -> None:
    """Put the weights into several files, with an index."""
    weights = load_file(folder / WEIGHTS)
    (folder / WEIGHTS).unlink()
    places = {key: names[at % len(names)] for at, key in enumerate(sorted(weights))}
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        save_file({key: weights[key] for key in weights if places[key] == name}, folder / name, {"format": "pt"})
    (folder / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": places}))


def test_what_an_index_names_below_the_folder_is_part_of_the_fingerprint(folder: Path) -> None:
    shard(folder, "a.safetensors", "sub/w.safetensors")
    weights = identify(EngineSettings(model=str(folder)))["weights"]
    assert tried(folder).finish is not Finish.FAILED
    content = bytearray((folder / "sub/w.safetensors").read_bytes())
    content[-1] ^= 1
    (folder / "sub/w.safetensors").write_bytes(content)
    assert identify(EngineSettings(model=str(folder)))["weights"] != weights


def test_the_fingerprint_of_other_folders_is_as_it_was(folder: Path) -> None:
    shard(folder, "a.safetensors", "b.safetensors")
    (folder / "sub").mkdir()
    (folder / "sub/w.safetensors").write_bytes(b"of another model")
    digest = hashlib.sha256()
    for name in ("a.safetensors", "b.safetensors", CONFIG, GENERATION, TOKENIZER, TOKENS):
        digest.update(f"{name}\0{hashlib.sha256((folder / name).read_bytes()).hexdigest()}\n".encode())
    assert identify(EngineSettings(model=str(folder)))["weights"] == digest.hexdigest()
    assert identify(EngineSettings())["weights"] == "b126ee6261369e9774c6e34d397c11e760602b4ffc244a31e3858d5f16a086fb"


@pytest.mark.parametrize(
    "name",
    ["../w.safetensors", "sub/../../w.safetensors", "/tmp/w.safetensors", "C:\\w.safetensors", "./w.safetensors",
     "w.bin", "w\0.safetensors", ""],
)  # fmt: skip
def test_names_that_leave_the_folder_are_refused(folder: Path, name: str) -> None:
    shard(folder, "a.safetensors")
    shutil.copy(folder / "a.safetensors", folder.parent / "w.safetensors")
    index = json.loads((folder / INDEX).read_text())
    index["weight_map"]["lm_head.weight"] = name
    (folder / INDEX).write_text(json.dumps(index))
    assert "no safetensors file of this folder" in refused(folder, INDEX)
    (folder / INDEX).unlink()
    change(folder / CONFIG, transformers_weights=name)
    assert "must name a safetensors file of the folder" in refused(folder, CONFIG)


def test_links_out_of_the_folder_are_followed_as_hub_caches_have_them(folder: Path, tmp_path: Path) -> None:
    shard(folder, "a.safetensors", "b.safetensors")
    before = tried(folder)
    for name in ("a.safetensors", CONFIG, INDEX):
        (folder / name).rename(tmp_path / f"blob-{name}")
        (folder / name).symlink_to(tmp_path / f"blob-{name}")
    assert tried(folder) == before


@pytest.mark.parametrize(
    ("index", "said"),
    [
        ([], "holds a list"),
        ({}, "'metadata' must be an object"),
        ({"metadata": 5, "weight_map": {}}, "'metadata' must be an object"),
        ({"metadata": {}, "weight_map": []}, "'weight_map' must name a file for each weight"),
        ({"metadata": {}, "weight_map": {"a": 5}}, "'weight_map' must name a file for each weight"),
    ],
)
def test_indexes_that_are_none(folder: Path, index: Any, said: str) -> None:
    (folder / WEIGHTS).rename(folder / "a.safetensors")
    (folder / INDEX).write_text(json.dumps(index))
    assert said in refused(folder, INDEX)


def test_shards_that_are_missing_damaged_or_named_by_the_configuration(folder: Path) -> None:
    shard(folder, "a.safetensors", "b.safetensors")
    content = (folder / "b.safetensors").read_bytes()
    (folder / "b.safetensors").write_bytes(b"\0" * 64)
    assert "cannot be loaded" in refused(folder, "b.safetensors")
    (folder / "b.safetensors").unlink()
    assert "is named as a file with weights, and is not there" in refused(folder, "b.safetensors")
    (folder / "b.safetensors").write_bytes(content)
    (folder / INDEX).rename(folder / "sub.safetensors.index.json")
    change(folder / CONFIG, transformers_weights="sub.safetensors.index.json")
    assert tried(folder).finish is not Finish.FAILED


def test_an_index_beside_whole_weights_is_not_read(folder: Path) -> None:
    (folder / INDEX).write_text("[]")
    assert tried(folder).finish is not Finish.FAILED


# ---- code that nobody asked for


@pytest.mark.parametrize(
    "values",
    [
        {"attn_implementation": "kernels-community/flash-attn2"},
        {"_attn_implementation": "somebody/kernel@v1:attention"},
        {"_attn_implementation_internal": "somebody/kernel"},
        {"experts_implementation": "somebody/kernel"},
        {"text_config": {"attn_implementation": {"": "paged|somebody/kernel"}}},
    ],
    ids=str,
)
def test_kernels_of_a_hub_are_refused(folder: Path, values: dict[str, Any]) -> None:
    change(folder / CONFIG, **values)
    assert "code from a hub is not fetched" in refused(folder, CONFIG)


@pytest.mark.parametrize("name", ["flash_attention_2", "flex_attention", "no such thing"])
def test_attention_is_chosen_by_us(folder: Path, name: str) -> None:
    wanted = tried(folder)
    change(folder / CONFIG, attn_implementation=name, experts_implementation="deepgemm")
    assert tried(folder) == wanted


def test_adapters_that_name_another_model_are_refused(folder: Path) -> None:
    (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "somebody/else"}))
    assert "adapters beside the weights are not read" in refused(folder, "adapter_config.json")


def test_a_version_of_transformers_with_known_holes_is_refused(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = tmp_path / "site/transformers-5.9.2.dist-info/METADATA"
    installed.parent.mkdir(parents=True)
    installed.write_text("Metadata-Version: 2.1\nName: transformers\nVersion: 5.9.2\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    for name in ("transformers", "vllm"):
        with pytest.raises(InputError, match=r"has transformers 5\.9\.2 .* pip install 'transformers>=5\.10'"):
            open_engine(EngineSettings(name, str(folder)), PROMPTS)
    floor = ".".join(map(str, FLOOR))
    assert f'"transformers>={floor}"' in (Path(__file__).parents[2] / "pyproject.toml").read_text()


# ---- chat templates


DEEP = "{% set ns = namespace(x=[1]) %}{% for i in range(40) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}"


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ messages[0].content + 1 }}", "TypeError: can only concatenate str"),
        ("{{ 1 / 0 }}", "ZeroDivisionError"),
        ("{{ nothing.at.all }}", "'nothing' is undefined"),
        ("{% if %}", "Expected an expression"),
        ("{{ ''.__class__.__mro__ }}", "unsafe"),
        ("{% include 'other' %}", "fails"),
        ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "RecursionError"),
        ("{% for i in range(10 ** 9) %}{% endfor %}", "Range too big"),
        ("{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}", "more than 2 seconds"),
        ("{{ (9 ** 9) ** (9 ** 9) }}", "more than 2 seconds"),
        ("{{ 'a' * 10 ** 11 }}", "more than 1024 MiB of memory"),
        (DEEP, "takes more than"),
        ("{{ messages[0].content * 100000 }}", "characters, may give 1,000,000"),
        ("{{ messages[0].content }}{{ messages[0].content }}", "does not show the message once"),
        ("no message", "does not show the message once"),
    ],
    ids=lambda each: each[:25],
)
def test_templates_that_fail_or_never_end(folder: Path, template: str, said: str) -> None:
    (folder / TEMPLATE).write_text(template)
    assert said in refused(folder, TEMPLATE, CHAT)


PIECES = [
    *("{{ messages[0].content }}", "{% for m in messages %}", "{% endfor %}", "{{ m.role", " ~ ", " | ", "upper }}"),
    *(
        "{%- if",
        " messages %}",
        "{% endif %}",
        "{{ [1][",
        "'a' * 9",
        "**",
        "] }}",
        "{#",
        "#}",
        "\0",
        "\ud800",
        "é😀",
        "\n",
    ),
    *(
        "{% set x = namespace(y=1) %}",
        "{{ x.y() }}",
        "{% macro f(a) %}",
        "{{ f(",
        "{% endmacro %}",
        "{{",
        "}}",
        "(" * 300,
    ),
]


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(template=st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_any_template_gives_texts_or_is_refused(template: str) -> None:
    tokenizer = make_tokenizer()
    tokenizer.chat_template = template or " "
    assert len(refusal_of(tokenizer).splitlines()) <= 1


def refusal_of(tokenizer: Any) -> str:
    """What is said of a chat template; nothing if it can be rendered."""
    try:
        render_chats(tokenizer, [Chat([{"role": "user", "content": "x"}])])
    except InputError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("template", [5, ["x"], {"a": 5}, [{"name": "tools", "template": "x"}], "{{ 1 / 0 }}"], ids=str)
def test_templates_among_the_tokenizers_settings(folder: Path, template: Any) -> None:
    change(folder / TOKENS, chat_template=template)
    refused(folder, TOKENS, CHAT)


def test_a_template_is_rendered_as_by_the_library_in_any_thread() -> None:
    tokenizer = AutoTokenizer.from_pretrained(MODEL)
    tokenizer.chat_template = (
        "{%- for m in messages %}{% if m.role == 'skip' %}{% continue %}{% endif %}\n  <{{ m.role | upper }}>"
        "{{ m.content | trim | tojson }}{{ eos_token }}{% generation %}ü{% endgeneration %}{% endfor %}"
        "{{ add_generation_prompt }} {{ effort }} {{ pad_token }}"
    )
    messages = [{"role": role, "content": f" <é 😀 {role}>\n"} for role in ("system", "skip", "user")]
    texts: list[str] = []

    def render() -> None:
        texts.extend(render_chats(tokenizer, [Chat(messages), Chat(messages[2:], prompting=True)], {"effort": [1]}))

    thread = threading.Thread(target=render)
    thread.start()
    thread.join()
    others = {"tokenize": False, "effort": [1]}
    assert texts == [
        tokenizer.apply_chat_template(messages, **others),
        tokenizer.apply_chat_template(messages[2:], add_generation_prompt=True, **others),
    ]


# ---- the commands


def test_commands_say_it_in_one_line(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = tmp_path / "data.jsonl"
    data.write_text('{"instruction": "Add.", "input": "1 1", "output": "2"}\n')
    task = {"id": "a", "instruction": "Add.", "instances": [{"input": "1 1", "output": "2"}]}
    (tmp_path / "tasks.jsonl").write_text(json.dumps(task) + "\n")
    (folder / GENERATION).write_text("[]")
    for command in (
        ["try", "--number", "3", "--prompts", "tiny"],
        ["generate", "--out", str(tmp_path / "run"), "--prompts", "tiny"],
        ["finetune", str(data), "--out", str(tmp_path / "tuned")],
        ["evaluate", "tasks", "--tasks", str(tmp_path / "tasks.jsonl"), "--out", str(tmp_path / "answers")],
    ):
        assert main([*command, "--model", str(folder)]) == 2, command
        (line,) = capsys.readouterr().err.splitlines()
        assert f"{folder}: {GENERATION}: holds a list" in line
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data.jsonl", "model", "tasks.jsonl"]


@pytest.mark.parametrize(
    ("file", "content"),
    [(TOKENS, '{"model_max_length": "long"}'), (CONFIG, '{"model_type": []}'), (TEMPLATE, "{{ 1 / 0 }}")],
    ids=[TOKENS, CONFIG, TEMPLATE],
)
def test_finetuning_opens_models_the_same_way(folder: Path, tmp_path: Path, file: str, content: str) -> None:
    data = tmp_path / "data.jsonl"
    data.write_text('{"instruction": "Add.", "input": "1 1", "output": "2"}\n')
    (folder / file).write_text(content)
    with pytest.raises(InputError, match=f"{folder}: {file}"):
        prepare([str(data)], EngineSettings(model=str(folder)), TuneSettings(chat=True, max_length=64), 1)
