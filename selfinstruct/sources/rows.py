"""The one reader of rows: JSON lines, JSON or Parquet, packed or not, local or remote, one row after the other.

What must hold for every file is looked after here: that it is one, its limits (`limits`), that rows are objects, that
there are any, and that bad ones are named by file and number. What a row must hold, each command's own function says.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any, TypeVar
from urllib.parse import urlsplit

from selfinstruct.errors import InputError
from selfinstruct.places import local_path
from selfinstruct.sources.files import PARQUET, first_bytes, is_pipe, opened, opened_text, other_kind
from selfinstruct.sources.json_values import TOO_LARGE, RowError, json_values
from selfinstruct.sources.limits import (
    CHUNK,
    MOST_COUNTED,
    MOST_PROBLEMS,
    MOST_ROW,
    MOST_UNPACKED,
    ROWS_ANYWAY,
    ROWS_AT_ONCE,
    UNPACKED_ANYWAY,
    listed,
)
from selfinstruct.wording import counted

T = TypeVar("T")

ENDINGS = (".parquet", ".jsonl", ".json")
PACKED = (".gz", ".zst", ".bz2")

TOO_MUCH = f"unpacks to more than {MOST_UNPACKED} times its size; write it anew as JSON lines"

_LONGEST_LINE = 500  # in a message


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a file, and its number in it from 1 on (of JSON lines, the line's)."""

    url: str
    number: int
    values: Mapping[str, Any]

    @property
    def id(self) -> str:
        """File and number."""
        return f"{self.url}:{self.number}"


class Problems:
    """What is wrong with files and rows: the first are named, the others counted."""

    def __init__(self) -> None:
        self._named: list[str] = []
        self._more = 0

    def __bool__(self) -> bool:
        return bool(self._named)

    def add(self, *problems: str) -> None:
        """Add lines that name file and row. InputError when there are so many that reading on tells nothing."""
        for problem in problems:
            if len(self._named) < MOST_PROBLEMS:
                self._named.append(problem)
            else:
                self._more += 1
        if self._more >= MOST_COUNTED:
            self.check()

    def check(self) -> None:
        """InputError if there are any."""
        if self._named:
            more = [f"and {counted(self._more, 'more bad line')}"] if self._more else []
            raise InputError(*self._named, *more)


def parsed(
    urls: Iterable[str],
    read: Callable[[Row], T],
    nothing: str | None,
    *,
    columns: Sequence[str] | None = None,
    required: str | None = None,
    only_lines: bool = False,
    problems: Problems | None = None,
) -> Iterator[T]:
    """What is read of each row of the files, in order, until one is bad; then the rest is looked over for more.

    Args:
        urls: Local paths or URLs that pyarrow reads (s3://, gs:// ...), ending in .jsonl, .json or .parquet, packed or
            not (.gz, .zst, .bz2); pipes that a shell made.
        read: Makes something of a row; raises ValueError to say what is wrong with it.
        nothing: What is said of a file without a row, as "holds no task"; None where it may have none.
        columns: Columns to read of Parquet files (default: all).
        required: The column that a Parquet file must have.
        only_lines: Whatever a file is called, it holds JSON lines.
        problems: Where problems are gathered; whoever gives them looks at them in the end.

    Raises:
        InputError: a file cannot be read or holds nothing, or rows are bad; the first 20 are named.
    """
    found = Problems() if problems is None else problems
    for url in urls:
        is_empty = True
        for number, values in _rows(url, columns, required, only_lines):
            is_empty = False
            if isinstance(values, InputError):
                found.add(*values.problems)
                continue
            try:
                value = read(Row(url, number, _object(values)))
            except ValueError as error:
                found.add(f"{url}:{number}: {_line(error)}")
            else:
                if not found:
                    yield value
        if is_empty and nothing is not None:
            found.add(f"{url}: {nothing}")
    if problems is None:
        found.check()


def is_readable(url: str) -> bool:
    """Whether this is read as rows: by its ending, or because it is a pipe, which has none."""
    return _ending(url) is not None


def _line(error: ValueError) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= _LONGEST_LINE else f"{text[:_LONGEST_LINE]} ..."


