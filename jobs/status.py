"""`selfinstruct status`: how far a run is, from one footer per table, and what its replicas are doing while it runs."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tyro.conf import Positional

from jobs.command_line import run
from jobs.commands import Command, Outcome
from jobs.counting import counts
from selfinstruct.errors import FailureError
from selfinstruct.records import Table
from selfinstruct.wording import counted

if TYPE_CHECKING:
    from selfinstruct.quality.findings import Findings
    from selfinstruct.storage.store import RunStore


POLL = 1.0
"""Seconds between two looks at a run."""


@dataclass(frozen=True)
class StatusSettings:
    """Say how far a run is.

    Args:
        run: Folder of the run.
        follow: Go on telling how far it is until the command that works on it has ended.
    """

    run: Positional[str]
    follow: bool = False


COMMAND = Command(
    "status",
    StatusSettings,
    examples=(
        "selfinstruct status runs/first --follow",
        "selfinstruct status runs/first --json",
    ),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Print the state of a run; returns the exit code."""
    return run(COMMAND, status, argv)


def status(settings: StatusSettings) -> Outcome:
    """Print rounds and cumulative counts of each table, and what checks say; 5 if what it followed is dead."""
    from cluster.watch.progress import lines, read_progress
    from selfinstruct.quality.diversity import measured
    from selfinstruct.quality.findings import find
    from selfinstruct.run.bringing import brought_by, lines_of
    from selfinstruct.storage.accounts import class_share, one_sided
    from selfinstruct.storage.checks import check_sets
    from selfinstruct.storage.history import is_labelled
    from selfinstruct.storage.store import RunStore, open_run

    store = RunStore(settings.run)
    is_dead = settings.follow and not follow(store)
    live = read_progress(store.blobs)
    if not live:
        store = open_run(settings.run)
    totals = store.totals()
    rounds = {table: len(store.rounds(table)) for table in Table}
    found = find(store)  # reads the ids of all instances, if anything was judged
    about = measured(store)  # reads two columns, if the run measures
    brought = brought_by(store) if rounds[Table.CANDIDATES] else {}  # reads some, if there is more than one strategy
    accepted = totals[Table.CANDIDATES]["accepted"]
    rejected = sum(count for key, count in totals[Table.CANDIDATES].items() if key.startswith("rejected."))
    share = f"{accepted / (accepted + rejected):.1%}" if accepted else "none"
    print(
        f"{settings.run}: {accepted:,} of {counted(accepted + rejected, 'candidate')} accepted ({share}),"
        f" {counted(totals[Table.INSTANCES]['instances.accepted'], 'instance')},"
        f" {counted(max(0, rounds[Table.CANDIDATES] - 1), 'round')}"
    )
    if rounds[Table.CANDIDATES] and not is_labelled(store):
        print("nothing is labelled in this run (label.as none)")
    for line in lines(live) if live else ():
        print(line)
    if sided := one_sided(totals):
        print(f"warning: {sided}")
    if classes := class_share(totals):
        print(classes)
    if about:
        print(about.line)
    for checks in check_sets(store):
        print(f"check {checks.name} ({checks.label}): rounds judged: {len(checks.rounds())}")
    for line in lines_of(brought):
        print(line)
    if found:
        print(f"rows that are right in all: {found.overall}")
        for line in (*_costs(found, live, accepted), *found.notes):
            print(f"  {line}")
    for table in Table:
        print(f"\n{table} ({counted(rounds[table], 'file')})")
        for key, count in sorted(totals[table].items(), key=lambda item: (-item[1], item[0])):
            print(f"  {count:>12,}  {key}")
    more = {"live": live, "checks": found, "diversity": about, "strategies": brought}
    told = {**counts(store), **{key: value for key, value in more.items() if value}}
    return Outcome(told, FailureError.exit_code if is_dead else 0)


def follow(store: RunStore) -> bool:
    """Tell how far a run is, until the command that works on it has ended; false if that is taken for dead."""
    from cluster.watch.progress import EVERY, STALE, lines, read_progress
    from jobs.panel import drawn_lines

    begun, was_at_work = time.monotonic(), False
    end = begun + 2 * EVERY
    with drawn_lines() as tell:
        while time.monotonic() < end or was_at_work:
            live = read_progress(store.blobs)
            if live:
                tell(lines(live))
            if live and live["age"] > STALE and time.monotonic() - begun > STALE:  # another life may be starting
                return False
            if not live and was_at_work:
                return True
            was_at_work = bool(live)
            time.sleep(POLL)
    return True


def _costs(found: Findings, live: Mapping[str, Any] | None, accepted: int) -> Iterator[str]:
    """What a usable row takes: tokens, and, while a run with a price is under way, money."""
    if found.cost:
        yield found.cost
    spent = live["spent"] if live else {}
    if spent.get("money") and spent["accepted"]:
        usable = found.usable_at(spent["money"] * accepted / spent["accepted"])
        if usable and usable.span:
            yield f"in money, as this command spends it, one of these takes {usable.span}"


if __name__ == "__main__":
    sys.exit(main())
