"""Super-NaturalInstructions (Wang et al. 2022b): reading a checkout of natural-instructions as it is.

The paper's zero-shot setting: the tasks that `splits/default/test_tasks.txt` names (119, all English), of each the
first 100 instances in the file's order, the task's definition as the instruction and no examples.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selfinstruct.errors import InputError
from selfinstruct.evaluation.questions import Question, whole

TASKS, INSTANCES = 119, 100
"""Test tasks, and instances of each, in the paper's figures."""

MOST_PROBLEMS = 20
"""Bad tasks that are named."""


@dataclass(frozen=True, slots=True)
class Benchmark:
    """The questions, and how far they are from the paper's: a line each."""

    questions: list[Question]
    notes: list[str]


def read_benchmark(checkout: Path, split: str = "default", tasks: int = TASKS, instances: int = INSTANCES) -> Benchmark:
    """The first `instances` of each of the first `tasks` test tasks.

    Raises:
        InputError: the folder is no checkout, or tasks are missing or not in the benchmark's form (20 are named).
    """
    names = _split(checkout, split)
    questions: list[Question] = []
    problems: list[str] = []
    short = 0
    for name in names[:tasks]:
        try:
            data = _read(checkout / "tasks" / f"{name}.json", instances)
        except ValueError as error:
            problems.append(str(error))
            if len(problems) == MOST_PROBLEMS:
                break
            continue
        short += len(data["Instances"]) < instances
        questions += _questions(name, data)
    if problems:
        raise InputError(*problems)
    notes = []
    if split == "default" and len(names) != TASKS:
        notes.append(f"the split names {len(names)} tasks, the paper's has {TASKS}: another version of the benchmark")
    if short:
        notes.append(f"{short} tasks have fewer than {instances} instances")
    return Benchmark(questions, notes)


def _split(checkout: Path, split: str) -> list[str]:
    listing = checkout / "splits" / split / "test_tasks.txt"
    if not (checkout / "tasks").is_dir() or not listing.is_file():
        raise InputError(
            f"--tasks: {checkout} is no checkout of natural-instructions (it must hold tasks/ and "
            f"splits/{split}/test_tasks.txt); clone https://github.com/allenai/natural-instructions"
        )
    names = listing.read_text(encoding="utf-8").split()
    if not names:
        raise InputError(f"--tasks: {listing} names no task")
    return names


def _read(path: Path, most: int) -> dict[str, Any]:
    """A task file, with so many of its instances at most."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(f"{path}: is missing, though the split names it; check out the whole repository") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: cannot be read: {error}") from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: not JSON: {error}") from error
    if not isinstance(data, dict):
        raise ValueError(f"{path}: must hold a JSON object")
    if isinstance(data.get("Instances"), list):
        data["Instances"] = data["Instances"][:most]
    problems = list(_problems(data))
    if problems:
        raise ValueError(f"{path}: {'; '.join(problems[:3])}")
    return data


def _problems(data: dict[str, Any]) -> Iterator[str]:
    for key in ("Definition", "Categories"):
        value = data.get(key)
        texts = value if isinstance(value, list) else [value]  # early versions have a text in place of a list
        if not texts or not all(isinstance(text, str) and text.strip() for text in texts):
            yield f"'{key}' must be a list of texts"
    instances = data.get("Instances")
    if not isinstance(instances, list) or not instances:
        yield "'Instances' must be a list of at least one object with 'input' and 'output'"
        return
    for number, instance in enumerate(instances):
        given = instance if isinstance(instance, dict) else {}
        outputs = given.get("output")
        listed = isinstance(outputs, list) and outputs and all(isinstance(text, str) for text in outputs)
        if not isinstance(given.get("input"), str) or not (listed or isinstance(outputs, str)):
            yield f"Instances[{number}] must have a text 'input' and a list of texts 'output'"


def _questions(name: str, data: dict[str, Any]) -> Iterator[Question]:
    definition, category = data["Definition"], data["Categories"]
    instruction = definition if isinstance(definition, str) else "\n".join(definition)
    for number, instance in enumerate(data["Instances"]):
        outputs = instance["output"]
        yield Question(
            id=f"{name}/{number:03d}",
            task=name,
            category=whole(category if isinstance(category, str) else category[0]),
            instruction=whole(instruction.strip()),
            input=whole(instance["input"].strip()),
            references=tuple(map(whole, [outputs] if isinstance(outputs, str) else outputs)),
        )
