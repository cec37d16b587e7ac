"""The tables as Arrow: their schemas, rows to columns and back, and the digest of their content.

Columns are the fields of the row classes in `records`, in their order: a field is written down there and nowhere else.
Enums are plain strings, so that any reader of Parquet shows them as they are. Columns are added, never changed: a file
may lack those added after it was written. Pure functions: no files here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import MISSING, fields
from enum import StrEnum
from itertools import chain, starmap
from operator import attrgetter
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from selfinstruct.records import CHECKS, Candidate, CheckRow, InstanceRow, Label, Proposal, Row, Table

_ROWS: dict[str, type[Row]] = {
    Table.PROPOSALS: Proposal,
    Table.CANDIDATES: Candidate,
    Table.LABELS: Label,
    Table.INSTANCES: InstanceRow,
    CHECKS: CheckRow,
}

_TYPES: dict[Any, Any] = {str: pa.string(), bool: pa.bool_(), int: pa.int32(), float: pa.float64()}


class NewerRowsError(ValueError):
    """Rows that a newer version of this program wrote, and this one cannot read."""


def _kinds(row: type[Row]) -> dict[str, tuple[Any, bool]]:
    """The type of each field of a row class, and whether it may be None."""
    found = {}
    for name, hint in get_type_hints(row).items():
        members = get_args(hint) if isinstance(hint, UnionType) else (hint,)
        (kind,) = (member for member in members if member is not NoneType)
        found[name] = kind, NoneType in members
    return found


def _type(kind: Any) -> Any:
    """How Arrow holds a field's type: a tuple of texts, an enum of texts, or a plain value."""
    if get_origin(kind) is tuple:
        return pa.list_(_type(get_args(kind)[0]))
    return pa.string() if issubclass(kind, StrEnum) else _TYPES[kind]


_KINDS = {table: _kinds(row) for table, row in _ROWS.items()}

SCHEMAS: dict[str, Any] = {
    table: pa.schema([pa.field(name, _type(kind), nullable) for name, (kind, nullable) in kinds.items()])
    for table, kinds in _KINDS.items()
}

_FIRST_COLUMNS = {table: sum(each.default is MISSING for each in fields(row)) for table, row in _ROWS.items()}
"""How many columns each table had from the beginning; those after them were added, one after the other."""


def check_columns(table: str, schema: Any) -> None:
    """Whether a file with this Arrow schema is one of the table: it may lack the last of those added later.

    Raises:
        NewerRowsError: it has columns besides.
        ValueError: its columns are others.
    """
    known, names = SCHEMAS[table], schema.names
    if added := [name for name in names if name not in known.names]:
        raise NewerRowsError(f"has columns that this version does not know ({', '.join(added)})")
    if len(names) < _FIRST_COLUMNS[table] or not schema.equals(pa.schema(list(known)[: len(names)])):
        raise ValueError("its columns are not those of this table")


def to_arrow(table: str, rows: Sequence[Row]) -> Any:
    """Rows as a `pa.Table` of the table's schema, in the same order. A None where none belongs is a ValueError."""
    schema = SCHEMAS[table]
    columns = zip(*map(attrgetter(*schema.names), rows), strict=True) if rows else ((),) * len(schema)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
    for array, field in zip(arrays, schema, strict=True):
        if array.null_count and not field.nullable:
            raise ValueError(f"{table}.{field.name} has rows without a value")
    return pa.Table.from_arrays(arrays, schema=schema)


def with_columns(table: str, data: Any, names: Sequence[str]) -> Any:
    """These columns of a `pa.Table`; those of the table's that it does not have are null."""
    schema = pa.schema([SCHEMAS[table].field(name) for name in names])
    there = set(data.column_names)
    columns = [data[each.name] if each.name in there else pa.nulls(len(data), each.type) for each in schema]
    return pa.Table.from_arrays(columns, schema=schema)


def to_rows(table: str, data: Any) -> tuple[Row, ...]:
    """The rows of a `pa.Table` whose columns `check_columns` lets pass: the inverse of `to_arrow`.

    Raises:
        NewerRowsError: an enum has values that this version does not know.
    """
    kinds = [(name, _KINDS[table][name][0]) for name in data.column_names]
    columns = [_cells(name, kind, data.column(name).to_pylist()) for name, kind in kinds]
    return tuple(starmap(_ROWS[table], zip(*columns, strict=True)))


def _cells(name: str, kind: Any, cells: list[Any]) -> Iterable[Any]:
    """A column's cells as a field has them."""
    if get_origin(kind) is tuple:
        item = get_args(kind)[0]
        if issubclass(item, StrEnum):
            members = _members(name, item, chain.from_iterable(filter(None, cells)))
            return (None if cell is None else tuple(map(members.get, cell)) for cell in cells)
        return (None if cell is None else tuple(cell) for cell in cells)
    return map(_members(name, kind, cells).get, cells) if issubclass(kind, StrEnum) else cells


def _members(name: str, kind: type[StrEnum], values: Iterable[Any]) -> dict[Any, Any]:
    """The members that a column's values stand for: looked up, since there are few."""
    members: dict[Any, Any] = dict.fromkeys({*values} - {None})
    try:
        return members | {value: kind(value) for value in members}
    except ValueError as error:
        raise NewerRowsError(f"{name} has values that this version does not know ({error})") from None


def content_digest(data: Any) -> str:
    """SHA-256 (hex) of a `pa.Table`'s schema, rows, order and bits: of the columns that it has.

    Independent of chunks, of Parquet's encodings and compression, of schema metadata and of library versions: it is
    taken over lengths and bytes laid out here, little-endian, column by column.
    """
    digest = hashlib.sha256()
    for field in data.schema:
        head = f"{field.name} {_name(field.type)} {field.nullable} {data.num_rows}\n"
        digest.update(head.encode())
        for part in _layout(data.column(field.name)):
            digest.update(part)
    return digest.hexdigest()


def _name(kind: Any) -> str:
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
