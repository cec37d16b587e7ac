"""The mix of strategies that follows what they bring: a pure function of counts, which committed files have.

A strategy is worth the distinct rows that it brings for each token it writes. Where a check says which rows are right,
each counts by the share of its strategy's rows that are. Every strategy that takes part keeps a floor, so that it is
seen when one is worth more than the others, as those run dry. Exact fractions decide: all machines agree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from fractions import Fraction

FLOOR = Fraction(1, 20)
"""Of the requests, for each strategy."""

WINDOW = 8
"""Rounds whose counts decide."""

PRIOR = 50
"""Rows at the rate of all strategies together that each is taken to have brought beside its own, so that a few requests
decide little."""

POWER = 8
"""Shares go with this power of the worth. By worth alone a strategy that is worth half as much as the best would get
half its share; so it gets next to none beyond its floor."""


@dataclass(frozen=True, slots=True)
class Brought:
    """What requests of a strategy have brought.

    Attributes:
        tokens: Written by the model.
        accepted: Instructions that joined the pool.
        distinct: Those of them that are about something new; all of them where nobody measures that.
        judged: Rows that a check looked at.
        right: Those of them that are right in all.
    """

    requests: int = 0
    tokens: int = 0
    accepted: int = 0
    distinct: int = 0
    judged: int = 0
    right: int = 0

    def __add__(self, other: Brought) -> Brought:
        return Brought(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))


def shares_of(brought: Mapping[str, Brought]) -> dict[str, Fraction]:
    """The share of the requests for each strategy: a floor, and the rest by worth. They sum to 1.

    One that made no request while others did, as `document` when all documents are used, has its floor alone.
    """
    if not any(each.requests for each in brought.values()):
        return {name: Fraction(1, len(brought)) for name in brought}
    total = sum(brought.values(), Brought())
    weights = {name: _weight(each, total) if each.requests else Fraction(0) for name, each in brought.items()}
    rest, sum_of_weights = 1 - len(brought) * FLOOR, sum(weights.values())
    return {name: FLOOR + rest * weight / sum_of_weights for name, weight in weights.items()}


def _weight(each: Brought, total: Brought) -> Fraction:
    """By worth, which is of tokens; shares are of requests, some of which write more than others."""
    return worth_of(each, total) ** POWER * Fraction(each.requests, each.tokens + each.requests)


def worth_of(each: Brought, total: Brought) -> Fraction:
    """Right, distinct rows of a strategy for each token, where all together brought `total`."""
    prior = PRIOR * Fraction(total.tokens + 1, total.distinct + 1)
    right = (each.right + PRIOR * Fraction(total.right + 1, total.judged + 1)) / (each.judged + PRIOR)
    return (each.distinct + PRIOR) / (each.tokens + prior) * right
