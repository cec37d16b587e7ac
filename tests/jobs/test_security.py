"""What SECURITY.md promises: secrets are nowhere to be found afterwards, and nothing that is read can run code."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pyarrow.parquet as pq
import pytest

from selfinstruct.engines import TransformersOptions

ROOT = Path(__file__).parents[2]
KEY, TOKEN = "sk-canary-5fd0c1e2a7b94c", "hf_canary8d21f0b3c64e97"


class Handler(BaseHTTPRequestHandler):
    """A server of OpenAI's protocol that proposes made-up words, and shows the key in an answer that is an error."""

    protocol_version = "HTTP/1.1"
    refused: ClassVar[set[str]] = set()  # prompts that were refused once
    keys: ClassVar[set[str | None]] = set()

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self.reply({"data": [{"id": "m"}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.keys.add(self.headers["Authorization"])
        if "seed" not in body:  # a look at the server, before the run
            self.reply({"choices": [{"index": 0, "finish_reason": "length", "text": "x"}]})
            return
        words = hashlib.shake_256(f"{body['seed']}".encode()).hexdigest(60)
        lines = [" ".join(words[i : i + 60 : 5][j : j + 5] for j in range(12)) for i in range(0, 60, 20)]
        if not self.refused:
            self.refused.add(body["prompt"])
            self.reply({"error": {"message": f"cannot do this with {self.headers['Authorization']}"}}, 400)
        else:
            text = "".join(f"\n{number}. Explain {line}" for number, line in enumerate(lines, start=9))
            self.reply({"choices": [{"index": 0, "finish_reason": "stop", "text": f"Class label: x\nOutput: {text}"}]})

    def reply(self, answer: object, status: int = 200) -> None:
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture
def url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()


def test_a_key_is_nowhere_to_be_found_after_a_run(url: str, tmp_path: Path) -> None:
    """Not in the run, on the terminal, nor in the logs of Ray, though the server shows it in an error."""
    session = Path(tempfile.mkdtemp(prefix="si", dir="/tmp"))  # Ray's sockets need a short path
    command = [sys.executable, "-m", "jobs.generate", "--out", str(tmp_path / "run"), "--target", "100"]
    command += ["--engine", "openai", "--model", "m", "--openai.url", url, "--openai.key_env", "CANARY"]
    command += ["--replicas", "1", "--shards", "1"]  # and two rounds, as either has the request that is refused
    environment = {**os.environ, "CANARY": KEY, "HF_TOKEN": TOKEN, "RAY_TMPDIR": str(session), "NO_PROXY": "127.0.0.1"}
    try:
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, timeout=900)
        assert done.returncode == 0, done.stderr.decode()
        assert Handler.keys == {f"Bearer {KEY}"}
        assert Handler.refused  # the error that shows the key was met, and is part of the run
        searched = [path for folder in (tmp_path, session) for path in folder.rglob("*") if path.is_file()]
        assert len([path for path in searched if "logs" in path.parts]) > 5
        assert [path for path in searched if holds_a_secret(path)] == []
        assert any("[key]" in str(pq.read_table(path).to_pylist()) for path in searched if path.suffix == ".parquet")
        assert KEY.encode() not in done.stdout + done.stderr
    finally:
        shutil.rmtree(session)


def holds_a_secret(path: Path) -> bool:
    content = path.read_bytes()
    if path.suffix == ".parquet":  # compressed
        content += f"{pq.read_table(path).to_pylist()} {pq.read_metadata(path).metadata}".encode()
    return KEY.encode() in content or TOKEN.encode() in content


def calls() -> Iterator[tuple[Path, str, ast.Call]]:
    """Every call in the product's code, by its dotted name."""
    for folder in ("selfinstruct", "cluster", "jobs"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call):
                    yield path, ast.unparse(node.func), node


def test_nothing_that_is_read_can_run_code() -> None:
    """No pickles, no full YAML, no eval; models and tokenizers are loaded from safetensors, their own code refused."""
    forbidden = {
        "eval",
        "exec",
        "pickle.load",
        "pickle.loads",
        "yaml.load",
        "yaml.unsafe_load",
        "os.system",
        "torch.load",
    }
    assert [(path.name, name) for path, name, _ in calls() if name in forbidden] == []
    shells = [node for _, _, node in calls() if any(each.arg == "shell" for each in node.keywords)]
    assert shells == []
    assert not TransformersOptions().trust_remote_code
    opened = set()
    for path, name, node in calls():
        if name.startswith("AutoModel") and name.endswith("from_pretrained"):
            given = {each.arg: ast.unparse(each.value) for each in node.keywords}
            assert given["use_safetensors"] == "True", path
            assert given["use_kernels"] == "False", path
        if name.startswith(("Auto", "GenerationConfig")) and name.endswith("from_pretrained"):
            opened.add(path.relative_to(ROOT).as_posix())
    assert opened == {"selfinstruct/engines/opening.py", "jobs/bench/bed.py"}  # the bench opens the embedded model
