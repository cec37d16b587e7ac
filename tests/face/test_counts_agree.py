"""One run has one number of instructions and one of instances, whoever tells it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import datasets
import pytest
from huggingface_hub import DatasetCard

import selfinstruct as si
from jobs.main import main

START = (Path(__file__).parents[2] / "docs/index.md").read_text(encoding="utf-8")
SNIPPETS = [block for block in re.findall(r"```python\n(.*?)```", START, re.DOTALL) if "runs/demo/instances" in block]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `runs/demo`: rows of all three origins, and rejected ones of each reason."""
    home = tmp_path_factory.mktemp("home")
    (home / "mine.jsonl").write_text('{"instruction": "Name three rivers of one country.", "output": "Rhine"}\n')
    (home / "mine.yaml").write_text("template: {failure_rate: 0.05, cut_rate: 0.05}\nrounds: {max_failed: 1.0}\n")
    command = ["generate", "--config", str(home / "mine.yaml"), "--out", str(home / "runs/demo"), "--target", "90"]
    command += ["--engine", "template", "--replicas", "0", "--pool", str(home / "mine.jsonl")]
    assert main(command) == 0
    return home


@pytest.fixture(scope="module")
def told(home: Path) -> tuple[int, int]:
    """Instructions and instances that the model wrote and the run accepted, by plain counting."""
    run = si.open_run(home / "runs/demo")
    rows = run.accepted(["model"]).to_pylist()
    candidates = run.candidates().to_pylist()
    wrote = sum(row["accepted"] and row["origin"] == "model" for row in candidates)
    assert wrote > len({row["instruction_id"] for row in rows}) > 80  # some have no instance
    assert len({row["origin"] for row in candidates}) == 3
    return wrote, len(rows)


def test_status_says_so(home: Path, told: tuple[int, int], capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["status", str(home / "runs/demo"), "--json"]) == 0
    tables = json.loads(capsys.readouterr().out)["figures"]["tables"]
    assert (tables["candidates"]["accepted"], tables["instances"]["instances.accepted"]) == told
    assert main(["status", str(home / "runs/demo")]) == 0
    first = capsys.readouterr().out.splitlines()[0]
    assert re.search(rf": {told[0]} of \d+ candidates accepted \(.*\), {told[1]} instances,", first)


def test_the_report_says_so(home: Path, told: tuple[int, int], capsys: pytest.CaptureFixture[str]) -> None:
    page = home / "report.html"
    capsys.readouterr()
    assert main(["report", str(home / "runs/demo"), "--out", str(page), "--verb_rows", "0"]) == 0
    assert f"{page}: {told[0]} instructions, {told[1]} instances" in capsys.readouterr().out
    for what, number in zip(("instructions", "valid instances"), told, strict=True):
        assert f"<dt>{what}</dt><dd>{number}</dd>" in page.read_text()


def test_the_dataset_says_so(
    home: Path, told: tuple[int, int], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = home / "tasks"
    command = ["export", str(home / "runs/demo"), "--out", str(out), "--origins", "model", "--license", "other"]
    capsys.readouterr()
    assert main([*command, "--pool_license", "other"]) == 0
    assert f"{told[1]} rows for train" in capsys.readouterr().out
    card = DatasetCard.load(out / "README.md")
    assert {info["splits"][0]["num_examples"] for info in card.data["dataset_info"]} == {told[1]}
    assert f"\n{told[1]} instances of instruction, input and output" in card.text
    assert f"| accepted | {told[0]} | {told[1]} |" in card.text
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", home / "cache")
    assert len(datasets.load_dataset(str(out), "original", split="train")) == told[1]


@pytest.mark.parametrize("snippet", SNIPPETS, ids=["pyarrow", "datasets"])
def test_the_snippets_of_the_documents_read_as_many(
    home: Path, told: tuple[int, int], snippet: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", home / "cache")
    names: dict[str, Any] = {}
    exec(compile(snippet, "index.md", "exec"), names)
    assert names["instances"].num_rows == told[1]
