"""The pool that keeps replicas of a model at their share of requests, whatever becomes of them.

The pool stands in place of an engine (`selfinstruct.run.loop.Line`). It asks for all replicas at once and uses those
that are ready. A replica that dies or hangs takes nothing with it: what it held is made again, and since a request's
seed is its own, it does not matter who completes it in the end. Three things can be the cause:

- Its node or its server has gone: the requests go back to the front of the queue.
- A request: all that it held are `suspects`, tried apart until the culprit is found, which becomes a failed completion.
- The replica, which fails whatever it is given. So nobody is tried alone before the replica has completed something,
  a request that was completed before if need be; and when no replica completes anything any more, the pool gives up.
"""

from __future__ import annotations

import math
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import ray
from ray.exceptions import ActorDiedError, ActorUnavailableError, RayError

from cluster.packing import packed
from cluster.placement import keep_off_head, resources_of, shortage
from cluster.replica import CALLS, Fetched, Place, Replica, Report, Usage
from cluster.settings import RaySettings, TimeoutSettings
from cluster.suspects import STRIKES, Suspects
from cluster.watch.states import Phase, PoolState, Standing
from selfinstruct.engines import IN_FLIGHT, EngineSettings, fetch, open_engine
from selfinstruct.errors import FailureError, InputError
from selfinstruct.prompts import PromptSet
from selfinstruct.protocols import Engine
from selfinstruct.records import Completion, Finish, Request

WAIT = 0.05
"""Seconds that `ReplicaPool.step` waits for a replica's answer."""

DEATHS = 5
"""Deaths in a row per replica, none of them having completed anything in between, after which the pool gives up."""

PAUSE = 10.0
"""If so many seconds lie between two steps, the driver itself was stopped and cannot tell who has been silent."""

SHORTAGE_TOLD = 20.0, 600.0
"""Seconds that a replica waits for a node before the user is told, and from then on between two lines."""

DEATH_TOLD = 30.0
"""Seconds between two lines about deaths."""

MEMORY = 60.0
"""Seconds over which the busy share is taken."""


