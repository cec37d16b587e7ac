"""`python -m tests.tools.chaos`: the simulator at length, then hundreds of kills of real processes; writes a report."""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tests.tools.chaos import cluster, single
from tests.tools.chaos.report import Outcome, summary, write
from tests.tools.simulator.plans import failures, single_crashes

CHUNK = 400
"""Schedules that the simulator goes through at once."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.tools.chaos", description=__doc__)
    parser.add_argument("--single", type=int, default=220, help="kills of a run in one process")
    parser.add_argument("--long", type=int, default=30, help="kills in long rounds, kept and not")
    parser.add_argument("--cluster", type=int, default=90, help="kills on a Ray cluster")
    parser.add_argument("--faults", type=int, default=10, help="kills on one whose own calls fail as well")
    parser.add_argument("--schedules", type=int, default=5000, help="schedules of each random kind in the simulator")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("docs"))
    arguments = parser.parse_args()
    campaigns: list[Callable[[Path], Outcome]] = [
        lambda place: single.campaign(place, arguments.single, arguments.seed),
        lambda place: single.campaign(place, arguments.long, arguments.seed, single.LONG),
        lambda place: single.campaign(place, arguments.long, arguments.seed, single.LOSING),
        lambda place: single.campaign(place, arguments.long, arguments.seed, single.CHECKED),
        lambda place: single.campaign(place, arguments.long, arguments.seed, single.JUDGED),
        lambda place: cluster.campaign(place, arguments.cluster, arguments.seed),
        lambda place: cluster.campaign(place, arguments.faults, arguments.seed, faults=True),
    ]
    simulator, outcomes = Simulator(arguments.schedules, arguments.seed), []
    try:
        simulator.start()  # it has one core, what is killed the others
        for campaign in campaigns:
            outcomes.append(_timed(campaign))
        simulator.join()
    finally:  # whoever interrupts has a report of what was done
        simulator.enough.set()
        simulator.join()
        write(outcomes, simulator.done, arguments.out)
    figures = summary(outcomes)
    print(f"{figures['kills']} kills, {figures['failures']} failures; report in {arguments.out}/chaos.md")
    return bool(figures["failures"] or simulator.broken or any(bad for _, bad in simulator.done.values()))


class Simulator(threading.Thread):
    """Goes through schedules in a process of its own.

    Args:
        schedules: How many of each random kind; those with one crash are all of them, unless this is 0.
        seed: Of the first.
    """

    def __init__(self, schedules: int, seed: int) -> None:
        super().__init__()
        self.done: dict[str, tuple[int, int]] = {}  # runs and failures by kind
        self.enough = threading.Event()
        self.broken = True  # until it has come to its end
        self._plan = {
            ("crash", "a crash at every store operation"): range(single_crashes() if schedules else 0),
            ("pair", "two crashes anywhere"): range(seed, seed + schedules),
            ("schedule", "everything that may fail, at random"): range(seed, seed + schedules),
        }

    def run(self) -> None:
        for (kind, name), seeds in self._plan.items():
            while (done := self.done.get(name, (0, 0)))[0] < len(seeds) and not self.enough.is_set():
                part = seeds[done[0] : done[0] + CHUNK]
                found = failures(kind, part, processes=1)
                self.done[name] = done[0] + len(part), done[1] + len(found)
                print(f"{name}: {self.done[name][0]} runs, {self.done[name][1]} failures", *found, sep="\n", flush=True)
        self.broken = False


def _timed(campaign: Callable[[Path], Outcome]) -> Outcome:
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(
        prefix="ch", ignore_cleanup_errors=True
    ) as place:  # Ray's sockets want short names
        outcome = campaign(Path(place))
    outcome.seconds = time.monotonic() - begun
    print(f"{outcome.name}: {outcome.kills} kills, {len(outcome.failed)} failures, {outcome.seconds:.0f} s", flush=True)
    for text in outcome.failed:
        print(f"  {text}", flush=True)
    return outcome


if __name__ == "__main__":
    sys.exit(main())
