"""People's sheets (paper, section 3.3): questions about random instances, answered by a person, read back, and kept as
a check of their own, so that people's judgements stand beside the models'.

A sheet is part of the report's page, which saves the answers as JSON or CSV; a spreadsheet may be filled in as well.
JSON: `{"run": identity, "answers": [{"id": ..., "task": true, "input": null, "output": false}, ...]}`.
CSV: columns `id, task, input, output` with yes, no or nothing in them; other columns are ignored.
"""

from __future__ import annotations

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selfinstruct.errors import InputError
from selfinstruct.quality.intervals import wilson
from selfinstruct.records import By, CheckRow, Judgement, Table
from selfinstruct.settings import digest_of
from selfinstruct.sources.documents import read_document
from selfinstruct.sources.files import read_text
from selfinstruct.sources.limits import listed, text_problem
from selfinstruct.sources.rows import Problems
from selfinstruct.steps.judging import overall
from selfinstruct.steps.rubric import ALL
from selfinstruct.storage.checks import CheckSet
from selfinstruct.storage.lineage import identity, known_ids, round_of
from selfinstruct.storage.store import RunStore

QUESTIONS = {
    "task": "Is the instruction a task that makes sense?",
    "input": "Does the input suit the instruction?",
    "output": "Is the output a correct and acceptable answer?",
}
"""The paper's three questions, in words of our own, by the key of their answers."""

PAPER = {"task": 0.92, "input": 0.79, "output": 0.58, ALL: 0.54}
"""Shares of yes among the 200 instances of the paper; `all`: of instances whose three answers are."""

_SAID = {True: Judgement.YES, False: Judgement.NO, None: Judgement.NONE}

_ANSWERS = {"yes": True, "y": True, "true": True, "1": True, "no": False, "n": False, "false": False, "0": False}

Answers = Mapping[str, bool | None]
"""The answer to each question, None where there is none."""


@dataclass(frozen=True, slots=True)
class ReviewFigures:
    """One question's answers."""

    question: str
    answered: int
    yes: int
    share: float | None
    low: float | None  # of the 95 % interval (Wilson)
    high: float | None
    paper: float


def summarise(answers: Iterable[Answers]) -> list[ReviewFigures]:
    """The figures of each question, then those of all three together (`steps.judging.overall`)."""
    counts: dict[str, Counter[Judgement]] = defaultdict(Counter)
    for each in answers:
        said = _judgements(each)
        for key, judgement in zip((*QUESTIONS, ALL), (*said, overall(said)), strict=True):
            counts[key][judgement] += 1
    return [_figures(key, question, counts[key]) for key, question in _named()]


def _named() -> Iterator[tuple[str, str]]:
    yield from QUESTIONS.items()
    yield ALL, "All three"


def _figures(key: str, question: str, counts: Mapping[Judgement, int]) -> ReviewFigures:
    yes, answered = counts[Judgement.YES], counts[Judgement.YES] + counts[Judgement.NO]
    if answered == 0:
        return ReviewFigures(question, 0, 0, None, None, None, PAPER[key])
    return ReviewFigures(question, answered, yes, yes / answered, *wilson(yes, answered), PAPER[key])


def _judgements(answers: Answers) -> tuple[Judgement, ...]:
    return tuple(_SAID[answers.get(key)] for key in QUESTIONS)


def check_sheet(store: RunStore, path: Path, by: By) -> CheckSet:
    """Keep a sheet's answers beside the run that it is about; the same sheet again changes nothing.

    Raises:
        InputError: as of `read_sheet`.
    """
    answers = read_sheet(path, store)
    facts = {
        "by": by,
        "questions": [list(each) for each in QUESTIONS.items()],
        "sheet": digest_of({id: dict(said) for id, said in answers.items()}),
    }
    checks = CheckSet(store, facts)
    checks.begin()
    rows: dict[int, list[CheckRow]] = defaultdict(list)
    for id, said in sorted(answers.items()):
        rows[round_of(id)].append(CheckRow(id, round_of(id), _judgements(said), by, "", None, 0, 0, None))
    for number in sorted(rows.keys() - set(checks.rounds())):
        checks.commit(number, rows[number])
    return checks


def read_sheet(path: Path, store: RunStore) -> dict[str, Answers]:
    """The answers of a sheet about a run, by instance id.

    Raises:
        InputError: as of `read_answers`, or it answers for instances that the run does not have.
    """
    answers = read_answers(path, identity(store))
    strangers = sorted(answers.keys() - known_ids(store, Table.INSTANCES, answers))
    if strangers:
        raise InputError(f"{path}: this run has no instance {', '.join(map(repr, strangers[:3]))}")
    return answers


def read_answers(path: Path, identity: str) -> dict[str, Answers]:
    """The answers of a saved sheet by instance id.

    Raises:
        InputError: the file cannot be read, is of another run, or has bad or doubled rows (all of them are named).
    """
    problems = Problems()
    answers: dict[str, Answers] = {}
    for place, row in _rows_of_json(path, identity) if path.suffix == ".json" else _rows_of_csv(path):
        id = row.get("id")
        if not isinstance(id, str) or not id:
            problems.add(f"{place}: 'id' is missing")
            continue
        if problem := text_problem(id):
            problems.add(f"{place}: 'id' {problem}")
            continue
        if id in answers:
            problems.add(f"{place}: {listed([id])!r} was answered before")
        answers[id] = {key: _answer(row.get(key)) for key in QUESTIONS}
        unknown = [key for key, value in answers[id].items() if value is _UNKNOWN]
        problems.add(*(f"{place}: {key!r} is {_shown(row[key])}, must be yes, no or nothing" for key in unknown))
    problems.check()
    if not answers:
        raise InputError(f"{path}: holds no answer; fill in the sheet, and save it")
    return answers


_UNKNOWN: Any = object()


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}..."


def _answer(value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    return None if not text else _ANSWERS.get(text, _UNKNOWN)


def _rows_of_json(path: Path, identity: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    data = read_document(str(path))
    if not isinstance(data, dict) or not isinstance(data.get("answers"), list):
        raise InputError(f"{path}: must be an object with 'answers', as the report's page saves it")
    if data.get("run") not in (None, identity):
        raise InputError(f"{path}: was filled in for another run; save the answers from this run's report")
    for number, row in enumerate(data["answers"], start=1):
        if not isinstance(row, dict):
            raise InputError(f"{path}: answer {number} must be an object with 'id' and the answers")
        yield f"{path}: answer {number}", row


def _rows_of_csv(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    text = read_text(str(path))
    first = text.partition("\n")[0]
    reader = csv.DictReader(
        io.StringIO(text, newline=""), delimiter=";" if first.count(";") > first.count(",") else ","
    )
    try:
        missing = {"id", *QUESTIONS} - set(reader.fieldnames or ())
        if missing:
            raise InputError(
                f"{path}:1: the column {sorted(missing)[0]!r} is missing; there must be id, task, input, output"
            )
        for row in reader:
            yield f"{path}:{reader.line_num}", row
    except csv.Error as error:
        raise InputError(f"{path}:{reader.line_num}: is not CSV: {error}") from error
