"""One copy of the model in a process of its own: the actor, and the thread that keeps its engine stepping.

The engine never waits for the driver: its thread steps as long as it has requests, while calls of `exchange` bring
new ones and fetch what is finished. A call returns after `BEAT` seconds at the latest, whatever the engine is doing. So
a process that does not answer hangs, and a slow engine is not mistaken for one.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
import time
from collections.abc import Callable, Sequence

import ray

from cluster.events import CALLS, Fetched, Place, Report, Usage
from selfinstruct.errors import FailureError, InputError
from selfinstruct.protocols import Engine
from selfinstruct.records import Completion, Request

BEAT = 1.0
"""Seconds after which a call returns without anything finished."""

LINGER = 0.1
"""Seconds that finished completions may wait for company while the engine has more to do than they are."""

SHORT = 3
"""An engine runs short of requests when it has at most so many for each that waits to be fetched."""

OUTAGE, KNOCK = 180.0, 5.0
"""For how many seconds to try to open an engine whose server is gone, and how many between two tries."""


class EngineError(Exception):
    """The engine raised; its requests, or one of them, may be the cause. The text is the original's type and text."""


class Notes(logging.Handler):
    """Keeps what this project's code logs as a warning until it is fetched."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._kept: queue.SimpleQueue[str] = queue.SimpleQueue()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        self._kept.put(record.getMessage())

    def fetch(self) -> list[str]:
        """What has come since the last time."""
        return [self._kept.get() for _ in range(self._kept.qsize())]


class EngineThread:
    """Opens an engine and keeps it stepping, in one thread.

    Args:
        opening: Gives the engine.
        fetching: Brings what it needs to this node before.
        notes: Has what is to be reported beside completions.
    """

    def __init__(
        self,
        opening: Callable[[], Engine],
        fetching: Callable[[], None] | None = None,
        notes: Notes | None = None,
    ) -> None:
        self._opening = opening
        self._fetching = fetching
        self._notes = notes or Notes()
        self._fetched = False
        self._changed = threading.Condition()  # guards everything below
        self._failure: Exception | None = None
        self._inbox: list[Request] = []
        self._finished: list[Completion] = []
        self._unfinished = 0  # requests that the engine has, or that wait for it
        self._fetchable = 0.0  # since when the oldest finished completion waits
        self._progress = 0.0  # when the engine last finished something or was without requests
        self._opened: float | None = None  # when
        self._step: float | None = None  # when the one under way began
        self._busy = 0.0
        self._steps = 0
        threading.Thread(target=self._run, name="engine", daemon=True).start()

    def fetched(self) -> Fetched | Exception:
        """Wait until what the engine needs is here, or could not be fetched."""
        with self._changed:
            self._changed.wait_for(lambda: self._fetched or self._failure is not None)
            return self._failure or Fetched()

    def opened(self) -> Exception | None:
        """Wait until the engine is open, or could not be opened."""
        with self._changed:
            self._changed.wait_for(lambda: self._opened is not None or self._failure is not None)
            return self._failure

    def exchange(self, requests: Sequence[Request]) -> Report:
        """Take requests; wait a while for finished completions, unless there is nothing to wait for."""
        with self._changed:
            begun = time.monotonic()
            if not self._unfinished:
                self._progress = begun
            self._inbox += requests
            self._unfinished += len(requests)
            self._changed.notify_all()
            while (rest := self._patience(begun)) > 0:
                self._changed.wait(rest)
            completions, self._finished = self._finished, []
            stalled = time.monotonic() - self._progress if self._unfinished else 0.0
            return Report(completions, stalled, self._usage(), self._failure, self._notes.fetch())

    def usage(self) -> Usage:
        """How much there has been to do so far, the step under way included."""
        with self._changed:
            return self._usage()

    def _patience(self, begun: float) -> float:
        """How many seconds more a call that began then waits, unless something happens."""
        now = time.monotonic()
        if self._failure is not None or not self._unfinished:
            return 0.0
        rest = begun + BEAT - now
        if not self._finished:
            return rest
        # small answers are gathered, as long as the engine does not run short of requests meanwhile
        short = self._unfinished <= SHORT * len(self._finished)
        return 0.0 if short else min(rest, self._fetchable + LINGER - now)

    def _usage(self) -> Usage:
        now = time.monotonic()
        under_way = now - self._step if self._step is not None else 0.0
        return Usage(self._busy + under_way, now - (self._opened or now), self._steps)

    def _run(self) -> None:
        try:
            if self._fetching is not None:
                self._fetching()
            with self._changed:
                self._fetched = True
                self._changed.notify_all()
            engine = self._open()
            with self._changed:
                self._opened = time.monotonic()
                self._changed.notify_all()
            while True:
                self._work(engine)
        except (InputError, FailureError) as error:
            failure: Exception = error
        except BaseException as error:  # whatever it is, whoever asks must be told
            failure = EngineError(f"{type(error).__name__}: {error}")
        with self._changed:
            self._failure = failure
            self._changed.notify_all()

    def _open(self) -> Engine:
        """The engine. A server was there when the work began; if it is gone now, it gets time to come back."""
        end = time.monotonic() + OUTAGE
        while True:
            try:
                return self._opening()
            except FailureError:
                if time.monotonic() > end:
                    raise
            time.sleep(KNOCK)

    def _work(self, engine: Engine) -> None:
        """One step, as soon as there is something to do."""
        with self._changed:
            self._changed.wait_for(lambda: self._unfinished)
            requests, self._inbox = self._inbox, []
            self._step = time.monotonic()
        engine.add(requests)
        completions = engine.step()
        with self._changed:
            now = time.monotonic()
            self._busy += now - self._step
            self._steps += 1
            self._step = None
            if completions:
                self._progress = now
                self._fetchable = self._fetchable if self._finished else now
                self._finished += completions
                self._unfinished -= len(completions)
                self._changed.notify_all()


@ray.remote(max_restarts=0, max_task_retries=0, max_concurrency=CALLS + 1, enable_task_events=False)
class Replica:
    """The actor. It is never restarted by Ray: its pool knows what it held."""

    def __init__(self, opening: Callable[[], Engine], fetching: Callable[[], None] | None = None) -> None:
        notes, ours = Notes(), logging.getLogger("selfinstruct")
        ours.addHandler(notes)
        ours.propagate = False  # the pool says each line once; what is printed here, Ray says for every replica
        self._thread = EngineThread(opening, fetching, notes)

    def place(self) -> Place:
        """Where it runs; answers before the model is loaded."""
        return Place(ray.get_runtime_context().get_node_id(), ray.util.get_node_ip_address(), os.getpid())

    def fetch(self) -> Fetched | Exception:
        """Wait until the model's files are on this node; returns what prevented it."""
        return self._thread.fetched()

    def load(self) -> Exception | None:
        """Wait until the model is loaded; returns what prevented it."""
        return self._thread.opened()

    def exchange(self, requests: Sequence[Request]) -> Report:
        """`EngineThread.exchange`."""
        return self._thread.exchange(requests)

    def usage(self) -> Usage:
        """`EngineThread.usage`."""
        return self._thread.usage()
