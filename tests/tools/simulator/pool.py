"""A pool of replicas in memory: the real roster decides, replicas are pretended, and so is time.

Replicas die, hang, fall silent and lose their nodes and servers; what they say comes late, twice, in another order or
never; some requests harm whoever works on them. The pool looks at each order of the roster's, and a `Violation` says
what was wrong with it. Misfortune never hits a request so often that it could be taken for its cause.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from cluster.blame import STRIKES
from cluster.events import (
    Ask,
    Asked,
    Begun,
    Broke,
    Event,
    Fetched,
    Heard,
    Kill,
    Listened,
    Order,
    Place,
    Report,
    Return,
    Say,
    SayShortage,
    Send,
    Start,
    Stop,
    Turn,
    Usage,
)
from cluster.roster import DEATHS, Roster
from cluster.settings import TimeoutSettings
from selfinstruct.errors import FailureError
from selfinstruct.records import Completion, Finish, Request
from tests.tools.simulator.world import Violation

IN_FLIGHT = 4
NODES = 3
TIMEOUTS = TimeoutSettings(load=60, request=40, answer=20)
BEAT = 1.0
LATEST = 8.0
"""Seconds that an answer is under way at most."""

AGES = 2_000
"""Steps in which something must have come back."""

NIGHT = 30_000.0
"""Seconds that a laptop sleeps."""


class Harm(StrEnum):
    """What a request does to the replica that works on it."""

    DIE = "die"
    RAISE = "raise"
    SILENCE = "silence"
    HANG = "hang"


class Mishap(StrEnum):
    """What befalls a replica, whatever it works on."""

    DEATH = "death"  # of its process, with what it holds
    NODE = "node"  # its node is gone, with all replicas there
    SERVER = "server"  # its model's server is gone
    SILENCE = "silence"  # its process is stopped
    HANG = "hang"  # its engine finishes nothing any more
    LOSS = "loss"  # an answer never arrives
    BROKEN = "broken"  # it fails on whatever it is given
    SLEEP = "sleep"  # the laptop does, with everything on it


@dataclass
class Trouble:
    """What befalls replicas, and how often, at each step."""

    mishaps: Mapping[Mishap, float] = field(default_factory=dict)
    delay: float = 0.0  # an answer is held back
    double: float = 0.0  # an answer comes again later
    deadly: bool = False  # requests that fail do harm


@dataclass(eq=False)
class Process:
    """A replica, from its start to its end."""

    node: int
    begun: float
    ill: bool = False  # so that the roster may end it
    end: tuple[str, bool] | None = None  # of what it died, and whether its node did
    silent: bool = False
    hangs: bool = False
    broken: bool = False
    loses: bool = False  # its next answer
    lost: int | None = None  # the call whose answer was lost
    spoke: bool = False  # of something that it has completed
    proven: bool = False  # the roster knows that it has completed something
    failure: Exception | None = None
    moved: float = 0.0
    requests: list[Request] = field(default_factory=list)
    finished: list[Completion] = field(default_factory=list)
    calls: dict[int, float] = field(default_factory=dict)  # exchanges that wait
    hurt: set[str] = field(default_factory=set)  # requests that were here in its misfortune


class Pool:
    """A `loop.Completer`.

    Args:
        answer: The model.
        harm: What a request does, if it is not harmless.
    """

    def __init__(
        self,
        draw: random.Random,
        replicas: int,
        answer: Callable[[Request], Completion],
        harm: Callable[[Request], Harm | None] = lambda request: None,
        trouble: Trouble | None = None,
    ) -> None:
        self.trouble = trouble or Trouble()
        self._draw, self._answer, self._harm = draw, answer, harm
        self._now, self._steps = 0.0, 0
        self._asked: dict[str, Request] = {}
        self._done: set[str] = set()
        self._returned: list[Completion] = []
        self._processes: dict[int, Process] = {}
        self._under_way: list[tuple[float, Process, Event]] = []
        self._misfortunes: Counter[str] = Counter()
        self._calls: dict[int, Process] = {}  # not answered yet
        self._told: Event = Begun()
        self._in_a_row = 0  # deaths
        self.said: list[str] = []
        self.roster = Roster(replicas, IN_FLIGHT, TIMEOUTS, self._now)
        self._tell(Begun())

    # ---- the line

    @property
    def room(self) -> int:
        return self.roster.room

    def add(self, requests: Sequence[Request]) -> None:
        self._asked |= {request.id: request for request in requests}
        self._tell(Asked(requests))

    def step(self) -> list[Completion]:
        self._tell(Turn())
        self._now += self._draw.uniform(0.01, 3)
        for mishap, rate in self.trouble.mishaps.items():
            if self._happens(rate):
                self.befall(mishap, self._draw.randrange(len(self._processes)))
        for process in self._processes.values():
            self._work(process)
            self._speak(process)
        self._deliver()
        self._tell(Listened())
        returned, self._returned = self._returned, []
        self._steps = 0 if returned or len(self._done) == len(self._asked) else self._steps + 1
        if self._steps > AGES:
            raise Violation(f"nothing comes back any more: {self.roster.state(self._now)}")
        return returned

    # ---- misfortune

    def befall(self, mishap: Mishap, seat: int) -> None:
        """It happens to the replica in this seat, unless that would be more than its requests may have to bear."""
        process = self._processes[seat]
        if mishap is Mishap.SLEEP:
            self._now += NIGHT
        elif process.end:
            return
        elif mishap is Mishap.NODE:
            for each in self._processes.values():
                if each.node == process.node and not each.end:
                    self._die(each, "the node has died", node=True)
        elif mishap is Mishap.SERVER:
            process.ill, process.failure = True, FailureError("the server was lost")
        elif mishap is Mishap.BROKEN and not process.proven and not process.spoke and not process.finished:
            process.ill = process.broken = True
        elif self._bearable(self.roster.seats[seat].held):
            self._hurt(process, self.roster.seats[seat].held)
            self._strike(mishap, process)

    def _strike(self, mishap: Mishap, process: Process) -> None:
        process.ill = True
        match mishap:
            case Mishap.DEATH:
                self._die(process, "the process has died")
            case Mishap.SILENCE:
                process.silent = True
            case Mishap.HANG:
                process.hangs = True
            case Mishap.LOSS:
                process.loses = True
            case Mishap.BROKEN:
                process.broken = True

    def _bearable(self, ids: Iterable[str]) -> bool:
        return all(self._misfortunes[each] < STRIKES - 1 for each in ids)

    def _hurt(self, process: Process, ids: Iterable[str]) -> None:
        fresh = set(ids) - process.hurt
        process.hurt |= fresh
        self._misfortunes.update(fresh)

    def _heal(self, process: Process) -> None:
        """As far as can be, before it is given what has suffered enough: a death or a loss was its node's fault."""
        process.silent = process.hangs = process.broken = process.loses = False
        if process.end is not None:
            process.end = (process.end[0], True)
        elif process.lost is not None:
            self._say(process, Broke(process.lost, "the connection broke", True))
            process.lost = None
        for at, (since, whose, event) in enumerate(self._under_way):
            if whose is process and isinstance(event, Broke):
                self._under_way[at] = (since, whose, replace(event, node=True))

    def _die(self, process: Process, cause: str, node: bool = False) -> None:
        process.ill, process.end = True, (cause, node)
        calls = [*process.calls, *([process.lost] if process.lost is not None else [])]
        for call in calls:
            self._say(process, Broke(call, cause, node))
        process.calls.clear()

    # ---- replicas

    def _work(self, process: Process) -> None:
        """Some of what a replica has is finished."""
        self._draw.shuffle(process.requests)
        for _ in range(self._draw.randint(0, len(process.requests))):
            if process.end or process.silent or process.hangs or process.failure:
                return
            if process.broken:
                process.failure = RuntimeError("the device was lost")
                return
            harm = self._harm(process.requests[-1])
            if harm is None:
                process.finished.append(self._answer(process.requests.pop()))
                process.moved = self._now
            else:
                self._suffer(process, harm)

    def _suffer(self, process: Process, harm: Harm) -> None:
        process.ill = True
        match harm:
            case Harm.DIE:
                self._die(process, "the process has died")
            case Harm.RAISE:
                process.failure = RuntimeError("what was that?")
            case Harm.SILENCE:
                process.silent = True
            case Harm.HANG:
                process.hangs = True

    def _speak(self, process: Process) -> None:
        """A replica answers an exchange, if there is anything to say."""
        if process.end or process.silent:
            return
        for call, since in list(process.calls.items()):
            idle = not process.requests and not process.finished
            if process.finished or process.failure or idle or self._now - since >= BEAT:
                del process.calls[call]
                stalled = self._now - process.moved if process.requests else 0.0
                usage = Usage(0.0, self._now - process.begun, 0)
                self._say(process, Heard(call, Report(process.finished, stalled, usage, process.failure)))
                process.spoke |= bool(process.finished)
                process.finished = []

    def _say(self, process: Process, event: Event) -> None:
        if process.loses and isinstance(event, Heard) and not isinstance(event.answer, Place):
            process.loses, process.lost = False, event.call
            return  # a place that is never heard of is one that is waited for
        self._under_way.append((self._now, process, event))

    def _deliver(self) -> None:
        """Some of what is under way arrives, in any order, and some of that again later."""
        self._draw.shuffle(self._under_way)
        kept, arrived = [], []
        for each in self._under_way:
            late = self._now - each[0] < LATEST and self._happens(self.trouble.delay)
            (kept if late else arrived).append(each)
        self._under_way = kept + [each for each in arrived if self._happens(self.trouble.double)]
        for _, _, event in arrived:
            self._tell(event)

    # ---- the roster's hands and ears

    def _tell(self, event: Event) -> None:
        self._told = event
        if isinstance(event, Heard) and isinstance(event.answer, Report) and event.answer.completions:
            process = self._calls.pop(event.call, None)
            if process in self._processes.values():
                process.proven, self._in_a_row = True, 0
        for order in self.roster.told(event, self._now):
            self._carry_out(order)

    def _carry_out(self, order: Order) -> None:
        match order:
            case Start(seat, call):
                process = self._processes[seat] = Process(self._draw.randrange(NODES), self._now)
                self._say(process, Heard(call, Place(f"node {process.node}", "", 0)))
            case Ask(seat, call, what):
                process = self._processes[seat]
                if process.end:
                    self._say(process, Broke(call, *process.end))
                elif not process.silent and not process.hangs:
                    self._say(process, Heard(call, Fetched() if what == "fetch" else None))
            case Send(seat, call, requests):
                self._send(self._processes[seat], seat, call, requests)
            case Kill(seat):
                self._kill(self._processes[seat])
            case Return(completions):
                for completion in completions:
                    self._return(completion)
            case Say(line):
                self.said.append(line)
            case SayShortage(waiting):
                self.said.append(f"{waiting} wait")
            case Stop(error):
                if self._counted() < DEATHS * len(self._processes):
                    raise Violation(f"gave up after {self._counted()} deaths: {error}")
                raise error

    def _send(self, process: Process, seat: int, call: int, requests: Sequence[Request]) -> None:
        if len(self.roster.seats[seat].held) > IN_FLIGHT:
            raise Violation(f"seat {seat} holds {len(self.roster.seats[seat].held)}")
        for request in requests:
            if request.id in self._done and (len(requests) > 1 or process.proven):
                raise Violation(f"{request.id} is asked again, though it was answered")
            holders = [each.number for each in self.roster.seats if request.id in each.held]
            if holders != [seat] and request.id not in self._done:
                raise Violation(f"{request.id} is with replicas {holders}")
        held = [request.id for request in requests if request.id not in self._done]
        if process.ill and not self._bearable(held):
            self._heal(process)
        elif process.ill:
            self._hurt(process, held)
        if process.end:
            self._say(process, Broke(call, *process.end))
            return
        if not process.requests:
            process.moved = self._now
        process.requests += requests
        process.calls[call] = self._now
        self._calls[call] = process

    def _kill(self, process: Process) -> None:
        if not process.ill:
            raise Violation(f"a healthy replica is ended: {self._told}")
        process.end = ("it was ended", False)
        self._in_a_row = self._counted()

    def _counted(self) -> int:
        """Deaths in a row with the one of which was told just now, as those of nodes do not count."""
        return self._in_a_row + (not (isinstance(self._told, Broke) and self._told.node))

    def _return(self, completion: Completion) -> None:
        request = self._asked.get(completion.request_id)
        if request is None or request.id in self._done:
            raise Violation(f"{completion.request_id} comes back, though nobody waits for it")
        self._done.add(request.id)
        blamed = completion.finish is Finish.FAILED and "died with this request alone" in str(completion.error)
        if blamed != (self._harm(request) is not None):
            raise Violation(f"{request.id}, {'harmless' if blamed else 'deadly'}, comes back as {completion}")
        self._returned.append(completion)

    def _happens(self, probability: float) -> bool:
        return probability > 0 and self._draw.random() < probability
