"""The pool that keeps replicas of a model at their share of requests, whatever becomes of them.

The pool stands in place of an engine (`selfinstruct.run.loop.Completer`). It asks for all replicas at once and uses
those that are ready. It decides nothing: `roster.py` does, and is told what replicas answer. What is here calls Ray.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import ray
from ray.exceptions import ActorDiedError, ActorUnavailableError, RayError

from cluster.events import (
    Ask,
    Asked,
    Begun,
    Broke,
    Event,
    Heard,
    Kill,
    Listened,
    Order,
    Return,
    Say,
    SayShortage,
    Send,
    Start,
    Stop,
    Turn,
    Usage,
)
from cluster.packing import packed
from cluster.placement import keep_off_head, resources_of, shortage
from cluster.replica import Replica
from cluster.roster import Roster
from cluster.seats import PoolState, Standing
from cluster.settings import RaySettings, TimeoutSettings
from selfinstruct.engines import EngineSettings, fetch, in_flight_of, open_engine
from selfinstruct.prompts import PromptSet
from selfinstruct.protocols import Engine
from selfinstruct.records import Completion, Request

WAIT = 0.05
"""Seconds that `ReplicaPool.step` waits for a replica's answer."""


class ReplicaPool:
    """Replicas of one engine.

    Args:
        openings: What opens the engine of each replica (`functools.partial` of `engines.open_engine`, say). They may
            differ in speed, but must complete alike.
        in_flight: Requests that each of them holds at most.
        resources: Ray's options for each actor (num_cpus, num_gpus ...).
        timeouts: When a replica is taken for hung.
        tell: Is given a line when replicas die, or wait long for a node, and once each what their engines log as
            warnings.
        fetching: Brings the model's files to a replica's node before its engine is opened.
    """

    def __init__(
        self,
        openings: Sequence[Callable[[], Engine]],
        in_flight: int,
        resources: Mapping[str, float],
        timeouts: TimeoutSettings | None = None,
        tell: Callable[[str], None] = print,
        fetching: Callable[[], None] | None = None,
    ) -> None:
        self.roster = Roster(len(openings), in_flight, timeouts or TimeoutSettings(), time.monotonic())
        self._resources, self._tell, self._fetching = resources, tell, fetching
        refs = {id(opening): ray.put(opening) for opening in openings}  # once each, not once per replica
        self._openings = [refs[id(opening)] for opening in openings]
        self._options: list[dict[str, Any]] = [{} for _ in openings]  # Ray's, of the actor in each seat
        self.actors: list[Any] = [None for _ in openings]  # by seat
        self._calls: dict[Any, int] = {}  # object ref -> the call that it will answer
        self._returned: list[Completion] = []
        self._told(Begun())

    # ---- the line

    @property
    def alive(self) -> int:
        """Replicas that have loaded the model."""
        return self.roster.alive

    @property
    def gpus(self) -> float:
        """GPUs of each replica."""
        return self._resources["num_gpus"]

    @property
    def room(self) -> int:
        """How many more requests the living replicas can use; one replica's share as long as there is none."""
        return self.roster.room

    def add(self, requests: Sequence[Request]) -> None:
        """Queue requests; returns at once."""
        self._told(Asked(requests))

    def step(self) -> list[Completion]:
        """Send requests to the replicas and return what has come back, waiting a moment for it.

        Raises:
            InputError: the engine cannot be opened, or cannot work, with these settings.
            FailureError: replicas keep dying.
        """
        self._told(Turn())
        for ref in self._answered():
            self._told(_event(self._calls.pop(ref), ref))
        self._told(Listened())
        returned, self._returned = self._returned, []
        return returned

    def close(self) -> None:
        """End all replicas."""
        for actor in self.actors:
            ray.kill(actor)

    # ---- for display

    def state(self) -> PoolState:
        """What the pool is doing; costs no call."""
        return self.roster.state(time.monotonic())

    def standings(self) -> list[Standing]:
        """How far each replica is; costs no call."""
        return self.roster.standings(time.monotonic())

    def usage(self) -> list[Usage]:
        """How much each ready replica has had to do so far; asks them and waits."""
        ready = [seat.number for seat in self.roster.seats if seat.ready]
        usage: list[Usage] = ray.get([self.actors[number].usage.remote() for number in ready])
        return usage

    # ---- the roster's hands and ears

    def _answered(self) -> list[Any]:
        """The object refs of all calls that have been answered, after a moment at most."""
        if not self._calls:
            time.sleep(WAIT)
            return []
        ready: list[Any] = ray.wait(list(self._calls), num_returns=1, timeout=WAIT)[0]
        if ready:
            ready = ray.wait(list(self._calls), num_returns=len(self._calls), timeout=0)[0]
        return ready

    def _told(self, event: Event) -> None:
        for order in self.roster.told(event, time.monotonic()):
            self._carry_out(order)

    def _carry_out(self, order: Order) -> None:
        match order:
            case Send(seat, call, requests):
                self._calls[self.actors[seat].exchange.remote(requests)] = call
            case Return(completions):
                self._returned += completions
            case Start(seat, call):
                self._start(seat)
                self._calls[self.actors[seat].place.remote()] = call
            case Ask(seat, call, "fetch"):
                self._calls[self.actors[seat].fetch.remote()] = call
            case Ask(seat, call, "load"):
                self._calls[self.actors[seat].load.remote()] = call
            case Kill(seat):
                ray.kill(self.actors[seat])
            case Say(line):
                self._tell(line)
            case SayShortage(waiting):
                self._tell(shortage(waiting, len(self.actors), self._resources))
            case Stop(error):
                raise error

    def _start(self, seat: int) -> None:
        """Ask for an actor; one with a placement group gets the same again."""
        options = self._options[seat]
        if options.get("scheduling_strategy", "SPREAD") == "SPREAD":
            options = self._options[seat] = packed({**self._resources, **keep_off_head(self._resources)})
        self.actors[seat] = Replica.options(**options).remote(self._openings[seat], self._fetching)  # type: ignore[attr-defined]


def _event(call: int, ref: Any) -> Event:
    """What the answer to a call is."""
    try:
        return Heard(call, ray.get(ref))
    except RayError as error:
        return Broke(call, _cause(error), _lost(error))


def replicate(
    engine: EngineSettings,
    prompts: PromptSet,
    count: int,
    in_flight: int | None,
    settings: RaySettings,
    timeouts: TimeoutSettings | None = None,
) -> ReplicaPool:
    """A pool of so many replicas of one engine, each with what such an engine needs of a node."""
    opening, fetching = partial(open_engine, engine, prompts), partial(fetch, engine)
    resources = resources_of(engine, settings)
    most = in_flight or in_flight_of(engine, on_gpu=resources["num_gpus"] > 0)
    return ReplicaPool([opening] * count, most, resources, timeouts, fetching=fetching)


def _lost(error: RayError) -> bool:
    """Whether a node has gone, and not a process: then Ray often knows only that the connection broke."""
    if isinstance(error, ActorUnavailableError):
        return True
    return isinstance(error, ActorDiedError) and (error.preempted or "node has died" in str(error))


def _cause(error: RayError) -> str:
    """The last line of a Ray error that says something."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
