"""What a run's checks say of it: each check in numbers, people's and one model's judgements together, and what a usable
row cost.

A row is *usable* if all questions about it are answered with yes (`steps.judging.overall`). Judgements by people go
before those by the author where both looked at a row. The judge is one check by a model; where there are several and
none is meant, the one that looked at most of the run, of those that were asked what people were asked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from selfinstruct.quality.estimate import Estimate, JudgeFigures, Looked, Usable, estimate, judge_figures, usable
from selfinstruct.quality.only import Only
from selfinstruct.quality.sample import stratum_of
from selfinstruct.records import By, Judgement, Table
from selfinstruct.steps.judging import overall
from selfinstruct.steps.rubric import ALL
from selfinstruct.storage.checks import CheckSet, check_sets, listed, the_check
from selfinstruct.storage.store import RunStore


@dataclass(frozen=True, slots=True)
class Tally:
    """One check in numbers: how often each question, and all of them together, were answered in which way."""

    check: str
    label: str
    rows: int
    by_question: Mapping[str, Mapping[Judgement, int]]
    tokens: int  # read and written


@dataclass(frozen=True, slots=True)
class Finding:
    """One question."""

    question: str
    share: Estimate
    judge: JudgeFigures | None  # None where people and the judge have no row in common


@dataclass(frozen=True, slots=True)
class Findings:
    """All questions of a run's checks, the last one being `all`, unless nobody answered all of any row."""

    questions: Sequence[Finding]
    rows: int  # accepted rows that these are about
    chosen: bool  # whether an expression chose them
    tokens: int  # read and written to propose, to label, and by the judge
    usable: Usable | None  # with these tokens; None where nobody answered all questions
    by: str  # "people", "the author", or both: who stands behind the verdicts that are not a model's
    tallies: Sequence[Tally]  # of the checks behind this, in the order in which they are asked
    notes: Sequence[str]  # which check is the judge, and what it has not seen

    @property
    def lines(self) -> list[str]:
        """A line for each question, then the remarks."""
        width = max(len(each.question) for each in self.questions)
        lines = [f"{each.question:<{width}}  {self.worded(each.share.text)}" for each in self.questions]
        return [*lines, *self.remarks]

    @property
    def remarks(self) -> list[str]:
        """What the judge is worth, how many rows are usable as far as anybody can tell, and the notes."""
        judge = self.questions[-1].judge
        worth = [self.worded(judge.text)] if judge else []
        return [*worth, *([self.cost] if self.usable else []), *self.notes]

    @property
    def asked(self) -> Sequence[str]:
        """The keys of the questions that somebody answered."""
        return [each.question for each in self.questions if each.question != ALL]

    @property
    def overall(self) -> str:
        """What is said of rows that are right in all."""
        return self.worded(self.questions[-1].share.text) if self.usable else "nobody answered all questions of any row"

    @property
    def cost(self) -> str:
        """How many rows are usable, and what one of them took, beside an accepted one; empty if nobody can tell."""
        if self.usable is None:
            return ""
        of = "chosen" if self.chosen else "accepted"
        tokens = f"{'a' if self.chosen else 'an'} {of} row took {self.tokens / self.rows:,.0f} tokens"
        tokens += f", one of these {self.usable.span}" if self.usable.span else ""
        tokens += ", checking included" if any(each.tokens for each in self.tallies) else ""
        about = f"about {self.usable.rows:,.0f}"
        if self.usable.by == "judge":
            return f"the judge says: {about} of {self.rows:,} {of} rows are right in all; {tokens}"
        between = f"({self.usable.low:,.0f} to {self.usable.high:,.0f})"
        return f"usable rows: {about} {between} of {self.rows:,} {of}; {tokens}"

    def usable_at(self, spent: float) -> Usable | None:
        """The same rows, if all of them took `spent` of something, as money."""
        return usable(self.questions[-1].share, self.rows, spent) if self.usable else None

    def worded(self, text: str) -> str:
        """A line about people, in the name of those who judged."""
        if self.by == "people":
            return text
        for people, by in (("by people", f"by {self.by}"), ("By people's", f"By {self.by}'s")):
            text = text.replace(people, by)
        return text


def find(store: RunStore, check: str | None = None, only: Only | None = None) -> Findings | None:
    """What the checks say of the accepted rows that the run made itself; None where nobody judged any of them.

    Args:
        check: Name of the model's check that is meant.
        only: Of these rows alone. A check that chose them says nothing new of them, and is no judge.

    Raises:
        InputError: there is no such check; or as `Only.ids`.
        CorruptError: a file is damaged.
    """
    chooser = only.check if only else None
    panel = _panel(store, check, chooser)
    read = [_read(each) for each in panel.seated]
    people, judged = _first(read[: len(panel.people)]), _first(read[len(panel.people) :])
    if not people and not judged:
        return None
    strata, population = _strata(store, people.keys() | judged.keys(), only)
    nothing = (Judgement.NONE,) * (len(panel.questions) + 1)
    found = []
    for at, key in enumerate((*panel.questions, ALL)):
        rows = [
            Looked(stratum, people.get(id, nothing)[at], judged.get(id, nothing)[at]) for id, stratum in strata.items()
        ]
        if share := estimate(rows, population):
            found.append(Finding(key, share, judge_figures(rows)))
    if not found:
        return None
    tallies = [tally for tally, _ in read]
    totals = store.totals()
    tokens = sum(totals[table][f"tokens.{way}"] for table in (Table.PROPOSALS, Table.LABELS) for way in _WAYS)
    tokens += sum(each.tokens for each in tallies)
    if chooser:
        tokens += _read(chooser)[0].tokens
    rows_made = sum(population.values())
    whole = usable(found[-1].share, rows_made, tokens) if found[-1].question == ALL else None
    by = dict.fromkeys("people" if each.facts["by"] == By.PEOPLE else "the author" for each in panel.people)
    notes = [*([f"the rows were chosen by check {listed([chooser])}"] if chooser else []), *panel.notes(store)]
    by_whom = " and ".join(by) or "people"
    return Findings(found, rows_made, only is not None, tokens, whole, by_whom, tallies, notes)


