"""`selfinstruct sample`: look at a run's tasks, or at what was rejected and why."""

from __future__ import annotations

import random
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tyro.conf import Positional

from jobs.command_line import plain, run
from selfinstruct.records import Reason, Table

if TYPE_CHECKING:
    from selfinstruct.storage.store import RunStore

POLL = 2.0  # seconds between looks for a new round


@dataclass(frozen=True)
class SampleSettings:
    """Show random tasks of a run.

    Args:
        run: Folder of the run.
        number: How many.
        rejected: Show rejected candidates instead, with the reason and the nearest of the pool.
        reason: Only those rejected for this reason (implies --rejected).
        seed: Seed of the choice.
        follow: Go on showing new ones as rounds are committed, until interrupted.
    """

    run: Positional[str]
    number: int = 10
    rejected: bool = False
    reason: Reason | None = None
    seed: int = 0
    follow: bool = False


def main(argv: Sequence[str] | None = None) -> int:
    """Show a sample; returns the exit code."""
    return run("sample", SampleSettings, sample, argv)


def sample(settings: SampleSettings) -> int:
    """Show accepted tasks, or rejected candidates."""
    from selfinstruct.storage.store import open_run

    store = open_run(settings.run)
    rejected = settings.rejected or settings.reason is not None
    table = Table.CANDIDATES if rejected else Table.INSTANCES
    shown = 0
    while True:
        rounds = [number for number in store.rounds(table) if number > 0 and number >= shown]
        if rejected:
            show_rejected(store, rounds, settings.number, settings.reason, settings.seed)
        else:
            show(store, settings.number, settings.seed, rounds)
        if not settings.follow:
            return 0
        shown = max(rounds, default=shown - 1) + 1
        time.sleep(POLL)


def show(store: RunStore, number: int, seed: int = 0, rounds: Sequence[int] | None = None) -> None:
    """Print random accepted tasks with their accepted instances, of the given rounds or of all generated ones."""
    if rounds is None:
        rounds = [number for number in store.rounds(Table.INSTANCES) if number > 0]
    columns = ["instruction_id", "instruction", "is_classification", "input", "output"]
    tasks: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in _rows(store, Table.INSTANCES, rounds, columns, accepted_only=True):
        tasks[row["instruction_id"]].append(row)
    if not tasks:
        print("(no instruction has a valid instance yet)\n")
    for id in _choose(list(tasks), number, seed):
        first = tasks[id][0]
        kind = ", classification" if first["is_classification"] else ""
        print(f"[{id}{kind}] {plain(first['instruction'])}")
        for instance in tasks[id]:
            if instance["input"]:
                print(f"    input:  {plain(instance['input'])}")
            print(f"    output: {plain(instance['output'])}")
        print()


def show_rejected(store: RunStore, rounds: Sequence[int], number: int, reason: Reason | None, seed: int) -> None:
    """Print random rejected candidates; of a whole request that gave none there is no text."""
    columns = ["id", "text", "accepted", "reason", "nearest_id", "rouge_l"]
    rows = [
        row
        for row in _rows(store, Table.CANDIDATES, rounds, columns, accepted_only=False)
        if not row["accepted"] and reason in (None, row["reason"])
    ]
    for row in _choose(rows, number, seed):
        near = f" ({row['rouge_l']:.2f} to {row['nearest_id']})" if row["reason"] == Reason.SIMILAR else ""
        print(f"[{row['id']}] {row['reason']}{near}: {plain(row['text'])}")


def _choose(population: list[Any], number: int, seed: int) -> list[Any]:
    return random.Random(seed).sample(population, min(number, len(population)))


def _rows(
    store: RunStore, table: Table, rounds: Sequence[int], columns: list[str], accepted_only: bool
) -> Iterator[dict[str, Any]]:
    for number in rounds:
        yield from store.read_columns(table, number, columns, accepted_only=accepted_only).to_pylist()


if __name__ == "__main__":
    sys.exit(main())
