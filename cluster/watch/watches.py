"""Who looks on at a run on a cluster: the interface, and several of them as one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from selfinstruct.records import Completion, RoundFile
from selfinstruct.run.loop import Watch
from selfinstruct.run.rounds import Effect, Run

if TYPE_CHECKING:
    from cluster.replicas import ReplicaPool
    from cluster.watch.spending import Spending


class ClusterWatch(Watch):
    """Somebody who looks on at a run on a cluster."""

    def started(self, pools: Sequence[ReplicaPool], spending: Spending) -> None:
        """The replicas are asked for; `ReplicaPool.state` says what has become of that, `spending` what it costs."""


class Everybody(Watch):
    """Tells several others."""

    def __init__(self, *watches: Watch) -> None:
        self._watches = watches

    def committed(self, file: RoundFile) -> None:
        """Tell."""
        for watch in self._watches:
            watch.committed(file)

    def completed(self, completion: Completion) -> None:
        """Tell."""
        for watch in self._watches:
            watch.completed(completion)

    def performed(self, effect: Effect, seconds: float) -> None:
        """Tell."""
        for watch in self._watches:
            watch.performed(effect, seconds)

    def tick(self, run: Run) -> None:
        """Tell."""
        for watch in self._watches:
            watch.tick(run)
