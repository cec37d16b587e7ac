"""The roster without Ray, in a time of its own: nothing is lost, nobody waits for ever, and only culprits fail."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.blame import STRIKES, End, Fate, Suspects, fate
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
from cluster.news import SHORTAGE_TOLD
from cluster.roster import DEATHS, PAUSE, Roster
from cluster.seats import Phase
from cluster.settings import TimeoutSettings
from selfinstruct.errors import FailureError, InputError
from selfinstruct.records import Completion, Finish, Kind, Request
from tests.tools.simulator.pool import Harm, Mishap, Pool, Trouble

TIMEOUTS = TimeoutSettings(load=100, request=50, answer=20)


def requests(count: int, first: int = 0) -> list[Request]:
    return [Request(f"r{number}", Kind.CLASSIFY, "", number) for number in range(first, first + count)]


def completed(*asked: Request) -> list[Completion]:
    return [Completion(request.id, "text", Finish.STOP, 1, 1) for request in asked]


class Table:
    """A roster, and someone who tells it things and notes what it orders."""

    def __init__(self, replicas: int = 1, in_flight: int = 8) -> None:
        self.now = 0.0
        self.roster = Roster(replicas, in_flight, TIMEOUTS, 0.0)
        self.calls: dict[int, list[int]] = {seat: [] for seat in range(replicas)}  # not answered, by seat
        self.tell(Begun())

    def tell(self, event: Event) -> list[Order]:
        orders = self.roster.told(event, self.now)
        for order in orders:
            if isinstance(order, Start):
                self.calls[order.seat] = []
            if isinstance(order, Start | Ask | Send):
                self.calls[order.seat].append(order.call)
        return orders

    def answer(self, seat: int, answer: Any) -> list[Order]:
        return self.tell(Heard(self.calls[seat].pop(0), answer))

    def report(self, seat: int, *done: Request, stalled: float = 0.0, failure: Exception | None = None) -> list[Order]:
        return self.answer(seat, Report(completed(*done), stalled, Usage(self.now, self.now, 1), failure))

    def breaks(self, seat: int, node: bool = False) -> list[Order]:
        return self.tell(Broke(self.calls[seat].pop(0), "the process has died", node))

    def load(self, *seats: int) -> None:
        for seat in seats:
            for answer in (Place(f"node {seat}", f"10.0.0.{seat}", 1), Fetched(), None):
                self.answer(seat, answer)

    def give(self, *asked: Request) -> dict[int, list[Request]]:
        """What each seat is sent."""
        self.tell(Asked(asked))
        return {order.seat: list(order.requests) for order in self.tell(Turn()) if isinstance(order, Send)}

    def pass_time(self, seconds: float, step: float = 1.0) -> list[Order]:
        """The driver listens all the while, and hears nothing."""
        orders: list[Order] = []
        for _ in range(round(seconds / step)):
            self.now += step
            orders += self.tell(Listened())
        return orders


def kinds(orders: Sequence[Order]) -> list[type]:
    return [type(order) for order in orders]


# ---- what a replica goes through


def test_a_replica_comes_step_by_step() -> None:
    table = Table()
    seen = []
    for answer in (Place("n", "10.0.0.1", 7), Fetched(), None):
        table.now += 2
        [standing] = table.roster.standings(table.now)
        seen.append((standing.phase, standing.address, standing.seconds))
        orders = table.answer(0, answer)
        assert [order.what for order in orders if isinstance(order, Ask)] == [["fetch"], ["load"], []][len(seen) - 1]
    assert seen == [(Phase.WAITING, "", 2), (Phase.FETCHING, "10.0.0.1", 2), (Phase.LOADING, "10.0.0.1", 2)]
    assert (table.roster.alive, table.roster.state(table.now).ready) == (1, 1)


def test_each_replica_is_held_at_its_share() -> None:
    table = Table(replicas=3)
    assert table.roster.room == 8  # one share, as long as nobody is ready
    table.load(0, 1, 2)
    assert table.roster.room == 24
    first = table.give(*requests(24))
    assert {seat: len(sent) for seat, sent in first.items()} == {0: 4, 1: 4, 2: 4}  # half of what each may hold, a call
    assert {seat: len(sent) for seat, sent in table.give().items()} == {0: 4, 1: 4, 2: 4}
    assert table.give(*requests(9, 24)) == {}  # no call is free
    table.report(1, *first[1])
    assert {seat: len(sent) for seat, sent in table.give().items()} == {1: 4}
    assert [len(seat.held) for seat in table.roster.seats] == [8, 8, 8]
    assert table.roster.state(0).queued == 5


def test_a_short_queue_is_shared_evenly() -> None:
    table = Table(replicas=3)
    table.load(0, 1, 2)
    assert sorted(len(sent) for sent in table.give(*requests(7)).values()) == [2, 2, 3]


def test_an_empty_replica_is_left_alone_and_one_that_holds_requests_is_listened_to() -> None:
    table = Table()
    table.load(0)
    assert table.give() == {}
    [asked] = requests(1)
    assert table.give(asked) == {0: [asked]}
    assert table.give() == {}  # its call is under way
    table.report(0)
    assert table.give() == {0: []}
    assert table.report(0, asked) == [Return(completed(asked))]
    assert table.give() == {}


def test_an_answer_counts_once() -> None:
    table = Table()
    table.load(0)
    asked = requests(2)
    table.give(*asked)
    [call] = table.calls[0]
    report = Report(completed(*asked), 0.0, Usage(1, 1, 1), None)
    assert kinds(table.tell(Heard(call, report))) == [Return]
    assert table.tell(Heard(call, report)) == []
    assert table.tell(Broke(call, "late", True)) == []
    assert table.roster.state(0).deaths == 0


def test_what_an_ended_replica_says_later_counts_for_nothing() -> None:
    table = Table()
    table.load(0)
    asked = requests(8)
    table.give(*asked)
    table.give()
    [call, _] = table.calls[0]
    table.calls[0].pop(0)
    table.breaks(0, node=True)
    assert table.tell(Heard(call, Report(completed(*asked[:4]), 0.0, Usage(1, 1, 1), None))) == []
    table.load(0)
    assert table.give()[0] == asked[:4]  # first in the queue, in their order


# ---- hangs


def test_a_silent_process_is_ended() -> None:
    table = Table(replicas=2)
    table.load(0, 1)
    table.give(*requests(4))
    assert table.pass_time(20) == []
    table.report(1)
    table.give()
    orders = table.pass_time(1)
    assert kinds(orders) == [Say, Kill, Start]
    assert orders[1] == Kill(0)
    assert "(its process did not answer for 21 s (--timeouts.answer))" in str(orders[0])


def test_one_call_without_an_answer_is_enough() -> None:
    """The other one is answered all the time, with completions, too: what the lost answer had is missing."""
    table = Table()
    table.load(0)
    asked = requests(40)
    table.give(*asked)
    lost = table.calls[0].pop()
    for second in range(1, 22):
        [fresh] = table.give().values()
        table.now += 1
        assert Return(completed(fresh[0])) in table.report(0, fresh[0])
        assert (Kill(0) in table.tell(Listened())) is (second == 21)
    assert table.tell(Heard(lost, Report(completed(*asked[:4]), 0.0, Usage(1, 1, 1), None))) == []


def test_an_engine_that_finishes_nothing_is_ended() -> None:
    table = Table()
    table.load(0)
    asked = requests(4)
    table.give(*asked)
    table.pass_time(10)
    table.report(0, asked[0])
    for second in range(60):
        table.give()
        table.pass_time(1)
        orders = table.report(0, stalled=second + 1)
        if orders:
            break
    assert second == 50
    assert "(it completed nothing for 51 s (--timeouts.request))" in str(orders[0])


def test_an_engine_that_was_empty_was_not_stalled() -> None:
    table = Table()
    table.load(0)
    table.pass_time(500)
    table.give(*requests(1))
    assert table.report(0, stalled=60) == []  # by a clock that is not to be trusted


def test_a_model_that_loads_for_too_long_is_ended() -> None:
    table = Table()
    assert Kill not in kinds(table.pass_time(200))  # for a node one waits as long as it takes
    table.answer(0, Place("n", "a", 1))
    assert table.pass_time(60) == []
    table.answer(0, Fetched())
    assert table.pass_time(40) == []
    assert "(it loaded its model for 101 s (--timeouts.load))" in str(table.pass_time(1)[0])


@pytest.mark.parametrize("loaded", [False, True])
def test_a_laptop_that_slept_blames_nobody(loaded: bool) -> None:
    table = Table()
    table.answer(0, Place("n", "a", 1))
    if loaded:
        table.answer(0, Fetched())
        table.answer(0, None)
        table.give(*requests(4))
    assert table.pass_time(5) == []
    table.now += 1e6
    assert table.tell(Listened()) == []
    if loaded:
        assert table.report(0, stalled=1e6 + 5) == []
        table.give()
        table.now += 1e6
        assert table.tell(Turn()) == []
        assert table.pass_time(20) == []
        assert Kill(0) in table.pass_time(1)


def test_a_driver_that_was_busy_for_a_while_has_heard_what_came() -> None:
    """Less than a pause: silence counts, but only after all that came was told."""
    table = Table()
    table.load(0)
    asked = requests(2)
    table.give(*asked)
    for _ in range(5):
        table.now += PAUSE - 1
        table.report(0)
        assert table.tell(Listened()) == []
        table.give()


# ---- ends and blame


@pytest.mark.parametrize(
    ("end", "trial", "held", "proven", "expected"),
    [
        (End.NODE, False, 5, True, Fate.QUEUE),
        (End.NODE, True, 1, True, Fate.AGAIN),
        (End.SERVER, False, 1, True, Fate.QUEUE),
        (End.SERVER, True, 5, False, Fate.AGAIN),
        (End.OWN, False, 5, False, Fate.DIVIDE),
        (End.OWN, True, 5, True, Fate.DIVIDE),
        (End.OWN, False, 0, True, Fate.DIVIDE),
        (End.OWN, False, 1, False, Fate.AGAIN),
        (End.OWN, True, 1, False, Fate.AGAIN),
        (End.OWN, False, 1, True, Fate.STRIKE),
        (End.OWN, True, 1, True, Fate.STRIKE),
    ],
)
def test_the_table_of_blame(end: End, trial: bool, held: int, proven: bool, expected: Fate) -> None:
    assert fate(end, trial, held, proven) is expected
    assert end.counts is (end is not End.NODE)


def test_the_requests_of_a_lost_node_are_nobodys_fault() -> None:
    table = Table(replicas=2)
    table.load(0, 1)
    asked = requests(8)
    sent = table.give(*asked)
    table.breaks(0, node=True)
    state = table.roster.state(0)
    assert (state.deaths, state.lost, state.resent, state.suspects, state.queued) == (1, 1, 4, 0, 4)
    assert table.give()[1] == sent[0]


def test_nodes_that_go_again_and_again_end_no_run() -> None:
    table = Table()
    for _ in range(10 * DEATHS):
        table.load(0)
        table.give(*requests(4) if not table.roster.state(0).queued else [])
        assert Stop not in kinds(table.breaks(0, node=True))


def test_replicas_that_die_again_and_again_end_it() -> None:
    table = Table(replicas=2)
    for death in range(1, 2 * DEATHS + 1):
        orders = table.breaks(death % 2)
        assert (Stop in kinds(orders)) is (death == 2 * DEATHS)
    [stop] = orders
    assert isinstance(stop, Stop)
    assert str(stop.error) == (
        "replicas died 10 times without completing anything in between; the last: the process has died"
    )


def test_a_server_that_is_gone_is_no_requests_fault_but_ends_the_run_in_time() -> None:
    table = Table()
    [asked] = requests(1)
    for death in range(DEATHS):
        table.load(0)
        assert table.give(*[asked] if death == 0 else []) == {0: [asked]}
        orders = table.report(0, failure=FailureError("nothing answers"))
    assert kinds(orders) == [Stop]
    state = table.roster.state(0)
    assert (state.lost, state.culprits) == (DEATHS, 0)


def test_bad_settings_end_it_at_once() -> None:
    table = Table()
    table.answer(0, Place("n", "a", 1))
    assert table.answer(0, error := InputError("--model: not there")) == [Stop(error)]
    table = Table()
    table.load(0)
    table.give(*requests(1))
    assert table.report(0, failure=error) == [Stop(error)]


def test_a_suspect_alone_is_tried_by_a_replica_that_has_proven_itself() -> None:
    table = Table()
    table.load(0)
    good, bad, other = requests(3)
    table.give(good, bad, other)
    table.report(0, good)
    table.give()
    table.breaks(0)
    for strike in range(1, STRIKES + 1):
        if strike == 2:  # the other one has been completed; it came after the first trial
            table.load(0)
            assert table.give() == {0: [good]}
            assert table.report(0, good) == []
            assert table.give() == {0: [other]}
            table.report(0, other)
        else:
            table.load(0)
            assert table.give() == {0: [good]}  # it has been completed, and proves the replica; nobody sees it again
            assert table.report(0, good) == []
        assert table.give() == {0: [bad]}
        orders = table.breaks(0)
    [culprit] = [each for order in orders if isinstance(order, Return) for each in order.completions]
    assert (culprit.request_id, culprit.finish) == (bad.id, Finish.FAILED)
    assert culprit.error == "3 replicas died with this request alone; the last: the process has died"
    state = table.roster.state(0)
    assert (state.culprits, state.queued, state.held) == (1, 0, 0)


def test_a_replica_on_trial_gets_nothing_else() -> None:
    table = Table()
    table.load(0)
    table.give(*requests(2))
    table.breaks(0)
    table.load(0)
    assert table.give(*requests(8, 2)) == {0: requests(1)}
    assert table.give() == {}
    table.report(0, *requests(1))
    assert table.give() == {0: requests(1, 1)}


@given(st.integers(1, 200), st.data())
def test_every_culprit_is_found_and_no_innocent(count: int, data: st.DataObject) -> None:
    asked = requests(count)
    culprits = data.draw(st.sets(st.sampled_from([request.id for request in asked]), max_size=5))
    suspects, found, innocent = Suspects(), set[str](), set[str]()
    deaths = 1
    suspects.divide(asked)
    while suspects:
        group = suspects.take()
        if culprits.isdisjoint(request.id for request in group):
            innocent |= {request.id for request in group}
            continue
        deaths += 1
        if len(group) > 1:
            suspects.divide(group)
        elif suspects.strike(group[0]):
            found.add(group[0].id)
    assert found == culprits
    assert innocent == {request.id for request in asked} - culprits
    assert deaths <= 1 + len(culprits) * (STRIKES + 2)


# ---- what the user is told


def test_of_deaths_one_hears_now_and_then() -> None:
    table = Table(replicas=9)
    said = []
    for second in range(40):
        table.now = float(second)
        orders = table.breaks(second % 9, node=True)
        said += [order.line for order in orders if isinstance(order, Say)]
    assert said == [
        "replicas: a replica died or hung (the process has died); what it held is made again",
        "replicas: 32 replicas until now, the last died or hung (the process has died); what it held is made again",
    ]


def test_of_a_shortage_one_hears_after_a_while() -> None:
    table = Table(replicas=3)
    table.load(0)
    assert table.pass_time(SHORTAGE_TOLD[0] - 1) == []
    assert table.pass_time(SHORTAGE_TOLD[1]) == [SayShortage(2)]
    table.load(1, 2)
    assert table.pass_time(2 * SHORTAGE_TOLD[1]) == []


def test_what_engines_warn_of_is_said_once() -> None:
    table = Table(replicas=2)
    table.load(0, 1)
    table.give(*requests(4))
    usage = Usage(1, 1, 1)
    said = [table.answer(seat, Report((), 0.0, usage, None, ["no token ends its texts"])) for seat in (0, 1)]
    assert said == [[Say("replicas: no token ends its texts")], []]


def test_how_busy_replicas_are_is_a_share_of_the_last_minute() -> None:
    table = Table()
    table.load(0)
    table.give(*requests(1))
    for minute in range(1, 11):
        table.now = 60.0 * minute
        table.tell(Listened())
        table.answer(0, Report((), 0.0, Usage(60.0 * min(minute, 5), 60.0 * minute, minute), None))
        table.give()
        if minute == 5:
            assert table.roster.state(table.now).busy == 1
    assert 0 < table.roster.state(table.now).busy < 0.01


# ---- schedules of everything


def answer(request: Request) -> Completion:
    return completed(request)[0]


def take_all(pool: Pool, count: int, befall: Callable[[], None]) -> dict[str, Completion]:
    """Step until so many have come back; the pool itself looks at what the roster orders."""
    returned: list[Completion] = []
    while True:
        befall()
        returned += pool.step()
        state = pool.roster.state(0)
        if len(returned) == count and not state.held:
            assert state.queued == 0
            return {completion.request_id: completion for completion in returned}


mishaps = st.lists(st.tuples(st.integers(0, 9), st.sampled_from(Mishap), st.integers(0, 3)), max_size=12)


@settings(max_examples=150)
@given(
    st.integers(1, 4),
    st.integers(1, 30),
    mishaps,
    st.dictionaries(st.integers(0, 29), st.sampled_from(Harm), max_size=3),
)
def test_every_request_comes_out_once_and_no_innocent_fails(
    replicas: int, count: int, schedule: list[tuple[int, Mishap, int]], harms: Mapping[int, Harm]
) -> None:
    """So many steps after the one before, this befalls the replica in that seat."""
    asked = requests(count + len(harms))
    deadly = {asked[number % len(asked)].id: harm for number, harm in harms.items()}
    pool = Pool(random.Random(0), replicas, answer, lambda request: deadly.get(request.id), Trouble(delay=0.1))
    left, wait = list(schedule), 0

    def befall() -> None:
        nonlocal wait
        wait += 1
        while left and wait > left[0][0]:
            _, mishap, seat = left.pop(0)
            wait = 0
            pool.befall(mishap, seat % replicas)

    pool.add(asked)
    try:
        returned = take_all(pool, len(asked), befall)
    except FailureError:
        return  # the pool has seen to it that the roster had reason to
    assert set(returned) == {request.id for request in asked}
    assert {each.request_id for each in returned.values() if each.finish is Finish.FAILED} == set(deadly)


@settings(max_examples=150)
@given(st.integers(0, 2**32), st.dictionaries(st.sampled_from(Mishap), st.floats(0, 0.06)), st.floats(0, 0.5))
def test_no_weather_loses_a_request(seed: int, rates: Mapping[Mishap, float], delay: float) -> None:
    """Everything at random and at once, requests coming in all the while."""
    draw = random.Random(seed)
    asked = requests(40)
    deadly = {asked[number].id: draw.choice(list(Harm)) for number in draw.sample(range(40), draw.randrange(4))}
    trouble = Trouble(rates, delay, delay)
    pool = Pool(draw, draw.randint(1, 4), answer, lambda request: deadly.get(request.id), trouble)
    waiting = list(asked)

    def more() -> None:
        fresh, waiting[:] = waiting[: pool.room], waiting[pool.room :]
        pool.add(fresh)

    try:
        returned = take_all(pool, len(asked), more)
    except FailureError:
        return
    assert set(returned) == {request.id for request in asked}
    assert {each.request_id for each in returned.values() if each.finish is Finish.FAILED} == set(deadly)
