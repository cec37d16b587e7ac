"""What share of a run's rows is right, as far as people and a judge have looked, with 95 % intervals.

One question at a time, from the verdicts on drawn rows (`sample.py`); `docs/quality.md` has formulas and figures.

- People alone: their share with Wilson's interval.
- People and a judge: the share by people, moved by how the judge's share of all its rows differs from its share of the
  rows that people saw (PPI++: Angelopoulos, Duchi and Zrnic, arXiv 2311.01453), right whatever the judge's faults. The
  interval is Wilson's for as many rows as people alone would have needed to be as sure.
- A judge alone: what the judge says, which is no quality.

A judge that people do not confirm beyond chance is left out, and so is any judge where people gave too few verdicts of
either kind. A judge's answer that cannot be read counts as its no, on all rows alike, which keeps the correction right.
What was left open counts as not drawn.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from selfinstruct.quality.intervals import (
    Array,
    Pairs,
    corrected,
    explained,
    is_useless,
    kappa_interval,
    score_interval,
)
from selfinstruct.wording import counted

Source: TypeAlias = Literal["people", "people and judge", "judge"]

LEAST_IN_STRATUM = 10
"""Rows below which a stratum is put together with the next."""

COVERED = 0.9
"""The share of the run's rows in strata that were looked at, below which an estimate says so."""

WORTH = 1.1
"""How many rows a row by people must be worth beside the judge for the judge to be of use."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What was said of one drawn row on one question: `yes`, `no`, `unreadable`, or `none` where nothing was said."""

    stratum: str
    people: str
    judge: str

    @property
    def by_people(self) -> bool:
        """Whether people said yes or no."""
        return self.people in ("yes", "no")

    @property
    def by_judge(self) -> bool:
        """Whether a judge has answered, readably or not."""
        return self.judge in ("yes", "no", "unreadable")


@dataclass(frozen=True, slots=True)
class Estimate:
    """The share of yes among all rows of the run, and its 95 % interval. By a judge alone: of the judge's yes."""

    by: Source
    share: float
    low: float
    high: float
    people: int  # rows by people that it rests on
    judged: int  # rows by a judge that it rests on
    effective: float  # rows, drawn at random, from which people alone would be as sure
    weight: float  # of the judge in the correction (the lambda of PPI++)
    covered: float  # share of the run's rows whose stratum was looked at

    @property
    def text(self) -> str:
        """One line for people to read."""
        if self.by == "judge":
            return f"the judge says {_percent(self.share)} ({counted(self.judged, 'row')}; no person has looked)"
        judged = f", {self.judged:,} by a judge" if self.by == "people and judge" else ""
        unseen = (
            f"; none from the parts with {_percent(1 - self.covered)} of the rows" if self.covered < COVERED else ""
        )
        interval = f"95 %: {100 * self.low:.0f} to {_percent(self.high)}"
        return f"{_percent(self.share)} ({interval}; {counted(self.people, 'row')} by people{judged}{unseen})"


