"""The mix: which strategy plans which request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from selfinstruct.draws import seed_of
from selfinstruct.steps.strategies.planned import PlannedRequest, PoolView, Strategy


class Mix:
    """Strategies with their shares. Which one plans a request is drawn by the hash of the request's id.

    Args:
        shares: By the strategies' names; they sum to 1.
    """

    def __init__(self, run_seed: int, shares: Mapping[str, float], strategies: Mapping[str, Strategy]) -> None:
        self._run_seed = run_seed
        self._shares = shares
        self._strategies = strategies

    def name_of(self, id: str) -> str:
        """The strategy of a request."""
        at, end = seed_of("strategy", self._run_seed, id) / (1 << 63), 0.0
        for name, share in self._shares.items():
            end += share
            if at < end:
                return name
        return list(self._shares)[-1]  # sums of shares fall short of 1 by their rounding

    def plan(self, ids: Iterable[str], view: PoolView) -> list[PlannedRequest]:
        """The requests of these ids, each by its strategy."""
        return [self._strategies[self.name_of(id)].plan(id, view) for id in ids]
