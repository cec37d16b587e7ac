"""Reading texts that exist already: JSON lines, JSON or Parquet, on disk or remote, in order of appearance."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from selfinstruct.errors import InputError
from selfinstruct.records import ImportedTask, Instance

MOST_PROBLEMS = 20
"""Bad rows that are named before reading stops."""

ENDINGS = (".parquet", ".jsonl", ".json")


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


def is_readable(url: str) -> bool:
    """Whether `read_rows` would try to read this, by its ending."""
    return _ending(url) is not None


def read_rows(
    urls: Sequence[str], required: str, columns: Sequence[str] | None = None, *, any_text: bool = False
) -> Iterator[Row]:
    """The rows of all files, each holding a text under `required`.

    Args:
        urls: Local paths or URLs that pyarrow reads (s3://, gs:// ...), ending in .jsonl, .json or .parquet, compressed
            or not (.gz, .zst ...).
        columns: Columns to read of Parquet files (default: all).
        any_text: The text may hold what no table can (`text_problem`): models write such, too.

    Raises:
        InputError: a file cannot be read, or rows lack the text; up to 20 of them are named.
    """
    problems: list[str] = []
    for url in urls:
        for number, values in _rows_of(url, columns):
            problem = _problem(values, required, any_text)
            if problem:
                problems.append(f"{url}:{number}: {problem}")
                if len(problems) == MOST_PROBLEMS:
                    raise InputError(*problems)
            elif not problems:
                yield Row(url, number, values)
    if problems:
        raise InputError(*problems)


def read_values(url: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Number and value of each row of one file, which must be objects. InputError as `read_rows`."""
    for number, values in _rows_of(url, None):
        if not isinstance(values, dict):
            raise InputError(f"{url}:{number}: not an object but {json.dumps(values)[:40]}")
        yield number, values


def read_tasks(urls: Sequence[str]) -> list[ImportedTask]:
    """The tasks of all files: `instruction`, and `instances` (a list of input and output) or `input` and `output`.

    Raises:
        InputError: as `read_rows`.
    """
    return [
        ImportedTask(
            id=f"{urls.index(row.url)}:{row.number}",
            instruction=" ".join(str(row.values["instruction"]).split()),
            instances=tuple(_instances(row.values)),
            is_classification=row.values.get("is_classification"),
        )
        for row in read_rows(urls, "instruction")
    ]


def text_problem(text: str) -> str | None:
    """What keeps a text out of the tables, if anything does."""
    if "\0" in text:
        return "holds a NUL character"
    if any("\ud800" <= char <= "\udfff" for char in text):
        return "holds half of a surrogate pair, which is no character"
    return None


def _instances(values: Mapping[str, Any]) -> Iterator[Instance]:
    """Those with an output; other forms are passed over, since the instruction alone is of use."""
    given = values.get("instances")
    for instance in given if isinstance(given, list) else [values]:
        if isinstance(instance, dict) and isinstance(output := instance.get("output"), str) and output.strip():
            read = Instance(str(instance.get("input") or "").strip(), output.strip())
            if not text_problem(read.input + read.output):
                yield read


def _problem(values: Any, required: str, any_text: bool) -> str | None:
    if not isinstance(values, dict):
        return f"not an object but {json.dumps(values)[:40]}"
    if not isinstance(values.get(required), str):
        known = ", ".join(sorted(map(str, values)))
        return f"no text under {required!r} (there are: {known}); name another field"
    if not any_text and (problem := text_problem(values[required])):
        return f"{required!r} {problem}"
    return None


def _rows_of(url: str, columns: Sequence[str] | None) -> Iterator[tuple[int, Any]]:
    """Number and value of each row. Everything pyarrow says of a bad file becomes one line."""
    import pyarrow as pa

    if (ending := _ending(url)) is None:
        raise InputError(f"{url}: is none of {', '.join(ENDINGS)}, compressed or not")
    reader = {".parquet": _parquet, ".jsonl": _json_lines, ".json": _json}[ending]
    try:
        yield from reader(url, columns)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise InputError(f"{url}: cannot be read: {' '.join(str(error).split())}") from error


def _ending(url: str) -> str | None:
    stem = url.removesuffix(".gz").removesuffix(".zst").removesuffix(".bz2")
    return next((ending for ending in ENDINGS if stem.endswith(ending)), None)


def _open(url: str) -> tuple[Any, str]:
    from pyarrow import fs

    if "://" in url:
        filesystem, path = fs.FileSystem.from_uri(url)
        return filesystem, path
    return fs.LocalFileSystem(), url


def _parquet(url: str, columns: Sequence[str] | None) -> Iterator[tuple[int, Any]]:
    import pyarrow.parquet as pq

    filesystem, path = _open(url)
    with filesystem.open_input_file(path) as source, pq.ParquetFile(source) as file:
        wanted = None if columns is None else [name for name in columns if name in file.schema_arrow.names]
        number = 0
        for batch in file.iter_batches(columns=wanted):
            for values in batch.to_pylist():
                number += 1
                yield number, values


def _json_lines(url: str, columns: Sequence[str] | None) -> Iterator[tuple[int, Any]]:
    filesystem, path = _open(url)
    with io.TextIOWrapper(filesystem.open_input_stream(path), encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                try:
                    yield number, json.loads(line)
                except json.JSONDecodeError as error:
                    raise ValueError(f"line {number}: not JSON: {error}") from error


def _json(url: str, columns: Sequence[str] | None) -> Iterator[tuple[int, Any]]:
    filesystem, path = _open(url)
    with filesystem.open_input_stream(path) as source:
        data = json.loads(source.read())
    if not isinstance(data, list):
        raise ValueError("must hold a list of objects")
    yield from enumerate(data, start=1)