@dataclass(frozen=True, slots=True)
class JudgeFigures:
    """A judge against people, on the rows that both looked at. In the counts people's verdict comes first."""

    yes_yes: int
    yes_no: int
    no_yes: int
    no_no: int
    unreadable: int  # of the judge's no
    kappa: float | None  # Cohen's; None where chance alone would always agree
    low: float  # of kappa's 95 % interval
    high: float
    useless: bool  # it may be guessing: agrees less than moderately at best, or has one answer only
    worth: float  # how many rows by people one of them is worth beside a judge who looks at very many

    @property
    def rows(self) -> int:
        """That both looked at."""
        return self.yes_yes + self.yes_no + self.no_yes + self.no_no

    @property
    def precision(self) -> float | None:
        """The share of people's yes among the judge's yes."""
        return _ratio(self.yes_yes, self.yes_yes + self.no_yes)

    @property
    def recall(self) -> float | None:
        """The share of the judge's yes among people's yes."""
        return _ratio(self.yes_yes, self.yes_yes + self.yes_no)

    @property
    def text(self) -> str:
        """What the judge is worth, in two sentences."""
        unreadable = f"; {self.unreadable} of its answers cannot be read" if self.unreadable else ""
        passed, right = self.yes_yes + self.no_yes, self.yes_yes + self.yes_no
        shares = (
            f"{self.yes_yes} of the {counted(passed, 'row')} that it passes are right, and it passes {self.yes_yes}"
        )
        return f"{self._finding} By people's verdict {shares} of the {right} right ones{unreadable}."

    @property
    def _finding(self) -> str:
        if self.kappa is None:
            return f"The judge cannot be rated: it and people say the same of all {counted(self.rows, 'row')}."
        agreement = f"kappa {self.kappa:.2f}, 95 %: {self.low:.2f} to {self.high:.2f}"
        if self.high < 0:
            return f"The judge is useless: over {counted(self.rows, 'row')} it contradicts people ({agreement})."
        if self.useless:
            return f"The judge is useless: over {counted(self.rows, 'row')} it may as well be guessing ({agreement})."
        if self.low <= 0:
            return f"Too few rows by people ({self.rows:,}) to say whether the judge is of use ({agreement})."
        if self.worth < WORTH:
            return f"The judge agrees with people a little ({agreement}), too little to make the estimate sharper."
        return f"The judge is of use ({agreement}): beside it a row by people is worth up to {self.worth:.1f} rows."


@dataclass(frozen=True, slots=True)
class Usable:
    """Rows that are right in all, or that a judge says are, and what one of them took; None where that has no bound."""

    by: Source
    rows: float
    low: float
    high: float
    each: float | None
    each_low: float | None
    each_high: float | None

    @property
    def span(self) -> str:
        """What one took, with its interval unless a judge alone has looked; empty where there is none to take it."""
        if self.each is None or self.each_low is None:
            return ""
        most = _number(self.each_high) if self.each_high is not None else "any number"
        return _number(self.each) + (f" ({_number(self.each_low)} to {most})" if self.by != "judge" else "")


def estimate(rows: Iterable[Looked], population: Mapping[str, int] | None = None) -> Estimate | None:
    """The share of yes in the run, by the best that the verdicts allow. None without a verdict.

    Args:
        rows: Each drawn row once.
        population: The run's rows in each stratum, strata in the order of the run. Without it all drawn rows count
            alike, as is right for a keyed share of everything.

    Raises:
        ValueError: a row's stratum is not in `population`.
    """
    rows = list(rows)
    people = [row for row in rows if row.by_people]
    judged = [row for row in rows if row.by_judge]
    both = [row for row in people if row.by_judge]
    if not people:
        return _of_judge(judged, population) if judged else None
    alone = _of_people(people, population)
    together = _of_both(both, judged, population) if both else alone
    return together if together.weight and together.effective > alone.effective else alone


def judge_figures(rows: Iterable[Looked]) -> JudgeFigures | None:
    """How far a judge agrees with people. None where no row has both verdicts."""
    both = [row for row in rows if row.by_people and row.by_judge]
    if not both:
        return None
    counts = [int(cell.sum()) for cell in _cells(both)]
    pairs = Pairs(*(np.asarray(count, float) for count in counts))
    kappa, low, high = (float(value) for value in kappa_interval(pairs))
    return JudgeFigures(
        yes_yes=counts[0],
        yes_no=counts[1],
        no_yes=counts[2],
        no_no=counts[3],
        unreadable=sum(row.judge == "unreadable" for row in both),
        kappa=None if math.isnan(kappa) else kappa,
        low=low,
        high=high,
        useless=bool(is_useless(pairs)),
        worth=float(1 / (1 - explained(pairs))),
    )


def usable(share: Estimate, accepted: int, spent: float) -> Usable:
    """How many of the accepted rows are right, as those say who stand behind the share, and what one of them took when
    all took `spent`: tokens, or money.
    """
    rows, low, high = (accepted * value for value in (share.share, share.low, share.high))
    return Usable(share.by, rows, low, high, _ratio(spent, rows), _ratio(spent, high), _ratio(spent, low))


