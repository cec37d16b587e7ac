"""The hours and the money that one command may spend."""

from __future__ import annotations

import time

from cluster.settings import BudgetSettings
from selfinstruct.run.timings import Timer


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
