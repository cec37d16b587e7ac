"""What all strategies have in common: what a plan may look at, and what it comes to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from selfinstruct.pool import Pool
from selfinstruct.records import Request
from selfinstruct.steps.strategies.cells import CellIndex


@dataclass(frozen=True, slots=True)
class PoolView:
    """The first `size` entries of the pool: all that a plan may look at. Where `proven` is given, what is no seed task
    counts only if it is among those ordinals."""

    pool: Pool
    size: int
    proven: Sequence[int] | None = None
    cells: CellIndex | None = None  # of `others`, where a strategy wants them

    @property
    def seeds(self) -> range:
        """Ordinals of the seed tasks."""
        return range(self.pool.seeds)

    @property
    def others(self) -> Sequence[int]:
        """Ordinals of everything else: imported and generated instructions."""
        return range(self.pool.seeds, self.size) if self.proven is None else self.proven

    def texts(self, ordinals: Sequence[int]) -> list[str]:
        """The instructions of these ordinals."""
        return [self.pool.texts[ordinal] for ordinal in ordinals]


@dataclass(frozen=True, slots=True)
class PlannedRequest:
    """A propose request and its provenance.

    Attributes:
        strategy: Name of the strategy that planned it.
        demonstrations: Pool ordinals of the instructions that its prompt shows, in order.
        sources: Names of whatever else its prompt was made from, each as `kind:name`.
    """

    request: Request
    strategy: str
    demonstrations: tuple[int, ...] = ()
    sources: tuple[str, ...] = ()


class Strategy(Protocol):
    """Plans propose requests."""

    def plan(self, id: str, view: PoolView) -> PlannedRequest:
        """The propose request of this id."""
