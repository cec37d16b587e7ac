"""One engine for several runs of this process, each in a thread of its own: their requests are under way together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TypeAlias

from selfinstruct.protocols import Engine
from selfinstruct.records import Completion, Request

Said: TypeAlias = list[Completion] | BaseException


class ClosedError(Exception):
    """The engine is closed while a run still waits for it."""


class Share:
    """What one run has of the engine: an `Engine` that waits until something of its own is complete."""

    def __init__(self, name: str, asked: SimpleQueue[list[Request] | None]) -> None:
        self._name = name
        self._asked = asked
        self._held = 0
        self.done: SimpleQueue[Said] = SimpleQueue()

    def add(self, requests: Sequence[Request]) -> None:
        """Queue requests, under ids that no other run has."""
        self._held += len(requests)
        if requests:
            self._asked.put([replace(each, id=f"{self._name} {each.id}") for each in requests])

    def step(self) -> list[Completion]:
        """The next completions of this run. ClosedError, or the engine's own error, if there will be none."""
        if not self._held:
            return []
        said = self.done.get()
        if isinstance(said, BaseException):
            raise said
        self._held -= len(said)
        return said


@contextmanager
def shared(engine: Engine, names: Sequence[str]) -> Iterator[list[Share]]:
    """The engine's shares, one for each name without a blank; it works in a thread until this is left."""
    asked: SimpleQueue[list[Request] | None] = SimpleQueue()
    shares = {name: Share(name, asked) for name in names}
    thread = Thread(target=_work, args=(engine, asked, shares), name="shared engine", daemon=True)
    thread.start()
    try:
        yield list(shares.values())
    finally:
        asked.put(None)
        thread.join()


def _work(engine: Engine, asked: SimpleQueue[list[Request] | None], shares: dict[str, Share]) -> None:
    """Step until told to end, and give each share what is its own."""
    end: BaseException = ClosedError("the engine that several runs share is closed")
    held = 0
    try:
        while True:
            new = _next(asked, wait=not held)
            while new:
                engine.add(new)
                held += len(new)
                new = _next(asked, wait=False)
            if new is None:
                return
            for name, completions in _by_share(done := engine.step()).items():
                shares[name].done.put(completions)
            held -= len(done)
    except BaseException as error:
        end = error
    finally:
        for share in shares.values():
            share.done.put(end)


def _next(asked: SimpleQueue[list[Request] | None], wait: bool) -> list[Request] | None:
    """What was asked next, empty if nothing was; None at the end."""
    try:
        return asked.get(block=wait)
    except Empty:
        return []


def _by_share(completions: Sequence[Completion]) -> dict[str, list[Completion]]:
    found: dict[str, list[Completion]] = {}
    for each in completions:
        name, _, id = each.request_id.partition(" ")
        found.setdefault(name, []).append(replace(each, request_id=id))
    return found
