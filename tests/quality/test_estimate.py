"""Estimates hold what they promise: judges whose faults are known, on rows whose truth is known."""

from __future__ import annotations

import math
from itertools import chain, repeat

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.bench.estimate import JUDGES, Held, simulate
from selfinstruct.quality.estimate import Looked, estimate, judge_figures, usable
from selfinstruct.quality.intervals import Pairs, corrected, kappa_interval, score_interval, wilson

SAID = st.sampled_from(["yes", "no", "unreadable", "none"])


def looked(yes_yes: int, yes_no: int, no_yes: int, no_no: int, judge_yes: int = 0, judge_no: int = 0) -> list[Looked]:
    """Rows that both saw, people's verdict first, and then those that only the judge saw."""
    kinds = [("yes", "yes"), ("yes", "no"), ("no", "yes"), ("no", "no"), ("none", "yes"), ("none", "no")]
    numbers = [yes_yes, yes_no, no_yes, no_no, judge_yes, judge_no]
    return [Looked("all", *said) for said in chain(*(repeat(kind, n) for kind, n in zip(kinds, numbers, strict=True)))]


def pairs_of(*cells: float) -> Pairs:
    return Pairs(*(np.asarray(cell, float) for cell in cells))


# ---- what must hold


@pytest.fixture(scope="module")
def held() -> list[Held]:
    return list(simulate(samples=6_000, seed=7))


def test_intervals_hold_for_any_judge(held: list[Held]) -> None:
    assert {each.judge for each in held} == set(JUDGES)
    for each in held:
        assert each.holds >= 0.93, each


def test_a_useless_judge_costs_nothing(held: list[Held]) -> None:
    for each in held:
        assert each.width <= 1.005, each
        if each.judge in ("random", "always yes", "contrary"):
            assert each.useless > (0.85 if each.people == 60 else 0.95), each


def test_a_good_judge_makes_intervals_narrower(held: list[Held]) -> None:
    for each in held:
        if each.judge in ("good", "sharp"):
            assert each.width < 0.96
            assert each.useless < 0.07
            if 0.25 <= each.share <= 0.75:
                assert each.width < 0.76, each


def test_the_textbook_s_interval_would_not_hold(held: list[Held]) -> None:
    """Which is why there is another; should this fail, ours is needed no longer."""
    few = [each for each in held if each.people == 60 and each.share in (0.05, 0.95)]
    assert all(each.textbook_holds < 0.9 for each in few)


@pytest.mark.parametrize("right", [(0.3, 0.9), (0.9, 0.3)])
@pytest.mark.parametrize("accuracy", [0.9, 0.5])
def test_strata_that_were_looked_at_unevenly_are_set_right(right: tuple[float, float], accuracy: float) -> None:
    """Four fifths of the run are in the stratum from which people saw a fifth of their rows."""
    population = {"first": 8_000, "last": 2_000}
    true = 0.8 * right[0] + 0.2 * right[1]
    draws = np.random.default_rng(5)
    rows: list[Looked]
    found = []
    for _ in range(400):
        rows = []
        for stratum, share, people, judged in (("first", right[0], 24, 400), ("last", right[1], 96, 100)):
            truth = draws.random(judged) < share
            judge = truth == (draws.random(judged) < accuracy)
            for at, (is_right, passes) in enumerate(zip(truth, judge, strict=True)):
                said = ("yes" if is_right else "no") if at < people else "none"
                rows.append(Looked(stratum, said, "yes" if passes else "no"))
        found.append(estimate(rows, population))
    assert np.mean([each.share for each in found if each]) == pytest.approx(true, abs=0.015)
    assert np.mean([each.low <= true <= each.high for each in found if each]) >= 0.93
    unweighted = estimate(rows)
    assert unweighted is not None
    assert abs(unweighted.share - true) > 0.1


# ---- what is computed


def test_wilson_is_that_of_scipy() -> None:
    from scipy.stats import binomtest

    for yes, answered in ((0, 5), (5, 5), (108, 200), (1, 1), (184, 200)):
        expected = binomtest(yes, answered).proportion_ci(0.95, method="wilson")
        assert wilson(yes, answered) == pytest.approx((expected.low, expected.high))
    assert wilson(0, 0) == (0.0, 1.0)


def test_a_correction_worked_out_by_hand() -> None:
    """People find 2/3 of the 60 right that the judge passes, and 1/4 of the 40 others; it passes 400 of 1,000.

    So 400 * 2/3 + 600 * 1/4 of 1,000 are right.
    """
    found = estimate(looked(40, 10, 20, 30, judge_yes=340, judge_no=560))
    assert found is not None
    assert found.by == "people and judge"
    assert (found.people, found.judged) == (100, 1000)
    assert found.weight == pytest.approx(2 / 3 - 1 / 4)
    assert found.share == pytest.approx(0.4 * 2 / 3 + 0.6 / 4)
    r = (40 * 30 - 11 * 21) / math.sqrt(51 * 51 * 61 * 41)  # with one more disagreement of each kind
    part = r * r - (1 - r * r) / 98
    assert found.effective == pytest.approx(100 / (1 - part * 0.9))
    assert (found.low, found.high) == pytest.approx(wilson(found.share * found.effective, found.effective))
    assert found.text == "42 % (95 %: 33 to 51 %; 100 rows by people, 1,000 by a judge)"


