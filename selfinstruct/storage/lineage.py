"""Where one instruction of a run comes from and what became of it, found by its id.

Ids name their round (`records`), so only files of the rounds that matter are read: that of the instruction, and those
of its demonstrations and of its nearest text.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from selfinstruct.draws import key_of
from selfinstruct.errors import InputError
from selfinstruct.records import Table
from selfinstruct.storage.store import RunStore
from selfinstruct.storage.tables import SCHEMAS

Row = Mapping[str, Any]
"""A row of a table by column name."""


@dataclass(frozen=True, slots=True)
class Lineage:
    """One proposed instruction, or one request that gave none.

    Lists are empty and values None where there is nothing: seeds have no request, rejected instructions no labels.
    """

    candidate: Row
    proposal: Row | None
    demonstrations: Sequence[tuple[str, str]]  # ids and texts, in the order of the prompt
    siblings: Sequence[Row]  # the other candidates of the same request
    nearest: str | None
    labels: Sequence[Row]
    instances: Sequence[Row]


def trace(store: RunStore, id: str) -> list[Lineage]:
    """What an id names: a candidate, or the one that an instance or labelling request is about; of a propose request
    all its candidates.

    Raises:
        InputError: the run has no such row.
        CorruptError: a file is damaged.
    """
    candidates = _find_candidates(store, id)
    if not candidates:
        raise InputError(f"{store.blobs.url}: no row has the id {id!r}; `selfinstruct sample` shows some")
    number = candidates[0]["round"]
    request = candidates[0]["request_id"]
    proposals = _rows(store, Table.PROPOSALS, number, "request_id", [request]) if request else []
    siblings = _rows(store, Table.CANDIDATES, number, "request_id", [request]) if request else []
    ids = [candidate["id"] for candidate in candidates]
    labels = _rows(store, Table.LABELS, number, "instruction_id", ids)
    instances = _rows(store, Table.INSTANCES, number, "instruction_id", ids)
    shown = proposals[0]["demonstrations"] if proposals else []
    texts = find_texts(store, {*shown, *(row["nearest_id"] for row in candidates if row["nearest_id"])})
    return [
        Lineage(
            candidate,
            proposals[0] if proposals else None,
            [(id, texts.get(id, "")) for id in shown],
            [row for row in siblings if row["id"] != candidate["id"]],
            texts.get(candidate["nearest_id"] or ""),
            [row for row in labels if row["instruction_id"] == candidate["id"]],
            [row for row in instances if row["instruction_id"] == candidate["id"]],
        )
        for candidate in candidates
    ]


def _find_candidates(store: RunStore, id: str) -> list[Row]:
    """The candidate of this id or of the id without what stands for one of its labels or instances; of a request all
    its candidates."""
    number = round_of(id)
    for name in (id, id.rpartition("/")[0], id.rpartition("/answer/")[0]):
        for column in ("id", "request_id"):
            found = _rows(store, Table.CANDIDATES, number, column, [name])
            if found:
                return found
    return []


def _rows(store: RunStore, table: Table, number: int, column: str, values: Sequence[str]) -> list[Row]:
    """The rows of a file, if it is there, that have one of the values in a column."""
    if number not in store.rounds(table):
        return []
    rows = store.read_columns(table, number, SCHEMAS[table].names)
    return list(rows.filter(pc.is_in(rows[column], pa.array(values, pa.string()))).to_pylist())


def round_of(id: str) -> int:
    """The round whose files hold the rows of an id; 0 for seeds and imported ones."""
    head = id.partition("/")[0]
    return int(head) if head.isascii() and head.isdigit() else 0


def identity(store: RunStore) -> str:
    """What tells this run from any other, even one with the same options, and stays the same as it grows."""
    first = store.metadata(Table.CANDIDATES, min(1, store.rounds(Table.CANDIDATES)[-1]))
    return key_of(first.fingerprint, first.content).hex()


def known_ids(store: RunStore, table: Table, ids: Iterable[str]) -> set[str]:
    """Those ids that a row of the table has."""
    return {id for rows in _of_ids(store, table, ids, ["id"]) for id in rows["id"].to_pylist()}


def find_texts(store: RunStore, ids: Iterable[str]) -> dict[str, str]:
    """The texts of some candidates by id. An id that is not there is left out."""
    texts: dict[str, str] = {}
    for rows in _of_ids(store, Table.CANDIDATES, ids, ["id", "text"]):
        texts |= dict(zip(rows["id"].to_pylist(), rows["text"].to_pylist(), strict=True))
    return texts


def _of_ids(store: RunStore, table: Table, ids: Iterable[str], columns: list[str]) -> Iterator[Any]:
    """Round by round the rows (`pa.Table`) that have one of the ids."""
    by_round = defaultdict(list)
    for id in ids:
        by_round[round_of(id)].append(id)
    for number in sorted(by_round.keys() & set(store.rounds(table))):
        rows = store.read_columns(table, number, columns)
        yield rows.filter(pc.is_in(rows["id"], pa.array(by_round[number], pa.string())))
