"""Model replicas as Ray actors, and the pool that keeps each of them at its share of requests.

The pool stands in place of an engine (`selfinstruct.loop.Line`). It asks for all replicas at once and uses those that
are alive. A replica that dies takes nothing with it: what it held goes back to the front of the queue, and since a
request's seed is its own, it does not matter who completes it in the end.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.exceptions import RayError

from cluster.packing import packed
from selfinstruct.engines import EngineSettings, open_engine
from selfinstruct.errors import FailureError, InputError
from selfinstruct.prompts import PromptSet
from selfinstruct.protocols import Engine
from selfinstruct.records import Completion, Request

WAIT = 0.05
"""Seconds that `ReplicaPool.step` waits for a replica's answer."""

CALLS = 2
"""Calls under way per replica, so that its next requests are there when it returns the last ones."""

DEATHS = 5
"""Deaths in a row, none of the replicas having completed anything in between, after which the pool gives up."""


@ray.remote
class Replica:
    """One copy of the model in a process of its own."""

    def __init__(self, settings: EngineSettings, prompts: PromptSet) -> None:
        self._settings = settings
        self._prompts = prompts
        self._engine: Engine | None = None

    def load(self) -> InputError | None:
        """Open the engine. What the user can mend is returned; anything else ends this replica."""
        try:
            self._engine = open_engine(self._settings, self._prompts)
        except InputError as error:
            return error
        return None

    def exchange(self, requests: Sequence[Request]) -> list[Completion] | InputError:
        """Take new requests, do a step of work, give back what is finished; what the user can mend as in `load`."""
        assert self._engine is not None
        try:
            self._engine.add(requests)
            return self._engine.step()
        except InputError as error:
            return error


@dataclass(slots=True, eq=False)
class _Seat:
    """A replica's place in the pool; its actor may come and go."""

    options: dict[str, Any]  # Ray's, of its actor
    actor: Any = None
    loaded: bool = False
    held: dict[str, Request] = field(default_factory=dict)
    calls: list[Any] = field(default_factory=list)  # object refs, oldest first


class ReplicaPool:
    """Replicas of one engine.

    Args:
        count: Replicas asked for.
        in_flight: Requests that each of them holds at most.
        resources: Ray's options for each actor (num_cpus, num_gpus ...).
    """

    def __init__(
        self, settings: EngineSettings, prompts: PromptSet, count: int, in_flight: int, resources: Mapping[str, Any]
    ) -> None:
        self._in_flight = max(CALLS, in_flight)
        # What the constructor needs is put once, not once per replica.
        self._arguments = ray.put(settings), ray.put(prompts)
        options = {**resources, "max_restarts": 0, "max_task_retries": 0}
        self._queue: deque[Request] = deque()
        self._deaths = 0
        self._seats = [_Seat(packed(options)) for _ in range(count)]
        for seat in self._seats:
            self._start(seat)

    @property
    def alive(self) -> int:
        """Replicas that have loaded the model."""
        return sum(seat.loaded for seat in self._seats)

    @property
    def room(self) -> int:
        """How many more requests the replicas alive have use for; at least one replica's share while none is."""
        wanted = self._in_flight * max(1, self.alive)
        return max(0, wanted - len(self._queue) - sum(len(seat.held) for seat in self._seats))

    def add(self, requests: Sequence[Request]) -> None:
        """Queue requests; returns at once."""
        self._queue.extend(requests)

    def step(self) -> list[Completion]:
        """Send requests to the replicas and return what has come back, waiting a moment for it.

        Raises:
            InputError: the engine cannot be opened, or cannot work, with these settings.
            FailureError: replicas keep dying.
        """
        self._send()
        waiting = {seat.calls[0]: seat for seat in self._seats if seat.calls}
        ready, _ = ray.wait(list(waiting), num_returns=1, timeout=WAIT) if waiting else ([], None)
        if not ready:
            if not waiting:
                time.sleep(WAIT)
            return []
        ready, _ = ray.wait(list(waiting), num_returns=len(waiting), timeout=0)
        return [completion for ref in ready for completion in self._receive(waiting[ref])]

    def close(self) -> None:
        """End all replicas."""
        for seat in self._seats:
            ray.kill(seat.actor)

    def _start(self, seat: _Seat) -> None:
        seat.actor = Replica.options(**seat.options).remote(*self._arguments)  # type: ignore[attr-defined]
        seat.loaded = False
        seat.calls = [seat.actor.load.remote()]

    def _send(self) -> None:
        """Fill free calls, sharing a short queue evenly; a replica that holds requests is always kept stepping."""
        free = [seat for seat in self._seats if seat.loaded and len(seat.calls) < CALLS]
        for position, seat in enumerate(sorted(free, key=lambda seat: len(seat.held))):
            share = -(-len(self._queue) // (len(free) - position))
            count = min(share, self._in_flight - len(seat.held), max(1, self._in_flight // CALLS))
            requests = [self._queue.popleft() for _ in range(min(count, len(self._queue)))]
            if requests or (seat.held and not seat.calls):
                seat.held |= {request.id: request for request in requests}
                seat.calls.append(seat.actor.exchange.remote(requests))

    def _receive(self, seat: _Seat) -> list[Completion]:
        """The answer to a seat's oldest call."""
        try:
            answer = ray.get(seat.calls.pop(0))
        except RayError as error:
            self._bury(seat, error)
            return []
        if isinstance(answer, InputError):
            raise answer
        if not seat.loaded:
            seat.loaded = True
            return []
        self._deaths = 0 if answer else self._deaths
        return [completion for completion in answer if seat.held.pop(completion.request_id, None)]

    def _bury(self, seat: _Seat, error: RayError) -> None:
        """Give a dead replica's requests back to the queue and ask for another one."""
        self._deaths += 1
        if self._deaths >= DEATHS * len(self._seats):
            raise FailureError(
                f"replicas died {self._deaths} times without completing anything in between; the last: {_cause(error)}"
            ) from error
        self._queue.extendleft(reversed(seat.held.values()))
        seat.held.clear()
        ray.kill(seat.actor)
        self._start(seat)


def _cause(error: RayError) -> str:
    """The last line of a Ray error that says something."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
