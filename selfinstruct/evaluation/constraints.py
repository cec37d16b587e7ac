"""Questions whose answers code can check: an instruction set with drawn constraints, and how many answers keep them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from selfinstruct.constraints.checking import KINDS, Constraint, written
from selfinstruct.constraints.drawing import constrained, drawn
from selfinstruct.draws import Draws
from selfinstruct.evaluation.predictions import prediction_row
from selfinstruct.evaluation.questions import Question
from selfinstruct.quality.constraints import ALL, Kept, counted, verdicts
from selfinstruct.records import Completion, Finish, ImportedTask, SeedTask
from selfinstruct.steps.readers.ends import first_turn
from selfinstruct.steps.readers.thoughts import spoken


class Demanding(Protocol):
    """A question, and what its answer is held to."""

    @property
    def question(self) -> Question: ...

    @property
    def told(self) -> str:
        """What is demanded, as JSON."""

    def verdicts(self, answer: str) -> list[tuple[str, bool]]:
        """Each kind that is demanded, and whether an answer keeps it."""


@dataclass(frozen=True, slots=True)
class Demand:
    """A question with drawn constraints."""

    question: Question
    constraints: tuple[Constraint, ...]

    @property
    def told(self) -> str:
        """The constraints as the column `constraint` has them."""
        return written(self.constraints) or ""

    def verdicts(self, answer: str) -> list[tuple[str, bool]]:
        """As `Demanding` says."""
        return verdicts(self.constraints, answer)


def demands(tasks: Sequence[SeedTask | ImportedTask], seed: int, two: float) -> list[Demand]:
    """Tasks with constraints drawn by their ids and texts; those that are known to be classification are left out.

    Args:
        two: Share of the tasks that get two constraints.
    """
    return [_demand(task, seed, two) for task in tasks if not task.is_classification]


def _demand(task: SeedTask | ImportedTask, seed: int, two: float) -> Demand:
    draws = Draws("evaluate constraints", seed, task.id, task.instruction)
    constraints = drawn(draws, task.instruction, two=draws.below(1 << 32) < two * (1 << 32))
    given = task.instances[0].input if task.instances else ""
    text = constrained(task.instruction, constraints)
    return Demand(Question(task.id, task.id, constraints[0].kind, text, given, ()), constraints)


def row_of(model: str, demand: Demanding, prompt: str, answer: Completion) -> dict[str, Any]:
    """A line of the predictions: as others have it, with what was demanded and what of it is kept."""
    kept = dict(demand.verdicts(said(answer)))
    return {**prediction_row(model, demand.question, prompt, answer), "constraint": demand.told, "kept": kept}


def said(answer: Completion) -> str:
    """What an answer says, without thoughts and what a model adds in other names."""
    return (spoken(first_turn(answer.text)) or "").strip()


def kept_by(rows: Sequence[Mapping[str, Any]]) -> list[Kept]:
    """Figures of the predictions, kinds in their order, those of released sets after the others."""
    kinds = {kind for row in rows for kind in row["kept"]}
    return counted([list(row["kept"].items()) for row in rows], [*KINDS, *sorted(kinds - set(KINDS))])


def results(model: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The figures as JSON: shares and their 95 % intervals (Wilson's)."""
    finishes = Counter(row["finish"] for row in rows)
    figures = {each.kind: _figures(each) for each in kept_by(rows)}
    return {
        "model": model,
        "asked": len(rows),
        "finish": {str(finish): finishes[finish] for finish in Finish},
        "empty": sum(not row["response"].strip() for row in rows),
        "overall": figures.pop(ALL),
        "kinds": figures,
    }


def _figures(kept: Kept) -> dict[str, float | int]:
    low, high = kept.interval
    return {"asked": kept.asked, "kept": kept.kept, "share": kept.share, "low": low, "high": high}
