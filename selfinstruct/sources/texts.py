"""Reading texts that exist already: JSON lines, JSON or Parquet, on disk or remote, in order of appearance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from selfinstruct.records import ImportedTask, Instance
from selfinstruct.sources.limits import length_problem, text_problem
from selfinstruct.sources.rows import Row, listed, parsed

TASK_KEYS = ("instruction", "instances", "input", "output", "is_classification")
"""What is read of a task; the columns that are read of Parquet files."""


def read_rows(urls: Sequence[str], required: str, columns: Sequence[str] | None = None) -> Iterator[Row]:
    """The rows of all files (`rows.parsed`), each holding a text under `required`.

    Raises:
        InputError: a file cannot be read or holds nothing, or rows lack the text; the first 20 are named.
    """

    def with_text(row: Row) -> Row:
        required_text(row.values, required)
        return row

    return parsed(urls, with_text, f"holds no {required}", columns=columns, required=required)


def read_tasks(urls: Sequence[str]) -> list[ImportedTask]:
    """The tasks of all files: `instruction`, and `instances` (a list of input and output) or `input` and `output`.

    Raises:
        InputError: as `read_rows`; so are texts that are too long, and answers to whether it is classification.
    """

    def task(row: Row) -> ImportedTask:
        is_classification = row.values.get("is_classification")
        instruction = required_text(row.values, "instruction")
        if not isinstance(is_classification, bool | None):
            raise ValueError("'is_classification' must be true or false, or left out")
        return ImportedTask(
            id=f"{urls.index(row.url)}:{row.number}",
            instruction=" ".join(instruction.split()),
            instances=tuple(_instances(row.values)),
            is_classification=is_classification,
        )

    return list(parsed(urls, task, "holds no instruction", columns=TASK_KEYS, required="instruction"))


def required_text(values: Mapping[str, Any], key: str, *, any_text: bool = False) -> str:
    """The text under a key of a row.

    Args:
        any_text: It may hold what no table can (`text_problem`), within its length: models write such, too.

    Raises:
        ValueError: there is none, or it cannot be used.
    """
    text = values.get(key)
    if not isinstance(text, str):
        raise ValueError(f"no text under {key!r} (there are: {listed(values)}); name another field")
    if problem := length_problem(text) if any_text else text_problem(text):
        raise ValueError(f"{key!r} {problem}")
    return text


def optional_text(values: Mapping[str, Any], key: str) -> str:
    """The text under a key of a row, empty where there is none. ValueError if it is of another kind, or too long."""
    text = values.get(key) or ""
    if not isinstance(text, str):
        raise ValueError(f"{key!r} must be a text")
    if problem := length_problem(text):
        raise ValueError(f"{key!r} {problem}")
    return text


def text_or_texts(values: Mapping[str, Any], key: str) -> list[str]:
    """The text under a key of a row, or the list of texts there; none where nothing is there.

    Raises:
        ValueError: it is of another kind, or one is too long.
    """
    given = values.get(key)
    texts = [] if given is None else [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise ValueError(f"{key!r} must be a text, or a list of texts")
    if problem := next(filter(None, map(length_problem, texts)), None):
        raise ValueError(f"{key!r} {problem}")
    return texts


def _instances(values: Mapping[str, Any]) -> Iterator[Instance]:
    """Those with an output; other forms are passed over, since the instruction alone is of use."""
    given = values.get("instances")
    for instance in given if isinstance(given, list) else [values]:
        if isinstance(instance, dict) and isinstance(output := instance.get("output"), str) and output.strip():
            read = Instance(str(instance.get("input") or "").strip(), output.strip())
            for key, text in (("input", read.input), ("output", read.output)):
                if problem := length_problem(text):
                    raise ValueError(f"{key!r} {problem}")
            if not text_problem(read.input) and not text_problem(read.output):
                yield read
