"""Which answers of rounds under way are written, when, and when they go: the machine alone, without files or clock."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfinstruct.records import CHECKS, Completion, Finish, Kind, Request, Table
from selfinstruct.run.keeping import Keeping, Left, Pace, Remove, Save, place_of
from selfinstruct.storage.segments import Answer, Segment, key_of

BEGUN = {Table.PROPOSALS: 0, Table.LABELS: 0}


def request(number: int, position: int = 0, suffix: str = "Task 9:") -> Request:
    return Request(f"{number:06d}/{position:05d}", Kind.PROPOSE, suffix, seed=7)


def label(number: int) -> Request:
    return Request(f"{number:06d}/00000/00/classify", Kind.CLASSIFY, "Task: Sing.", seed=8)


def answer(to: Request, finish: Finish = Finish.STOP) -> Completion:
    return Completion(to.id, "Sing.", finish, 5, 2)


def saved(keeping: Keeping, now: float = 0.0) -> Segment:
    """The segment that is to be written now, written."""
    order = keeping.order(now)
    assert isinstance(order, Save)
    keeping.saved(order.segment, True, now)
    return order.segment


def test_a_segment_is_due_when_enough_came_or_time_passed() -> None:
    keeping = Keeping("d", [], BEGUN, Pace(answers=2, seconds=10))
    asked = [request(1, position) for position in range(4)]
    assert keeping.asked(asked) == (asked, [])
    keeping.came(answer(asked[0]), now=100.0)
    assert keeping.order(109.9) is None
    assert [each.completion for each in saved(keeping, 110.0).answers] == [answer(asked[0])]
    keeping.came(answer(asked[1]), now=111.0)
    keeping.came(answer(asked[2]), now=111.0)
    assert [each.completion.request_id for each in saved(keeping, 111.0).answers] == [asked[1].id, asked[2].id]
    assert keeping.order(200.0) is None
    assert keeping.left == Left(kept=3, in_flight=1)


@pytest.mark.parametrize(
    ("request_id", "table"),
    [
        ("000012/00345", Table.PROPOSALS),
        ("000012/00345/03/classify", Table.LABELS),
        ("000012/00345/03/instances", Table.LABELS),
        ("000012/00345/03/0/check", CHECKS),
    ],
)
def test_an_answer_ends_in_the_table_of_its_stage(request_id: str, table: str) -> None:
    assert place_of(request_id) == (table, 12)


def test_one_thing_is_done_at_a_time_and_no_segment_is_larger_than_it_may_be() -> None:
    keeping = Keeping("d", [], BEGUN, Pace(answers=2, seconds=math.inf))
    asked, _ = keeping.asked([request(1, position) for position in range(5)])
    for each in asked:
        keeping.came(answer(each), now=0.0)
    first = keeping.order(0.0)
    assert isinstance(first, Save)
    assert keeping.order(0.0) is None
    keeping.saved(first.segment, True, 0.0)
    assert len(saved(keeping).answers) == len(first.segment.answers) == 2
    assert keeping.order(0.0) is None
    assert [len(segment.answers) for segment in _rest(keeping)] == [1]
    assert keeping.left == Left(kept=5)


def _rest(keeping: Keeping, is_there: bool = True) -> list[Segment]:
    done = []
    for segment in keeping.rest():
        keeping.saved(segment, is_there, 0.0)
        done.append(segment)
    return done


def test_failures_and_what_nobody_waits_for_are_not_kept() -> None:
    keeping = Keeping("d", [], BEGUN, Pace(answers=1))
    keeping.asked([request(1)])
    keeping.came(answer(request(1), Finish.FAILED), now=0.0)
    keeping.came(answer(request(1)), now=0.0)  # a failure is the answer that the run took
    keeping.came(answer(request(2)), now=0.0)
    keeping.came(Completion("what an engine makes up", "", Finish.STOP, 0, 0), now=0.0)
    assert keeping.order(1e9) is None
    assert _rest(keeping) == []
    assert keeping.left == Left(failed=1)


def test_a_store_that_refuses_is_asked_again_later_and_what_it_does_not_take_is_said() -> None:
    keeping = Keeping("d", [], BEGUN, Pace(answers=1, seconds=10))
    keeping.asked([request(1)])
    keeping.came(answer(request(1)), now=0.0)
    order = keeping.order(0.0)
    assert isinstance(order, Save)
    keeping.saved(order.segment, False, 5.0)
    assert keeping.order(14.9) is None
    again = keeping.order(15.0)
    assert isinstance(again, Save)
    assert again.segment.answers == order.segment.answers
    assert again.segment.name != order.segment.name  # the first may have come there after all
    keeping.saved(again.segment, False, 15.0)
    assert len(_rest(keeping, is_there=False)) == 1
    assert keeping.left == Left(unkept=1)


def test_a_segment_goes_when_everything_in_it_is_committed() -> None:
    keeping = Keeping("d", [], BEGUN, Pace(answers=3))
    asked = [request(1), request(2), label(1)]
    keeping.asked(asked)
    for each in asked:
        keeping.came(answer(each), now=0.0)
    name = saved(keeping).name
    keeping.committed(Table.PROPOSALS, 1)
    keeping.committed(Table.CANDIDATES, 1)
    keeping.committed(Table.LABELS, 1)
    assert keeping.order(0.0) is None
    assert keeping.left == Left(kept=1)
    keeping.committed(Table.PROPOSALS, 2)
    assert keeping.order(0.0) == Remove(name)
    keeping.removed()
    assert keeping.order(0.0) is None
    assert keeping.left == Left()


def test_what_is_committed_before_it_is_written_is_not_written() -> None:
    keeping = Keeping("d", [], BEGUN, Pace(answers=2, seconds=10))
    keeping.asked([request(1)])
    keeping.came(answer(request(1)), now=0.0)
    keeping.committed(Table.PROPOSALS, 1)
    assert keeping.order(1e9) is None
    assert _rest(keeping) == []


def kept(name: str, *requests: Request) -> Segment:
    return Segment(name, tuple(Answer(key_of(each), answer(each)) for each in requests))


def test_what_an_earlier_life_was_told_is_not_asked_again() -> None:
    keeping = Keeping("d", [kept("a-000000.parquet", request(3), label(1))], {Table.PROPOSALS: 2, Table.LABELS: 0})
    assert keeping.left == Left(kept=2)
    assert keeping.asked([request(3), request(3, 1)]) == ([request(3, 1)], [answer(request(3))])
    assert keeping.asked([label(1)]) == ([], [answer(label(1))])
    assert keeping.left == Left(kept=2, in_flight=1)


def test_an_answer_is_that_of_the_same_request_and_not_of_one_with_its_id() -> None:
    keeping = Keeping("d", [kept("a-000000.parquet", request(1))], BEGUN)
    other = request(1, suffix="Task 10:")
    assert keeping.asked([other]) == ([other], [])
    assert keeping.left == Left(in_flight=1)


def test_segments_of_committed_rounds_that_an_earlier_life_left_go() -> None:
    segments = [kept("a-000000.parquet", request(1)), kept("a-000001.parquet", request(1), request(2))]
    keeping = Keeping("d", segments, {Table.PROPOSALS: 1, Table.LABELS: 0})
    assert keeping.order(0.0) == Remove("a-000000.parquet")
    keeping.removed()
    assert keeping.order(0.0) is None


@pytest.mark.parametrize(
    ("left", "said"),
    [
        (Left(), ""),
        (Left(kept=31, in_flight=8), "31 answers of rounds under way are kept, 8 requests in flight are made again"),
        (Left(kept=1, in_flight=1), "1 answer of rounds under way is kept, 1 request in flight is made again"),
        (Left(in_flight=8, failed=3), "8 requests in flight and 3 requests that failed are made again"),
        (
            Left(kept=1000, unkept=2),
            "1,000 answers of rounds under way are kept, 2 answers that could not be kept are made again",
        ),
    ],
    ids=["nothing", "many", "one each", "failures", "a full disk"],
)
def test_what_stays_in_words(left: Left, said: str) -> None:
    assert str(left) == said


@given(st.data())
def test_whatever_happens_an_answer_is_written_once_and_stays_until_its_round_is_committed(data: st.DataObject) -> None:
    """Lives of a run in which requests are asked, answered and committed, and segments written, refused and lost."""
    there: dict[str, Segment] = {}
    committed = dict(BEGUN)
    for life in range(data.draw(st.integers(1, 4))):
        asked_now: set[str] = set()
        pace = Pace(data.draw(st.integers(1, 5)), data.draw(st.sampled_from([0.0, 3.0, math.inf])))
        keeping = Keeping(f"life{life}", list(there.values()), committed, pace)
        for now in range(data.draw(st.integers(0, 25))):
            number = committed[Table.PROPOSALS] + data.draw(st.integers(1, 2))
            match data.draw(st.sampled_from(["ask", "ask", "answer", "answer", "fail", "commit", "work", "work"])):
                case "ask":
                    one = request(number, data.draw(st.integers(0, 5)))
                    in_segments = {each.completion.request_id for segment in there.values() for each in segment.answers}
                    if one.id not in asked_now:
                        fresh, known = keeping.asked([one])
                        asked_now.add(one.id)
                        assert len(fresh) + len(known) == 1
                        assert bool(known) == (one.id in in_segments)
                case "answer" | "fail" as what:
                    some = request(number, data.draw(st.integers(0, 5)))
                    keeping.came(answer(some, Finish.STOP if what == "answer" else Finish.FAILED), now)
                case "commit":
                    committed[Table.PROPOSALS] += 1
                    keeping.committed(Table.PROPOSALS, committed[Table.PROPOSALS])
                case "work":
                    order = keeping.order(now)
                    if isinstance(order, Save):
                        _check_segment(order.segment, pace, there, committed)
                        is_there = data.draw(st.booleans())
                        if is_there:
                            there[order.segment.name] = order.segment
                        keeping.saved(order.segment, is_there, now)
                    elif isinstance(order, Remove):
                        gone = there.pop(order.name, None)
                        assert gone is None or not _open(gone, committed)
                        keeping.removed()
        if data.draw(st.booleans()):  # a clean end
            for segment in keeping.rest():
                _check_segment(segment, pace, there, committed)
                there[segment.name] = segment
                keeping.saved(segment, True, 0.0)
            assert keeping.left.unkept == 0
            assert keeping.left.kept == len({id for segment in there.values() for id in _open(segment, committed)})


def _check_segment(segment: Segment, pace: Pace, there: dict[str, Segment], committed: dict[Table, int]) -> None:
    ids = [each.completion.request_id for each in segment.answers]
    assert 0 < len(ids) <= pace.answers
    assert ids == _open(segment, committed)
    assert segment.name not in there
    assert not {id for other in there.values() for id in _open(other, committed)} & set(ids)
    assert all(each.completion.finish is not Finish.FAILED for each in segment.answers)


def _open(segment: Segment, committed: dict[Table, int]) -> list[str]:
    """The ids of the answers whose round is not committed."""
    ids = [each.completion.request_id for each in segment.answers]
    return [id for id in ids if place_of(id)[1] > committed[place_of(id)[0]]]
