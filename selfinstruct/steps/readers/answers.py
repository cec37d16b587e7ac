"""Reading what a chat model says to a user's turn, and the inputs that one is given.

Such requests are asked of chat models alone and in one way, so there is one way to read them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from selfinstruct.records import Finish, Instance, Reason
from selfinstruct.steps.readers.ends import first_turn
from selfinstruct.steps.readers.forms import normal, unmarked
from selfinstruct.steps.readers.thoughts import parted, spoken


class Ended(Protocol):
    """A completion, or the row that keeps it."""

    @property
    def text(self) -> str: ...

    @property
    def finish(self) -> Finish: ...


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said; `reason` says why that is no whole answer, or None."""

    thought: str | None
    output: str
    reason: Reason | None


_REASONS = {
    Finish.FAILED: Reason.FAILED,
    Finish.LENGTH: Reason.CUT_BY_LENGTH,
    Finish.REPETITION: Reason.REPETITION,
}


def input_of(answer: Ended) -> str | None:
    """The input that an answer to `Kind.INPUT` gives; empty where the task needs none, None where it cannot be read."""
    text = None if answer.finish in _REASONS else spoken(first_turn(answer.text))
    return normal(unmarked(Instance(text, "-"))).input.strip() if text else None


def answer_of(answer: Ended) -> Answer:
    """What an answer to a user's turn says."""
    thought, text = parted(first_turn(answer.text))
    unsaid = Reason.CUT_BY_LENGTH if text is None else None
    return Answer(thought, text or "", _REASONS.get(answer.finish) or unsaid)
