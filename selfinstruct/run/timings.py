"""How long rounds took: `timings/000012.json` beside the tables. Written as best it can be, and nothing depends on it.

A timing lies between the commits of two rounds of candidates within one life of the run, and counts everything that
the replicas completed meanwhile, of whichever round. Rounds whose commit was another driver's, or that ended an earlier
life, may have none.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

from selfinstruct.errors import SelfInstructError
from selfinstruct.records import Completion, RoundFile, Table, round_name
from selfinstruct.run.loop import Watch
from selfinstruct.run.rounds import Run
from selfinstruct.storage.blobs import Blobs

FOLDER = "timings"


@dataclass(frozen=True, slots=True)
class Timing:
    """One round, from the commit of the candidates before it to its own."""

    round: int
    seconds: float
    replica_seconds: float  # summed over the replicas that were ready
    completions: int
    prompt_tokens: int
    completion_tokens: int


def read_timings(blobs: Blobs) -> list[Timing]:
    """Those that are there and can be read, by round."""
    timings = []
    for name in blobs.names(FOLDER):
        try:
            timings.append(Timing(**json.loads(blobs.get(f"{FOLDER}/{name}"))))
        except (ValueError, TypeError, KeyError, SelfInstructError):
            continue
    return timings


class Timer(Watch):
    """Writes timings.

    Args:
        blobs: The run's.
        replicas: How many replicas are ready just now.
    """

    def __init__(self, blobs: Blobs, replicas: Callable[[], int]) -> None:
        self._blobs = blobs
        self._replicas = replicas
        self.replica_seconds = 0.0  # in all
        self._ticked = time.monotonic()
        self._reset()

    def _reset(self) -> None:
        self._begun, self._begun_with = time.monotonic(), self.replica_seconds
        self._completions = self._prompt_tokens = self._completion_tokens = 0

    def completed(self, completion: Completion) -> None:
        """Count it."""
        self._completions += 1
        self._prompt_tokens += completion.prompt_tokens
        self._completion_tokens += completion.completion_tokens

    def tick(self, run: Run) -> None:
        """Add the time since the last one for every replica."""
        now = time.monotonic()
        self.replica_seconds += (now - self._ticked) * self._replicas()
        self._ticked = now

    def committed(self, file: RoundFile) -> None:
        """Write the timing of a round of candidates."""
        if file.table is not Table.CANDIDATES or file.round == 0:
            return
        timing = Timing(
            round=file.round,
            seconds=round(time.monotonic() - self._begun, 3),
            replica_seconds=round(self.replica_seconds - self._begun_with, 3),
            completions=self._completions,
            prompt_tokens=self._prompt_tokens,
            completion_tokens=self._completion_tokens,
        )
        self._reset()
        with contextlib.suppress(SelfInstructError):  # a full disk, say: the next commit of a table will tell
            self._blobs.put(f"{FOLDER}/{round_name(file.round)}.json", json.dumps(asdict(timing)).encode())
