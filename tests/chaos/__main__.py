"""`python -m tests.chaos`: the simulator at length, then some hundred kills of real processes; writes the report."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.chaos import cluster, single
from tests.chaos.report import Outcome, summary, write
from tests.simulator.plans import failures, single_crashes


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--single", type=int, default=220, help="kills of a run in one process")
    parser.add_argument("--cluster", type=int, default=90, help="kills on a Ray cluster")
    parser.add_argument("--faults", type=int, default=10, help="kills on one whose own calls fail as well")
    parser.add_argument("--schedules", type=int, default=5000, help="schedules of each random kind in the simulator")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("docs"))
    arguments = parser.parse_args()
    with ThreadPoolExecutor(1) as beside:  # the simulator has one core, what is killed the others
        simulating = beside.submit(_simulate, arguments.schedules, arguments.seed)
        outcomes = [
            _timed(lambda place: single.campaign(place, arguments.single, arguments.seed)),
            _timed(lambda place: cluster.campaign(place, arguments.cluster, arguments.seed)),
            _timed(lambda place: cluster.campaign(place, arguments.faults, arguments.seed, faults=True)),
        ]
        simulated = simulating.result()
    write(outcomes, simulated, arguments.out)
    figures = summary(outcomes)
    print(f"{figures['kills']} kills, {figures['failures']} failures; report in {arguments.out}/chaos.md")
    return bool(figures["failures"] or any(bad for _, bad in simulated.values()))


def _simulate(schedules: int, seed: int) -> dict[str, tuple[int, int]]:
    """Runs and failures by kind of schedule."""
    simulated = {}
    for kind, name, runs in (
        ("crash", "a crash at every store operation", single_crashes() if schedules else 0),
        ("pair", "two crashes anywhere", schedules),
        ("schedule", "everything that may fail, at random", schedules),
    ):
        first = 0 if kind == "crash" else seed
        found = failures(kind, range(first, first + runs), processes=1)
        print(f"{name}: {runs} runs, {len(found)} failures", *found, sep="\n", flush=True)
        simulated[name] = runs, len(found)
    return simulated


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
