"""`selfinstruct bench select`: what vectors, cells and the ways to choose take.

The instructions are made up: a seed task and some words each.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

from jobs.command_line import run
from jobs.commands import Command, Outcome
from selfinstruct.settings import option

T = TypeVar("T")


@dataclass(frozen=True)
class BenchSettings:
    """Measure choosing.

    Args:
        out: Where select_bench.json goes.
        rows: Instructions to choose from.
        number: How many are chosen.
    """

    out: Path
    rows: int = option(10_000, least=100)
    number: int = option(1_000, least=1)


COMMAND = Command("bench select", BenchSettings)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure; returns the exit code."""
    return run(COMMAND, bench, argv)


def bench(settings: BenchSettings) -> Outcome:
    """Make the instructions, choose, and report seconds of the process's processor time and of the clock."""
    from jobs.bench.machine import machine
    from selfinstruct.selection.candidates import Candidate
    from selfinstruct.selection.figures import coverage
    from selfinstruct.selection.groups import groups
    from selfinstruct.selection.ways import by_draw, by_k_centre, by_quality
    from selfinstruct.semantic.cells import cells_of
    from selfinstruct.semantic.make_cells import made_up, shipped_seeds
    from selfinstruct.semantic.table import shipped_table
    from selfinstruct.storage.files import write_file

    clock = Clock()
    table = clock("open", shipped_table)
    texts = made_up(table, shipped_seeds(), settings.rows, "bench select")
    vectors = clock("embed", lambda: table.embed(texts))
    cells = clock("cells", lambda: cells_of(vectors))
    order = by_draw(settings.rows, settings.rows, 0)
    ways = {
        "random": order[: settings.number],
        "kcentre": clock("kcentre", lambda: by_k_centre(vectors, settings.number)),
        "quality": clock("quality", lambda: by_quality(vectors, order, settings.number)),
    }
    clock("groups", lambda: groups(vectors, settings.number, 14, 0))
    candidates = [Candidate(str(at), text) for at, text in enumerate(texts)]
    covered = {way: coverage(vectors, chosen, candidates, cells.tolist()) for way, chosen in ways.items()}
    figures = {
        "settings": {"rows": settings.rows, "number": settings.number},
        "machine": machine(),
        "seconds": clock.seconds,
        "microseconds_per_row": {name: round(each[0] / settings.rows * 1e6, 2) for name, each in clock.seconds.items()},
        "coverage": {way: asdict(each) for way, each in covered.items()},
    }
    write_file(settings.out / "select_bench.json", json.dumps(figures, indent=1) + "\n")
    for name, (wall, processor) in clock.seconds.items():
        print(f"{name:<10}{wall:>9.3f} s{processor:>9.3f} s of processors{wall / settings.rows * 1e6:>9.1f} us a row")
    return Outcome(figures)


class Clock:
    """Times steps: seconds of the clock and of all processors, by name."""

    def __init__(self) -> None:
        self.seconds: dict[str, tuple[float, float]] = {}

    def __call__(self, name: str, do: Callable[[], T]) -> T:
        """Do it."""
        wall, processor = time.perf_counter(), time.process_time()
        done = do()
        self.seconds[name] = (round(time.perf_counter() - wall, 4), round(time.process_time() - processor, 4))
        return done
