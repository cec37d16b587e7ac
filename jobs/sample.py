"""`selfinstruct sample`: look at a run's tasks, or at what was rejected and why."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tyro.conf import Positional

from jobs.command_line import run
from jobs.commands import Command, Outcome
from jobs.terminal import plain
from selfinstruct.errors import InputError
from selfinstruct.records import Reason, Table
from selfinstruct.settings import SEEDS, option

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
        reason: Only those rejected for this reason, as similar or plugin:mine (implies --rejected).
        seed: Seed of the random choice.
        follow: Go on showing new ones as rounds are committed, until interrupted.
    """

    run: Positional[str]
    number: int = option(10, least=0)
    rejected: bool = False
    reason: str | None = None
    seed: int = option(0, least=SEEDS[0], most=SEEDS[1])
    follow: bool = False


COMMAND = Command(
    "sample",
    SampleSettings,
    examples=(
        "selfinstruct sample runs/first --number 3",
        "selfinstruct sample runs/first --reason similar",
    ),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Show a sample; returns the exit code."""
    return run(COMMAND, sample, argv)


def sample(settings: SampleSettings) -> Outcome:
    """Show accepted tasks, or rejected candidates."""
    from selfinstruct.storage.history import is_labelled
    from selfinstruct.storage.store import open_run

    reason = None if settings.reason is None else _reason(settings.reason)
    store = open_run(settings.run)
    rejected = settings.rejected or reason is not None
    table = Table.CANDIDATES if rejected or not is_labelled(store) else Table.INSTANCES
    shown = 0
    while True:
        rounds = [number for number in store.rounds(table) if number > 0 and number >= shown]
        if rejected:
            rows = show_rejected(store, settings.number, settings.seed, rounds, reason)
        else:
            rows = show(store, settings.number, settings.seed, rounds)
        if not settings.follow:
            return Outcome({"rejected" if rejected else "accepted": rows})
        shown = max(rounds, default=shown - 1) + 1
        time.sleep(POLL)


def _reason(text: str) -> Reason:
    try:
        return Reason(text)
    except ValueError as error:
        raise InputError(f"--reason: there is no {text!r}; there are: {', '.join(Reason)}, plugin:<name>") from error


def show(store: RunStore, number: int, seed: int = 0, rounds: Sequence[int] | None = None) -> Sequence[Any]:
    """Print and give random accepted tasks with their accepted instances, of the given rounds or of all generated ones.

    Of a run without labels the instructions.
    """
    from selfinstruct.storage.history import is_labelled
    from selfinstruct.storage.sample import sample_instructions, sample_tasks

    if not is_labelled(store):
        rows = sample_instructions(store, number, seed, rounds)
        for row in rows:
            print(f"[{row['id']}] {plain(row['text'])}")
        return rows
    tasks = sample_tasks(store, number, seed, rounds)
    if not tasks and number:
        print("(no instruction has a valid instance yet)\n")
    for task in tasks:
        kind = ", classification" if task.is_classification else ""
        print(f"[{task.id}{kind}] {plain(task.instruction)}")
        for instance in task.instances:
            if instance.input:
                print(f"    input:  {plain(instance.input)}")
            print(f"    output: {plain(instance.output)}")
        print()
    return tasks


def show_rejected(
    store: RunStore, number: int, seed: int, rounds: Sequence[int], reason: Reason | None
) -> Sequence[Any]:
    """Print, and give, random rejected candidates; a row for a request that gave none has no text."""
    from selfinstruct.storage.sample import sample_rejected

    rows = sample_rejected(store, number, seed, rounds, reason)
    for row in rows:
        near = f" ({row['rouge_l']:.2f} to {row['nearest_id']})" if row["reason"] == Reason.SIMILAR else ""
        print(f"[{row['id']}] {row['reason']}{near}: {plain(row['text'])}")
    return rows


if __name__ == "__main__":
    sys.exit(main())
