"""Histograms of counted values, with exact means and quantiles."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts of values in [edges[i], edges[i + 1]); what lies above the last edge is in `above`."""

    edges: Sequence[float]
    counts: Sequence[int]
    above: int
    count: int
    mean: float | None
    median: float | None
    p95: float | None
    largest: float | None


def histogram_of_words(words: Counter[int]) -> Histogram:
    """Up to about 40 bars of a round width; the longest hundredth is counted together."""
    total = words.total()
    highest = quantile(words, 0.99) or 1
    width = next(width for width in (1, 2, 5, 10, 20, 50, 100, 200, 500, 10**9) if highest / width < 40)
    edges = list(range(0, int(highest // width + 2) * width, width))
    counts = [0] * (len(edges) - 1)
    for value, n in words.items():
        if value < edges[-1]:
            counts[value // width] += n
    return _histogram(words, edges, counts, total - sum(counts))


def histogram_of_scores(scores: Sequence[float]) -> Histogram:
    """Twenty bars from 0 to 1; the last one holds 1 too."""
    counts = [0] * 20
    for score in scores:
        counts[min(19, int(score * 20 + 1e-9))] += 1
    return _histogram(Counter(scores), [n / 20 for n in range(21)], counts, 0)


def _histogram(values: Mapping[Any, int], edges: Sequence[float], counts: Sequence[int], above: int) -> Histogram:
    return Histogram(
        edges,
        counts,
        above,
        sum(values.values()),
        mean_of(values),
        quantile(values, 0.5),
        quantile(values, 0.95),
        max(values, default=None),
    )


def mean_of(values: Mapping[Any, int]) -> float | None:
    """The mean of counted values, None of none."""
    count = sum(values.values())
    return sum(value * n for value, n in values.items()) / count if count else None


def quantile(values: Mapping[Any, int], share: float) -> float | None:
    """The smallest value that at least this share of the values does not exceed."""
    wanted = share * sum(values.values())
    reached = accumulate(values[value] for value in sorted(values))
    return next((value for value, seen in zip(sorted(values), reached, strict=True) if seen >= wanted), None)
