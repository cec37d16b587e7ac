"""Reading answers that are one instruction: a user's message by a model, a rewritten task, a task for a text."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import selfinstruct.steps.readers.forms as forms
import selfinstruct.steps.readers.json_answers as json_answers
import selfinstruct.steps.readers.lists as lists
from selfinstruct.records import Kind, Reason
from selfinstruct.steps.readers.ends import first_turn
from selfinstruct.steps.readers.marks import unfenced
from selfinstruct.steps.readers.read import Proposed
from selfinstruct.steps.readers.thoughts import spoken


def message(text: str, cut: bool) -> list[Proposed]:
    """A user's message, as it was written."""
    return _judged(first_turn(text).strip(), cut)


def task(text: str, cut: bool) -> list[Proposed]:
    """A task that was asked for alone: as JSON, or as it stands, without what announces it."""
    answer = spoken(first_turn(text)) or ""
    found = json_answers.proposals(json_answers.repaired(answer), "task", cut) if answer.lstrip()[:1] in _JSON else []
    return _judged(found[0] if found else lists.alone(unfenced(answer)), cut)


_JSON = ("{", "[", "`")

SINGLE: Mapping[str, Callable[[str, bool], list[Proposed]]] = {
    Kind.QUERY: message,
    Kind.EVOLVE: task,
    Kind.DOCUMENT: task,
}
"""How the answers are read that are one instruction, by the strategy (and kind of request) that asks for it."""


def _judged(text: str, cut: bool) -> list[Proposed]:
    leaked = Reason.LEAKED_MARKER if forms.leaks(text) else None
    return [(text, Reason.CUT_BY_LENGTH if cut else leaked)] if text else []
