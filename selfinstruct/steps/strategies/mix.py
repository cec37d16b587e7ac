"""The mix: which strategy plans which request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from selfinstruct.draws import seed_of
from selfinstruct.records import Kind
from selfinstruct.steps.strategies.document import Document
from selfinstruct.steps.strategies.planned import PlannedRequest, PoolView, Strategy


class Mix:
    """Strategies with their shares. Which one plans a request is drawn by the hash of the request's id.

    Args:
        shares: By the strategies' names; they sum to 1.
        document: The strategy that must be told which document is the next.
    """

    def __init__(
        self,
        run_seed: int,
        shares: Mapping[str, float],
        strategies: Mapping[str, Strategy],
        document: Document | None = None,
    ) -> None:
        self._run_seed = run_seed
        self._document = document
        self._shares = shares
        self._strategies = strategies

    def name_of(self, id: str) -> str:
        """The strategy of a request."""
        return self.name_at(place_of(self._run_seed, id))

    def name_at(self, place: float) -> str:
        """The strategy of a request that stands there."""
        end = 0.0
        for name, share in self._shares.items():
            end += share
            if place < end:
                return name
        return list(self._shares)[-1]  # sums of shares fall short of 1 by their rounding

    def with_shares(self, shares: Mapping[str, float]) -> Mix:
        """The same strategies with other shares."""
        return Mix(self._run_seed, shares, self._strategies, self._document)

    def count(self, ids: Iterable[str], name: str) -> int:
        """How many of these requests are a strategy's."""
        return sum(self.name_of(id) == name for id in ids) if name in self._shares else 0

    def plan(self, ids: Iterable[str], view: PoolView, documents: int = 0) -> list[PlannedRequest]:
        """The requests of these ids, each by its strategy.

        Args:
            documents: How many requests of `document` there were before, in the whole run: each takes the next one.
        """
        planned = []
        for id in ids:
            name = self.name_of(id)
            if name == Kind.DOCUMENT and self._document is not None:
                planned.append(self._document.plan(id, view, documents))
                documents += 1
            else:
                planned.append(self._strategies[name].plan(id, view))
        return planned


def place_of(run_seed: int, id: str) -> float:
    """Where a request stands among all, from 0 to 1, whatever the shares are."""
    return seed_of("strategy", run_seed, id) / (1 << 63)