@dataclass(slots=True, eq=False)
class _Seat:
    """A replica's place in the pool; its actor may come and go."""

    opening: Any  # object ref of what opens its engine
    options: dict[str, Any] | None = None  # Ray's, of its actor
    actor: Any = None
    asked: float = 0.0  # when its actor was asked for
    place: Place | None = None  # once it has a node
    placed: float = 0.0  # when
    phase: Phase = Phase.WAITING
    since: float = 0.0  # when the phase began
    proven: bool = False  # whether this actor has completed anything
    trial: bool = False  # whether it holds suspects, or a request that must prove it first
    held: dict[str, Request] = field(default_factory=dict)
    calls: list[Any] = field(default_factory=list)  # object refs
    heard: float = 0.0  # when it last answered, or was asked after a while of silence
    usage: Usage | None = None
    busy: float = 0.0  # share, of the recent past

    @property
    def ready(self) -> bool:
        """Whether the model is loaded."""
        return self.phase is Phase.READY

    def enter(self, phase: Phase) -> None:
        """A phase begins."""
        self.phase, self.since = phase, time.monotonic()


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
        self._fetching = fetching
        self._in_flight = max(CALLS, in_flight)
        self._resources = resources
        self._timeouts = timeouts or TimeoutSettings()
        self._tell = tell
        self._queue: deque[Request] = deque()
        self._suspects = Suspects()
        self._control: Request | None = None  # a request that was completed, to prove a replica with
        self._failed: list[Completion] = []  # culprits, to be returned
        self._told: set[str] = set()  # what engines had to say
        self._in_a_row = self._deaths = self._lost = self._resent = self._culprits = 0
        self._stepped = self._death_told = time.monotonic()
        self._shortage_due = self._stepped + SHORTAGE_TOLD[0]
        refs = {id(opening): ray.put(opening) for opening in openings}  # once each, not once per replica
        self._seats = [_Seat(refs[id(opening)]) for opening in openings]
        for seat in self._seats:
            self._start(seat)

    # ---- the line

    @property
    def alive(self) -> int:
        """Replicas that have loaded the model."""
        return sum(seat.ready for seat in self._seats)

    @property
    def gpus(self) -> float:
        """GPUs of each replica."""
        return self._resources["num_gpus"]

    @property
    def room(self) -> int:
        """How many more requests the living replicas can use; one replica's share as long as there is none."""
        wanted = self._in_flight * max(1, self.alive)
        held = sum(len(seat.held) for seat in self._seats)
        return max(0, wanted - len(self._queue) - len(self._suspects) - held)

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
        completions = self._receive()
        self._end_hung()
        self._tell_shortage()
        failed, self._failed = self._failed, []
        return completions + failed

    def close(self) -> None:
        """End all replicas."""
        for seat in self._seats:
            ray.kill(seat.actor)

    # ---- for display

    def state(self) -> PoolState:
        """What the pool is doing; costs no call."""
        now = time.monotonic()
        ready = [seat for seat in self._seats if seat.ready]
        at = Counter(seat.phase for seat in self._seats)
        idle = [math.exp(-max(0.0, now - seat.heard - 1) / MEMORY) if not seat.held else 1.0 for seat in ready]
        busy = sum(seat.busy * share for seat, share in zip(ready, idle, strict=True))
        return PoolState(
            waiting=at[Phase.WAITING],
            fetching=at[Phase.FETCHING],
            loading=at[Phase.LOADING],
            ready=len(ready),
            busy=busy / max(1, len(ready)),
            queued=len(self._queue) + len(self._suspects),
            held=sum(len(seat.held) for seat in self._seats),
            suspects=len(self._suspects),
            deaths=self._deaths,
            lost=self._lost,
            resent=self._resent,
            culprits=self._culprits,
        )

    def standings(self) -> list[Standing]:
        """How far each replica is; costs no call."""
        now = time.monotonic()
        return [
            Standing(seat.phase, seat.place.address if seat.place else "", round(now - seat.since, 1))
            for seat in self._seats
        ]

    def usage(self) -> list[Usage]:
        """How much each ready replica has had to do so far; asks them and waits."""
        usage: list[Usage] = ray.get([seat.actor.usage.remote() for seat in self._seats if seat.ready])
        return usage

    # ---- giving out

    def _start(self, seat: _Seat) -> None:
        """Ask for a replica."""
        if seat.options is None or seat.options["scheduling_strategy"] == "SPREAD":  # a placement group is kept
            seat.options = packed({**self._resources, **keep_off_head(self._resources)})
        seat.actor = Replica.options(**seat.options).remote(seat.opening, self._fetching)  # type: ignore[attr-defined]
        seat.asked = time.monotonic()
        seat.place = seat.usage = None
        seat.enter(Phase.WAITING)
        seat.proven = seat.trial = False
        seat.held.clear()
        seat.calls = [seat.actor.place.remote()]

    def _send(self) -> None:
        """Fill free calls, sharing a short queue evenly; a replica that holds requests always has a call to answer."""
        free = [seat for seat in self._seats if seat.ready and len(seat.calls) < CALLS]
        for position, seat in enumerate(sorted(free, key=lambda seat: len(seat.held))):
            if self._suspects and not seat.held:
                requests = self._to_be_tried(seat)
            elif seat.trial:
                requests = []
            else:
                share = -(-len(self._queue) // (len(free) - position))
                count = min(share, self._in_flight - len(seat.held), max(1, self._in_flight // CALLS))
                requests = [self._queue.popleft() for _ in range(min(count, len(self._queue)))]
            if requests or (seat.held and not seat.calls):
                if not seat.calls:
                    seat.heard = time.monotonic()
                seat.held |= {request.id: request for request in requests}
                seat.calls.append(seat.actor.exchange.remote(requests))

    def _to_be_tried(self, seat: _Seat) -> list[Request]:
        """The next suspects for an empty replica, after something harmless if it has completed nothing yet."""
        seat.trial = True
        if self._suspects.alone and not seat.proven and self._control is not None:
            return [self._control]
        return self._suspects.take()

    # ---- taking in

    def _receive(self) -> list[Completion]:
        """The answers of all replicas that have answered."""
        waiting = {ref: seat for seat in self._seats for ref in seat.calls}
        ready, _ = ray.wait(list(waiting), num_returns=1, timeout=WAIT) if waiting else ([], None)
        if not ready:
            if not waiting:
                time.sleep(WAIT)
            return []
        ready, _ = ray.wait(list(waiting), num_returns=len(waiting), timeout=0)
        return [completion for ref in ready for completion in self._answer(waiting[ref], ref)]

    def _answer(self, seat: _Seat, ref: Any) -> list[Completion]:
        """The answer to one call."""
        if ref not in seat.calls:  # of an actor that was buried meanwhile
            return []
        seat.calls.remove(ref)
        seat.heard = time.monotonic()
        try:
            answer = ray.get(ref)
        except RayError as error:
            self._bury(seat, _cause(error), lost=_lost(error))
            return []
        match answer:
            case Place():
                seat.place, seat.placed = answer, seat.heard
                seat.enter(Phase.FETCHING)
                seat.calls.append(seat.actor.fetch.remote())
            case Fetched():
                seat.enter(Phase.LOADING)
                seat.calls.append(seat.actor.load.remote())
            case Report():
                return self._read(seat, answer)
            case None:
                seat.enter(Phase.READY)
            case failure:
                self._fail(seat, failure)
        return []

    def _read(self, seat: _Seat, report: Report) -> list[Completion]:
        """What a replica has completed, and how busy it is."""
        fresh = []
        for completion in report.completions:
            request = seat.held.pop(completion.request_id, None)
            if request is None or request is self._control:
                continue  # a repeated answer
            fresh.append(completion)
            self._suspects.acquit(request.id)
            if self._control is None and completion.finish is not Finish.FAILED:
                self._control = request
        if report.completions:
            seat.proven = True
            self._in_a_row = 0
        for note in report.notes:
            if note not in self._told:
                self._told.add(note)
                self._tell(f"replicas: {note}")
        seat.trial = seat.trial and bool(seat.held)
        seat.busy = _recent(seat.busy, seat.usage, report.usage)
        seat.usage = report.usage
        if report.failure is not None:
            self._fail(seat, report.failure)
        elif report.stalled > self._timeouts.request:
            self._bury(seat, f"it completed nothing for {report.stalled:.0f} s (--timeouts.request)")
        return fresh

    def _fail(self, seat: _Seat, failure: Exception) -> None:
        """The engine could not be opened, or has failed."""
        if isinstance(failure, InputError):
            raise failure
        self._bury(seat, str(failure), lost=isinstance(failure, FailureError), counts=True)

    def _end_hung(self) -> None:
        """Bury replicas that do not answer."""
        now, last = time.monotonic(), self._stepped
        self._stepped = now
        for seat in self._seats:
            if seat.place is None or not seat.calls:
                continue
            if now - last > PAUSE:
                seat.heard = now
            if seat.ready and now - seat.heard > self._timeouts.answer:
                self._bury(seat, f"its process did not answer for {now - seat.heard:.0f} s (--timeouts.answer)")
            elif not seat.ready and now - seat.placed > self._timeouts.load:
                self._bury(seat, f"it loaded its model for {now - seat.placed:.0f} s (--timeouts.load)")

    # ---- deaths

    def _bury(self, seat: _Seat, cause: str, lost: bool = False, counts: bool | None = None) -> None:
        """Decide what becomes of the requests of a dead or hung replica, and ask for another one.

        Args:
            lost: Its node or its server has gone; its requests have nothing to do with it.
            counts: Whether the death brings the pool nearer to giving up (default: unless it is lost).
        """
        held = [request for request in seat.held.values() if request is not self._control]
        self._deaths += 1
        self._lost += lost
        self._resent += len(held)
        self._in_a_row += counts if counts is not None else not lost
        if self._in_a_row >= DEATHS * len(self._seats):
            raise FailureError(
                f"replicas died {self._in_a_row} times without completing anything in between; the last: {cause}"
            )
        proves_nothing = lost or (len(held) == 1 and not seat.proven)
        if proves_nothing and (seat.trial or not lost):
            self._suspects.put_back(held)
        elif lost:
            self._queue.extendleft(reversed(held))
        elif (culprit := self._suspects.accuse(held)) is not None:
            self._culprits += 1
            error = f"{STRIKES} replicas died with this request alone; the last: {cause}"
            self._failed.append(Completion(culprit.id, "", Finish.FAILED, 0, 0, error))
        self._tell_death(cause)
        ray.kill(seat.actor)
        self._start(seat)

    def _tell_death(self, cause: str) -> None:
        now = time.monotonic()
        if self._deaths == 1 or now - self._death_told > DEATH_TOLD:
            self._death_told = now
            died = "a replica" if self._deaths == 1 else f"{self._deaths} replicas until now, the last"
            self._tell(f"replicas: {died} died or hung ({cause}); what it held is made again")

    def _tell_shortage(self) -> None:
        now = time.monotonic()
        if now < self._shortage_due:
            return
        waiting = [seat for seat in self._seats if seat.place is None and now - seat.asked >= SHORTAGE_TOLD[0]]
        self._shortage_due = now + (SHORTAGE_TOLD[1] if waiting else 1.0)
        if waiting:
            self._tell(shortage(len(waiting), len(self._seats), self._resources))


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
    most = in_flight or IN_FLIGHT["gpu" if resources["num_gpus"] else "cpu"]
    return ReplicaPool([opening] * count, most, resources, timeouts, fetching=fetching)


def _lost(error: RayError) -> bool:
    """Whether a node has gone, and not a process: then Ray often knows only that the connection broke."""
    if isinstance(error, ActorUnavailableError):
        return True
    return isinstance(error, ActorDiedError) and (error.preempted or "node has died" in str(error))


def _recent(share: float, before: Usage | None, now: Usage) -> float:
    """The busy share of the recent past, older news counting less and less."""
    busy, total = (now.busy - before.busy, now.total - before.total) if before else (now.busy, now.total)
    if total <= 0:
        return share
    weight = 1 - math.exp(-total / MEMORY) if before else 1.0
    return share + weight * (busy / total - share)


def _cause(error: RayError) -> str:
    """The last line of a Ray error that says something."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
