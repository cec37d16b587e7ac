"""How many different things a run's instructions say: computed afterwards, for any run, by the table of [semantic].

What a run has measured itself (`semantic.measure`) is summed up without it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import nsmallest
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from selfinstruct.draws import rank_of
from selfinstruct.errors import InputError
from selfinstruct.records import Origin, Table
from selfinstruct.semantic.settings import COSINE
from selfinstruct.storage.store import RunStore

if TYPE_CHECKING:
    from selfinstruct.semantic.table import StaticTable

SAMPLE = 2_000
"""Instructions of which leaders and the Vendi score are told, drawn by their ids, the same ones in every run."""

GROWTH = 16_000
"""The first instructions among which leaders are counted as they grow."""

REACH = 64_000
"""The first instructions that a reference set is held against."""

NEWEST = 2_000
"""Instructions at a run's end, of which `status` says how near they are to earlier ones."""


@dataclass(frozen=True, slots=True)
class Step:
    """The first instructions of a run and a figure of them."""

    rows: int
    value: float


@dataclass(frozen=True, slots=True)
class Diversity:
    """How many different things a run's instructions say. Two count as one above the cosine."""

    instructions: int  # those the model wrote; of a run without any, the imported ones
    cosine: float
    sample: int  # instructions that the next four are of
    distinct: int  # greedy leaders
    vendi: float
    cells: int  # that are used, of 1,024
    effective_cells: float  # the exponential of the entropy
    growth: Sequence[Step]  # greedy leaders among the first
    reach: Sequence[Step] | None  # mean best cosine of a reference set's texts to the first
    reference: int | None  # texts of the reference set

    @property
    def exponent(self) -> float | None:
        """How distinct rows grow, as a power of the rows, at the end of what was looked at; None of too few."""
        *_, before, last = [Step(0, 0.0), Step(0, 0.0), *self.growth]
        if not before.rows or not before.value:
            return None
        return math.log(last.value / before.value) / math.log(last.rows / before.rows)

    def distinct_at(self, rows: int) -> float | None:
        """About how many rows are distinct of so many, if they go on to grow so; None of too few to tell."""
        if self.exponent is None:
            return None
        last = self.growth[-1]
        return float(last.value * (rows / last.rows) ** self.exponent)

    @property
    def lines(self) -> Iterator[str]:
        """The figures in words."""
        yield (
            f"of a draw of {self.sample:,}, {self.distinct:,} are distinct at a cosine of {self.cosine:g};"
            f" they lie in {self.cells:,} of 1,024 cells of meaning, as spread as in {self.effective_cells:,.0f} even"
            f" ones; Vendi score {self.vendi:,.1f}"
        )
        if self.reach:
            steps = ", ".join(f"{each.value:.3f} at {each.rows:,}" for each in self.reach)
            yield f"mean best cosine of {self.reference:,} reference texts: {steps}"


def diversity_of(store: RunStore, table: StaticTable, reference: Sequence[str] | None = None) -> Diversity:
    """The figures of a run; reads all its accepted instructions once.

    Args:
        table: The shipped one.
        reference: Texts to which the run's are held (`reference.read_reference`).
    """
    from selfinstruct.semantic.cells import CELLS, cells_of
    from selfinstruct.semantic.diversity import effective_cells, leaders, reach, steps, vendi

    first: list[str] = []
    count = 0

    def ranked() -> Iterator[tuple[int, str]]:
        nonlocal count
        for id, text in instructions(store):
            count += 1
            if len(first) < REACH:
                first.append(text)
            yield rank_of(id, 0), text

    sample = table.embed([text for _, text in nsmallest(SAMPLE, ranked())])
    cosine = cosine_of(store)
    most = REACH if reference else GROWTH
    vectors = table.embed(first[:most])
    grown = leaders(vectors[:GROWTH], cosine)
    filled = np.bincount(cells_of(sample), minlength=CELLS)
    ends = steps(len(first), REACH) if reference else []
    reached = reach(vectors, table.embed(reference or ()), ends)
    return Diversity(
        instructions=count,
        cosine=cosine,
        sample=len(sample),
        distinct=len(leaders(sample, cosine)),
        vendi=vendi(sample),
        cells=int((filled > 0).sum()),
        effective_cells=effective_cells(filled),
        growth=[Step(rows, int(np.searchsorted(grown, rows))) for rows in steps(len(first), GROWTH)],
        reach=[Step(*each) for each in zip(ends, reached, strict=True)] if reference else None,
        reference=len(reference) if reference else None,
    )


def diversity_if_possible(
    store: RunStore, reference: Sequence[str] | None = None
) -> tuple[Diversity | None, str | None]:
    """The figures of a run, or in one line why there are none.

    Raises:
        InputError: there is a reference set, and [semantic] is not installed.
    """
    from selfinstruct.semantic.table import shipped_table

    try:
        table = shipped_table()
    except InputError as error:
        if reference is not None:
            raise
        return None, str(error)
    found = diversity_of(store, table, reference)
    return (found, None) if found.instructions else (None, "no instruction is accepted yet")


@dataclass(frozen=True, slots=True)
class Measured:
    """What a run that measures says of its accepted instructions by its own columns."""

    instructions: int
    cosine: float
    cells: int
    effective_cells: float
    newest: int  # instructions at the end that the next one is of
    near: int  # those nearer than the cosine to an earlier one

    @property
    def line(self) -> str:
        """The figures in words."""
        return (
            f"what they are about: {self.cells:,} of 1,024 cells of meaning, as spread as in"
            f" {self.effective_cells:,.0f} even ones;"
            f" of the newest {self.newest:,} instructions {self.near / self.newest:.1%} are nearer than"
            f" {self.cosine:g} to an earlier one"
        )


def measured(store: RunStore) -> Measured | None:
    """The figures of the run's own columns; None of a run that does not measure, or has accepted nothing yet."""
    rounds = store.rounds(Table.CANDIDATES)
    if not rounds or not store.metadata(Table.CANDIDATES, 0).notes.get("facts", {}).get("semantic.measure"):
        return None
    from selfinstruct.semantic.diversity import effective_cells

    columns = ["cell", "nearest_cosine"]
    parts = [store.read_columns(Table.CANDIDATES, number, columns, accepted_only=True) for number in rounds[1:]]
    if not any(map(len, parts)):
        return None
    rows = pa.concat_tables(parts)
    counts = np.bincount(rows["cell"].to_numpy())
    cosine = cosine_of(store)
    newest = rows["nearest_cosine"][-NEWEST:]
    near = pc.sum(pc.greater(newest, cosine)).as_py() or 0
    return Measured(len(rows), cosine, int((counts > 0).sum()), effective_cells(counts), len(newest), near)


def cosine_of(store: RunStore) -> float:
    """The cosine above which two texts of a run count as one."""
    facts = store.metadata(Table.CANDIDATES, 0).notes.get("facts", {})
    return float(facts.get("semantic.cosine", COSINE))


def instructions(store: RunStore) -> Iterator[tuple[str, str]]:
    """Ids and texts of the accepted instructions that the model wrote; without any, of those that were imported."""
    counts = store.totals()[Table.CANDIDATES]
    origin = Origin.MODEL if counts["accepted"] else Origin.IMPORTED
    rounds = store.rounds(Table.CANDIDATES)
    for number in rounds[1:] if origin is Origin.MODEL else rounds[:1]:
        rows = store.read_columns(Table.CANDIDATES, number, ["id", "text", "origin"], accepted_only=True)
        for row in rows.filter(pc.equal(rows["origin"], origin)).to_pylist():
            yield row["id"], row["text"]