@given(st.lists(st.tuples(SAID, SAID), max_size=80))
def test_estimates_are_shares_whatever_was_said(said: list[tuple[str, str]]) -> None:
    rows = [Looked("all", *each) for each in said]
    found = estimate(rows)
    if found is None:
        assert not any(row.by_people or row.by_judge for row in rows)
        return
    assert 0 <= found.low <= found.share <= found.high <= 1
    weighted = estimate(rows, {"all": 100})
    assert weighted is not None
    assert (weighted.share, weighted.low, weighted.high) == pytest.approx((found.share, found.low, found.high))
    assert found == estimate([Looked("all", a, "no" if b == "unreadable" else b) for a, b in said])
    people = [row.people == "yes" for row in rows if row.by_people]
    if people:
        assert found.by != "judge"
        assert found.effective >= len(people) - 1e-6
    if found.by == "people":
        assert (found.low, found.high) == pytest.approx(wilson(sum(people), len(people)))


def test_few_verdicts_of_one_kind_leave_people_alone() -> None:
    rows = looked(4, 0, 0, 56, judge_yes=100, judge_no=1840)
    found = estimate(rows)
    assert found is not None
    assert (found.by, found.share, found.people, found.judged) == ("people", 4 / 60, 60, 0)
    more = estimate(looked(5, 0, 0, 55, judge_yes=100, judge_no=1840))
    assert more is not None
    assert more.by == "people and judge"


@pytest.mark.parametrize(
    "rows",
    [
        looked(15, 15, 15, 15, 900, 900),
        looked(30, 0, 30, 0, 1800, 0),
        looked(2, 28, 28, 2, 900, 900),
        looked(30, 0, 0, 30),
    ],
    ids=["random", "always yes", "contrary", "no rows beside people's"],
)
def test_a_judge_that_cannot_help_is_left_out(rows: list[Looked]) -> None:
    found = estimate(rows)
    assert found is not None
    assert (found.by, found.weight, found.effective) == ("people", 0.0, pytest.approx(60))
    assert found.text == "50 % (95 %: 38 to 62 %; 60 rows by people)"


def test_without_people_it_is_the_judge_who_says_so() -> None:
    found = estimate(looked(0, 0, 0, 0, judge_yes=840, judge_no=160))
    assert found is not None
    assert found.by == "judge"
    assert found.text == "the judge says 84 % (1,000 rows; no person has looked)"
    judged = usable(found, 1000, 1000)
    assert (judged.by, judged.span) == ("judge", f"{1 / found.share:.3g}")
    assert judge_figures(looked(0, 0, 0, 0, 5, 5)) is None
    assert estimate([]) is None
    assert estimate([Looked("all", "none", "none")]) is None


def test_many_small_strata_do_not_widen_the_interval() -> None:
    """Sixty rows in twenty strata: three in each. Weights by three rows would be worse than none."""
    population = {f"{kind}/{tenth}": 500 for kind in "ab" for tenth in range(10)}
    rows = [Looked(stratum, "yes" if at % 2 else "no", "none") for stratum in population for at in range(3)]
    uneven = rows[:50]  # whoever filled in the sheet stopped early
    for each in (rows, uneven):
        found = estimate(each, population)
        assert found is not None
        assert found.effective > 0.9 * len(each)
        assert found.covered == pytest.approx(len({row.stratum for row in each}) / 20)
        assert found.text.endswith(
            "; 60 rows by people)"
            if each is rows
            else "; 50 rows by people; none from the parts with 15 % of the rows)"
        )


def test_a_stratum_without_a_size_is_refused() -> None:
    with pytest.raises(ValueError, match="strata without a size: b"):
        estimate([Looked("a", "yes", "no"), Looked("b", "yes", "no")], {"a": 5})


# ---- the judge


@pytest.mark.parametrize("cells", [(40, 10, 20, 30), (3, 2, 30, 25), (50, 1, 0, 9), (1, 9, 9, 1)])
def test_kappa_is_that_of_scikit_learn(cells: tuple[int, int, int, int]) -> None:
    from sklearn.metrics import cohen_kappa_score

    rows = looked(*cells)
    expected = cohen_kappa_score([row.people for row in rows], [row.judge for row in rows])
    figures = judge_figures(rows)
    assert figures is not None
    assert figures.kappa == pytest.approx(expected)
    assert figures.low < expected < figures.high
    assert (figures.yes_yes, figures.yes_no, figures.no_yes, figures.no_no) == cells


