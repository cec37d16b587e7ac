"""Strategies of proposing: what a propose request shows, and where that came from.

A strategy plans a request as a pure function of the run's seed, the request's id and what the pool held at a given
size. The paper's is the first; another one is a class of the same form, and its name stands in each row it planned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from selfinstruct.draws import Draws, seed_of
from selfinstruct.pool import Pool
from selfinstruct.prompts import PromptSet
from selfinstruct.records import Kind, Request
from selfinstruct.settings import option


@dataclass(frozen=True)
class ProposeSettings:
    """What each propose prompt shows.

    Args:
        seeds: Demonstrations drawn from the seed tasks.
        generated: Demonstrations drawn from the instructions the run has accepted; seeds stand in while it has none.
    """

    seeds: int = option(6, least=1)
    generated: int = option(2, least=0)


@dataclass(frozen=True, slots=True)
class PoolView:
    """The first `size` entries of the pool: all that a plan may look at. Where `proven` is given, what is no seed task
    counts only if it is among those ordinals."""

    pool: Pool
    size: int
    proven: Sequence[int] | None = None

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
        sources: Names of whatever else its prompt was made from.
    """

    request: Request
    strategy: str
    demonstrations: tuple[int, ...]
    sources: tuple[str, ...] = ()


class Strategy(Protocol):
    """Plans propose requests."""

    def plan(self, id: str, view: PoolView) -> PlannedRequest:
        """The propose request of this id."""


class Paper:
    """Six seed tasks and two generated instructions, shuffled (paper, section 2.2.1), or as many as the settings say.

    Seed tasks stand in while there are too few others.
    """

    def __init__(self, settings: ProposeSettings, run_seed: int, prompts: PromptSet) -> None:
        self._settings = settings
        self._run_seed = run_seed
        self._prompt = prompts[Kind.PROPOSE]

    def plan(self, id: str, view: PoolView) -> PlannedRequest:
        """The propose request of this id."""
        draws, settings = Draws("plan", self._run_seed, id), self._settings
        generated = draws.sample(view.others, settings.generated)
        seeds = draws.sample(view.seeds, settings.seeds + settings.generated - len(generated))
        shown = tuple(draws.sample([*seeds, *generated], len(seeds) + len(generated)))
        suffix = self._prompt.fill_demonstrations(view.texts(shown))
        return PlannedRequest(Request(id, Kind.PROPOSE, suffix, seed_of("request", self._run_seed, id)), "paper", shown)
