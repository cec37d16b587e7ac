"""What a run's checks say of it: people's and one model's judgements together, question by question.

Judgements by people go before those by the author where both looked at a row. The judge is one check by a model; where
there are several and none is meant, the first by name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from selfinstruct.quality.estimate import Estimate, JudgeFigures, Looked, Usable, estimate, judge_figures, usable
from selfinstruct.quality.judging import overall
from selfinstruct.quality.rubric import ALL
from selfinstruct.quality.sample import stratum_of
from selfinstruct.records import By, Judgement, Table
from selfinstruct.storage.checks import CheckSet, check_sets
from selfinstruct.storage.store import RunStore

_UNSEEN = Judgement.NONE


@dataclass(frozen=True, slots=True)
class Finding:
    """One question."""

    question: str
    share: Estimate
    judge: JudgeFigures | None  # None where people and the judge have no row in common


@dataclass(frozen=True, slots=True)
class Findings:
    """All questions of a run's checks, the last one being `all`."""

    questions: Sequence[Finding]
    usable: Usable | None  # None where only a judge looked
    by: str  # "people", "the author", or both: who stands behind the verdicts that are not a model's

    @property
    def lines(self) -> list[str]:
        """A line for each question, then what the judge is worth, and how many rows are usable."""
        width = max(len(each.question) for each in self.questions)
        lines = [f"{each.question:<{width}}  {self.worded(each.share.text)}" for each in self.questions]
        return [*lines, *self.remarks]

    @property
    def remarks(self) -> list[str]:
        """What the judge is worth, and how many rows are usable, as far as anybody can tell."""
        judge = self.questions[-1].judge
        return [*([self.worded(judge.text)] if judge else []), *([_usable(self.usable)] if self.usable else [])]

    @property
    def overall(self) -> str:
        """The line for rows that are right in all."""
        return self.worded(self.questions[-1].share.text)

    def worded(self, text: str) -> str:
        """A line about people, in the name of those who judged."""
        if self.by == "people":
            return text
        for people, by in (("by people", f"by {self.by}"), ("By people's", f"By {self.by}'s")):
            text = text.replace(people, by)
        return text


def find(store: RunStore, judge: CheckSet | None = None) -> Findings | None:
    """What the checks say, of the accepted rows that the run made itself; None where nothing was judged.

    Args:
        judge: The model's check that is meant.

    Raises:
        CorruptError: a file is damaged.
    """
    sets = check_sets(store)
    judge = judge or next((each for each in sets if each.by_model), None)
    keys = judge.questions if judge else next((each.questions for each in sets), ())
    people = [each for each in sets if not each.by_model and each.questions == keys]
    people.sort(key=lambda each: each.facts["by"] != By.PEOPLE)
    said = _judgements(people)
    judged = _judgements([judge] if judge else [])
    if not said and not judged:
        return None
    strata, population = _strata(store, said.keys() | judged.keys())
    nothing = (_UNSEEN,) * (len(keys) + 1)
    found = []
    for at, key in enumerate((*keys, ALL)):
        rows = [
            Looked(stratum, said.get(id, nothing)[at], judged.get(id, nothing)[at]) for id, stratum in strata.items()
        ]
        if share := estimate(rows, population):
            found.append(Finding(key, share, judge_figures(rows)))
    totals = store.totals()
    tokens = sum(totals[table]["tokens.completion"] for table in (Table.PROPOSALS, Table.LABELS))
    whole = found[-1].share if found and found[-1].question == ALL else None
    rows_made = usable(whole, sum(population.values()), tokens) if whole else None
    by = dict.fromkeys("people" if each.facts["by"] == By.PEOPLE else "the author" for each in people)
    return Findings(found, rows_made, " and ".join(by) or "people") if found else None


def _judgements(sets: Sequence[CheckSet]) -> dict[str, tuple[Judgement, ...]]:
    """By instance: the judgement of each question, and that of all; what an earlier check says goes before."""
    said: dict[str, tuple[Judgement, ...]] = {}
    for checks in sets:
        for number in checks.rounds():
            for row in checks.read(number):
                each = tuple(map(Judgement, row.judgements))
                said.setdefault(row.id, (*each, overall(each)))
    return said


def _strata(store: RunStore, ids: set[str]) -> tuple[dict[str, str], Mapping[str, int]]:
    """The stratum of each of some rows, and how many rows of the run each stratum has, in the run's order."""
    columns = ["id", "is_classification"]
    numbers = [number for number in store.rounds(Table.INSTANCES) if number > 0]
    total = store.totals()[Table.INSTANCES]["instances.accepted"]
    position, strata, population = 0, {}, Counter[str]()
    for number in numbers:
        rows = store.read_columns(Table.INSTANCES, number, columns, accepted_only=True)
        for id, kind in zip(*(rows[name].to_pylist() for name in columns), strict=True):
            stratum = stratum_of(kind, position, total)
            population[stratum] += 1
            position += 1
            if id in ids:
                strata[id] = stratum
    return strata, dict(sorted(population.items()))


def _usable(found: Usable) -> str:
    rows = f"usable rows: about {found.rows:,.0f} ({found.low:,.0f} to {found.high:,.0f})"
    if found.tokens is None or found.tokens_low is None:
        return rows
    most = f"{found.tokens_high:,.0f}" if found.tokens_high is not None else "any number"
    return f"{rows}, at {found.tokens:,.0f} ({found.tokens_low:,.0f} to {most}) generated tokens each"
