"""Reading and checking seed tasks (paper, section 2.2.1): JSON lines, our own form and the original release's alike."""

from __future__ import annotations

import codecs
import gzip
import json
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from selfinstruct.errors import InputError
from selfinstruct.records import Instance, SeedTask
from selfinstruct.sources.texts import MOST_PROBLEMS, text_problem

SEED_TASKS = Path(__file__).parent / "seed_tasks.jsonl"
"""The seed tasks shipped with the project."""

MOST_CHARACTERS = 100_000
"""Of one text of a seed task; more fits no model's prompt."""


def load_seeds(path: Path) -> list[SeedTask]:
    """Read a seed file: one JSON object a line with `instruction`, `instances` (each with `input` and `output`),
    `is_classification`, and an `id` unless the line's number is to be its id. Other keys are ignored.

    Raises:
        InputError: the file cannot be read, holds no task, or has bad lines (all of them are named).
    """
    seeds: dict[str, SeedTask] = {}
    first_line: dict[str, int] = {}
    problems: list[str] = []
    for number, line in enumerate(_lines(path), start=1):
        if not line.strip():
            continue
        try:
            seed = _seed(_value(line), f"line{number:05d}")
        except ValueError as error:
            problems.append(f"{path}:{number}: {error}")
            continue
        if seed.id in seeds:
            problems.append(f"{path}:{number}: the id {seed.id!r} is that of line {first_line[seed.id]} too")
        seeds[seed.id] = seed
        first_line.setdefault(seed.id, number)
    if len(problems) > MOST_PROBLEMS:
        problems[MOST_PROBLEMS:] = [f"{path}: and {len(problems) - MOST_PROBLEMS} more bad lines"]
    if problems:
        raise InputError(*problems)
    if not seeds:
        raise InputError(f"--seeds: {path} holds no seed task; a run needs at least one, the paper has 175")
    return list(seeds.values())


def warnings(seeds: Sequence[SeedTask], shown: int) -> list[str]:
    """What is unwise about seed tasks of which each prompt shows `shown`."""
    found = []
    if len(seeds) < shown:
        found.append(f"{len(seeds)} seed tasks, fewer than the {shown} demonstrations of a prompt; all are used")
    different = len({" ".join(seed.instruction.lower().split()) for seed in seeds})
    if 2 * different <= len(seeds):
        found.append(f"only {different} of the {len(seeds)} seed tasks differ; more varied ones give more varied tasks")
    return found


def _lines(path: Path) -> list[bytes]:
    """The lines of a file, unpacked if it is gzip, without a byte order mark.

    Lines end at line feeds only: JSON texts may hold the other characters that Unicode counts as line ends.
    """
    try:
        data = path.read_bytes()
        if data.startswith(b"\x1f\x8b"):
            data = gzip.decompress(data)
    except IsADirectoryError as error:
        raise InputError(f"--seeds: {path} is a folder; name the file of JSON lines in it") from error
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"--seeds: {path} cannot be read: {error}") from error
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise InputError(f"--seeds: {path} is UTF-16; save it as UTF-8")
    data = data.removeprefix(codecs.BOM_UTF8)
    if data.lstrip().startswith(b"["):
        raise InputError(f"--seeds: {path} is a JSON array; write one object a line (jq -c '.[]' does)")
    return data.split(b"\n")


def _value(line: bytes) -> Any:
    """The JSON value of a line; ValueError says why it has none."""
    try:
        return json.loads(line.decode())
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 at byte {error.start + 1}") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error}") from error
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


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
    elif problem := text_problem(str(data.get("id", ""))):
        yield f"'id' {problem}"
    yield from _text("'instruction'", data.get("instruction"))
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
        yield from _text(f"instances[{position}].input", instance.get("input", ""), may_be_empty=True)
        yield from _text(f"instances[{position}].output", instance.get("output"))


def _text(name: str, value: Any, may_be_empty: bool = False) -> Iterator[str]:
    """What is wrong with one text of a seed task."""
    if not isinstance(value, str) or not (may_be_empty or value.strip()):
        yield f"{name} must be a text ({'empty when there is none' if may_be_empty else 'not empty'})"
    elif len(value) > MOST_CHARACTERS:
        yield f"{name} has {len(value):,} characters; {MOST_CHARACTERS:,} is the most"
    elif problem := text_problem(value):
        yield f"{name} {problem}"
