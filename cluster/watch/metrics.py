"""Metrics of a run for Prometheus.

They pass through Ray: each node exports those of its processes, and Ray writes the list of nodes for Prometheus into
its session folder. Their names begin with `ray_selfinstruct_`; labels take few values (a step, a table, a reason),
never an id. `deploy/grafana.json` is a dashboard of them.
"""

from __future__ import annotations

import collections
import time
from collections.abc import Callable, Mapping, Sequence

from ray.util.metrics import Counter, Gauge

from cluster.seats import PoolState
from selfinstruct.records import CheckRow, Completion, RoundFile, Table
from selfinstruct.run.checking import WriteCheck
from selfinstruct.run.loop import Watch
from selfinstruct.run.rounds import Check, Effect, Insert, Run, Write
from selfinstruct.run.timings import Timer
from selfinstruct.steps.judging import overall
from selfinstruct.storage.accounts import tally

EVERY = 2.0
"""Seconds between two looks at the pools."""

COUNTERS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "candidates": ("Candidates that were accepted, or by the reason for their rejection", ("verdict",)),
    "instances": ("Generated instances", ("verdict",)),
    "checked": ("Instances that the run's own check judged, by what it says of all questions together", ("verdict",)),
    "completions": ("Completed requests", ("finish",)),
    "tokens": ("Tokens of prompts (read; of those, cached by their prefix) and completions (written)", ("direction",)),
    "steps": ("Steps of the driver", ("step",)),
    "step_milliseconds": ("Milliseconds of the driver's steps", ("step",)),
}
GAUGES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "pool": ("Texts in the pool", ()),
    "rounds": ("Complete rounds", ("stage",)),
    "replicas": ("Replicas", ("state",)),
    "replica_seconds": ("Seconds of ready replicas since the command began, summed", ()),
    "busy": ("Share of the last minute in which ready replicas had work", ()),
    "requests": ("Requests queued at the driver, and held by replicas", ("where",)),
    "replica_events": ("Deaths of replicas and their consequences, since the command began", ("event",)),
}
FROM_POOLS = (
    ("replicas", "state", ("waiting", "fetching", "loading", "ready")),
    ("requests", "where", ("queued", "held")),
    ("replica_events", "event", ("deaths", "lost", "resent", "culprits")),
)
STEPS = {Check: "check", Insert: "insert", Write: "write", WriteCheck: "write"}


class Metrics(Watch):
    """Counts for Prometheus, and hands the sums over now and then. Ray must be connected.

    Args:
        pools: What each pool of replicas is doing.
        timer: Knows the replicas' seconds.
    """

    def __init__(self, pools: Callable[[], Sequence[PoolState]], timer: Timer) -> None:
        self._pools = pools
        self._timer = timer
        self._replica_seconds = 0.0
        self._looked = 0.0
        self._sums: collections.Counter[tuple[str, str]] = collections.Counter()  # by counter and label
        self._counters = {name: Counter(f"selfinstruct_{name}", *about) for name, about in COUNTERS.items()}
        self._gauges = {name: Gauge(f"selfinstruct_{name}", *about) for name, about in GAUGES.items()}

    def committed(self, file: RoundFile) -> None:
        """Count a file's rows."""
        if file.round == 0:
            return
        for key, count in tally(file).items():
            if file.table is Table.CANDIDATES:
                verdict, _, reason = key.partition(".")
                self._sums["candidates", reason or verdict] += count
            elif key == "instances.accepted":
                self._sums["instances", "accepted"] += count
            elif key.startswith("instances.rejected."):
                self._sums["instances", "rejected"] += count

    def judged(self, number: int, rows: Sequence[CheckRow]) -> None:
        """Count what the judge says of each row."""
        for row in rows:
            self._sums["checked", overall(row.judgements)] += 1

    def completed(self, completion: Completion) -> None:
        """Count it and its tokens."""
        self._sums["completions", completion.finish] += 1
        self._sums["tokens", "read"] += completion.prompt_tokens
        self._sums["tokens", "cached"] += completion.cached_tokens
        self._sums["tokens", "written"] += completion.completion_tokens

    def performed(self, effect: Effect, seconds: float) -> None:
        """Count a step and its seconds."""
        self._sums["steps", STEPS[type(effect)]] += 1
        self._sums["step_milliseconds", STEPS[type(effect)]] += round(1000 * seconds)

    def tick(self, run: Run) -> None:
        """Look at the run and the pools, and hand everything over, if it is time to."""
        now = time.monotonic()
        if now - self._looked < EVERY:
            return
        self._looked = now
        for (name, label), value in self._sums.items():
            if value:
                self._counters[name].inc(value, {COUNTERS[name][1][0]: label})
        self._sums.clear()
        self._gauges["replica_seconds"].set(self._timer.replica_seconds)
        self._gauges["pool"].set(len(run.pool))
        self._gauges["rounds"].set(max(0, run.pool.rounds - 1), {"stage": "proposed"})
        self._gauges["rounds"].set(max(0, run.labelled - 1), {"stage": "labelled"})
        if run.judge:
            self._gauges["rounds"].set(max(0, run.complete_rounds - 1), {"stage": "checked"})
        pools = self._pools()
        ready = sum(pool.ready for pool in pools)
        self._gauges["busy"].set(sum(pool.busy * pool.ready for pool in pools) / max(1, ready))
        for name, label, keys in FROM_POOLS:
            for key in keys:
                self._gauges[name].set(sum(getattr(pool, key) for pool in pools), {label: key})
