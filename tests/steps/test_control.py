"""The mix that follows what strategies bring."""

from __future__ import annotations

import random
from dataclasses import replace
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from selfinstruct.steps.strategies.control import FLOOR, Brought, shares_of, worth_of

NAMES = ("paper", "spread", "query", "evolve", "document")


@st.composite
def counts(draw: st.DrawFn) -> Brought:
    requests = draw(st.integers(0, 10**5))
    tokens = draw(st.integers(0, 200)) * requests
    accepted = draw(st.integers(0, 8 * requests))
    judged = draw(st.integers(0, 5 * accepted))
    distinct, right = draw(st.integers(0, accepted)), draw(st.integers(0, judged))
    return Brought(requests, tokens, accepted, distinct, judged, right)


several = st.lists(counts(), min_size=2, max_size=len(NAMES)).map(lambda each: dict(zip(NAMES, each, strict=False)))


@given(several)
def test_shares_sum_to_one_and_keep_the_floor(brought: dict[str, Brought]) -> None:
    shares = shares_of(brought)
    assert sum(shares.values()) == 1
    assert list(shares) == list(brought)
    assert min(shares.values()) >= FLOOR


@given(several, st.randoms(use_true_random=False))
def test_the_order_of_strategies_and_of_rounds_makes_no_difference(
    brought: dict[str, Brought], rng: random.Random
) -> None:
    names = list(brought)
    rng.shuffle(names)
    assert shares_of({name: brought[name] for name in names}) == shares_of(brought)
    each = list(brought.values())
    assert sum(each, Brought()) == sum(reversed(each), Brought())


@given(several, st.integers(1, 10**4))
def test_who_brings_more_for_the_same_tokens_has_no_less_than_before(brought: dict[str, Brought], more: int) -> None:
    name = next(iter(brought))
    better = replace(brought[name], distinct=brought[name].distinct + more, accepted=brought[name].accepted + more)
    if all(each.requests and each.tokens for each in brought.values()):
        total = sum(brought.values(), Brought())
        assert worth_of(better, total) > worth_of(brought[name], total)


def test_the_better_of_two_equals_in_all_else_has_more() -> None:
    shares = shares_of({"paper": Brought(1000, 100_000, 3000, 3000), "spread": Brought(1000, 100_000, 3000, 4000)})
    assert shares["spread"] > Fraction(3, 4)


def test_a_check_counts_where_it_is_told() -> None:
    alike = Brought(1000, 100_000, 3000, 3000)
    shares = shares_of(
        {"paper": replace(alike, judged=300, right=250), "spread": replace(alike, judged=300, right=100)}
    )
    assert shares["paper"] > Fraction(3, 4)
    assert shares_of({"paper": alike, "spread": alike})["paper"] == Fraction(1, 2)


def test_worth_is_of_tokens_and_not_of_requests() -> None:
    shares = shares_of({"paper": Brought(1000, 200_000, 4000, 4000), "query": Brought(1000, 25_000, 500, 500)})
    assert shares["query"] > shares["paper"]  # alike for each token, and eight requests of one write as much


def test_who_has_nothing_left_to_ask_with_has_the_floor() -> None:
    brought = {"paper": Brought(1000, 100_000, 3000, 3000), "spread": Brought(900, 90_000, 2000, 2000)}
    assert shares_of({**brought, "document": Brought()})["document"] == FLOOR


def test_without_counts_all_are_alike() -> None:
    assert set(shares_of(dict.fromkeys(NAMES, Brought())).values()) == {Fraction(1, 5)}
