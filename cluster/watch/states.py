"""What replicas are doing, for display. No heavy imports."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Phase(StrEnum):
    """How far a replica is."""

    WAITING = "waiting for a node"
    FETCHING = "fetching weights"
    LOADING = "loading"
    READY = "ready"


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
