"""What the user is told of the replicas: not everything, and nothing too often. No clock, no Ray."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cluster.events import Say, SayShortage
from cluster.seats import Phase, Seat

SHORTAGE_TOLD = 20.0, 600.0
"""Seconds that a replica waits for a node before the user is told, and from then on between two lines."""

DEATH_TOLD = 30.0
"""Seconds between two lines about deaths."""


class News:
    """Decides what is worth a line."""

    def __init__(self, now: float) -> None:
        self._noted: set[str] = set()
        self._death_told = now
        self._shortage_due = now + SHORTAGE_TOLD[0]

    def notes(self, notes: Sequence[str]) -> Iterator[Say]:
        """What engines have to say, once each."""
        for note in notes:
            if note not in self._noted:
                self._noted.add(note)
                yield Say(f"replicas: {note}")

    def death(self, deaths: int, cause: str, now: float) -> Iterator[Say]:
        """A replica has ended, the one of this number."""
        if deaths == 1 or now - self._death_told > DEATH_TOLD:
            self._death_told = now
            died = "a replica" if deaths == 1 else f"{deaths} replicas until now, the last"
            yield Say(f"replicas: {died} died or hung ({cause}); what it held is made again")

    def shortage(self, seats: Sequence[Seat], now: float) -> Iterator[SayShortage]:
        """Replicas may be waiting for a node."""
        if now < self._shortage_due:
            return
        waiting = sum(seat.phase is Phase.WAITING and now - seat.since >= SHORTAGE_TOLD[0] for seat in seats)
        self._shortage_due = now + (SHORTAGE_TOLD[1] if waiting else 1.0)
        if waiting:
            yield SayShortage(waiting)
