"""A few tasks of a run to look at, or rejected candidates, drawn at random."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from selfinstruct.records import Instance, Reason, Table, Task
from selfinstruct.storage.lineage import Row
from selfinstruct.storage.store import RunStore

T = TypeVar("T")


def sample_tasks(store: RunStore, number: int, seed: int = 0, rounds: Sequence[int] | None = None) -> list[Task]:
    """Up to so many tasks, of the given rounds or of all but round 0.

    Raises:
        CorruptError: a file is damaged or missing.
    """
    columns = ["instruction_id", "instruction", "is_classification", "input", "output"]
    tasks: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in _rows(store, Table.INSTANCES, rounds, columns, accepted_only=True):
        tasks[row["instruction_id"]].append(row)
    return [
        Task(
            id,
            tasks[id][0]["instruction"],
            tuple(Instance(row["input"], row["output"]) for row in tasks[id]),
            tasks[id][0]["is_classification"],
        )
        for id in _drawn(list(tasks), number, seed)
    ]


def sample_instructions(store: RunStore, number: int, seed: int = 0, rounds: Sequence[int] | None = None) -> list[Row]:
    """Up to so many accepted instructions, id and text, of the given rounds or of all but round 0.

    Raises:
        CorruptError: a file is damaged or missing.
    """
    return _drawn(list(_rows(store, Table.CANDIDATES, rounds, ["id", "text"], accepted_only=True)), number, seed)


def sample_rejected(
    store: RunStore, number: int, seed: int = 0, rounds: Sequence[int] | None = None, reason: Reason | None = None
) -> list[Row]:
    """Up to so many rejected candidates, by column name; of a request that gave none there is no text.

    Raises:
        CorruptError: a file is damaged or missing.
    """
    columns = ["id", "text", "accepted", "reason", "nearest_id", "rouge_l"]
    rejected: list[Row] = [
        row
        for row in _rows(store, Table.CANDIDATES, rounds, columns, accepted_only=False)
        if not row["accepted"] and reason in (None, row["reason"])
    ]
    return _drawn(rejected, number, seed)


def _drawn(population: Sequence[T], number: int, seed: int) -> list[T]:
    return random.Random(seed).sample(population, min(number, len(population)))


def _rows(
    store: RunStore, table: Table, rounds: Sequence[int] | None, columns: list[str], *, accepted_only: bool
) -> Iterator[dict[str, Any]]:
    for number in [each for each in store.rounds(table) if each > 0] if rounds is None else rounds:
        yield from store.read_columns(table, number, columns, accepted_only=accepted_only).to_pylist()
