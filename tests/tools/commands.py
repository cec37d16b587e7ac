"""Every command that can be tried in seconds, with something for each to work on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from jobs.main import main
from tests.tools.runs import make_run

HERE = ["--engine", "template", "--replicas", "0"]


def make_place(folder: Path) -> Path:
    """A folder with two runs, some files, ratings, and a checkout of one benchmark task."""
    make_run(folder / "run", target=120)
    make_run(folder / "other", target=30, seed=1)
    texts = ["Name a fruit that is red.", "Name a fruit which is red.", "Write a line about the sea."]
    (folder / "set.jsonl").write_text(
        "".join(json.dumps({"instruction": text, "output": "fig"}) + "\n" for text in texts)
    )
    answers = [{"instruction": text, "input": "", "response": "a fig", "target": "fig"} for text in texts]
    (folder / "answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in answers))
    (folder / "natural/tasks").mkdir(parents=True)
    (folder / "natural/splits/default").mkdir(parents=True)
    task = {"Categories": ["Title Generation"], "Definition": ["Name it."]}
    task |= {"Instances": [{"id": "one", "input": "red", "output": ["fig"]}]}
    (folder / "natural/tasks/task001_a.json").write_text(json.dumps(task))
    (folder / "natural/splits/default/test_tasks.txt").write_text("task001_a\n")
    judged = ["--out", str(folder / "judge")]
    assert main(["rate", "judge", str(folder / "answers.jsonl"), *HERE, *judged]) == 0
    return folder


def commands(place: Path, out: Path) -> dict[str, Sequence[str]]:
    """Every command that can be tried in seconds, with its arguments."""
    run, other, predictions = str(place / "run"), str(place / "other"), str(place / "answers.jsonl")
    to = ["--out", str(out / "out")]
    judged = str(out / "judged")
    return {
        "generate": [*HERE, *to, "--target", "20"],
        "try": ["--engine", "template", "--number", "5"],
        "recipes": [],
        "status": [run],
        "sample": [run],
        "show": [run, "000001/00000/00"],
        "report": [run, "--out", str(out / "page.html"), "--overlap_rows", "5"],
        "check": [run, *HERE, "--share", "0.2"],
        "pairs": [run, "--out", str(out / "pairs.csv"), "--number", "5"],
        "select": [run, "--number", "5", "--by", "random", "--out", str(out / "chosen.parquet")],
        "label": [run, *HERE, *to],
        "polish": [run, *HERE, *to],
        "dedup": [str(place / "set.jsonl"), *to],
        "import": [str(place / "set.jsonl"), *to],
        "merge": [run, other, *to],
        "reparse": [run, *to, "--change", "novelty.threshold=0.6"],
        "export": [run, *to, "--license", "mit"],
        "evaluate superni": [*HERE, *to, "--tasks", str(place / "natural")],
        "evaluate tasks": [*HERE, *to, "--tasks", str(place / "set.jsonl")],
        "evaluate constraints": [*HERE, *to, "--limit", "3"],
        "rate page": [predictions, "--out", str(out / "rate.html")],
        "rate judge": [predictions, *HERE, "--out", judged],
        "rate read": [str(place / "judge/ratings.json"), "--predictions", predictions],
        "score": [predictions, "--prediction", "response", "--reference", "target"],
        "plan": [run, "--target", "5000"],
        "verify": [run, "--digest"],
        "repair": [run, "--dry_run"],
        "bench estimate": ["--samples", "100"],
        "bench rules": [],
        "completion": ["bash"],
    }