def _of_people(rows: Sequence[Looked], population: Mapping[str, int] | None) -> Estimate:
    weights, covered = _weights(rows, rows, population)
    share, low, high, effective = _shares(weights, [row.people == "yes" for row in rows])
    return Estimate("people", share, low, high, len(rows), 0, effective, 0.0, covered)


def _of_judge(rows: Sequence[Looked], population: Mapping[str, int] | None) -> Estimate:
    weights, covered = _weights(rows, rows, population)
    share, low, high, effective = _shares(weights, [row.judge == "yes" for row in rows])
    return Estimate("judge", share, low, high, 0, len(rows), effective, 0.0, covered)


def _shares(weights: Array, yes: Sequence[bool]) -> tuple[float, float, float, float]:
    share, effective = np.clip(weights @ np.array(yes), 0.0, 1.0), _effective(weights)
    low, high = score_interval(share, effective)
    return float(share), float(low), float(high), float(effective)


def _of_both(both: Sequence[Looked], judged: Sequence[Looked], population: Mapping[str, int] | None) -> Estimate:
    weights, covered = _weights(both, both, population)
    of_judge, _ = _weights(judged, both, population)
    effective = _effective(weights)
    pairs = Pairs(*(effective * np.asarray(weights @ cell) for cell in _cells(both)))
    judge_share = np.asarray(of_judge @ np.array([row.judge == "yes" for row in judged]))
    found = corrected(pairs, judge_share, np.maximum(_effective(of_judge), effective))
    return Estimate(
        "people and judge",
        float(found.share),
        float(found.low),
        float(found.high),
        len(both),
        len(judged),
        float(found.effective),
        float(found.weight),
        covered,
    )


def _cells(both: Sequence[Looked]) -> list[Array]:
    """For each field of `Pairs` which rows are of that kind, as 0 and 1."""
    people, judge = (np.array([said == "yes" for said in column]) for column in zip(*map(_said, both), strict=True))
    return [1.0 * cell for cell in (people & judge, people & ~judge, ~people & judge, ~people & ~judge)]


def _said(row: Looked) -> tuple[str, str]:
    return row.people, row.judge


def _weights(
    rows: Sequence[Looked], counted: Sequence[Looked], population: Mapping[str, int] | None
) -> tuple[Array, float]:
    """What each row counts for, 1 in all, and the share of the run's rows whose stratum has one of `counted`.

    Strata are put together until each has enough of `counted`: weights by a few rows would do more harm than good.
    """
    if population is None:
        return np.full(len(rows), 1 / len(rows)), 1.0
    if strange := {row.stratum for row in rows} - population.keys():
        raise ValueError(f"strata without a size: {', '.join(sorted(strange))}")
    seen = Counter(row.stratum for row in counted)
    merged = _merged(seen, population)
    groups = [merged[row.stratum] for row in rows]
    drawn = Counter(groups)
    sizes: Counter[int] = Counter()
    for stratum, size in population.items():
        sizes[merged[stratum]] += size
    covered = sum(size for stratum, size in population.items() if seen[stratum])
    return np.array([sizes[group] / drawn[group] for group in groups]) / sizes.total(), covered / sizes.total()


def _merged(seen: Mapping[str, int], population: Mapping[str, int]) -> dict[str, int]:
    """The number of the group of neighbours that each stratum belongs to."""
    groups: dict[str, int] = {}
    number = rows = 0
    for stratum in population:
        if rows >= LEAST_IN_STRATUM:
            number, rows = number + 1, 0
        groups[stratum] = number
        rows += seen.get(stratum, 0)
    if rows < LEAST_IN_STRATUM:  # what is left over at the end
        groups = {stratum: min(group, max(0, number - 1)) for stratum, group in groups.items()}
    return groups


def _effective(weights: Array) -> Array:
    """How many rows of equal weight are worth as much (Kish, 1965)."""
    return np.asarray(1 / (weights @ weights))


def _ratio(part: float, of: float) -> float | None:
    return part / of if of else None


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _number(value: float) -> str:
    """Three digits at least, without an exponent."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}" if value >= 1e-4 else f"{value:.8f}".rstrip("0.") or "0"
