"""What a live run is doing, for `selfinstruct status`: one small file beside the tables, replaced every few seconds.

Nothing depends on it. It is written by a thread of its own, so that a slow store holds nobody up, nor a long step of an
engine the sign of life, and removed when the driver ends; an old one means that the driver was killed, or cannot write.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from cluster.seats import Phase, Standing
from selfinstruct.errors import SelfInstructError
from selfinstruct.records import Completion, RoundFile, Table
from selfinstruct.run.remaining import Remaining
from selfinstruct.run.spending import Spending
from selfinstruct.run.watches import RunWatch
from selfinstruct.storage.blobs import Blobs

if TYPE_CHECKING:
    from cluster.replicas import ReplicaPool
    from selfinstruct.run.rounds import Run
    from selfinstruct.storage.store import RunStore

FILE = "progress.json"
EVERY = 5.0
"""Seconds between two writings."""

LATE, STALE = 15.0, 60.0
"""Seconds without a new one after which that is said, and after which the driver is taken for dead."""

PATIENCE = 5.0
"""Seconds that the driver waits for the file's removal when it ends."""


class Progress(RunWatch):
    """Writes down, now and then, how far the run is and what the replicas are doing.

    Args:
        store: The run's.
        target: The run's.
    """

    def __init__(self, store: RunStore, target: int) -> None:
        self._target = target
        self._pools: Sequence[ReplicaPool] = ()
        self._spending = Spending(lambda: 0.0, 0, None)  # until there are replicas
        totals = store.totals()
        self._remaining = Remaining(totals)
        self._looked = time.monotonic()
        self._writer = _Writer(store.blobs)
        self._write(totals[Table.CANDIDATES]["accepted"], None)  # in place of what an earlier life has left

    def started(self, pools: Sequence[ReplicaPool], spending: Spending) -> None:
        """Look at their replicas, and at what they cost."""
        self._pools, self._spending = pools, spending
        if not pools:
            self._remaining.begin()

    def committed(self, file: RoundFile) -> None:
        """Count a committed file."""
        self._remaining.committed(file)

    def completed(self, completion: Completion) -> None:
        """Count a completion's tokens."""
        self._remaining.completed(completion)

    def tick(self, run: Run) -> None:
        """Write it down again, if it is time to."""
        now = time.monotonic()
        if now - self._looked < EVERY:
            return
        self._looked = now
        self._write(run.pool.generated, self._remaining.seconds(run))

    def _write(self, accepted: int, seconds_left: float | None) -> None:
        self._writer.write(
            {
                "target": self._target,
                "accepted": accepted,
                "tokens_per_second": self._remaining.tokens_per_second(),
                "seconds_left": seconds_left,
                "replicas": [_entry(each) for pool in self._pools for each in pool.standings()],
                "pools": [asdict(pool.state()) for pool in self._pools],
                "spent": self._spending.figures(),
            }
        )

    def close(self) -> None:
        """Remove the file, if that takes no time."""
        self._writer.close()


class _Writer:
    """Writes the latest of what it is given, and that again while there is nothing new: the process lives."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._changed = threading.Condition()
        self._next: dict[str, Any] | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="progress", daemon=True)
        self._thread.start()

    def write(self, content: dict[str, Any]) -> None:
        with self._changed:
            self._next = content
            self._changed.notify()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(PATIENCE)

    def _work(self) -> None:
        content: dict[str, Any] | None = None
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._next is not None, EVERY)
                content, self._next, closed = self._next or content, None, self._closed
            with contextlib.suppress(SelfInstructError, KeyError):  # swept, or no store: the next commit will tell
                if closed:
                    return self._blobs.remove(FILE)
                if content:
                    written = {**content, "written": round(time.time(), 1)}
                    self._blobs.replace(FILE, json.dumps(written).encode())


def read_progress(blobs: Blobs) -> dict[str, Any] | None:
    """What a run's driver wrote last, with its `age` in seconds; None if there is nothing that can be read."""
    try:
        content: dict[str, Any] = json.loads(blobs.get(FILE))
        content["age"] = max(0.0, time.time() - content["written"])
    except (KeyError, TypeError, ValueError, SelfInstructError):
        return None
    return content if "target" in content else None  # an older version's, which was killed


def lines(content: dict[str, Any]) -> list[str]:
    """The same in words: how far it is, a line of counts, and one for each replica that is not ready."""
    if content["age"] > LATE:
        dead = "killed or" if content["age"] > STALE else "perhaps killed, or"
        return [f"not heard of for {_span(content['age'])}, {dead} unable to write"]
    standings = [Standing(Phase(each["step"]), each["address"], each["seconds"]) for each in content["replicas"]]
    counts = [f"{n} {phase}" for phase in Phase if (n := sum(each.phase is phase for each in standings))]
    busy = max((pool["busy"] for pool in content["pools"]), default=0.0)
    words = ", ".join([*counts, f"{busy:.0%} busy", *(f"{n} died" for n in [_deaths(content)] if n)])
    waiting = sorted((each for each in standings if each.phase is not Phase.READY), key=lambda each: -each.seconds)
    return [
        f"at work, {_span(content['age'])} ago: {', '.join(_pace(content))}",
        *([f"replicas: {words}"] if standings else []),
        *(f"  {each.phase}{f' on {each.address}' * bool(each.address)} for {_span(each.seconds)}" for each in waiting),
        *([f"  {content['spent']['text']}"] if content["spent"]["text"] else []),
    ]


def _pace(content: dict[str, Any]) -> Iterator[str]:
    """How far it is of what is known."""
    yield f"{content['accepted']:,} of {content['target']:,} accepted"
    if content["tokens_per_second"] is not None:
        yield f"{content['tokens_per_second']:,.0f} tokens/s"
    if content["seconds_left"] is not None:
        yield f"about {_span(content['seconds_left'])} left"


def _entry(standing: Standing) -> dict[str, Any]:
    return {"step": standing.phase, "address": standing.address, "seconds": standing.seconds}


def _deaths(content: dict[str, Any]) -> int:
    return sum(pool["deaths"] for pool in content["pools"])


def _span(seconds: float) -> str:
    if seconds >= 7200:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