def _object(values: Any) -> Mapping[str, Any]:
    if isinstance(values, RowError):
        raise values
    if not isinstance(values, dict):
        raise RowError(f"not an object but {json.dumps(values)[:40]}")
    return values


def _rows(url: str, columns: Sequence[str] | None, required: str | None, only_lines: bool) -> Iterator[tuple[int, Any]]:
    """Number and value of each row, a `RowError` for one that cannot be read; last an InputError if the file cannot."""
    try:
        ending = ".jsonl" if only_lines else _ending(url)
        if ending is None:
            with opened(url):  # a folder or a device is called so
                raise InputError(f"{url}: is none of {', '.join(ENDINGS)}, packed ({', '.join(PACKED)}) or not")
        if ending == ".parquet":
            with opened(url) as raw:
                yield from _parquet(url, raw, columns, required)
        else:
            with opened_text(url) as text:
                yield from json_values(text, url, only_lines=only_lines)
    except InputError as error:
        yield 0, error


def _ending(url: str) -> str | None:
    path = None if (found := local_path(url)) is None else str(found)
    names = [urlsplit(url).path] if path is None else [path, os.path.realpath(path)] if "\0" not in path else [path]
    for name in names:
        for packed in PACKED:
            name = name.removesuffix(packed)
        if name.endswith(ENDINGS):
            return os.path.splitext(name)[1]
    return ".jsonl" if is_pipe(url) else None


def _parquet(
    url: str, raw: IO[bytes], columns: Sequence[str] | None, required: str | None
) -> Iterator[tuple[int, Any]]:
    import pyarrow.parquet as pq

    head = first_bytes(raw)
    if not head.startswith(PARQUET):
        raise InputError(f"{url}: {other_kind(head) or 'is no Parquet file; give it the ending of what it is'}")
    size = raw.seek(0, os.SEEK_END)
    most = max(UNPACKED_ANYWAY, MOST_UNPACKED * size)
    with pq.ParquetFile(raw, buffer_size=CHUNK) as file:
        names = file.schema_arrow.names
        if required is not None and required not in names:
            raise InputError(f"{url}: no column {required!r} (there are: {listed(names)}); name another field")
        wanted = [name for name in names if columns is None or name in columns]
        if names and not wanted:
            raise InputError(
                f"{url}: no column is one of {listed(columns or ())} (there are: {listed(names)}); name one so"
            )
        declared = _check_declared(url, file.metadata, most, size)
        number = unpacked = 0
        for batch in map(_plain, file.iter_batches(batch_size=ROWS_AT_ONCE, columns=wanted, use_threads=False)):
            unpacked += batch.nbytes
            if unpacked > most:
                raise InputError(f"{url}: {TOO_MUCH}")
            for values in batch.to_pylist() if batch.nbytes <= MOST_ROW else map(_small, _singly(batch)):
                number += 1
                yield number, values
        if number != declared:
            raise InputError(f"{url}: declares {declared:,} rows and holds {number:,}; write it anew")


def _plain(batch: Any) -> Any:
    """Rows without the dictionaries of categories, which each batch holds whole."""
    import pyarrow as pa

    columns = [each.dictionary_decode() if pa.types.is_dictionary(each.type) else each for each in batch.columns]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names) if columns else batch


def _singly(batch: Any) -> Iterator[Any]:
    return (batch.slice(at, 1) for at in range(batch.num_rows))


def _small(row: Any) -> Any:
    return row.to_pylist()[0] if row.nbytes <= MOST_ROW else RowError(TOO_LARGE)


def _check_declared(url: str, metadata: Any, most: int, size: int) -> int:
    """How many rows a footer declares. InputError if it is more than a file of this size can hold, or their bytes are.

    What it says of columns is not looked at: pyarrow 26 ends the process over some that are damaged.
    """
    if not 0 <= metadata.num_rows <= max(ROWS_ANYWAY, size):
        raise InputError(f"{url}: declares {metadata.num_rows:,} rows in {size:,} bytes; write it anew as JSON lines")
    if any(metadata.row_group(at).total_byte_size > most for at in range(metadata.num_row_groups)):
        raise InputError(f"{url}: {TOO_MUCH}")
    return int(metadata.num_rows)
