"""Writing one form of one split into files of a good size, whose number is known before the first is begun."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import pyarrow.parquet as pq

from selfinstruct.export.contents import Written
from selfinstruct.export.forms import FORMS, LINES, default

SIZE = 250_000_000
"""Bytes of a file, about; a dataset of less than one and a half of them is one file."""

GROUP = 10_000
"""Rows in a row group."""

CHUNKS = {"min_chunk_size": 256 * 1024, "max_chunk_size": 1024 * 1024, "norm_level": 0}
"""Where pages end, in bytes: as the texts have it, so that a store which keeps equal chunks once takes little for an
edition that is mostly the one before. These are the values of `datasets`, which are written into the file likewise."""


class _Writer(Protocol):
    def write(self, rows: Any) -> None: ...

    def close(self) -> None: ...


class _Parquet:
    def __init__(self, sink: BinaryIO, rows: Any) -> None:
        self._writer = pq.ParquetWriter(
            sink, rows.schema, compression="zstd", use_content_defined_chunking=CHUNKS, write_page_index=True
        )
        self._writer.add_key_value_metadata({"content_defined_chunking": json.dumps(CHUNKS)})

    def write(self, rows: Any) -> None:
        self._writer.write_table(rows, row_group_size=GROUP)

    def close(self) -> None:
        self._writer.close()


class _JsonLines:
    def __init__(self, sink: BinaryIO, rows: Any) -> None:
        self._sink = sink

    def write(self, rows: Any) -> None:
        self._sink.writelines(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows.to_pylist())

    def close(self) -> None:
        self._sink.flush()


class Shards:
    """The files of one form and split: `FORM/SPLIT/SPLIT-00000-of-00003.parquet`.

    What is of none of the forms here is written as it comes.

    Rows come in random order, so the first ones tell how many bytes all will need.

    Args:
        root: The dataset's folder.
        total: How many rows will come.
        size: Bytes of a file, about.
    """

    def __init__(self, root: Path, form: str, split: str, total: int, size: int = SIZE) -> None:
        self._folder = root / form / split
        self._form, self._split = FORMS.get(form, default), split
        self._total, self._size = total, size
        self._ending = "jsonl" if form in LINES else "parquet"
        self._kind: Callable[[BinaryIO, Any], _Writer] = _JsonLines if form in LINES else _Parquet
        self._shards = self._per_shard = 0
        self._written = 0  # rows
        self._memory = self._files = 0  # bytes
        self._schema: Any = None
        self._sink: BinaryIO | None = None
        self._writer: _Writer | None = None

    def write(self, rows: Any) -> None:
        """The next rows, as `rows.rows_of_run` gives them."""
        table = self._form(rows)
        if not self._shards:
            self._plan(table)
        while len(table):
            if self._writer is None or self._sink is None:
                self._sink = self._path().open("xb")
                self._writer = self._kind(self._sink, table)
            room = self._per_shard - self._written % self._per_shard
            part, table = table.slice(0, room), table.slice(room)
            self._writer.write(part)
            self._written += len(part)
            self._memory += part.nbytes
            if self._written % self._per_shard == 0 or self._written == self._total:
                self._writer.close()
                self._files += self._sink.tell()
                self._sink.close()
                self._writer = None

    def written(self) -> Written:
        """What was written, when all rows have come."""
        return Written(self._schema, self._written, self._memory, self._files)

    def _plan(self, table: Any) -> None:
        sink = io.BytesIO()
        trial = self._kind(sink, table)
        trial.write(table)
        size = sink.tell()
        trial.close()
        self._schema = table.schema
        self._per_shard = -(-self._total // max(1, round(self._total * size / len(table) / self._size)))
        self._shards = -(-self._total // self._per_shard)
        self._folder.mkdir(parents=True)

    def _path(self) -> Path:
        number = self._written // self._per_shard
        return self._folder / f"{self._split}-{number:05d}-of-{self._shards:05d}.{self._ending}"
