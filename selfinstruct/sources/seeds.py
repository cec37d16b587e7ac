"""Reading and checking seed tasks (paper, section 2.2.1): JSON lines, our own form and the original release's alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from selfinstruct.records import Instance, SeedTask
from selfinstruct.sources.keys import trimmed
from selfinstruct.sources.limits import text_problem
from selfinstruct.sources.rows import Row, parsed
from selfinstruct.wording import counted

SEED_TASKS = Path(__file__).parent / "seed_tasks.jsonl"
"""The seed tasks shipped with the project."""

FEW = 30
"""Seed tasks below which that is told."""


def load_seeds(path: Path) -> list[SeedTask]:
    """Read a seed file: one JSON object a line with `instruction`, `instances` (each with `input` and `output`),
    `is_classification` where it is known, and an `id` unless the line's number is to be its id. Other keys are ignored.
    Inputs and outputs lose the line breaks at their ends, and nothing else.

    Raises:
        InputError: the file cannot be read, holds no task, or has bad lines (the first 20 are named).
    """
    lines: dict[str, int] = {}

    def seed_of(row: Row) -> SeedTask:
        id = str(row.values.get("id", f"line{row.number:05d}"))
        problems = list(_problems(row.values))
        if lines.setdefault(id, row.number) != row.number:
            problems.append(f"the id {id!r} is that of line {lines[id]} too")
        if problems:
            raise ValueError("; ".join(problems))
        return _seed(row.values, id)

    nothing = "holds no seed task; a run needs at least one, the paper has 175"
    return list(parsed([str(path)], seed_of, nothing, only_lines=True))


def warnings(seeds: Sequence[SeedTask], shown: int) -> list[str]:
    """What is unwise about seed tasks of which each prompt shows `shown`."""
    found = []
    if len(seeds) < shown:
        found.append(
            f"{counted(len(seeds), 'seed task')}, fewer than the {shown} demonstrations of a prompt; all are used"
        )
    elif len(seeds) < FEW:
        found.append(f"{counted(len(seeds), 'seed task')} are few (the paper has 175); more give more varied tasks")
    different = len({" ".join(seed.instruction.lower().split()) for seed in seeds})
    if 2 * different <= len(seeds):
        found.append(f"only {different} of the {len(seeds)} seed tasks differ; more varied ones give more varied tasks")
    return found + unknown_kinds(seeds)


def unknown_kinds(seeds: Sequence[SeedTask]) -> list[str]:
    """A line if seed tasks do not say whether they are classification: nobody is asked about them."""
    unknown = [seed.id for seed in seeds if seed.is_classification is None]
    if not unknown:
        return []
    return [
        f"{len(unknown)} of {len(seeds)} seed tasks do not say whether they are classification ({unknown[0]!r} is the"
        " first), which is taken as unknown; 'is_classification' says true or false"
    ]


def _seed(data: Mapping[str, Any], id: str) -> SeedTask:
    """One seed task from its JSON object, which has no fault."""
    return SeedTask(
        id=id,
        instruction=data["instruction"].strip(),
        instances=tuple(
            Instance(trimmed(each.get("input", "")), trimmed(each["output"])) for each in data["instances"]
        ),
        is_classification=data.get("is_classification"),
    )


def _problems(data: Mapping[str, Any]) -> Iterator[str]:
    if not isinstance(data.get("id", ""), str | int):
        yield "'id' must be a text"
    elif problem := text_problem(str(data.get("id", ""))):
        yield f"'id' {problem}"
    if "instruction" not in data and (near := get_close_matches("instruction", data, 1)):
        yield f"'instruction' is missing; did you mean {near[0]!r}?"
    else:
        yield from _text("'instruction'", data.get("instruction"))
    if not isinstance(data.get("is_classification"), bool | None):
        yield "'is_classification' must be true or false, or left out"
    instances = data.get("instances")
    if not isinstance(instances, list) or not instances:
        yield "'instances' must be a list of at least one object with 'input' and 'output'"
        return
    for position, instance in enumerate(instances):
        if not isinstance(instance, dict):
            yield f"instances[{position}] must be an object with 'input' and 'output'"
            continue
        yield from _text(f"instances[{position}].input", instance.get("input", ""), may_be_empty=True)
        yield from _text(f"instances[{position}].output", instance.get("output"))


def _text(name: str, value: Any, may_be_empty: bool = False) -> Iterator[str]:
    """What is wrong with one text of a seed task."""
    if not isinstance(value, str) or not (may_be_empty or value.strip()):
        yield f"{name} must be a text ({'empty when there is none' if may_be_empty else 'not empty'})"
    elif problem := text_problem(value):
        yield f"{name} {problem}"
