"""Ratings on the paper's four levels: files of them, counts for each model, and how far raters agree.

A file of ratings is what the page exports, or what a judge wrote:

    {"format": "selfinstruct-ratings/1", "kind": "person" or "model", "rater": "...",
     "ratings": {"<id of a response>": "A"}, "unparsable": 0}

Ids are `Prediction.id`, of task and response; the predictions say which models gave that response. Where two models
gave the same response to a task, its rating counts for both.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from selfinstruct.errors import InputError
from selfinstruct.evaluation.predictions import Prediction
from selfinstruct.sources.documents import read_document
from selfinstruct.sources.limits import listed, text_problem
from selfinstruct.sources.rows import Problems

FORMAT = "selfinstruct-ratings/1"
LEVELS = {
    "A": "Valid and satisfying",
    "B": "Acceptable, with minor errors",
    "C": "Relevant, with significant errors",
    "D": "Irrelevant or invalid",
}
"""The four levels of the paper's evaluation by people (section 4.4), best first."""


@dataclass(frozen=True, slots=True)
class Ratings:
    """One rater's levels by the id of the response."""

    rater: str
    is_model: bool
    levels: Mapping[str, str]
    unparsable: int = 0  # answers of a judge that name no level, and so are no ratings

    @property
    def name(self) -> str:
        """The rater, marked if it is a model."""
        return f"{self.rater} (model)" if self.is_model else self.rater

    def to_json(self) -> dict[str, Any]:
        """As it is written."""
        kind = "model" if self.is_model else "person"
        return {
            "format": FORMAT,
            "kind": kind,
            "rater": self.rater,
            "ratings": dict(self.levels),
            "unparsable": self.unparsable,
        }


@dataclass(frozen=True, slots=True)
class Agreement:
    """Two raters over the responses that both rated. What is not defined (all levels alike, say) is None."""

    raters: tuple[str, str]
    number: int
    kappa: float | None  # Cohen's, on the four levels
    kappa_good: float | None  # Cohen's, on A or B against C or D
    rho: float | None  # Spearman's, of the levels as ranks


def read_ratings(paths: Sequence[Path], predictions: Sequence[Prediction]) -> list[Ratings]:
    """The ratings in all files; those of one rater in several files are put together.

    Raises:
        InputError: a file holds no ratings, rates what is in no prediction, or a rater's files contradict each other.
    """
    known = {each.id for each in predictions}
    found: dict[tuple[bool, str], Ratings] = {}
    problems = Problems()
    for path in paths:
        try:
            ratings = _ratings(read_document(str(path)))
            if strange := ratings.levels.keys() - known:
                raise ValueError(
                    f"{len(strange)} of its {len(ratings.levels)} ratings are of responses that are not among the "
                    "predictions; give --predictions the files that the raters saw"
                )
            key = ratings.is_model, ratings.rater
            before = found.get(key)
            found[key] = ratings if before is None else _together(before, ratings)
        except InputError as error:
            problems.add(*error.problems)
        except ValueError as error:
            problems.add(f"{path}: {error}")
    problems.check()
    return list(found.values())


def count_levels(ratings: Ratings, predictions: Sequence[Prediction]) -> dict[str, dict[str, int]]:
    """How often each model's responses have each level."""
    counts: dict[str, Counter[str]] = {each.model: Counter() for each in predictions}
    for each in predictions:
        if each.id in ratings.levels:
            counts[each.model][ratings.levels[each.id]] += 1
    return {model: {level: count[level] for level in LEVELS} for model, count in counts.items()}


def mean_counts(counts: Sequence[Mapping[str, Mapping[str, int]]]) -> dict[str, dict[str, float]]:
    """The means of the counts of several raters of the same models."""
    return {
        model: {level: sum(each[model][level] for each in counts) / len(counts) for level in LEVELS}
        for model in counts[0]
    }


def agreements(raters: Sequence[Ratings]) -> list[Agreement]:
    """For each pair of raters who have rated something in common."""
    pairs = [(a, b, sorted(a.levels.keys() & b.levels.keys())) for a, b in combinations(raters, 2)]
    return [
        agreement((a.name, b.name), [a.levels[id] for id in ids], [b.levels[id] for id in ids])
        for a, b, ids in pairs
        if ids
    ]


def agreement(raters: tuple[str, str], first: Sequence[str], second: Sequence[str]) -> Agreement:
    """Two raters' levels of the same responses, in the same order."""
    good = [["AB".count(level) for level in levels] for levels in (first, second)]
    return Agreement(raters, len(first), _kappa(first, second), _kappa(*good), _rho(first, second))


def _kappa(first: Sequence[str | int], second: Sequence[str | int]) -> float | None:
    from sklearn.metrics import cohen_kappa_score

    if len({*first, *second}) < 2:  # chance would agree, too: 0 / 0
        return None
    return _defined(cohen_kappa_score(first, second))


def _rho(first: Sequence[str], second: Sequence[str]) -> float | None:
    from scipy.stats import spearmanr

    if len(set(first)) < 2 or len(set(second)) < 2:
        return None
    ranks = [[list(LEVELS).index(level) for level in levels] for levels in (first, second)]
    return _defined(spearmanr(*ranks).statistic)


def _defined(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _ratings(data: Any) -> Ratings:
    """The ratings that a file's value is; ValueError says why it is none."""
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise ValueError("is no file of ratings; give what the page exported or `selfinstruct rate judge` wrote")
    rater, levels, unparsable = data.get("rater"), data.get("ratings"), data.get("unparsable", 0)
    if not isinstance(rater, str) or not isinstance(levels, dict) or not isinstance(unparsable, int):
        raise ValueError("'rater' must be a text, 'ratings' an object of levels, 'unparsable' a number")
    if problem := text_problem(rater):
        raise ValueError(f"'rater' {problem}")
    if not levels and not unparsable:
        raise ValueError("holds no rating; export the page's ratings when there are some")
    wrong = sorted({str(level) for level in levels.values() if level not in tuple(LEVELS)})
    if wrong:
        raise ValueError(f"knows levels that are none: {listed(wrong)} (there are: {', '.join(LEVELS)})")
    return Ratings(rater, data.get("kind") == "model", levels, unparsable)


def _together(one: Ratings, other: Ratings) -> Ratings:
    differing = [id for id in one.levels.keys() & other.levels.keys() if one.levels[id] != other.levels[id]]
    if differing:
        raise ValueError(
            f"rates {len(differing)} responses otherwise than another file of rater {one.rater!r}; give the newest one"
        )
    return Ratings(one.rater, one.is_model, {**one.levels, **other.levels}, one.unparsable + other.unparsable)
