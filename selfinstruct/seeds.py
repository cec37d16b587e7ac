"""Reading and checking seed tasks (paper, section 2.2.1): JSON lines, our own form and the original release's alike."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from selfinstruct.errors import InputError
from selfinstruct.records import Instance, SeedTask

SEED_TASKS = Path(__file__).parent / "data" / "seed_tasks.jsonl"
"""The seed tasks shipped with the project."""


def load_seeds(path: Path) -> list[SeedTask]:
    """Read a seed file: one JSON object a line with `instruction`, `instances` (each with `input` and `output`),
    `is_classification`, and an `id` unless the line's number is to be its id. Other keys are ignored.

    Raises:
        InputError: the file cannot be read, holds no task, or has bad lines (all of them are named).
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"--seeds: {path} cannot be read: {error}") from error
    seeds: dict[str, SeedTask] = {}
    first_line: dict[str, int] = {}
    problems: list[str] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            seed = _seed(json.loads(line), f"line{number:05d}")
        except (ValueError, RecursionError) as error:
            reason = f"not JSON: {error}" if isinstance(error, json.JSONDecodeError) else str(error)
            problems.append(f"{path}:{number}: {reason}")
            continue
        if seed.id in seeds:
            problems.append(f"{path}:{number}: the id {seed.id!r} is that of line {first_line[seed.id]} too")
        seeds[seed.id] = seed
        first_line.setdefault(seed.id, number)
    if problems:
        raise InputError(*problems)
    if not seeds:
        raise InputError(f"--seeds: {path} holds no seed task; a run needs at least one, the paper has 175")
    return list(seeds.values())


def _seed(data: Any, default_id: str) -> SeedTask:
    """One seed task from its JSON value; ValueError says everything that is wrong with it."""
    if not isinstance(data, dict):
        raise ValueError("must be a JSON object")
    problems = list(_problems(data))
    if problems:
        raise ValueError("; ".join(problems))
    return SeedTask(
        id=str(data.get("id", default_id)),
        instruction=data["instruction"].strip(),
        instances=tuple(Instance(each.get("input", "").strip(), each["output"].strip()) for each in data["instances"]),
        is_classification=data["is_classification"],
    )


def _problems(data: dict[str, Any]) -> Iterator[str]:
    if not isinstance(data.get("id", ""), str | int):
        yield "'id' must be a text"
    if not _is_text(data.get("instruction")):
        yield "'instruction' must be a text that is not empty"
    if not isinstance(data.get("is_classification"), bool):
        yield "'is_classification' must be true or false"
    instances = data.get("instances")
    if not isinstance(instances, list) or not instances:
        yield "'instances' must be a list of at least one object with 'input' and 'output'"
        return
    for position, instance in enumerate(instances):
        if not isinstance(instance, dict):
            yield f"instances[{position}] must be an object with 'input' and 'output'"
            continue
        if not isinstance(instance.get("input", ""), str):
            yield f"instances[{position}].input must be a text (empty when there is none)"
        if not _is_text(instance.get("output")):
            yield f"instances[{position}].output must be a text that is not empty"


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())
