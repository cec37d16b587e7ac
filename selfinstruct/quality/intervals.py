"""Shares with 95 % intervals from counts: Wilson's, and people's corrected by a judge (`docs/quality.md`).

Everything but `wilson` works on arrays of equal shape, so that a simulation has many samples at once. A package for the
correction, ppi-python, has normal intervals only, which fail for small samples, and needs pandas and a downloader.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]

LEAST = 5
"""Verdicts of either kind by people, below which no judge is asked for help."""

MODERATE = 0.4
"""Kappa from which agreement is called moderate (Landis and Koch, 1977)."""

Z = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Pairs:
    """Rows (not always whole ones) by people's verdict, then by the judge's."""

    yes_yes: Array
    yes_no: Array
    no_yes: Array
    no_no: Array

    @property
    def rows(self) -> Array:
        """All of them."""
        return self.yes_yes + self.yes_no + self.no_yes + self.no_no

    @property
    def people(self) -> Array:
        """People's yes."""
        return self.yes_yes + self.yes_no

    @property
    def judge(self) -> Array:
        """The judge's yes."""
        return self.yes_yes + self.no_yes

    def plus(self, agreements: float, disagreements: float) -> Pairs:
        """With so many more of each of the two kinds of agreement, and of disagreement."""
        return Pairs(
            self.yes_yes + agreements, self.yes_no + disagreements, self.no_yes + disagreements, self.no_no + agreements
        )


@dataclass(frozen=True, slots=True)
class Corrected:
    """People's shares corrected by a judge; `weight` is 0 where it was left out."""

    share: Array
    low: Array
    high: Array
    effective: Array
    weight: Array


def wilson(yes: float, answered: float) -> tuple[float, float]:
    """The 95 % score interval of one share (Wilson, 1927). (0, 1) without an answer."""
    if answered == 0:
        return 0.0, 1.0
    low, high = score_interval(np.asarray(yes / answered), np.asarray(answered, float))
    return float(low), float(high)


def score_interval(share: Array, rows: Array) -> tuple[Array, Array]:
    """Wilson's 95 % interval of shares of so many rows, which need not be whole numbers."""
    centre = share + Z * Z / (2 * rows)
    half = Z * np.sqrt((share * (1 - share) + Z * Z / (4 * rows)) / rows)
    scale = 1 + Z * Z / rows
    return np.clip((centre - half) / scale, 0.0, share), np.clip((centre + half) / scale, share, 1.0)


def corrected(pairs: Pairs, judge_share: Array, judge_rows: Array) -> Corrected:
    """PPI++ for shares: `pairs` are the rows that both saw, part of the `judge_rows` with `judge_share` of yes.

    With yes and no only, the weight that makes the variance least is how much more often people say yes where the judge
    does. The judge then takes away the part r² of the variance, r being the correlation, but for the chance in its own
    rows: people's rows count as `rows / (1 - r² (1 - rows / judge_rows))`.
    """
    plain = pairs.people / pairs.rows
    passed, failed = np.maximum(pairs.judge, 1e-9), np.maximum(pairs.rows - pairs.judge, 1e-9)
    few = np.minimum(pairs.people, pairs.rows - pairs.people) < LEAST
    _, confirmed, _ = kappa_interval(pairs)
    weight = np.where(few | ~(confirmed > 0), 0.0, pairs.yes_yes / passed - pairs.yes_no / failed)
    share = np.clip(plain + weight * (judge_share - pairs.judge / pairs.rows), 0.0, 1.0)
    saved = np.where(weight == 0, 0.0, explained(pairs) * (1 - pairs.rows / judge_rows))
    effective = pairs.rows / (1 - saved)
    return Corrected(share, *score_interval(share, effective), effective, weight)


def kappa_interval(pairs: Pairs) -> tuple[Array, Array, Array]:
    """Cohen's kappa (nan where it is 0 / 0) with its 95 % interval, which is never of no width.

    The interval is that of Fleiss, Cohen and Everitt (1969) with half a row more of each kind.
    """
    kappa, _ = _kappa(pairs)
    centre, error = _kappa(pairs.plus(0.5, 0.5))
    low, high = centre - Z * error, centre + Z * error
    return kappa, np.maximum(-1.0, np.fmin(low, kappa)), np.minimum(1.0, np.fmax(high, kappa))


def is_useless(pairs: Pairs) -> NDArray[np.bool_]:
    """Whether the judge may be guessing: agrees with people less than moderately at best, or has one answer only."""
    _, low, high = kappa_interval(pairs)
    unmoved = ((pairs.judge == 0) | (pairs.judge == pairs.rows)) & (pairs.people > 0) & (pairs.people < pairs.rows)
    return np.asarray((low <= 0) & ((high < MODERATE) | unmoved))


def _kappa(pairs: Pairs) -> tuple[Array, Array]:
    """Kappa and its standard error."""
    rows = pairs.rows
    people, judge = pairs.people / rows, pairs.judge / rows
    same = (pairs.yes_yes + pairs.no_no) / rows
    chance = people * judge + (1 - people) * (1 - judge)
    rest = np.where(chance < 1, 1 - chance, np.nan)
    kappa = (same - chance) / rest
    agreeing = (
        pairs.yes_yes * (1 - (people + judge) * (1 - kappa)) ** 2
        + pairs.no_no * (1 - (2 - people - judge) * (1 - kappa)) ** 2
    )
    differing = pairs.yes_no * (judge + 1 - people) ** 2 + pairs.no_yes * (people + 1 - judge) ** 2
    variance = (agreeing + (1 - kappa) ** 2 * differing) / rows - (kappa - chance * (1 - kappa)) ** 2
    return kappa, np.sqrt(np.maximum(variance, 0.0) / rows) / rest


def explained(pairs: Pairs) -> Array:
    """The part of the variance of people's verdicts that the judge's explain (r²), carefully: 0 to below 1.

    One more disagreement of each kind than was seen keeps small samples from looking perfect, and the correction for
    degrees of freedom (adjusted r²) keeps chance from looking like something.
    """
    careful = pairs.plus(0.0, 1.0)
    people, judge, rows = careful.people, careful.judge, careful.rows
    covariance = careful.yes_yes * careful.no_no - careful.yes_no * careful.no_yes
    squared = np.maximum(covariance, 0.0) ** 2 / (people * (rows - people) * judge * (rows - judge))
    return np.maximum(0.0, squared - (1 - squared) / np.maximum(pairs.rows - 2, 1e-9))
