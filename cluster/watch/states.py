"""What replicas are at, for whoever looks on. No heavy imports."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Step(StrEnum):
    """What a replica is at."""

    WAITING = "waiting for a node"
    FETCHING = "fetching weights"
    LOADING = "loading"
    READY = "ready"


@dataclass(frozen=True, slots=True)
class Standing:
    """What one replica is at, where (an IP address; empty without a node), and for how many seconds."""

    step: Step
    address: str
    seconds: float


@dataclass(frozen=True, slots=True)
class PoolState:
    """What a pool is at, for whoever looks on. Counts of events are since the pool was made."""

    waiting: int  # replicas without a node
    fetching: int  # replicas whose node fetches the model's files
    loading: int  # replicas that load the model
    ready: int
    busy: float  # share of the last minute in which the ready replicas had something to do
    queued: int  # requests that no replica holds
    held: int  # requests that replicas hold
    suspects: int  # those of the queued that are tried apart
    deaths: int  # replicas that died or were ended because they hung
    lost: int  # those of them whose node or server had gone
    resent: int  # requests that were given out again
    culprits: int  # requests that became failed completions because they killed replicas

    @property
    def count(self) -> int:
        """Replicas asked for."""
        return self.waiting + self.fetching + self.loading + self.ready
