"""A choice as a small Parquet file: one row a chosen text, in the order of the candidates."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from selfinstruct.errors import InputError
from selfinstruct.storage.blobs import open_blobs

KEY = b"selfinstruct.selection"

SCHEMA = pa.schema({"id": pa.string(), "text": pa.string(), "group": pa.int32(), "by": pa.string()})


@dataclass(frozen=True, slots=True)
class Chosen:
    """One chosen text."""

    id: str  # of the instruction; of a file's row, file and number
    text: str  # as it was when it was chosen: an id may mean another text in another run
    group: int | None  # by model only: of those that were shown together
    by: str  # the way; of a group whose answer could not be read, draw


def check_place(path: Path) -> None:
    """InputError if a choice cannot be written here, since something else is."""
    if not path.parent.is_dir():
        raise InputError(f"--out: there is no folder {path.parent}")
    if not path.exists():
        return
    try:
        pairs: Mapping[bytes, bytes] = pq.read_metadata(path).metadata or {}
    except (OSError, pa.ArrowException):
        pairs = {}
    if KEY not in pairs:
        raise InputError(f"--out: {path} is there and is no selection; name another file")


def write(path: Path, rows: Sequence[Chosen], facts: Mapping[str, Any]) -> None:
    """Write a choice, whole or not at all; one that is there is replaced.

    Args:
        facts: How it was made, which the footer keeps; JSON values.
    """
    columns = {each.name: [getattr(row, each.name) for row in rows] for each in fields(Chosen)}
    sink = io.BytesIO()
    with pq.ParquetWriter(sink, SCHEMA, compression="zstd") as writer:
        writer.write_table(pa.table(columns, SCHEMA))
        writer.add_key_value_metadata({KEY: json.dumps(facts, sort_keys=True).encode()})
    open_blobs(str(path.parent)).replace(path.name, sink.getvalue())
