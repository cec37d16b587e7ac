"""The requests of one round, to propose or to label, and what came back: state of `rounds.Run` between two files."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from selfinstruct.pool import Pool
from selfinstruct.records import Candidate, Completion, Kind, Label, Proposal, Request
from selfinstruct.steps.strategies.planned import PlannedRequest

if TYPE_CHECKING:
    from selfinstruct.run.ways import Way


class Proposing:
    """The propose requests of one round and what came back."""

    def __init__(self, bounds: Mapping[str, int], planned: Sequence[PlannedRequest]) -> None:
        self.bounds = bounds
        self.queue = deque(each.request for each in planned)
        self.written = False
        self._planned = planned
        self._completions: dict[str, Completion] = {}

    def complete(self, completion: Completion) -> None:
        self._completions[completion.request_id] = completion

    @property
    def missing(self) -> bool:
        return self.unanswered > 0

    @property
    def unanswered(self) -> int:
        """Requests whose answers are not there."""
        return len(self._planned) - len(self._completions)

    def rows(self, number: int, pool: Pool) -> list[Proposal]:
        """The rows of the proposals file, in the order of the plan."""
        rows = []
        for planned in self._planned:
            completion = self._completions[planned.request.id]
            rows.append(
                Proposal(
                    request_id=planned.request.id,
                    round=number,
                    strategy=planned.strategy,
                    demonstrations=tuple(pool.id(ordinal) for ordinal in planned.demonstrations),
                    text=completion.text,
                    finish=completion.finish,
                    prompt_tokens=completion.prompt_tokens,
                    completion_tokens=completion.completion_tokens,
                    error=completion.error,
                    sources=planned.sources,
                )
            )
        return rows


class Labelling:
    """The labelling requests of one round and what came back.

    Args:
        chosen: Ids of the instructions that are labelled (default: all).
    """

    def __init__(self, way: Way, instructions: Sequence[Candidate], chosen: Collection[str] | None = None) -> None:
        self.instructions = instructions
        self.written = False
        self._chosen = chosen
        self._way = way
        self._waiting: dict[str, tuple[Candidate, Kind]] = {}  # by request id
        self._asked: dict[str, list[str]] = {}  # ids of requests by the instruction's, in the order of the way
        self._answers: dict[str, tuple[Kind, Completion]] = {}  # by request id

    @cached_property
    def queue(self) -> deque[Request]:
        """Requests to hand out; made on first sight, since rounds that were labelled long ago need none."""
        chosen = (each for each in self.instructions if self._chosen is None or each.id in self._chosen)
        return deque(request for each in chosen for request in self._noted(each, self._way.first(each)))

    def _noted(self, instruction: Candidate, requests: Sequence[Request]) -> Sequence[Request]:
        asked = self._asked.setdefault(instruction.id, [])
        for request in requests:
            self._waiting[request.id] = instruction, request.kind
            asked.append(request.id)
        return requests

    def complete(self, completion: Completion) -> None:
        instruction, kind = self._waiting.pop(completion.request_id)
        self._answers[completion.request_id] = kind, completion
        self.queue.extend(self._noted(instruction, self._way.following(instruction, kind, completion)))

    @property
    def missing(self) -> bool:
        return bool(self.queue or self._waiting)

    def rows(self, number: int) -> list[Label]:
        """The rows of the labels file: for each instruction its requests as they follow on each other."""
        return [
            label_row(number, instruction.id, *self._answers[id])
            for instruction in self.instructions
            for id in self._asked.get(instruction.id, ())
        ]


def label_row(number: int, instruction_id: str, kind: Kind, completion: Completion) -> Label:
    """The row of a labelling request and its answer."""
    return Label(
        request_id=completion.request_id,
        round=number,
        instruction_id=instruction_id,
        kind=kind,
        text=completion.text,
        finish=completion.finish,
        prompt_tokens=completion.prompt_tokens,
        completion_tokens=completion.completion_tokens,
        error=completion.error,
    )
