"""How often constraints are kept, kind by kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from selfinstruct.constraints.checking import KINDS, Constraint, holds, read
from selfinstruct.quality.intervals import wilson
from selfinstruct.records import Reason, Table
from selfinstruct.storage.store import RunStore

ALL = "all"
"""What figures of whole answers go by: all constraints of an answer are kept."""


@dataclass(frozen=True, slots=True)
class Kept:
    """How many answers keep constraints of a kind, out of how many that were asked to."""

    kind: str
    kept: int
    asked: int

    @property
    def share(self) -> float:
        """The share that keeps them; 0 of none."""
        return self.kept / self.asked if self.asked else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the share (Wilson's)."""
        return wilson(self.kept, self.asked)


def counted(verdicts: Iterable[Sequence[tuple[str, bool]]], order: Sequence[str] = KINDS) -> list[Kept]:
    """Figures of each kind that was asked for, and of all kinds together.

    Args:
        verdicts: For each answer the kinds that it was asked to keep, and whether it does.
        order: Of the kinds.
    """
    kept: Counter[str] = Counter()
    asked: Counter[str] = Counter()
    for told in verdicts:
        for kind, holding in (*told, (ALL, all(holding for _, holding in told))):
            asked[kind] += 1
            kept[kind] += holding
    return [Kept(kind, kept[kind], asked[kind]) for kind in (*order, ALL) if asked[kind]]


def verdicts(constraints: Sequence[Constraint], answer: str) -> list[tuple[str, bool]]:
    """Each constraint's kind, and whether the answer keeps it."""
    return [(each.kind, holds(each, answer)) for each in constraints]


def kept_in(store: RunStore) -> list[Kept]:
    """Of a run's outputs that nothing else drops; nothing where no instruction has a constraint.

    Raises:
        InputError: a newer version wrote constraints that this one does not know.
        CorruptError: a file is damaged.
    """
    if not store.totals()[Table.INSTANCES]["instances.constrained"]:
        return []
    return counted(_verdicts(store))


def _verdicts(store: RunStore) -> Iterator[list[tuple[str, bool]]]:
    columns = ["output", "accepted", "reason", "constraint"]
    for number in store.rounds(Table.INSTANCES):
        for row in store.read_columns(Table.INSTANCES, number, columns).to_pylist():
            if row["constraint"] and (row["accepted"] or row["reason"] == Reason.BREAKS_CONSTRAINT):
                yield verdicts(read(row["constraint"]), row["output"])
