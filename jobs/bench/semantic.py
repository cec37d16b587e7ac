"""`selfinstruct bench semantic`: what measuring a candidate costs, and what vectors take, at pools of several sizes.

The pool is made up: a seed task and some words each. A pool beyond what fits here is not measured: bytes a text are the
same, and the search grows with the texts of the cells that it looks into.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from jobs.command_line import run
from jobs.commands import Command, Outcome
from selfinstruct.settings import option

if TYPE_CHECKING:
    from selfinstruct.semantic.encoders import Encoder
    from selfinstruct.semantic.index import VectorIndex


@dataclass(frozen=True)
class BenchSettings:
    """Measure measuring.

    Args:
        out: Where semantic.json goes.
        sizes: Texts in the pool, rising.
        candidates: Texts that are asked about, in one round.
    """

    out: Path
    sizes: tuple[int, ...] = option((10_000, 100_000, 1_000_000), least=1)
    candidates: int = option(2_000, least=1)


@dataclass(frozen=True, slots=True)
class SizeFigures:
    """A pool of one size. Microseconds of all processors, for a candidate but where it says a text."""

    pool: int
    whole: bool  # whether the pool is looked at whole
    insert: float  # a text: its vector and its cell
    first_question: float  # sorting the pool by cells, once a round, in all
    vector: float  # its vector and the cells nearest to it, which each shard makes for itself
    search: float  # the nearest in the pool, which all shards share
    pairs: float  # those before it in the round, which all shards share as well
    driver: float  # following who of the round is there
    bytes_per_text: float
    near: int  # candidates whose nearest has a cosine above 0.9
    found: int  # those of them for which it is found, as looking at the whole pool says


COMMAND = Command("bench semantic", BenchSettings)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure; returns the exit code."""
    return run(COMMAND, bench, argv)


def bench(settings: BenchSettings) -> Outcome:
    """Grow a pool, ask at each size, and write the figures."""
    from jobs.bench.machine import machine
    from selfinstruct.semantic.index import VectorIndex
    from selfinstruct.semantic.make_cells import made_up, shipped_seeds
    from selfinstruct.semantic.table import shipped_table
    from selfinstruct.storage.files import write_file

    table, seeds = shipped_table(), shipped_seeds()
    asked = made_up(table, seeds, settings.candidates, "bench semantic: asked")
    index = VectorIndex(table)
    figures = []
    for size in sorted(settings.sizes):
        new = made_up(table, seeds, size - len(index), f"bench semantic: {size}")
        figures.append(_measured(table, index, new, asked))
        each = figures[-1]
        print(
            f"{each.pool:>10,} texts{'' if each.whole else ', 16 cells':<10} insert {each.insert:>6.0f} us a text"
            f"   vector {each.vector:>4.0f} us   search {each.search:>7.0f} us   pairs {each.pairs:>5.0f} us"
            f"   driver {each.driver:>5.1f} us   {each.bytes_per_text:.0f} bytes   found {each.found} of {each.near}",
            flush=True,
        )
    about = {"settings": {"sizes": list(settings.sizes), "candidates": settings.candidates}, "machine": machine()}
    told = {**about, "sizes": [asdict(each) for each in figures]}
    write_file(settings.out / "semantic.json", json.dumps(told, indent=1) + "\n")
    return Outcome(told)


def _measured(table: Encoder, index: VectorIndex, new: Sequence[str], asked: Sequence[str]) -> SizeFigures:
    from selfinstruct.semantic.admission import Admission
    from selfinstruct.semantic.cells import nearest_cells
    from selfinstruct.semantic.index import PROBED, is_whole, nearer_within

    begun = time.process_time()
    index.insert(len(index), new)
    inserted = time.process_time()
    size = len(index)
    whole = is_whole(size)
    index.meanings(size, asked[:1], whole)
    first = time.process_time()
    vectors = table.embed(asked)
    cells = nearest_cells(vectors, PROBED)
    embedded = time.process_time()
    meanings = index.meanings(size, asked, whole)
    answered = time.process_time()
    nearer_within(np.arange(len(asked)), vectors, None if whole else cells, meanings.cosines)
    paired = time.process_time()
    admission = Admission(size, meanings, 0.9)
    for at in range(len(asked)):
        admission.passes(at)
        admission.nearest(at)
    admitted = time.process_time()
    exact = index.meanings(size, asked, whole=True).cosines
    near = exact > 0.9
    return SizeFigures(
        pool=size,
        whole=whole,
        insert=round(1e6 * (inserted - begun) / len(new), 1),
        first_question=round(1e6 * (first - inserted), 1),
        vector=round(1e6 * (embedded - first) / len(asked), 1),
        search=round(1e6 * (answered - embedded - (embedded - first) - (paired - answered)) / len(asked), 1),
        pairs=round(1e6 * (paired - answered) / len(asked), 1),
        driver=round(1e6 * (admitted - paired) / len(asked), 1),
        bytes_per_text=round(index.nbytes / size, 1),
        near=int(near.sum()),
        found=int(np.sum(meanings.cosines[near] == exact[near])),
    )


if __name__ == "__main__":
    raise SystemExit(main())
