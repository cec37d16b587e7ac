"""How a run will go on: acceptance as the pool grows, and with it rounds, requests and tokens, each with an interval.

The share a of candidates that is accepted falls as the pool of n instructions grows. It is fitted as

    logit a = alpha + beta ln n

to the rounds so far, by iteratively reweighted least squares for binomial counts (McCullagh and Nelder 1989, section
4.4). Rounds scatter more than a binomial does; the covariance of alpha and beta is scaled by Pearson's chi-square over
its degrees of freedom. Intervals come from drawing alpha and beta and playing the remaining rounds for each draw.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from selfinstruct.wording import counted

DRAWS = 400
ITERATIONS = 50
LEAST_RATE = 1e-3
"""Acceptance below this is no run any more; playing on would take for ever."""


@dataclass(frozen=True, slots=True)
class Yield:
    """What one round brought, and how many instructions of the model the pool held before it."""

    pool: int
    candidates: int
    accepted: int


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many propose requests a round has (as `rounds.RoundSettings`), and how many candidates one of them gives."""

    least: int
    most: int
    given: int  # seed and imported tasks, which count towards a round's size and not towards the target
    candidates_per_request: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """The middle of the draws, and what nine in ten of them lie between."""

    middle: float
    low: float
    high: float

    def times(self, factor: float) -> Estimate:
        """The estimate in another unit."""
        return Estimate(self.middle * factor, self.low * factor, self.high * factor)


@dataclass(frozen=True, slots=True)
class Forecast:
    """What remains to be done until the target. All numbers are of the remaining rounds."""

    rounds: Estimate
    requests: Estimate  # propose requests
    candidates: Estimate
    accepted: Estimate
    final_rate: Estimate  # acceptance in the last round


class Curve:
    """The fitted acceptance.

    Args:
        yields: Rounds with candidates, the first ones too; at least three.

    Raises:
        ValueError: there are fewer.
    """

    def __init__(self, yields: Sequence[Yield]) -> None:
        rounds = [each for each in yields if each.candidates]
        if len(rounds) < 3:
            raise ValueError(f"it has {counted(len(rounds), 'round')}, and three are needed")
        tried = np.array([each.candidates for each in rounds], dtype=float)
        accepted = np.array([each.accepted for each in rounds], dtype=float)
        design = np.stack([np.ones(len(rounds)), _log([each.pool for each in rounds])], axis=1)
        self.coefficients = np.zeros(2)
        for _ in range(ITERATIONS):
            rate, weight = self._working(design, tried)
            score = design.T @ (accepted - tried * rate)
            step = np.linalg.lstsq(design.T @ (weight[:, None] * design), score, rcond=None)[0]
            self.coefficients += np.clip(step, -2, 2)
            if np.abs(step).max() < 1e-9:
                break
        rate, weight = self._working(design, tried)
        scatter = float(((accepted - tried * rate) ** 2 / weight).sum() / (len(rounds) - 2))
        self.covariance = max(1.0, scatter) * np.linalg.pinv(design.T @ (weight[:, None] * design))

    def _working(self, design: NDArray[np.float64], tried: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
        rate = _logistic(design @ self.coefficients)
        return rate, np.maximum(tried * rate * (1 - rate), 1e-9)

    def rate(self, pool: float) -> float:
        """Acceptance with so many instructions of the model in the pool."""
        return float(_logistic(np.array([1.0, _log([pool])[0]]) @ self.coefficients))

    def forecast(self, pool: int, target: int, sizes: Sizes) -> Forecast:
        """Play the rounds from `pool` instructions of the model to `target`."""
        draws = np.random.default_rng(0).multivariate_normal(self.coefficients, self.covariance, DRAWS, method="eigh")
        played = np.array([_play(pair, pool, target, sizes) for pair in [self.coefficients, *draws]])
        low, high = np.quantile(played[1:], [0.05, 0.95], axis=0)
        estimates = [Estimate(float(m), float(a), float(b)) for m, a, b in zip(played[0], low, high, strict=True)]
        return Forecast(*estimates)


def _play(coefficients: NDArray[np.float64], pool: int, target: int, sizes: Sizes) -> tuple[float, ...]:
    """Rounds, requests, candidates, accepted and the last acceptance under one pair of coefficients."""
    accepted, rounds, requests, rate = float(pool), 0, 0, 0.0
    while accepted < target:
        rate = max(LEAST_RATE, float(_logistic(coefficients[0] + coefficients[1] * np.log1p(accepted))))
        count = min(max(int(accepted + sizes.given) // 8, sizes.least), sizes.most)
        accepted += count * sizes.candidates_per_request * rate
        requests += count
        rounds += 1
    return rounds, requests, requests * sizes.candidates_per_request, accepted - pool, rate


def _log(pools: Sequence[float]) -> NDArray[np.float64]:
    logs: NDArray[np.float64] = np.log1p(np.array(pools, dtype=float))
    return logs


def _logistic(value: NDArray[np.float64] | float) -> NDArray[np.float64]:
    share: NDArray[np.float64] = 1 / (1 + np.exp(-np.clip(value, -30, 30)))
    return share
