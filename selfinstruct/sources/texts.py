"""Reading texts that exist already: JSON lines, JSON or Parquet, on disk or remote, in order of appearance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from selfinstruct.records import ImportedTask, Instance
from selfinstruct.sources.keys import COLUMNS, OUTPUT, RowTask, task_of, with_lines
from selfinstruct.sources.limits import length_problem, listed, text_problem
from selfinstruct.sources.rows import Row, parsed

TASK_KEYS = (*COLUMNS, "is_classification")
"""What is read of a task; the columns that are read of Parquet files."""

_NAMED = 5
"""Rows without an output whose numbers are told."""


def read_rows(urls: Sequence[str], required: str, columns: Sequence[str] | None = None) -> Iterator[Row]:
    """The rows of all files (`rows.parsed`), each holding a text under `required`.

    Raises:
        InputError: a file cannot be read or holds nothing, or rows lack the text; the first 20 are named.
    """

    def with_text(row: Row) -> Row:
        required_text(row.values, required)
        return row

    return parsed(urls, with_text, f"holds no {required}", columns=columns, required=required)


def read_tasks(urls: Sequence[str], notes: list[str] | None = None) -> list[ImportedTask]:
    """The tasks of all files, by the keys that `keys` knows, and `is_classification`.

    Args:
        notes: Takes a line on each file of which something is not used.

    Raises:
        InputError: as `read_rows`; so are texts that are too long, and answers to whether it is classification.
    """
    accounts = {url: _Account(url) for url in urls}

    def task(row: Row) -> ImportedTask:
        read = task_of(row.values)
        if problem := text_problem(read.instruction):
            raise ValueError(f"'instruction' {problem}")
        instances = tuple(each for each in read.instances if each.output and _fits(each))
        accounts[row.url].add(row, read, instances)
        return ImportedTask(
            id=f"{urls.index(row.url)}:{row.number}",
            instruction=with_lines(read.instruction),
            instances=instances,
            is_classification=_truth(row.values),
        )

    tasks = list(parsed(urls, task, "holds no instruction", columns=TASK_KEYS))
    if notes is not None:
        notes += [line for account in accounts.values() for line in account.lines()]
    return tasks


class _Account:
    """What of a file's rows is not used, for people to hear of."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._rows = 0
        self._without: list[int] = []  # numbers of rows that give no output
        self._keys = ""  # of the first of them
        self._unfit = 0  # instances that no table can hold
        self._long = 0  # conversations that go on
        self._turns = 0

    def add(self, row: Row, read: RowTask, used: Sequence[Instance]) -> None:
        """Count a row, of whose task these instances are used."""
        self._rows += 1
        self._unfit += sum(bool(each.output) for each in read.instances) - len(used)
        if not any(each.output for each in read.instances):
            self._keys = self._keys or listed(row.values)
            self._without.append(row.number)
        self._long += read.left_out > 0
        self._turns += read.left_out

    def lines(self) -> Iterator[str]:
        """What there is to say."""
        if self._without:
            where = ", ".join(map(str, self._without[:_NAMED])) + " ..." * (len(self._without) > _NAMED)
            yield (
                f"{self._url}: {len(self._without):,} of {self._rows:,} rows had no output (row {where}), which goes by"
                f" {', '.join(OUTPUT)}, or is an answer in a conversation (there are: {self._keys})"
            )
        if self._unfit:
            yield f"{self._url}: {self._unfit:,} instances hold NUL or half of a surrogate pair, and are left out"
        if self._long:
            yield (
                f"{self._url}: of {self._long:,} of {self._rows:,} rows the first turn of a user and its answer are"
                f" read; {self._turns:,} other turns are left out"
            )


def _truth(values: Mapping[str, Any]) -> bool | None:
    given = values.get("is_classification")
    if given is None or given != given:  # pandas writes NaN where nothing was
        return None
    if not isinstance(given, bool):
        raise ValueError("'is_classification' must be true or false, or left out")
    return given


def _fits(instance: Instance) -> bool:
    return not text_problem(instance.input) and not text_problem(instance.output)


def required_text(values: Mapping[str, Any], key: str, *, any_text: bool = False) -> str:
    """The text under a key of a row.

    Args:
        any_text: It may hold what no table can (`text_problem`), within its length: models write such, too.

    Raises:
        ValueError: there is none, or it cannot be used.
    """
    text = values.get(key)
    if isinstance(text, bytes):
        raise ValueError(f"{key!r} is binary; write it as text")
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