@pytest.mark.parametrize("people", [60, 200])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_kappa_s_interval_holds(people: int, share: float) -> None:
    draws = np.random.default_rng(3)
    for recall, refusal in ((0.9, 0.9), (0.75, 0.75), (0.6, 0.6), (0.5, 0.5)):
        cells = np.array([share * recall, share * (1 - recall), (1 - share) * (1 - refusal), (1 - share) * refusal])
        kappa, _, _ = kappa_interval(pairs_of(*cells))
        _, low, high = kappa_interval(Pairs(*draws.multinomial(people, cells, 5000).T.astype(float)))
        assert ((low <= kappa) & (kappa <= high)).mean() > 0.92
        if recall == 0.5:
            assert (low > 0).mean() < 0.04


def test_a_model_that_guesses_over_sixty_rows_is_said_to_be_useless() -> None:
    """Five of sixty right, as it is with a small model's rows, of which the judge passes most."""
    figures = judge_figures([*looked(4, 1, 39, 10), *[Looked("all", "no", "unreadable")] * 6])
    assert figures is not None
    assert figures.useless
    assert (figures.rows, figures.unreadable) == (60, 6)
    assert figures.precision == pytest.approx(4 / 43)
    assert figures.recall == pytest.approx(4 / 5)
    assert figures.text == (
        f"The judge is useless: over 60 rows it may as well be guessing (kappa {figures.kappa:.2f}, 95 %: "
        f"{figures.low:.2f} to {figures.high:.2f}). By people's verdict 4 of the 43 rows that it passes are right, and "
        "it passes 4 of the 5 right ones; 6 of its answers cannot be read."
    )


@pytest.mark.parametrize(
    ("cells", "useless", "said"),
    [
        ((90, 10, 10, 90), False, "The judge is of use (kappa 0.80, 95 %: 0.71 to 0.88): beside it a row by people"),
        ((65, 35, 45, 55), False, "The judge agrees with people a little"),
        ((20, 80, 80, 20), True, "The judge is useless: over 200 rows it contradicts people"),
        ((100, 0, 100, 0), True, "The judge is useless: over 200 rows it may as well be guessing"),
        ((57, 0, 3, 0), True, "The judge is useless: over 60 rows it may as well be guessing"),
        ((3, 1, 1, 3), False, "Too few rows by people (8) to say whether the judge is of use"),
        ((8, 0, 0, 0), False, "The judge cannot be rated: it and people say the same of all 8 rows."),
    ],
)
def test_what_is_said_of_a_judge(cells: tuple[int, int, int, int], useless: bool, said: str) -> None:
    figures = judge_figures(looked(*cells))
    assert figures is not None
    assert figures.useless is useless
    assert figures.text.startswith(said)


# ---- usable rows


def test_usable_rows_and_their_cost_carry_the_interval() -> None:
    share = estimate(looked(54, 0, 0, 46))
    assert share is not None
    found = usable(share, 10_000, 2_000_000)
    assert found.rows == pytest.approx(5_400)
    assert found.each == pytest.approx(2_000_000 / 5_400)
    assert found.each_low == pytest.approx(2_000_000 / found.high)
    assert found.each_high == pytest.approx(2_000_000 / found.low)
    assert (found.low, found.high) == pytest.approx([10_000 * bound for bound in wilson(54, 100)])
    assert found.span == "370 (315 to 452)"
    assert usable(share, 10_000, 2.7).span == "0.0005 (0.000426 to 0.00061)"
    assert usable(share, 10_000, 0.27).span == "0.00005 (0.00004256 to 0.000061)"
    assert usable(share, 10_000, 0).span == "0 (0 to 0)"


def test_where_nothing_is_right_the_cost_has_no_bound() -> None:
    share = estimate(looked(0, 0, 0, 60))
    assert share is not None
    found = usable(share, 1_000, 50_000)
    assert (found.rows, found.each, found.each_high, found.span) == (0, None, None, "")
    assert found.each_low == pytest.approx(50_000 / (1_000 * share.high))


def test_many_samples_at_once_are_as_one_by_one() -> None:
    cells = np.array([[40.0, 10, 20, 30], [15, 15, 15, 15], [4, 0, 0, 56]])
    judge_share = np.array([0.4, 0.5, 0.05])
    together = corrected(Pairs(*cells.T), judge_share, np.asarray(1000.0))
    for at, each in enumerate(cells):
        alone = corrected(pairs_of(*each), judge_share[at], np.asarray(1000.0))
        assert together.low[at] == pytest.approx(float(alone.low))
        assert together.weight[at] == pytest.approx(float(alone.weight))
    low, high = score_interval(np.array([0.5, 0.9]), np.array([60.0, 200.0]))
    assert (low[1], high[1]) == pytest.approx(wilson(180, 200))
