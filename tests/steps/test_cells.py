"""Demonstrations by cells: each cell as likely as any other, and a plan of the pool's beginning alone."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from selfinstruct.draws import Draws
from selfinstruct.pool import Pool
from selfinstruct.prompts import load_prompts
from selfinstruct.records import Candidate, Origin
from selfinstruct.steps.strategies.cells import CellIndex
from selfinstruct.steps.strategies.listed import Spread
from selfinstruct.steps.strategies.planned import PoolView
from selfinstruct.steps.strategies.settings import SpreadSettings


def pool_of(cells: list[int], seeds: int = 2) -> Pool:
    pool = Pool()
    given = [
        Candidate(f"seed/{at}", 0, None, None, Origin.SEED, f"Seed {at}.", True, None, None, None)
        for at in range(seeds)
    ]
    made = [
        Candidate(f"000001/{at:05d}/00", 1, None, 0, Origin.MODEL, f"Task {at}.", True, None, None, None)
        for at in range(len(cells))
    ]
    pool.extend(given, [0] * seeds)
    pool.extend(made, cells)
    return pool


@given(st.lists(st.integers(0, 1023), max_size=40), st.integers(0, 50), st.integers())
def test_as_many_as_there_are_and_none_twice(cells: list[int], count: int, key: int) -> None:
    pool = pool_of(cells)
    drawn = CellIndex(pool.cells, range(2, len(pool))).draw(Draws(key), count)
    assert len(drawn) == len(set(drawn)) == min(count, len(cells))
    assert all(2 <= each < len(pool) for each in drawn)
    if count <= len(set(cells)):
        assert len({pool.cells[each] for each in drawn}) == len(drawn)


def test_a_small_cell_is_shown_as_often_as_a_large_one() -> None:
    pool = pool_of([7] * 90 + [9] * 10)
    index = CellIndex(pool.cells, range(2, len(pool)))
    drawn = Counter(pool.cells[index.draw(Draws("cells", at), 1)[0]] for at in range(1000))
    assert abs(drawn[9] - 500) < 80


def test_what_is_not_among_the_ordinals_is_never_drawn() -> None:
    pool = pool_of([1, 2, 3, 4, 5])
    proven = [3, 5]
    assert set(CellIndex(pool.cells, proven).draw(Draws("x"), 9)) == {3, 5}


def test_a_plan_depends_on_the_first_entries_of_the_pool_only() -> None:
    short, long = pool_of(list(range(20))), pool_of([*range(20), *range(300, 400)])
    plans = []
    for pool in (short, long):
        view = PoolView(pool, 22, cells=CellIndex(pool.cells, range(2, 22)))
        plans.append(Spread(SpreadSettings(), 9, load_prompts("base")).plan("000003/00007", view))
    assert plans[0] == plans[1]
    assert sum(each >= 2 for each in plans[0].demonstrations) == 6
    assert plans[0].strategy == "spread"


def test_seeds_stand_in_while_there_are_too_few() -> None:
    pool = pool_of([4], seeds=20)
    view = PoolView(pool, 21, cells=CellIndex(pool.cells, range(20, 21)))
    shown = Spread(SpreadSettings(), 9, load_prompts("base")).plan("000001/00000", view).demonstrations
    assert len(shown) == 8
    assert sum(each >= 20 for each in shown) == 1
