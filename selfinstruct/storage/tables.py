"""The four tables as Arrow: their schemas, rows to columns and back, and the digest of their content.

Columns are the fields of the row classes in `records`, in their order. Enums are plain strings, so that any reader of
Parquet shows them as they are. Pure functions: no files here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from itertools import starmap
from operator import attrgetter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from selfinstruct.records import Candidate, Finish, InstanceRow, Kind, Label, Origin, Proposal, Reason, Row, Table


def _required(name: str, kind: Any) -> Any:
    return pa.field(name, kind, nullable=False)


_COMPLETION = [
    _required("text", pa.string()),
    _required("finish", pa.string()),
    _required("prompt_tokens", pa.int32()),
    _required("completion_tokens", pa.int32()),
    pa.field("error", pa.string()),
]

SCHEMAS: dict[Table, Any] = {
    Table.PROPOSALS: pa.schema(
        [
            _required("request_id", pa.string()),
            _required("round", pa.int32()),
            _required("strategy", pa.string()),
            _required("demonstrations", pa.list_(pa.string())),
            *_COMPLETION,
        ]
    ),
    Table.CANDIDATES: pa.schema(
        [
            _required("id", pa.string()),
            _required("round", pa.int32()),
            pa.field("request_id", pa.string()),
            pa.field("position", pa.int32()),
            _required("origin", pa.string()),
            _required("text", pa.string()),
            _required("accepted", pa.bool_()),
            pa.field("reason", pa.string()),
            pa.field("nearest_id", pa.string()),
            pa.field("rouge_l", pa.float64()),
        ]
    ),
    Table.LABELS: pa.schema(
        [
            _required("request_id", pa.string()),
            _required("round", pa.int32()),
            _required("instruction_id", pa.string()),
            _required("kind", pa.string()),
            *_COMPLETION,
        ]
    ),
    Table.INSTANCES: pa.schema(
        [
            _required("id", pa.string()),
            _required("round", pa.int32()),
            _required("instruction_id", pa.string()),
            _required("instruction", pa.string()),
            pa.field("is_classification", pa.bool_()),
            _required("input", pa.string()),
            _required("output", pa.string()),
            _required("accepted", pa.bool_()),
            pa.field("reason", pa.string()),
        ]
    ),
}

_ROWS: dict[Table, Callable[..., Row]] = {
    Table.PROPOSALS: Proposal,
    Table.CANDIDATES: Candidate,
    Table.LABELS: Label,
    Table.INSTANCES: InstanceRow,
}

# What a cell becomes, where it is not what the field holds.
_ENUMS: dict[str, type[StrEnum]] = {"finish": Finish, "kind": Kind, "origin": Origin, "reason": Reason}


def to_arrow(table: Table, rows: Sequence[Row]) -> Any:
    """Rows as a `pa.Table` of the table's schema, in the same order. A None where none belongs is a ValueError."""
    schema = SCHEMAS[table]
    columns = zip(*map(attrgetter(*schema.names), rows), strict=True) if rows else ((),) * len(schema)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
    for array, field in zip(arrays, schema, strict=True):
        if array.null_count and not field.nullable:
            raise ValueError(f"{table}.{field.name} has rows without a value")
    return pa.Table.from_arrays(arrays, schema=schema)


def to_rows(table: Table, data: Any) -> tuple[Row, ...]:
    """The rows of a `pa.Table` of the table's schema: the inverse of `to_arrow`. ValueError for unknown enum values."""
    names = [field.name for field in SCHEMAS[table]]
    columns = [_fields(name, data.column(name).to_pylist()) for name in names]
    return tuple(starmap(_ROWS[table], zip(*columns, strict=True)))


def _fields(name: str, cells: list[Any]) -> Iterable[Any]:
    if name == "demonstrations":
        return map(tuple, cells)
    if name not in _ENUMS:
        return cells
    members = {cell: _ENUMS[name](cell) for cell in {*cells} - {None}}  # few, however many cells
    return map(members.get, cells)


def content_digest(data: Any) -> str:
    """SHA-256 (hex) of a `pa.Table`'s schema, rows, order and bits.

    Independent of chunks, of Parquet's encodings and compression, of schema metadata and of library versions: it is
    taken over lengths and bytes laid out here, little-endian, column by column.
    """
    digest = hashlib.sha256()
    for field in data.schema:
        head = f"{field.name} {_type(field.type)} {field.nullable} {data.num_rows}\n"
        digest.update(head.encode())
        for part in _layout(data.column(field.name)):
            digest.update(part)
    return digest.hexdigest()


def _type(kind: Any) -> str:
    """A type's name; not that of a list's items, which Parquet calls otherwise than Arrow."""
    return f"list<{kind.value_type}>" if pa.types.is_list(kind) else str(kind)


def _layout(column: Any) -> Iterable[bytes]:
    """A column as bytes: which cells hold a value, then the values; nulls count as empty or 0."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    yield _numbers(pc.is_valid(array), "u1")
    if pa.types.is_list(array.type):
        yield _numbers(pc.fill_null(pc.list_value_length(array), 0), "<i8")
        yield from _layout(array.flatten())
    elif pa.types.is_string(array.type):
        array = pc.fill_null(array, "")
        yield _numbers(pc.binary_length(array), "<i8")
        yield _text(array)
    elif pa.types.is_floating(array.type):
        yield _numbers(pc.fill_null(array, 0.0), "<f8")
    else:
        yield _numbers(pc.fill_null(array, False if pa.types.is_boolean(array.type) else 0), "<i8")


def _numbers(array: Any, kind: str) -> bytes:
    return bytes(array.to_numpy(zero_copy_only=False).astype(kind).tobytes())


def _text(array: Any) -> bytes:
    """The bytes of all strings, one after another. An array may be a slice of a larger buffer."""
    if not len(array):
        return b""
    _, offsets, data = array.buffers()
    ends = np.frombuffer(offsets, np.int32)[array.offset : array.offset + len(array) + 1]
    return bytes(data[ends[0] : ends[-1]]) if data is not None else b""
