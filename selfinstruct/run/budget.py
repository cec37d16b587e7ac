"""The hours and the money that one command may spend."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from selfinstruct.settings import option

if TYPE_CHECKING:
    from selfinstruct.run.timings import Timer


@dataclass(frozen=True)
class BudgetSettings:
    """When to end before the target: the round under way is finished, and the same command goes on later.

    Args:
        hours: Hours after which this command begins no further round.
        cost: Money after which this command begins no further round (needs --budget.price).
        price: Money per replica and hour, for the cost and for display.
    """

    hours: float | None = option(None, least=0)
    cost: float | None = option(None, least=0)
    price: float | None = option(None, least=0)

    def problems(self) -> Iterator[str]:
        """What is wrong with the options together."""
        if self.cost is not None and self.price is None:
            yield "cost: needs --budget.price, the money that a replica takes per hour"


class Budget:
    """Says whether this command has spent what it may; the round under way is then its last.

    Args:
        timer: Knows the replicas' seconds.
    """

    def __init__(self, settings: BudgetSettings, timer: Timer) -> None:
        self._settings = settings
        self._timer = timer
        self._begun = time.monotonic()

    def spent(self) -> bool:
        """Whether hours or money are used up."""
        hours, cost = self._settings.hours, self._settings.cost
        late = hours is not None and time.monotonic() - self._begun >= 3600 * hours
        return late or (cost is not None and self._timer.replica_seconds * (self._settings.price or 0) / 3600 >= cost)
