"""Which rows are looked at: the same for everybody, nested, spread over the strata."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfinstruct.draws import in_share
from selfinstruct.quality.sample import draw, stratum_of

IDS = [f"000001/{number:05d}/00" for number in range(2000)]


def test_a_share_is_nested_and_about_as_large_as_it_says() -> None:
    taken = {share: {id for id in IDS if in_share(id, share, seed=3)} for share in (0.0, 0.1, 0.5, 1.0)}
    assert taken[0.0] == set()
    assert taken[0.1] < taken[0.5] < taken[1.0] == set(IDS)
    assert len(taken[0.5]) == pytest.approx(1000, abs=100)
    assert taken[0.5] != {id for id in IDS if in_share(id, 0.5, seed=4)}


def test_strata_are_kinds_by_tenths_of_the_run() -> None:
    assert [stratum_of(True, at, 20) for at in (0, 1, 2, 19)] == [f"classification/{n}" for n in (0, 0, 1, 9)]
    assert [stratum_of(kind, 0, 1) for kind in (False, None)] == ["other/0", "unknown/0"]


def test_a_count_takes_of_each_stratum_by_its_size() -> None:
    strata = ["many"] * 1400 + ["some"] * 590 + ["few"] * 10
    by_id = dict(zip(IDS, strata, strict=True))
    drawn = draw(IDS, strata, 200, seed=1)
    assert Counter(by_id[id] for id in drawn) == {"many": 140, "some": 59, "few": 1}
    assert drawn == sorted(drawn)
    assert draw(IDS, strata, 5000, seed=1) == IDS
    assert draw([], [], 5, seed=1) == []


@given(st.lists(st.sampled_from("abc"), max_size=60), st.integers(0, 60), st.integers(0, 60), st.integers(0, 5))
def test_a_smaller_count_is_part_of_a_larger_one(strata: list[str], one: int, other: int, seed: int) -> None:
    ids = IDS[: len(strata)]
    fewer, more = (draw(ids, strata, count, seed) for count in sorted((one, other)))
    assert set(fewer) <= set(more)
    assert len(more) == min(max(one, other), len(ids))


def test_the_order_of_the_rows_does_not_matter() -> None:
    strata = [str(number % 7) for number in range(500)]
    backwards = draw(IDS[:500][::-1], strata[::-1], 60, seed=2)
    assert sorted(backwards) == draw(IDS[:500], strata, 60, seed=2)
