"""The requests of one round, to propose or to label, and what came back: state of `rounds.Run` between two files."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property

from selfinstruct.draws import seed_of
from selfinstruct.pool import Pool
from selfinstruct.prompts import PromptSet
from selfinstruct.records import Candidate, Completion, Finish, Kind, Label, Proposal, Request
from selfinstruct.run.settings import RunSettings, StepSettings
from selfinstruct.steps.constraints import asked
from selfinstruct.steps.instantiate import kind_for
from selfinstruct.steps.readers import Reader
from selfinstruct.steps.readers.answers import input_of
from selfinstruct.steps.strategies.planned import PlannedRequest


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
    """The labelling requests of one round: a question for each instruction, then, by its answer, its instances.

    A prompt set of one step has no question; the answer that holds the instances says what it would have told.
    """

    def __init__(
        self,
        settings: StepSettings,
        prompts: PromptSet,
        reader: Reader,
        instructions: Sequence[Candidate],
        chosen: Collection[str] | None = None,
    ) -> None:
        self.instructions = instructions
        self._chosen = chosen
        self.written = False
        self._settings = settings
        self._prompts = prompts
        self._reader = reader
        self._requests: dict[str, tuple[Candidate, Kind]] = {}  # not answered yet
        self._answers: dict[tuple[str, bool], tuple[Kind, Completion]] = {}  # by instruction and "is the question"

    @cached_property
    def queue(self) -> deque[Request]:
        """Requests to hand out; made on first sight, since rounds that were labelled long ago need none."""
        first = kind_for(None) if self._prompts.one_step else Kind.CLASSIFY
        asked = (each for each in self.instructions if self._chosen is None or each.id in self._chosen)
        return deque(self._request(instruction, first) for instruction in asked)

    def _request(self, instruction: Candidate, kind: Kind) -> Request:
        id = f"{instruction.id}/{'classify' if kind is Kind.CLASSIFY else 'instances'}"
        self._requests[id] = instruction, kind
        seed = self._settings.seed
        text = asked(self._settings.constraints, seed, instruction, kind).text
        return Request(id, kind, self._prompts[kind].fill(instruction=text), seed_of("request", seed, id))

    def complete(self, completion: Completion) -> None:
        instruction, kind = self._requests.pop(completion.request_id)
        self._answers[instruction.id, kind is Kind.CLASSIFY] = kind, completion
        if kind is Kind.CLASSIFY and completion.finish is not Finish.FAILED:
            is_classification = bool(self._reader.classification(completion.text))
            self.queue.append(self._request(instruction, kind_for(is_classification)))

    @property
    def missing(self) -> bool:
        return bool(self.queue or self._requests)

    def rows(self, number: int) -> list[Label]:
        """The rows of the labels file: for each instruction the question, then the instances."""
        keys = ((instruction.id, is_question) for instruction in self.instructions for is_question in (True, False))
        return [label_row(number, key[0], *self._answers[key]) for key in keys if key in self._answers]


class Answering:
    """The same where instructions are answered as a user is: an input for each, or none, then so many answers."""

    def __init__(
        self,
        settings: RunSettings,
        prompts: PromptSet,
        instructions: Sequence[Candidate],
        chosen: Collection[str] | None = None,
    ) -> None:
        self.instructions = instructions
        self._chosen = chosen
        self.written = False
        self._settings = settings
        self._prompts = prompts
        self._waiting: dict[str, tuple[Candidate, Kind]] = {}  # by request id
        self._answers: dict[str, tuple[Kind, Completion]] = {}  # by request id

    @cached_property
    def queue(self) -> deque[Request]:
        """Requests to hand out, as of `Labelling`."""
        return deque(
            self._request(f"{each.id}/input", each, Kind.INPUT, self._prompts[Kind.INPUT].fill(instruction=each.text))
            for each in self.instructions
            if self._chosen is None or each.id in self._chosen
        )

    def _request(self, id: str, instruction: Candidate, kind: Kind, suffix: str) -> Request:
        self._waiting[id] = instruction, kind
        return Request(id, kind, suffix, seed_of("request", self._settings.seed, id))

    def complete(self, completion: Completion) -> None:
        instruction, kind = self._waiting.pop(completion.request_id)
        self._answers[completion.request_id] = kind, completion
        given = input_of(completion) if kind is Kind.INPUT else None
        if given is not None:
            told = asked(self._settings.constraints, self._settings.seed, instruction, Kind.ANSWER)
            suffix = self._prompts[Kind.ANSWER].fill_task(told.text, given)
            self.queue.extend(self._request(id, instruction, Kind.ANSWER, suffix) for id in self._ids(instruction))

    def _ids(self, instruction: Candidate) -> list[str]:
        return [f"{instruction.id}/answer/{sample}" for sample in range(self._settings.label.samples)]

    @property
    def missing(self) -> bool:
        return bool(self.queue or self._waiting)

    def rows(self, number: int) -> list[Label]:
        """The rows of the labels file: for each instruction the input, then the answers."""
        ids = ((each.id, id) for each in self.instructions for id in (f"{each.id}/input", *self._ids(each)))
        return [label_row(number, instruction, *self._answers[id]) for instruction, id in ids if id in self._answers]


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
