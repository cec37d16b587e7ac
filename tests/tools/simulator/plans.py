"""Kinds of plans, each by number, and many of them at once."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context

from tests.tools.simulator.bucket import Faults
from tests.tools.simulator.pool import Mishap, Trouble
from tests.tools.simulator.simulate import Plan, simulate
from tests.tools.simulator.world import Crash, CrashAt


@cache
def operations(remote: bool, checked: bool = True, mixed: bool = True) -> int:
    """Store operations of a run that is never interrupted."""
    return simulate(Plan(seed=0, remote=remote, checked=checked, mixed=mixed)).world.operations


def crash_once(number: int) -> Plan:
    """A crash at one operation of a run with a check and all strategies: every kill on the disk, every loss of power
    there, and every kill with the bucket."""
    each = operations(remote=False)
    remote = number >= 2 * each
    operation = number - 2 * each if remote else number % each
    how = Crash.POWER if not remote and number >= each else Crash.KILL
    return Plan(seed=number, remote=remote, crashes=(CrashAt(operation + 1, how),), checked=True, mixed=True)


def single_crashes() -> int:
    """How many plans `crash_once` knows."""
    return 2 * operations(remote=False) + operations(remote=True)


def crash_twice(seed: int) -> Plan:
    """Two crashes anywhere; the second one often soon after the first, while the run is taken up."""
    draw = random.Random(f"pair {seed}")
    remote = draw.random() < 0.4
    checked = draw.random() < 0.5
    mixed = draw.random() < 0.5
    most = operations(remote, checked, mixed)
    first = draw.randrange(1, most)
    second = first + (draw.randrange(1, 20) if draw.random() < 0.5 else draw.randrange(1, most))
    hows = [Crash.KILL] if remote else list(Crash)
    crashes = (CrashAt(first, draw.choice(hows)), CrashAt(second, draw.choice(hows)))
    trouble = Trouble({Mishap.DEATH: 0.05}, delay=0.2, double=0.1)
    slow, meddled = draw.random() < 0.5, 0.3 if draw.random() < 0.5 else 0.0
    return Plan(
        seed,
        remote,
        slow=slow,
        crashes=crashes,
        trouble=trouble,
        index_trouble=0.1,
        meddled=meddled,
        checked=checked,
        mixed=mixed,
    )


def anything(seed: int) -> Plan:
    """A schedule of everything at once, or of some of it."""
    draw = random.Random(f"schedule {seed}")

    def rate(most: float) -> float:
        return draw.uniform(0, most) if draw.random() < 0.6 else 0.0

    remote = draw.random() < 0.5
    two = draw.random() < 0.6
    hows = [Crash.KILL] if remote else list(Crash)
    crashes = [CrashAt(draw.randrange(1, 300), draw.choice(hows)) for _ in range(draw.randint(0, 3))]
    return Plan(
        seed,
        remote,
        two,
        salted=draw.random() < 0.4,
        slow=draw.random() < 0.5,
        crashes=tuple(crashes),
        trouble=Trouble({each: rate(0.05) for each in Mishap}, rate(0.5), rate(0.3), draw.random() < 0.5),
        faults=Faults(rate(0.02), rate(0.05), rate(0.05), rate(0.05), rate(0.2)) if remote else Faults(),
        errors=0.0 if remote else rate(0.01),
        index_trouble=rate(0.3),
        meddled=rate(0.5),
        checked=draw.random() < 0.5,
        mixed=draw.random() < 0.5,
    )


KINDS: dict[str, Callable[[int], Plan]] = {"crash": crash_once, "pair": crash_twice, "schedule": anything}


def failure(kind: str, seed: int) -> str | None:
    """What the checker says of one schedule, and how to repeat it; None if all is well."""
    try:
        simulate(KINDS[kind](seed))
    except Exception as error:  # the checker's, or of a part that broke
        reason = error if isinstance(error, AssertionError) else repr(error)
        return f"python -m tests.tools.simulator --kind {kind} --seed {seed}: {reason}"
    return None


def failures(kind: str, seeds: Iterable[int], processes: int | None = None) -> list[str]:
    """What the checker says of many schedules, spread over processes (default: one per core)."""
    count = processes or os.cpu_count() or 1
    with ProcessPoolExecutor(count, mp_context=get_context("spawn")) as pool:
        seeds = list(seeds)
        found = pool.map(failure, [kind] * len(seeds), seeds, chunksize=10)
        return [text for text in found if text]
