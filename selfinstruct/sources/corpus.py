"""Texts of the user's by their numbers: files of any size, of which only what is asked for is read.

A file is cut into blocks, a thousand lines of JSON or a row group of Parquet. A key permutes the blocks, and the rows
within each, so that text number n is one and the same row at any time, each row has one number, and those that follow
each other lie in one block, which is held in memory. Opening reads every file once: to count rows and to take the
digest by which a run knows its texts, about a second for a gigabyte.
"""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

from selfinstruct.draws import permuted
from selfinstruct.errors import InputError
from selfinstruct.sources.files import PARQUET, opened
from selfinstruct.sources.json_values import RowError, value_of
from selfinstruct.sources.limits import CHUNK, MOST_ROW, listed, text_problem

LINES = 1024
"""Of a block of JSON lines."""

MOST_BLOCK = 2**30
"""Bytes of a row group: one is held in memory."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns hold a text, its name and its licence; without one for names, a text is called by its file and
    row."""

    text: str
    id: str = ""
    licence: str = ""

    @property
    def named(self) -> list[str]:
        """Those that there are."""
        return [each for each in (self.text, self.id, self.licence) if each]


@dataclass(frozen=True, slots=True)
class Text:
    """One text, what it is called, and its licence where its row says it."""

    name: str
    text: str
    licence: str = ""


@dataclass(frozen=True, slots=True)
class _Block:
    """Some rows of a file, from `first` (0 is the file's first) on; `at` is a byte of JSON lines, or a row group."""

    path: str
    first: int
    rows: int
    at: int
    end: int  # the byte after it


class Corpus:
    """All texts of some files, in an order of their own.

    Args:
        key: Of the order.

    Attributes:
        digest: Of names, rows and contents of the files, and of what is read of them.

    Raises:
        InputError: a file cannot be read, is of another kind, or its first row has no such columns.
    """

    def __init__(self, files: Sequence[str], columns: Columns, key: int) -> None:
        self._columns = columns
        self._key = key
        parts = [(path, *_opened(path, columns)) for path in files]
        blocks = [block for _, _, its in parts for block in its]
        order = [permuted(len(blocks), at, "blocks", key) for at in range(len(blocks))]
        self._blocks = [blocks[at] for at in order]
        self._ends = list(accumulate(block.rows for block in self._blocks))
        names = [(Path(path).name, sum(each.rows for each in its), digest) for path, digest, its in parts]
        told = json.dumps([names, columns.text, columns.id, *([columns.licence] if columns.licence else [])])
        self.digest = hashlib.sha256(told.encode()).hexdigest()
        self._held: tuple[int, Sequence[Any]] = (-1, ())

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __getitem__(self, number: int) -> Text | None:
        """The text of this number, below the length; None where its row holds none that is fit for a prompt.

        Raises:
            InputError: the file cannot be read any more.
        """
        at = bisect_right(self._ends, number)
        block = self._blocks[at]
        within = permuted(block.rows, number - (self._ends[at] - block.rows), "rows", self._key, at)
        held, rows = self._held
        if held != at:
            rows = _rows(block, self._columns)
            self._held = at, rows  # at once: more than one thread may ask
        return _text(f"{Path(block.path).name}:{block.first + within + 1}", rows[within], self._columns)


def _text(place: str, row: Any, columns: Columns) -> Text | None:
    values = row if isinstance(row, dict) else {}
    text, name = values.get(columns.text), values.get(columns.id) if columns.id else place
    if not isinstance(text, str) or not text.strip() or text_problem(text[:MOST_ROW]):
        return None
    licence = values.get(columns.licence) if columns.licence else None
    told = licence.strip() if isinstance(licence, str) and not text_problem(licence) else ""
    return Text(str(name) if isinstance(name, str | int) else place, text.strip(), told)


def _opened(path: str, columns: Columns) -> tuple[str, list[_Block]]:
    """Digest and blocks of a file."""
    if "://" in path:
        raise InputError(f"documents.files: {path}: must be a local file")
    with opened(path) as file:
        head = file.read(len(PARQUET))
        if not path.endswith((".jsonl", ".parquet")) or (head == PARQUET) is path.endswith(".jsonl"):
            raise InputError(
                f"documents.files: {path}: must be JSON lines (.jsonl) or Parquet (.parquet), and not packed"
            )
        digest, lines = hashlib.sha256(head), [0]
        at, count = len(head), head.count(b"\n")
        while data := file.read(CHUNK):
            digest.update(data)
            if head != PARQUET:
                count = _note_lines(data, at, count, lines)
            at += len(data)
            last = data[-1:]
    if head == PARQUET:
        blocks = list(_groups(path, columns))
    else:
        rows = count + (at > 0 and (last if at > len(head) else head[-1:]) != b"\n")
        ends = [*lines[1:], at]
        blocks = [
            _Block(path, number * LINES, min(LINES, rows - number * LINES), start, end)
            for number, (start, end) in enumerate(zip(lines, ends, strict=True))
            if rows > number * LINES
        ]
    if not blocks:
        raise InputError(f"documents.files: {path}: holds no row")
    first = _rows(blocks[0], columns)[0]
    if not isinstance(first, dict) or not isinstance(first.get(columns.text), str):
        raise InputError(
            f"documents.files: {path}:1: must hold a text in {columns.text!r}; name another documents.column"
        )
    return digest.hexdigest(), blocks


def _note_lines(data: bytes, at: int, count: int, lines: list[int]) -> int:
    """Note where every thousandth line begins; returns how many lines have ended so far."""
    import numpy as np

    ends = np.flatnonzero(np.frombuffer(data, np.uint8) == 10)
    first = -count % LINES or LINES  # the ends after which a block begins
    lines += (at + ends[first - 1 :: LINES] + 1).tolist()
    return count + len(ends)


def _groups(path: str, columns: Columns) -> Iterator[_Block]:
    import pyarrow.parquet as pq

    with opened(path) as raw, pq.ParquetFile(raw) as file:
        names, first = file.schema_arrow.names, 0
        if missing := [each for each in columns.named if each not in names]:
            raise InputError(f"documents.files: {path}: no column {missing[0]!r} (there are: {listed(names)})")
        for number in range(file.num_row_groups):
            group = file.metadata.row_group(number)
            if group.total_byte_size > MOST_BLOCK:
                raise InputError(
                    f"documents.files: {path}: its row group {number} has more than {MOST_BLOCK >> 30} GiB; write it"
                    " with smaller ones"
                )
            if group.num_rows:
                yield _Block(path, first, group.num_rows, number, 0)
            first += group.num_rows


def _rows(block: _Block, columns: Columns) -> Sequence[Any]:
    """The rows of a block; one that cannot be read is None."""
    with opened(block.path) as raw:
        if block.path.endswith(".parquet"):
            import pyarrow.parquet as pq

            with pq.ParquetFile(raw) as file:
                rows: Sequence[Any] = file.read_row_group(block.at, columns=columns.named).to_pylist()
                return rows
        raw.seek(block.at)
        data = b"".join(iter(lambda: raw.read(min(CHUNK, max(0, block.end - raw.tell()))), b""))
    lines = data.split(b"\n")[: block.rows]
    return [_value(line) for line in lines] + [None] * (block.rows - len(lines))


def _value(line: bytes) -> Any:
    try:
        return value_of(line)
    except RowError:
        return None
