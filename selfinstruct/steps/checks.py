"""A check by a model: which accepted instances it judges, what it is asked, and the rows that its answers become.

Which ones follows from the check's seed and their ids alone, so a larger share takes in a smaller one, and a run that
has grown keeps its sample. A run asks beside its other stages, `selfinstruct check` asks about a run that is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from selfinstruct.draws import in_share
from selfinstruct.records import By, CheckRow, Completion, InstanceRow, Request
from selfinstruct.settings import Facts
from selfinstruct.steps.judging import judgements
from selfinstruct.steps.rubric import Rubric


@dataclass(frozen=True, slots=True)
class Judge:
    """Who judges how many rows by what."""

    rubric: Rubric
    share: float
    seed: int
    model: str  # its name
    identity: Mapping[str, str]  # what of the model alters its answers (`engines.identify`)

    @property
    def facts(self) -> Facts:
        """What the judgements depend on: by these a check is known (`storage.checks`)."""
        return {
            "by": By.MODEL,
            "model": self.model,
            "questions": [list(each) for each in self.rubric.questions.items()],
            "rubric": self.rubric.prompts.digest,
            "seed": self.seed,
            "share": self.share,
            **{f"model.{key}": value for key, value in self.identity.items()},
        }

    def draws(self, id: str) -> bool:
        """Whether the instance is among those that are judged."""
        return in_share(id, self.share, self.seed)

    def request(self, row: InstanceRow) -> Request:
        """What is asked about an instance."""
        return self.rubric.request(row.id, row.instruction, row.input, row.output, self.seed)

    def row(self, number: int, completion: Completion) -> CheckRow:
        """What an answer about an instance of a round becomes."""
        return CheckRow(
            id=completion.request_id.rpartition("/")[0],
            round=number,
            judgements=judgements(completion, tuple(self.rubric.questions), chat=self.rubric.prompts.chat),
            by=By.MODEL,
            text=completion.text,
            finish=completion.finish,
            prompt_tokens=completion.prompt_tokens,
            completion_tokens=completion.completion_tokens,
            error=completion.error,
        )
