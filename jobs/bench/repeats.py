"""What a bench repeated under several seeds allows one to say: intervals over seeds, and what they could show."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

POWER = 0.8
"""How often a difference is found that is said to be detectable."""

DRAWS = 4_000
"""By which it is told how large it must be."""


@dataclass(frozen=True, slots=True)
class Mean:
    """A figure over seeds, with its 95 % interval by Student's t; of one seed, or of equal ones, there is none."""

    mean: float
    interval: tuple[float, float] | None
    seeds: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """How much higher the mean of one arm is than that of another.

    Attributes:
        interval: 95 %, by Welch's t; None where an arm has one seed, or all seeds of both are equal, as where nothing
            has come yet: that says nothing of how far apart others would be.
        detectable: The difference that as many seeds of these spreads show four times in five; None as well.
    """

    mean: float
    interval: tuple[float, float] | None
    detectable: float | None

    @property
    def verdict(self) -> str:
        """What the interval allows one to say."""
        if self.interval is None or self.interval[0] <= 0 <= self.interval[1]:
            return "no verdict"
        return "more" if self.mean > 0 else "less"


def over_seeds(values: Sequence[float]) -> Mean:
    """A figure of each seed, summed up."""
    from scipy import stats

    mean = statistics.fmean(values)
    if len(set(values)) < 2:
        return Mean(mean, None, tuple(values))
    half = float(stats.t.ppf(0.975, len(values) - 1)) * statistics.stdev(values) / len(values) ** 0.5
    return Mean(mean, (mean - half, mean + half), tuple(values))


def difference(these: Sequence[float], those: Sequence[float]) -> Difference:
    """The difference of two arms' means. Their seeds are no pairs: the same seed draws other things in each."""
    import numpy as np

    mean = statistics.fmean(these) - statistics.fmean(those)
    if min(len(these), len(those)) < 2 or len(set(these)) == len(set(those)) == 1:
        return Difference(mean, None, None)
    half = float(_half(np.array([these]), np.array([those]))[0])
    return Difference(mean, (mean - half, mean + half), _detectable(these, those))


def detectable(values: Sequence[float]) -> float | None:
    """The difference of another arm, with as many seeds and the same spread, that shows four times in five; None of
    one seed, or of equal ones."""
    return difference(values, values).detectable


def _detectable(these: Sequence[float], those: Sequence[float]) -> float:
    """By draws from two normal distributions of these spreads: how far they must be apart for the interval to leave
    zero out."""
    import numpy as np

    draws = np.random.default_rng(0)
    first, second = (draws.normal(0.0, statistics.stdev(each), (DRAWS, len(each))) for each in (these, those))
    return float(np.quantile(_half(first, second) - first.mean(axis=1) + second.mean(axis=1), POWER))


def _half(these: NDArray[np.float64], those: NDArray[np.float64]) -> NDArray[np.float64]:
    """Half the width of Welch's interval of the difference of two rows' means, for each pair of rows."""
    from scipy import stats

    first, second = (each.var(axis=1, ddof=1) / each.shape[1] for each in (these, those))
    error, weights = first + second, first**2 / (these.shape[1] - 1) + second**2 / (those.shape[1] - 1)
    half: NDArray[np.float64] = stats.t.ppf(0.975, error**2 / weights) * error**0.5
    return half
