"""The seats of a pool, in which replicas come and go: what is known of each, also for display. No heavy imports."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from cluster.events import Place, Usage
from selfinstruct.records import Request

MEMORY = 60.0
"""Seconds over which the busy share is taken."""


class Phase(StrEnum):
    """How far a replica is."""

    WAITING = "waiting for a node"
    FETCHING = "fetching weights"
    LOADING = "loading"
    READY = "ready"


@dataclass(slots=True, eq=False)
class Seat:
    """A place for a replica; times are the roster's."""

    number: int
    phase: Phase = Phase.WAITING
    since: float = 0.0  # when the phase began
    place: Place | None = None  # once it has a node
    placed: float = 0.0  # when
    proven: bool = False  # whether this replica has completed anything
    trial: bool = False  # whether it holds suspects, or a request that must prove it first
    held: dict[str, Request] = field(default_factory=dict)  # by id
    moved: float = 0.0  # when it last completed something, or was given something while it held nothing
    calls: dict[int, float] = field(default_factory=dict)  # not answered yet: when they were made
    heard: float = 0.0  # when it last answered
    usage: Usage | None = None
    busy: float = 0.0  # share, of the recent past

    @property
    def ready(self) -> bool:
        """Whether the model is loaded."""
        return self.phase is Phase.READY

    def enter(self, phase: Phase, now: float) -> None:
        """A phase begins."""
        self.phase, self.since = phase, now

    def begin(self, now: float) -> None:
        """Another replica is asked for; nothing is known of it."""
        self.enter(Phase.WAITING, now)
        self.place = self.usage = None
        self.proven = self.trial = False
        self.held.clear()
        self.calls.clear()

    def used(self, usage: Usage) -> None:
        """It has said how busy it is; older news count less and less."""
        before, self.usage = self.usage, usage
        busy, total = (usage.busy - before.busy, usage.total - before.total) if before else (usage.busy, usage.total)
        if total > 0:
            weight = 1 - math.exp(-total / MEMORY) if before else 1.0
            self.busy += weight * (busy / total - self.busy)


@dataclass(slots=True)
class Counts:
    """What has happened since the pool was made."""

    deaths: int = 0
    lost: int = 0
    resent: int = 0
    culprits: int = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """How far one replica is, where (an IP address; empty without a node), and for how many seconds it has been so."""

    phase: Phase
    address: str
    seconds: float


@dataclass(frozen=True, slots=True)
class PoolState:
    """What a pool is doing, for display. Events are counted since the pool was made."""

    waiting: int  # replicas without a node
    fetching: int  # replicas whose node fetches the model's files
    loading: int  # replicas that load the model
    ready: int
    busy: float  # share of the last minute in which the ready replicas had something to do
    queued: int  # requests that no replica holds
    held: int  # requests that replicas hold
    suspects: int  # queued requests that are tried apart
    deaths: int  # replicas that died or were ended because they hung
    lost: int  # deaths whose node or server had gone
    resent: int  # requests that were given out again
    culprits: int  # requests that became failed completions because they killed replicas

    @property
    def count(self) -> int:
        """Replicas asked for."""
        return self.waiting + self.fetching + self.loading + self.ready


def pool_state(seats: Sequence[Seat], queued: int, suspects: int, counts: Counts, now: float) -> PoolState:
    """What the replicas in these seats are doing; `queued` counts the suspects as well."""
    at = Counter(seat.phase for seat in seats)
    return PoolState(
        waiting=at[Phase.WAITING],
        fetching=at[Phase.FETCHING],
        loading=at[Phase.LOADING],
        ready=at[Phase.READY],
        busy=sum(_busy(seat, now) for seat in seats if seat.ready) / max(1, at[Phase.READY]),
        queued=queued,
        held=sum(len(seat.held) for seat in seats),
        suspects=suspects,
        deaths=counts.deaths,
        lost=counts.lost,
        resent=counts.resent,
        culprits=counts.culprits,
    )


def standing(seat: Seat, now: float) -> Standing:
    """How far the replica in this seat is."""
    return Standing(seat.phase, seat.place.address if seat.place else "", round(now - seat.since, 1))


def _busy(seat: Seat, now: float) -> float:
    """Its busy share; one that holds nothing says nothing, and is less and less busy."""
    silent = 0.0 if seat.held else max(0.0, now - seat.heard - 1)
    return seat.busy * math.exp(-silent / MEMORY)
