"""The ways to choose, and the groups that a model is shown, over any vectors."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfinstruct.errors import InputError
from selfinstruct.records import Completion, Finish
from selfinstruct.selection.candidates import Candidate
from selfinstruct.selection.figures import coverage
from selfinstruct.selection.groups import Group, clusters, groups
from selfinstruct.selection.naming import Naming, named, places, turned
from selfinstruct.selection.ways import by_draw, by_k_centre, by_quality
from selfinstruct.semantic.vectors import Vectors


def vectors_of(least: int, most: int, largest: int = 127) -> st.SearchStrategy[Vectors]:
    row = st.lists(st.integers(-largest, largest), min_size=3, max_size=3)
    return st.lists(row, min_size=least, max_size=most).map(lambda rows: np.array(rows, np.int8))


many = st.one_of(vectors_of(2, 40), vectors_of(2, 40, largest=2))  # the second has copies and ties


def distances(vectors: Vectors) -> np.ndarray:
    """Squared, of each to each."""
    wide = vectors.astype(int)
    return ((wide[:, None] - wide[None]) ** 2).sum(axis=2)


def greedy(vectors: Vectors, number: int) -> list[int]:
    """The same by what it says, in whole numbers of any size."""
    between = distances(vectors)
    count, total = len(vectors), vectors.astype(int).sum(axis=0)
    to_mean = [((count * row - total) ** 2).sum() for row in vectors.astype(int)]
    chosen = [min(range(count), key=lambda each: to_mean[each])]
    while len(chosen) < number:
        rest = [each for each in range(count) if each not in chosen]
        chosen.append(max(rest, key=lambda each: min(between[each][chosen])))
    return chosen


@given(many, st.data())
def test_k_centre_is_what_brute_force_gives(vectors: Vectors, data: st.DataObject) -> None:
    number = data.draw(st.integers(1, len(vectors)))
    assert by_k_centre(vectors, number) == greedy(vectors, number)


@given(vectors_of(2, 9), st.data())
def test_its_radius_is_at_most_twice_the_best(vectors: Vectors, data: st.DataObject) -> None:
    number = data.draw(st.integers(1, len(vectors)))
    between = distances(vectors)

    def radius(chosen: Sequence[int]) -> int:
        return int(between[:, list(chosen)].min(axis=1).max())

    best = min(map(radius, itertools.combinations(range(len(vectors)), number)))
    assert radius(by_k_centre(vectors, number)) <= 4 * best  # squared


@given(many, st.data())
def test_a_smaller_choice_is_the_beginning_of_a_larger_one(vectors: Vectors, data: st.DataObject) -> None:
    number = data.draw(st.integers(1, len(vectors)))
    assert by_k_centre(vectors, len(vectors))[:number] == by_k_centre(vectors, number)
    assert by_draw(len(vectors), len(vectors), 3)[:number] == by_draw(len(vectors), number, 3)


@given(st.lists(st.integers(-127, 127), min_size=2, max_size=20, unique=True), st.randoms(use_true_random=False))
def test_k_centre_finds_the_same_rows_in_any_order(numbers: list[int], random: object) -> None:
    """Where no two are equally far: between equals the order decides, as it must."""
    rows = np.array([[number, number * number % 127, 5] for number in numbers], np.int8)
    between = distances(rows)
    if len(set(between[np.triu_indices(len(rows), 1)].tolist())) < len(rows) * (len(rows) - 1) // 2:
        return
    total, count = rows.astype(int).sum(axis=0), len(rows)
    if len({int(((count * row - total) ** 2).sum()) for row in rows.astype(int)}) < count:
        return
    order = list(range(count))
    random.shuffle(order)  # type: ignore[attr-defined]
    assert [order[at] for at in by_k_centre(rows[order], count - 1)] == by_k_centre(rows, count - 1)


@given(many, st.data())
def test_quality_keeps_to_the_order_and_passes_over_what_is_near(vectors: Vectors, data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(vectors))))
    number = data.draw(st.integers(1, len(vectors)))
    chosen = by_quality(vectors, order, number)
    assert len(set(chosen)) == number
    wide = vectors.astype(float)
    kept: list[int] = []
    for each in order:
        lengths = [np.linalg.norm(wide[each]) * np.linalg.norm(wide[other]) for other in kept]
        cosines = [wide[each] @ wide[other] / max(length, 1) for other, length in zip(kept, lengths, strict=True)]
        if any(abs(cosine - 0.9) < 1e-9 for cosine in cosines):
            return
        if all(cosine < 0.9 for cosine in cosines):
            kept.append(each)
    rest = [each for each in order if each not in kept]
    assert chosen == [*kept, *rest][:number]


@given(many, st.data())
def test_every_candidate_is_in_one_group_and_the_budget_is_met(vectors: Vectors, data: st.DataObject) -> None:
    number = data.draw(st.integers(1, len(vectors)))
    size = data.draw(st.integers(2, 12))
    made = groups(vectors, number, size, seed=1)
    assert sorted(member for group in made for member in group.members) == list(range(len(vectors)))
    assert sum(group.picks for group in made) == number
    assert all(1 <= group.picks <= len(group.members) for group in made)
    sizes, picks = {len(group.members) for group in made}, {group.picks for group in made}
    assert max(sizes) - min(sizes) <= 1
    assert max(picks) - min(picks) <= 1
    cut = clusters(vectors, len(made))
    owner = {ordinal: at for at, cluster in enumerate(cut) for ordinal in cluster.tolist()}
    for group in made:
        assert len({owner[member] for member in group.members}) == len(group.members)


def test_groups_are_of_unlike_members() -> None:
    """Four crowds, each within a corner of its own: every group has one of each."""
    corners = np.array([[100, 0, 0], [0, 100, 0], [0, 0, 100], [-100, 0, 0]])
    vectors = np.array([corners[at % 4] + [at % 3, at % 5, at % 2] for at in range(40)], np.int8)
    for group in groups(vectors, number=10, size=4, seed=0):
        assert sorted(member % 4 for member in group.members) == [0, 1, 2, 3]


def test_groups_that_nobody_can_read_are_refused() -> None:
    with pytest.raises(InputError, match="2 of 200 candidates makes groups of 100, and more than 60"):
        groups(np.ones((200, 3), np.int8), number=2, size=14, seed=0)


@pytest.mark.parametrize(
    ("text", "picks", "read"),
    [
        ("[3]", 1, [3]),
        ("Picked: [2], [5]", 2, [2, 5]),
        ("The best are:\n1. [4]\n2. [1]", 2, [4, 1]),
        ("I take [2], since [2] is clear.", 1, [2]),
        (" 4\n\n[is the best]", 1, [4]),
        ("Picked: 4.", 1, [4]),
        ("Numbers 3, 1, and 2", 3, [3, 1, 2]),
        ("1. Write a poem about the sea.\n2. Name a fish.", 1, []),
        ("4 is the best", 1, []),
        ("3 and 1", 2, [3, 1]),
        ("<think>[1] or [2]?</think>[2]", 1, [2]),
        ("[1], [2], [3]", 2, []),
        ("[1]", 2, []),
        ("[6]", 1, []),
        ("[0]", 1, []),
        ("All are good.", 1, []),
        ("", 1, []),
    ],
)
def test_an_answer_names_as_many_members_as_were_asked_for_or_cannot_be_read(
    text: str, picks: int, read: list[int]
) -> None:
    assert named(Completion("000000", text, Finish.STOP, 1, 1), 5, picks, chat=True) == read


def test_a_failed_request_names_nothing() -> None:
    assert named(Completion("000000", "[1]", Finish.FAILED, 1, 0, "gone"), 5, 1, chat=True) == []


def test_in_the_second_order_every_member_stands_elsewhere() -> None:
    first = [Group(number, tuple(range(number, number + 2 + number % 5)), 1) for number in range(30)]
    again = turned(first, seed=0)
    assert len(again) == 20
    for group in again:
        before = first[group.number].members
        assert sorted(group.members) == sorted(before)
        assert all(one != other for one, other in zip(group.members, before, strict=True))


def test_a_chooser_by_place_is_told_from_one_by_content() -> None:
    first = [Group(number, tuple(range(10 * number, 10 * number + 5)), 1) for number in range(20)]
    again = turned(first, seed=0)
    by_place = places(
        [Naming(each, each.members[:1]) for each in first], [Naming(each, each.members[:1]) for each in again]
    )
    assert (by_place.groups, by_place.moved, by_place.first) == (20, 1.0, 1.0)
    assert by_place.moved_by_chance == pytest.approx(0.8)
    assert by_place.first_by_chance == pytest.approx(0.2)
    by_content = places(
        [Naming(each, (min(each.members),)) for each in first], [Naming(each, (min(each.members),)) for each in again]
    )
    assert by_content.moved == 0
    unread = places([Naming(each, None) for each in first], [Naming(each, each.members[:1]) for each in again])
    assert (unread.groups, unread.first_by_chance) == (0, 0.0)
    assert "nobody knows" in unread.text


@given(many, st.data())
def test_figures_are_what_they_say(vectors: Vectors, data: st.DataObject) -> None:
    number = data.draw(st.integers(1, len(vectors)))
    chosen = by_draw(len(vectors), number, 0)
    candidates = [Candidate(str(at), "two words") for at in range(len(vectors))]
    found = coverage(vectors, chosen, candidates, [at % 3 for at in range(len(vectors))])
    wide = vectors.astype(float)
    lengths = np.maximum(np.linalg.norm(wide, axis=1), 1e-9)
    cosines = wide @ wide.T / lengths[:, None] / lengths
    assert found.radius * 256 == pytest.approx(distances(vectors)[:, chosen].min(axis=1).max() ** 0.5)
    assert found.covered == pytest.approx(cosines[:, chosen].max(axis=1).mean())
    assert found.cells == len({each % 3 for each in chosen})
    assert found.words == 2 * number
    if number > 1:
        others = [max(cosines[each, other] for other in chosen if other != each) for each in chosen]
        assert found.apart == pytest.approx(np.mean(others))
    else:
        assert found.apart is None
