"""A run's own check by replicas of a pool of their own: the same judgements as in one process."""

from __future__ import annotations

import json
from pathlib import Path

from jobs.main import main
from selfinstruct.records import CheckRow
from selfinstruct.storage.checks import check_sets
from selfinstruct.storage.store import RunStore
from selfinstruct.storage.verify import digest

RECIPE = {"version": 1, "check": {"rubric": "base", "share": 0.8}, "feedback": {"proven": True, "lookback": 2}}
CONFIG = {"rounds.least": 2, "rounds.most": 3, "target": 60, "shards": 1}


def generate(folder: Path, replicas: int, judges: dict[str, object]) -> RunStore:
    recipe, config = folder.parent / "recipe.yaml", folder.parent / "config.yaml"
    recipe.write_text(json.dumps(RECIPE))
    config.write_text(json.dumps({**CONFIG, "check": judges}))
    files = ["--recipe", str(recipe), "--config", str(config)]
    command = ["generate", "--out", str(folder), "--engine", "template", "--replicas", str(replicas)]
    assert main([*command, *files]) == 0
    return RunStore(str(folder))


def judged(store: RunStore) -> dict[str, list[tuple[CheckRow, ...]]]:
    return {checks.name: [checks.read(number) for number in checks.rounds()] for checks in check_sets(store)}


def test_replicas_of_two_models_judge_as_one_process_does(tmp_path: Path) -> None:
    alone = generate(tmp_path / "alone", 0, {})
    beside = generate(tmp_path / "beside", 2, {"model": "another", "replicas": 2})  # a grammar, whatever its name
    assert digest(beside) == digest(alone)
    assert judged(beside) == judged(alone)
    assert len(next(iter(judged(alone).values()))) >= 3
