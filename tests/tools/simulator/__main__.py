"""`python -m tests.tools.simulator --kind KIND --seed N`: one schedule again; with `--runs`, many."""

from __future__ import annotations

import argparse
import sys
import time

from tests.tools.simulator.plans import KINDS, failure, failures, single_crashes
from tests.tools.simulator.simulate import simulate

QUICK = (("crash", 7), ("schedule", 1), ("pair", 1))
"""Kinds that `quick` goes through by turns, with the step between their numbers."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.tools.simulator", description=__doc__)
    parser.add_argument("--kind", choices=[*KINDS, "quick"], default="schedule")
    parser.add_argument("--seed", type=int, default=0, help="the first one")
    parser.add_argument("--runs", type=int, default=1, help="0: all (of the kind `crash`)")
    parser.add_argument("--log", action="store_true", help="print every store operation of one run")
    arguments = parser.parse_args()
    if arguments.log:
        print("\n".join(simulate(KINDS[arguments.kind](arguments.seed)).world.log))
        return 0
    if arguments.kind == "quick":
        return _quick(arguments.runs)
    runs = arguments.runs or single_crashes()
    begun = time.monotonic()
    found = failures(arguments.kind, range(arguments.seed, arguments.seed + runs), 1 if runs == 1 else None)
    print("\n\n".join(found))
    print(f"{arguments.kind}: {runs} runs, {len(found)} failures, {time.monotonic() - begun:.0f} s")
    return bool(found)


def _quick(runs: int) -> int:
    """Some of every kind, until the first failure."""
    for number in range(runs):
        for kind, step in QUICK:
            found = failure(kind, number * step % single_crashes() if kind == "crash" else number)
            if found:
                print(found)
                return 1
    print(f"quick: {runs * len(QUICK)} runs, no failure")
    return 0


if __name__ == "__main__":
    sys.exit(main())