_WAYS = ("prompt", "completion")


@dataclass(frozen=True, slots=True)
class _Panel:
    """Whose judgements are read: people's checks, those by the author last, and at most one model's."""

    people: Sequence[CheckSet]
    judge: CheckSet | None
    others: Sequence[CheckSet]  # checks of the run that are left out

    @property
    def seated(self) -> Sequence[CheckSet]:
        return [*self.people, *([self.judge] if self.judge else [])]

    @property
    def questions(self) -> Sequence[str]:
        return self.seated[0].questions if self.seated else ()

    def notes(self, store: RunStore) -> Iterator[str]:
        """Which check is the judge where that needs saying, and which rows it has not been asked about."""
        if self.judge and (self.others or self.judge.facts["share"] < 1):
            yield f"the judge: check {listed([self.judge])}"
        if self.others:
            yield f"left out: check {listed(self.others)}"
        if not self.judge:
            return
        missing = set(store.rounds(Table.INSTANCES)) - {0, *self.judge.rounds()}
        rows = sum(store.metadata(Table.INSTANCES, number).counts.get("instances.accepted", 0) for number in missing)
        if rows:
            rounds = f"{len(missing)} round" + "s" * (len(missing) > 1)
            yield f"the judge has not seen {rounds} with {rows:,} accepted rows; the same check goes on with them"


def _panel(store: RunStore, meant: str | None, chooser: CheckSet | None) -> _Panel:
    """The checks that are asked; the judge is the one that is meant, and never the one that chose the rows."""
    sets = [each for each in check_sets(store) if not chooser or each.name != chooser.name]
    people = [each for each in sets if not each.by_model]
    people.sort(key=lambda each: each.facts["by"] != By.PEOPLE)
    named = the_check(store, meant) if meant is not None else None
    judge = next((each for each in sets if named and each.by_model and each.name == named.name), None)
    if judge is None:
        alike = [each for each in sets if each.by_model and (not people or each.questions == people[0].questions)]
        judge = max(alike, key=lambda each: len(each.rounds()) * each.facts["share"], default=None)
    if judge:
        people = [each for each in people if each.questions == judge.questions]
    seated = {each.name for each in (*people, *([judge] if judge else []))}
    return _Panel(people, judge, [each for each in sets if each.name not in seated])


def _read(checks: CheckSet) -> tuple[Tally, Mapping[str, tuple[Judgement, ...]]]:
    """A check in numbers, and by instance the judgement of each question and that of all."""
    said: dict[str, tuple[Judgement, ...]] = {}
    counts: dict[str, Counter[Judgement]] = {key: Counter() for key in (*checks.questions, ALL)}
    tokens = 0
    for number in checks.rounds():
        for row in checks.read(number):
            each = tuple(map(Judgement, row.judgements))
            said[row.id] = (*each, overall(each))
            tokens += row.prompt_tokens + row.completion_tokens
            for key, judgement in zip(counts, said[row.id], strict=True):
                counts[key][judgement] += 1
    by_question = {key: {each: count[each] for each in Judgement} for key, count in counts.items()}
    return Tally(checks.name, checks.label, len(said), by_question, tokens), said


def _first(read: Sequence[tuple[Tally, Mapping[str, tuple[Judgement, ...]]]]) -> Mapping[str, tuple[Judgement, ...]]:
    """What several checks say of each instance; what an earlier one says goes before."""
    said: dict[str, tuple[Judgement, ...]] = {}
    for _, each in reversed(read):
        said |= each
    return said


def _strata(store: RunStore, ids: set[str], only: Only | None) -> tuple[dict[str, str], Mapping[str, int]]:
    """The stratum of each of some rows, and how many rows of the run each stratum has, in the run's order."""
    columns = ["id", "is_classification"]
    numbers = [number for number in store.rounds(Table.INSTANCES) if number > 0]
    total = store.totals()[Table.INSTANCES]["instances.accepted"]
    position, strata, population = 0, {}, Counter[str]()
    for number in numbers:
        rows = store.read_columns(Table.INSTANCES, number, columns, accepted_only=True)
        passing = only.ids(number) if only else None
        for id, kind in zip(*(rows[name].to_pylist() for name in columns), strict=True):
            stratum = stratum_of(kind, position, total)
            position += 1
            if passing is not None and id not in passing:
                continue
            population[stratum] += 1
            if id in ids:
                strata[id] = stratum
    return strata, dict(sorted(population.items()))
