"""What is told how a run goes: the interface, and several of them as one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from selfinstruct.records import CheckRow, Completion, RoundFile
from selfinstruct.run.keeping import Left
from selfinstruct.run.loop import Watch
from selfinstruct.run.rounds import Effect, Run

if TYPE_CHECKING:
    from selfinstruct.run.spending import Spending


class RunWatch(Watch):
    """Is told how a whole run goes."""

    def starting(self, what: str) -> None:
        """Something that takes a while is begun before there is work: "starting Ray", "loading tiny"."""

    def started(self, pools: Sequence[Any], spending: Spending) -> None:
        """Replicas have been asked for, or an engine in this process is there.

        Args:
            pools: Of replicas (`cluster.replicas.ReplicaPool`): `state` says how far they are. None without Ray.
            spending: What they cost.
        """


class Everybody(RunWatch):
    """Passes everything on to several others."""

    def __init__(self, *watches: Watch) -> None:
        self._watches = watches

    def starting(self, what: str) -> None:
        """Pass it on."""
        for watch in self._watches:
            if isinstance(watch, RunWatch):
                watch.starting(what)

    def started(self, pools: Sequence[Any], spending: Spending) -> None:
        """Pass it on."""
        for watch in self._watches:
            if isinstance(watch, RunWatch):
                watch.started(pools, spending)

    def committed(self, file: RoundFile) -> None:
        """Pass it on."""
        for watch in self._watches:
            watch.committed(file)

    def judged(self, number: int, rows: Sequence[CheckRow]) -> None:
        """Pass it on."""
        for watch in self._watches:
            watch.judged(number, rows)

    def completed(self, completion: Completion) -> None:
        """Pass it on."""
        for watch in self._watches:
            watch.completed(completion)

    def performed(self, effect: Effect, seconds: float) -> None:
        """Pass it on."""
        for watch in self._watches:
            watch.performed(effect, seconds)

    def tick(self, run: Run) -> None:
        """Pass it on."""
        for watch in self._watches:
            watch.tick(run)

    def ended(self, left: Left) -> None:
        """Pass it on."""
        for watch in self._watches:
            watch.ended(left)
