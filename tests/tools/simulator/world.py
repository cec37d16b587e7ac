"""Whose turn it is, and who dies when. One process runs at a time; it gives its turn away at every operation."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Killed(BaseException):
    """The process is gone. Not an Exception, so that no code of the run's takes it for an error of its own."""


class Violation(BaseException):
    """Something that must never happen has happened. Not an Exception either."""


class Crash(StrEnum):
    """How a process ends before its time."""

    KILL = "kill"  # one process; what it gave to the operating system stays
    POWER = "power"  # the machine with all its processes; what was not synced may be lost


@dataclass(frozen=True)
class CrashAt:
    """A crash instead of the store operation of this number, counted over all lives."""

    operation: int
    how: Crash


class Process:
    """One life of one driver."""

    def __init__(self, number: int, work: Callable[[Process], None], start: int) -> None:
        self.number = number
        self.start = start  # in turns
        self.dead = False
        self.ended = False
        self.error: BaseException | None = None
        self.work = work
        self.turn = threading.Semaphore(0)


class World:
    """The scheduler. `operations` counts the store operations of all lives."""

    def __init__(
        self, seed: int, crashes: Sequence[CrashAt] = (), lose_power: Callable[[], None] = lambda: None
    ) -> None:
        self.draw = random.Random(seed)
        self.operations = 0
        self.log: list[str] = []
        self._turns = 0
        self._crashes = sorted(crashes, key=lambda crash: crash.operation)
        self._lose_power = lose_power
        self._processes: list[Process] = []
        self._current: Process | None = None
        self._all_ended = threading.Semaphore(0)
        self._lives = 0

    def happens(self, probability: float) -> bool:
        """A draw."""
        return probability > 0 and self.draw.random() < probability

    def run(self, works: Sequence[Callable[[Process], None]]) -> list[Process]:
        """Run processes beside each other until all have ended; errors are in them."""
        starts = [self._turns, *(self._turns + self.draw.randrange(400) for _ in works[1:])]
        self._processes = [Process(self._lives + at, work, starts[at]) for at, work in enumerate(works)]
        self._lives += len(works)
        first, *others = self._processes
        if others:
            for process in self._processes:
                threading.Thread(target=self._in_thread, args=(process,), daemon=True).start()
            self._hand_to(first)
            self._all_ended.acquire()
        else:
            self._current = first
            self._live(first)
        return self._processes

    def operation(self, what: str, torn: Callable[[], None] | None = None) -> None:
        """A store operation is about to happen; `torn` does a part of it, for a process that is killed in the midst."""
        process = self.turn()
        self.operations += 1
        if self._crashes and self.operations >= self._crashes[0].operation:
            how = self._crashes.pop(0).how
            self.log.append(f"{self.operations} {process.number}: {how} at {what}")
            if torn is not None:
                torn()
            if how is Crash.POWER:
                for each in self._processes:
                    each.dead = True
                self._lose_power()
            process.dead = True
            raise Killed
        self.log.append(f"{self.operations} {process.number}: {what}")

    def turn(self) -> Process:
        """The process at work may lose its turn here; it learns that it has died meanwhile."""
        process = self._current
        assert process is not None
        self.check()
        self._turns += 1
        waiting = [each for each in self._processes if not each.ended and each.start <= self._turns]
        if len(waiting) > 1 and (chosen := self.draw.choice(waiting)) is not process:
            self._hand_to(chosen)
            process.turn.acquire()
            self.check()
        return process

    def check(self) -> None:
        """Killed, when the process at work is dead: `finally` clauses of the dead have no effect."""
        if self._current is not None and self._current.dead:
            raise Killed

    def crash_is_over(self) -> None:
        """Nobody is at work any more; the files may be looked at."""
        self._current = None

    def _hand_to(self, process: Process) -> None:
        self._current = process
        process.turn.release()

    def _in_thread(self, process: Process) -> None:
        process.turn.acquire()
        self._live(process)
        left = [each for each in self._processes if not each.ended]
        if left:
            self._hand_to(self.draw.choice(left))
        else:
            self._all_ended.release()

    def _live(self, process: Process) -> None:
        try:
            self.check()
            process.work(process)
        except BaseException as error:
            process.error = error
        process.ended = True
