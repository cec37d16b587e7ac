"""Super-NaturalInstructions (Wang et al. 2022b): reading a checkout of natural-instructions as it is.

The paper's zero-shot setting: the tasks that `splits/default/test_tasks.txt` names (119, all English), of each the
first 100 instances in the file's order, the task's definition as the instruction and no examples.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selfinstruct.errors import InputError
from selfinstruct.evaluation.questions import Question
from selfinstruct.records import mended
from selfinstruct.sources.documents import read_document
from selfinstruct.sources.files import read_text
from selfinstruct.sources.limits import MOST_CHARACTERS, MOST_PROBLEMS

TASKS, INSTANCES = 119, 100
"""Test tasks, and instances of each, in the paper's figures."""


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
        except InputError as error:
            problems += error.problems
            if len(problems) >= MOST_PROBLEMS:
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
    if not os.path.isdir(checkout / "tasks") or not os.path.isfile(listing):
        raise InputError(
            f"--tasks: {checkout} is no checkout of natural-instructions (it must hold tasks/ and "
            f"splits/{split}/test_tasks.txt); clone https://github.com/allenai/natural-instructions"
        )
    names = read_text(str(listing)).split()
    if not names:
        raise InputError(f"--tasks: {listing} names no task")
    return names


def _read(path: Path, most: int) -> dict[str, Any]:
    """A task file, with so many of its instances at most."""
    if not os.path.exists(path):
        raise InputError(f"{path}: is missing, though the split names it; check out the whole repository")
    data = read_document(str(path))
    if not isinstance(data, dict):
        raise InputError(f"{path}: must hold a JSON object")
    if isinstance(data.get("Instances"), list):
        data["Instances"] = data["Instances"][:most]
    problems = list(_problems(data))
    if problems:
        raise InputError(f"{path}: {'; '.join(problems[:3])}")
    return data


def _problems(data: dict[str, Any]) -> Iterator[str]:
    for key in ("Definition", "Categories"):
        if not _texts(data.get(key)) or not all(text.strip() for text in _texts(data.get(key))):
            yield f"'{key}' must be a list of texts of at most {MOST_CHARACTERS:,} characters"
    instances = data.get("Instances")
    if not isinstance(instances, list) or not instances:
        yield "'Instances' must be a list of at least one object with 'input' and 'output'"
        return
    for number, instance in enumerate(instances):
        given = instance if isinstance(instance, dict) else {}
        if not isinstance(given.get("input"), str) or not _texts(given["input"]) or not _texts(given.get("output")):
            yield (
                f"Instances[{number}] must have a text 'input' and a list of texts 'output', of at most "
                f"{MOST_CHARACTERS:,} characters each"
            )


def _texts(value: Any) -> list[str]:
    """A list of texts; early versions have a text in place of a list. Nothing if it is of another kind, or too long."""
    texts = value if isinstance(value, list) else [value]
    return texts if all(isinstance(text, str) and len(text) <= MOST_CHARACTERS for text in texts) else []


def _questions(name: str, data: dict[str, Any]) -> Iterator[Question]:
    definition, category = data["Definition"], data["Categories"]
    instruction = definition if isinstance(definition, str) else "\n".join(definition)
    for number, instance in enumerate(data["Instances"]):
        outputs = instance["output"]
        yield Question(
            id=f"{name}/{number:03d}",
            task=name,
            category=mended(category if isinstance(category, str) else category[0]),
            instruction=mended(instruction.strip()),
            input=mended(instance["input"].strip()),
            references=tuple(map(mended, [outputs] if isinstance(outputs, str) else outputs)),
        )
