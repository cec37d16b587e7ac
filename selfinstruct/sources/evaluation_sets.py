"""Reading evaluation sets from which data is kept clear: rows, or tasks of natural-instructions."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from selfinstruct.errors import InputError
from selfinstruct.sources.contamination import EvaluationTask
from selfinstruct.sources.documents import read_document
from selfinstruct.sources.limits import length_problem, listed
from selfinstruct.sources.rows import Row, parsed

INSTRUCTION_FIELDS = ("instruction", "definition", "Definition", "question", "prompt", "text")
"""Where a row of an evaluation set may have its instruction; the first that is there."""

NOTHING = "holds no evaluation task"

OTHER_FIELDS = ("input", "output", "answer", "target")


def read_evaluation(paths: Sequence[str]) -> list[EvaluationTask]:
    """The tasks of evaluation sets: .jsonl, .json or .parquet with one task a row, a natural-instructions task file, or
    a folder of such files.

    Raises:
        InputError: a file cannot be read, or holds no task.
    """
    return [
        task
        for path in paths
        for task in (_folder(Path(path)) if "://" not in path and os.path.isdir(path) else _file(path))
    ]


def _folder(folder: Path) -> list[EvaluationTask]:
    """Definitions of natural-instructions; other JSON files, and what else lies beside them, are passed over."""
    tasks = []
    for path in sorted(path for path in folder.glob("*.json") if path.is_file()):
        try:
            definition = _text(read_document(str(path)), "Definition")
        except ValueError as error:
            raise InputError(f"{path}: {error}") from error
        if definition:
            tasks.append(EvaluationTask(f"{folder.name}:{path.stem}", definition, ()))
    if not tasks:
        raise InputError(f"--decontaminate: {folder}: {NOTHING}")
    return tasks


def _file(path: str) -> Iterator[EvaluationTask]:
    name = path.rstrip("/").rpartition("/")[2]

    def task(row: Row) -> EvaluationTask:
        instruction = next((text for key in INSTRUCTION_FIELDS if (text := _text(row.values, key))), None)
        if instruction is None:
            fields = ", ".join(INSTRUCTION_FIELDS)
            raise ValueError(
                f"no text under any of {fields} (there are: {listed(row.values)}); name the instruction so"
            )
        return EvaluationTask(f"{name}:{row.number}", instruction, tuple(_texts(row.values)))

    return parsed([path], task, NOTHING, columns=(*INSTRUCTION_FIELDS, *OTHER_FIELDS, "instances"))


def _texts(row: Mapping[str, Any]) -> Iterator[str]:
    instances = row.get("instances")
    for each in [row, *(instances if isinstance(instances, list) else [])]:
        yield from (text for key in OTHER_FIELDS if (text := _text(each, key)))


def _text(values: Any, key: str) -> str:
    """The text under a key, or the first of a list of texts there; nothing if there is none. ValueError if too long."""
    value = values.get(key) if isinstance(values, dict) else None
    if isinstance(value, list) and value:
        value = value[0]
    if not isinstance(value, str):
        return ""
    if problem := length_problem(value):
        raise ValueError(f"{key!r} {problem}")
    return value
