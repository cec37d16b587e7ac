"""Who of a pool's replicas gets which requests, who is taken for hung, who is to blame: decisions, and nothing else.

The roster is told what happens and orders what is to be done about it (`events.py` has both). It calls nobody, reads no
clock and waits for nothing; `replicas.py` does, on Ray, and the tests' simulator, in memory. A turn of the pool:

    told(Asked)     requests join the queue
    told(Turn)      orders Send: each ready replica is kept at its share, suspects are tried apart
    told(Heard)     a replica says its place, that it has fetched or loaded the model, or what it has completed
    told(Broke)     a replica is gone, or its node is
    told(Listened)  whoever has been silent, or loading, for too long is ended

A replica that ends takes nothing with it: what it held is made again, and since a request's seed is its own, it does
not matter who completes it in the end. `blame.py` has the table of what becomes of its requests. Another replica is
asked for at once; when replicas keep ending and nobody completes anything in between, the roster gives up.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import count

from cluster.blame import STRIKES, End, Fate, Suspects, fate
from cluster.events import (
    CALLS,
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
    Send,
    Start,
    Stop,
    Turn,
)
from cluster.news import News
from cluster.seats import Counts, Phase, PoolState, Seat, Standing, pool_state, standing
from cluster.settings import TimeoutSettings
from selfinstruct.errors import FailureError, InputError
from selfinstruct.records import Completion, Finish, Request

DEATHS = 5
"""Deaths in a row per replica, none of them having completed anything in between, after which the roster gives up."""

PAUSE = 10.0
"""If so many seconds lie between two events, the driver itself was stopped and cannot tell who has been silent."""


class Clock:
    """Time as it counts for replicas: that in which the driver was stopped, on a laptop that slept, say, does not."""

    def __init__(self, now: float) -> None:
        self._last, self._stopped = now, 0.0

    def passes(self, now: float) -> float:
        """What it shows when something happens."""
        if now - self._last > PAUSE:
            self._stopped += now - self._last
        self._last = now
        return now - self._stopped

    def shows(self, now: float) -> float:
        """The same in between."""
        return now - self._stopped


class Roster:
    """The decisions of one pool.

    Args:
        replicas: How many are asked for.
        in_flight: Requests that each of them holds at most.
        timeouts: When a replica is taken for hung.
        now: Seconds, by the clock that later events are timed by.
    """

    def __init__(self, replicas: int, in_flight: int, timeouts: TimeoutSettings, now: float) -> None:
        self.seats = [Seat(number) for number in range(replicas)]
        self._in_flight = max(CALLS, in_flight)
        self._timeouts = timeouts
        self._clock = Clock(now)
        self._news = News(now)
        self._queue: deque[Request] = deque()
        self._suspects = Suspects()
        self._control: Request | None = None  # a request that was completed, to prove a replica with
        self._numbers = count()
        self._calls: dict[int, Seat] = {}  # those not answered yet
        self._in_a_row = 0
        self._counts = Counts()

    def told(self, event: Event, now: float) -> list[Order]:
        """Take note of what has happened; the orders are to be carried out one after another."""
        now = self._clock.passes(now)
        match event:
            case Begun():
                return [self._start(seat, now) for seat in self.seats]
            case Asked(requests):
                self._queue.extend(requests)
                return []
            case Turn():
                return list(self._give_out(now))
            case Heard(call, answer):
                return list(self._hear(call, answer, now))
            case Broke(call, cause, node):
                seat = self._answered(call, now)
                return list(self._end(seat, End.NODE if node else End.OWN, cause, now)) if seat else []
            case Listened():
                return [*self._end_hung(now), *self._news.shortage(self.seats, now)]

    # ---- for the driver and for display

    @property
    def alive(self) -> int:
        """Replicas that have loaded the model."""
        return sum(seat.ready for seat in self.seats)

    @property
    def room(self) -> int:
        """How many more requests the living replicas can use; one replica's share as long as there is none."""
        wanted = self._in_flight * max(1, self.alive)
        held = sum(len(seat.held) for seat in self.seats)
        return max(0, wanted - len(self._queue) - len(self._suspects) - held)

    def state(self, now: float) -> PoolState:
        """What the pool is doing."""
        suspects = len(self._suspects)
        return pool_state(self.seats, len(self._queue) + suspects, suspects, self._counts, self._clock.shows(now))

    def standings(self, now: float) -> list[Standing]:
        """How far each replica is."""
        return [standing(seat, self._clock.shows(now)) for seat in self.seats]

    # ---- giving out

    def _start(self, seat: Seat, now: float) -> Start:
        for call in seat.calls:
            del self._calls[call]
        seat.begin(now)
        return Start(seat.number, self._call(seat, now))

    def _call(self, seat: Seat, now: float) -> int:
        """The number of a call that is made now."""
        call = next(self._numbers)
        seat.calls[call] = now
        self._calls[call] = seat
        return call

    def _give_out(self, now: float) -> Iterator[Order]:
        """Fill free calls, sharing a short queue evenly; a replica that holds requests always has a call to answer."""
        free = [seat for seat in self.seats if seat.ready and len(seat.calls) < CALLS]
        for position, seat in enumerate(sorted(free, key=lambda seat: len(seat.held))):
            requests = self._share(seat, len(free) - position)
            if requests and not seat.held:
                seat.moved = now
            if requests or (seat.held and not seat.calls):
                seat.held |= {request.id: request for request in requests}
                yield Send(seat.number, self._call(seat, now), requests)

    def _share(self, seat: Seat, free: int) -> list[Request]:
        """What a replica gets while so many, itself included, have not been asked yet."""
        if self._suspects and not seat.held:
            return self._to_be_tried(seat)
        if seat.trial:
            return []
        share = -(-len(self._queue) // free)
        most = min(share, self._in_flight - len(seat.held), max(1, self._in_flight // CALLS))
        return [self._queue.popleft() for _ in range(min(most, len(self._queue)))]

    def _to_be_tried(self, seat: Seat) -> list[Request]:
        """The next suspects for an empty replica, after something harmless if it has completed nothing yet."""
        seat.trial = True
        if self._suspects.alone and not seat.proven and self._control is not None:
            return [self._control]
        return self._suspects.take()

    # ---- taking in

    def _answered(self, call: int, now: float) -> Seat | None:
        """Who was called; None if that was answered before, or was asked of a replica that has been ended."""
        seat = self._calls.pop(call, None)
        if seat is not None:
            del seat.calls[call]
            seat.heard = now
        return seat

    def _hear(self, call: int, answer: object, now: float) -> Iterator[Order]:
        seat = self._answered(call, now)
        if seat is None:
            return
        match answer:
            case Place():
                seat.place, seat.placed = answer, now
                seat.enter(Phase.FETCHING, now)
                yield Ask(seat.number, self._call(seat, now), "fetch")
            case Fetched():
                seat.enter(Phase.LOADING, now)
                yield Ask(seat.number, self._call(seat, now), "load")
            case None:
                seat.enter(Phase.READY, now)
            case Report():
                yield from self._read(seat, answer, now)
            case failure:
                yield from self._fail(seat, failure, now)

    def _read(self, seat: Seat, report: Report, now: float) -> Iterator[Order]:
        """What a replica has completed, and how it is."""
        if fresh := [completion for completion in report.completions if self._completed(seat, completion)]:
            yield Return(fresh)
        if report.completions:
            seat.proven, seat.moved = True, now
            self._in_a_row = 0
        seat.trial = seat.trial and bool(seat.held)
        seat.used(report.usage)
        yield from self._news.notes(report.notes)
        stalled = min(report.stalled, now - seat.moved)  # its clock does not know that a laptop slept
        if report.failure is not None:
            yield from self._fail(seat, report.failure, now)
        elif stalled > self._timeouts.request:
            cause = f"it completed nothing for {stalled:.0f} s (--timeouts.request)"
            yield from self._end(seat, End.OWN, cause, now)

    def _completed(self, seat: Seat, completion: Completion) -> bool:
        """Whether that is the answer to a request, and not one that only proves the replica, or came before."""
        request = seat.held.pop(completion.request_id, None)
        if request is None or request is self._control:
            return False
        self._suspects.acquit(request.id)
        if self._control is None and completion.finish is not Finish.FAILED:
            self._control = request
        return True

    # ---- ends

    def _fail(self, seat: Seat, failure: object, now: float) -> Iterator[Order]:
        """The engine could not be opened, or has failed."""
        if isinstance(failure, InputError):
            yield Stop(failure)
        else:
            end = End.SERVER if isinstance(failure, FailureError) else End.OWN
            yield from self._end(seat, end, str(failure), now)

    def _end_hung(self, now: float) -> Iterator[Order]:
        """Replicas that do not answer, or do not come to have their model."""
        for seat in self.seats:
            if seat.place is None or not seat.calls:
                continue
            silent, loading = now - min(seat.calls.values()), now - seat.placed
            if seat.ready and silent > self._timeouts.answer:
                cause = f"its process did not answer for {silent:.0f} s (--timeouts.answer)"
                yield from self._end(seat, End.OWN, cause, now)
            elif not seat.ready and loading > self._timeouts.load:
                cause = f"it loaded its model for {loading:.0f} s (--timeouts.load)"
                yield from self._end(seat, End.OWN, cause, now)

    def _end(self, seat: Seat, end: End, cause: str, now: float) -> Iterator[Order]:
        """A replica has ended, or is to: what becomes of its requests, and another one in its place."""
        held = [request for request in seat.held.values() if request is not self._control]
        self._counts.deaths += 1
        self._counts.lost += end is not End.OWN
        self._counts.resent += len(held)
        self._in_a_row += end.counts
        if self._in_a_row >= DEATHS * len(self.seats):
            yield Stop(
                FailureError(
                    f"replicas died {self._in_a_row} times without completing anything in between; the last: {cause}"
                )
            )
            return
        match fate(end, seat.trial, len(held), seat.proven):
            case Fate.QUEUE:
                self._queue.extendleft(reversed(held))
            case Fate.AGAIN:
                self._suspects.put_back(held)
            case Fate.DIVIDE:
                self._suspects.divide(held)
            case Fate.STRIKE if self._suspects.strike(held[0]):
                self._counts.culprits += 1
                error = f"{STRIKES} replicas died with this request alone; the last: {cause}"
                yield Return([Completion(held[0].id, "", Finish.FAILED, 0, 0, error)])
        yield from self._news.death(self._counts.deaths, cause, now)
        yield Kill(seat.number)
        yield self._start(seat, now)
