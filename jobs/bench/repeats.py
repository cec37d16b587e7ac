"""What a bench repeated under several seeds allows one to say: intervals over seeds, and what they could show."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

CONFIDENCE, POWER = 0.95, 0.8
"""Of the intervals, and of finding a difference that is said to be detectable."""


@dataclass(frozen=True, slots=True)
class Mean:
    """A figure over seeds, with its 95 % interval by Student's t; of one seed there is none."""

    mean: float
    interval: tuple[float, float] | None
    seeds: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """How much higher the mean of one arm is than that of another.

    Attributes:
        interval: 95 %, by Welch's t; None where an arm has one seed.
        detectable: The difference that as many seeds with this spread find four times in five (about: a shifted t in
            place of a noncentral one); None as well.
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
    mean = statistics.fmean(values)
    if len(values) < 2:
        return Mean(mean, None, tuple(values))
    half = _t(1 - (1 - CONFIDENCE) / 2, len(values) - 1) * (statistics.variance(values) / len(values)) ** 0.5
    return Mean(mean, (mean - half, mean + half), tuple(values))


def difference(these: Sequence[float], those: Sequence[float]) -> Difference:
    """The difference of two arms' means. Their seeds are no pairs: the same seed draws other things in each."""
    mean = statistics.fmean(these) - statistics.fmean(those)
    if min(len(these), len(those)) < 2:
        return Difference(mean, None, None)
    parts = [(statistics.variance(each) / len(each), len(each) - 1) for each in (these, those)]
    error = sum(part for part, _ in parts) ** 0.5
    if error == 0:
        return Difference(mean, (mean, mean), 0.0)
    freedom = error**4 / sum(part**2 / degrees for part, degrees in parts)
    least = _t(1 - (1 - CONFIDENCE) / 2, freedom)
    return Difference(mean, (mean - least * error, mean + least * error), (least + _t(POWER, freedom)) * error)


def detectable(values: Sequence[float]) -> float | None:
    """The difference to another arm of as many seeds and the same spread that is found four times in five; None of
    one seed."""
    return difference(values, values).detectable


def _t(share: float, freedom: float) -> float:
    from scipy import stats

    return float(stats.t.ppf(share, freedom))
