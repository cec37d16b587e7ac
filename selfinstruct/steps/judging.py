"""What a judge's answer says to each question: yes, no, or nothing that can be read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import selfinstruct.steps.readers.json_answers as json_answers
from selfinstruct.records import Completion, Finish, Judgement
from selfinstruct.steps.readers.ends import without_end
from selfinstruct.steps.readers.marks import marker
from selfinstruct.steps.readers.thoughts import spoken
from selfinstruct.steps.readers.tolerant import TolerantReader

_READER = TolerantReader(chat=False, keys={})
_BOTH = re.compile(r"\W*yes\W*(?:/|or|\|)\W*no\b", re.IGNORECASE)
"""The form that was asked for, given back as it was."""


def judgements(completion: Completion, questions: Sequence[str], *, chat: bool) -> tuple[Judgement, ...]:
    """What a completion says to each question, in their order.

    An answer names them (`task: yes, because ...`, or JSON), or gives as many lines of yes and no as were asked for.
    """
    if completion.finish is Finish.FAILED:
        return (Judgement.NONE,) * len(questions)
    text = without_end(completion.text)
    answer = (spoken(text) if chat else text) or ""
    said = _of_json(answer, questions) or _of_lines(answer, questions)
    return tuple(_judgement(said.get(key)) for key in questions)


def overall(each: Sequence[Judgement]) -> Judgement:
    """The judgement of a row: yes if all are, no if any is; else that of the first that says neither."""
    if Judgement.NO in each:
        return Judgement.NO
    return next((said for said in each if said is not Judgement.YES), Judgement.YES)


def _judgement(said: bool | None) -> Judgement:
    return Judgement.UNREADABLE if said is None else Judgement.YES if said else Judgement.NO


def _of_json(answer: str, questions: Sequence[str]) -> dict[str, bool | None]:
    for value in json_answers.repaired(answer):
        for fields in _objects(value):
            named = {str(key).strip().lower(): said for key, said in fields.items()}
            if named.keys() & set(questions):
                return {key: _truth(named.get(key)) for key in questions}
    return {}


def _objects(value: Any) -> Iterator[Mapping[str, Any]]:
    """The objects of a JSON value, the outer before the inner."""
    remaining = [value]
    while remaining:
        match remaining.pop(0):
            case dict() as fields:
                yield fields
                remaining += fields.values()
            case list() as items:
                remaining += items


def _truth(value: Any) -> bool | None:
    """A value that says yes or no; of an object the first that does, since a reason may stand beside it."""
    match value:
        case bool():
            return value
        case str():
            return _said(value)
        case dict():
            return next((said for each in value.values() if (said := _truth(each)) is not None), None)
    return None


def _of_lines(answer: str, questions: Sequence[str]) -> dict[str, bool | None]:
    named = {key: _after(answer, key) for key in questions}
    if any(said is not None for said in named.values()):
        return named
    lines = [said for line in answer.splitlines() if (said := _said(_NUMBER.sub("", line, count=1))) is not None]
    return dict(zip(questions, lines, strict=True)) if len(lines) == len(questions) else {}


_NUMBER = re.compile(r"\A\s*(?:\d{1,2}[.):]|[-*•])\s*")


def _after(answer: str, key: str) -> bool | None:
    """What stands after a question's key, in its line or, if that is empty, in the next; the first time that it says
    something."""
    for found in marker(re.escape(key).replace("_", r"[ _]")).finditer(answer):
        rest = (
            answer[found.end() :].lstrip("\n")
            if answer[found.end() : found.end() + 1] == "\n"
            else answer[found.end() :]
        )
        if (said := _said(rest.partition("\n")[0])) is not None:
            return said
    return None


def _said(text: str) -> bool | None:
    return None if _BOTH.match(text) else _READER.classification(text)
