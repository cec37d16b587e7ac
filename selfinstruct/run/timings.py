"""Times the rounds of a run (`storage.timings`)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from selfinstruct.records import Completion, RoundFile, Table
from selfinstruct.run.keeping import Left
from selfinstruct.run.loop import Watch
from selfinstruct.run.rounds import Run
from selfinstruct.storage.blobs import Blobs
from selfinstruct.storage.timings import Timing, write_timing


@dataclass(frozen=True, slots=True)
class Terms:
    """On which terms a life of the run works; nothing in its data depends on them."""

    target: int | None = None
    gpus: float = 0  # of a replica
    price: float | None = None  # money per replica and hour


class Timer(Watch):
    """Writes timings.

    Args:
        blobs: The run's.
        replicas: How many replicas are ready just now.
    """

    def __init__(self, blobs: Blobs, replicas: Callable[[], int], terms: Terms) -> None:
        self._blobs = blobs
        self._replicas = replicas
        self._terms = terms
        self.replica_seconds = 0.0  # in all
        self._round = 0  # the newest whose candidates this life has committed
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
        self._round = file.round
        write_timing(self._blobs, self._timing())

    def ended(self, left: Left) -> None:
        """Write the timing of what came after the last such round."""
        if self._completions:
            write_timing(self._blobs, self._timing(), after=True)

    def _timing(self) -> Timing:
        """What has been counted since the last one."""
        timing = Timing(
            round=self._round,
            seconds=round(time.monotonic() - self._begun, 3),
            replica_seconds=round(self.replica_seconds - self._begun_with, 3),
            completions=self._completions,
            prompt_tokens=self._prompt_tokens,
            completion_tokens=self._completion_tokens,
            ended=datetime.now(UTC).isoformat(timespec="seconds"),
            target=self._terms.target,
            gpus=self._terms.gpus,
            price=self._terms.price,
        )
        self._reset()
        return timing
