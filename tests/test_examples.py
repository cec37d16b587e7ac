"""The examples, run as a user runs them, with a small engine in place of a model of one's own."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from selfinstruct.storage.store import RunStore
from selfinstruct.storage.verify import verify
from tests.tools.server import serving

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"
QUICK = ["--engine", "template", "--replicas", "0"]


def environment() -> dict[str, str]:
    """That of a shell in which the project is installed."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "RAY_USAGE_STATS_ENABLED": "0"}


def shell(name: str, *words: str, folder: Path, **variables: str) -> str:
    """What the script prints."""
    command = ["sh", str(EXAMPLES / name), *words]
    done = subprocess.run(command, cwd=folder, env=environment() | variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_all_are_listed_and_no_others() -> None:
    listed = (EXAMPLES / "README.md").read_text()
    assert [path.name for path in sorted(EXAMPLES.iterdir()) if path.is_file() and f"({path.name})" not in listed] == [
        "README.md"
    ]


def test_own_seeds(tmp_path: Path) -> None:
    shown = shell("own_seeds.sh", *QUICK, folder=tmp_path)
    assert "similar" in shown
    run = RunStore(str(tmp_path / "runs/library"))
    assert not verify(run)
    assert run.totals()["candidates"]["accepted"] >= 40
    assert (tmp_path / "library-tasks/default/train").is_dir()


def babble(prompt: str, seed: int) -> str:
    """An instruction that is like no other, or an output."""
    letters = random.Random(seed).choices("abcdefghijklmnopqrstuvwxyz", k=40)
    words = ["".join(letters[start : start + 5]) for start in range(0, 40, 5)]
    return f" Say something about {' '.join(words)}.\n" if prompt.endswith("9.") else f"Output: {words[0]}"


def test_a_server(tmp_path: Path) -> None:
    with serving() as server:
        server.says = babble
        shell("chat_server.sh", server.url, "m", "--prompts", "base", folder=tmp_path, TARGET="20")
    assert not verify(RunStore(str(tmp_path / "runs/server")))
    assert (tmp_path / "server.html").is_file()


def test_a_set_is_cleaned_and_a_model_tuned_on_it(tmp_path: Path) -> None:
    tasks = [json.loads(line) for line in (EXAMPLES / "library_seeds.jsonl").read_text().splitlines()]
    rows = [{"instruction": task["instruction"], **instance} for task in tasks for instance in task["instances"]]
    rows.append({**rows[0], "instruction": f"{rows[0]['instruction']} Please."})
    (tmp_path / "set.json").write_text(json.dumps(rows))
    (tmp_path / "held_out.jsonl").write_text(json.dumps(rows[5]) + "\n")
    words = ["set.json", "tiny", "held_out.jsonl", "--steps", "2", "--batch", "2", "--max_length", "64"]
    shown = shell("clean_and_tune.sh", *words, folder=tmp_path)
    assert "10 instructions accepted, 1 rejected" in shown
    assert f"{len(rows) - 2} rows for train" in shown
    assert (tmp_path / "models/cleaned/model.safetensors").is_file()


def test_the_notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    cells = json.loads((EXAMPLES / "first_run.ipynb").read_text())["cells"]
    names: dict[str, object] = {}
    for cell in cells:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)
    assert (tmp_path / "notebook.html").is_file()
    assert (tmp_path / "notebook-tasks/README.md").is_file()
