"""A trial of a prompt set: the first requests of a run, read and judged by the run's own code, and written nowhere.

Asked are the first requests for instructions of a run's first round, each by the strategy that has its id, then the
labelling requests about the first of the instructions that are new. A run with the same options whose first round has
as many requests asks the same and comes to the same verdicts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

from selfinstruct.pool import Pool
from selfinstruct.prompts import PromptSet
from selfinstruct.protocols import Engine
from selfinstruct.records import (
    Candidate,
    Completion,
    InstanceRow,
    Kind,
    Label,
    Proposal,
    Request,
    SeedTask,
    round_name,
)
from selfinstruct.run.batches import Labelling, Proposing
from selfinstruct.run.given import seed_candidates
from selfinstruct.run.material import Material, mix_of
from selfinstruct.run.measuring import answers_of, pool_index
from selfinstruct.run.settings import StepSettings
from selfinstruct.run.verdicts import Criteria, admitted, labelled, left_out, screened, survivors
from selfinstruct.run.ways import TextOf, way_of
from selfinstruct.steps.readers import reader_of
from selfinstruct.steps.strategies.cells import CellIndex
from selfinstruct.steps.strategies.document import RoundTexts, numbers_of
from selfinstruct.steps.strategies.planned import PoolView
from selfinstruct.storage.accounts import ENDINGS

Batch = TypeVar("Batch", Proposing, Labelling)

ROUND = 1
"""The round of a run whose requests are tried."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A request, its completion, and what was made of it.

    Attributes:
        said: What a classification question was answered with, as far as it can be read.
        rows: Candidates, judged against the seed tasks alone, or instances. None follow from a question.
    """

    request: Request
    completion: Completion
    said: bool | None
    rows: Sequence[Candidate | InstanceRow]


@dataclass(frozen=True, slots=True)
class TrialFigures:
    """What came of a trial. Counts by reason are of what was dropped.

    Attributes:
        proposals: Requests for instructions.
        lost: Those that gave none.
        parsed: Instructions in the answers.
        screened: Instructions that are not new, those near to another of the trial included.
        new: The others.
        labelled: Instructions whose instances were asked for: new ones, or seed tasks where none is.
        dropped: Instances, or instructions without any.
        usable: Labelled instructions with an instance that is kept.
        instances: Instances that are kept.
        endings: Answers that did not end by themselves, those to classification questions left out.
        proposing: Tokens read and written to propose.
        labelling: Tokens read and written to label.
    """

    proposals: int
    lost: Mapping[str, int]
    parsed: int
    screened: Mapping[str, int]
    new: int
    labelled: int
    dropped: Mapping[str, int]
    usable: int
    instances: int
    endings: Mapping[str, int]
    proposing: tuple[int, int]
    labelling: tuple[int, int]

    @property
    def price(self) -> tuple[float, float] | None:
        """Tokens read and written for a usable task, if all that is new were labelled; None if nothing was usable."""
        if not (self.new and self.usable):
            return None
        read, written = (
            (proposing / self.new + labelling / self.labelled) * self.labelled / self.usable
            for proposing, labelling in zip(self.proposing, self.labelling, strict=True)
        )
        return read, written


class Trial:
    """One prompt set and its few requests."""

    def __init__(
        self,
        settings: StepSettings,
        prompts: PromptSet,
        seeds: Sequence[SeedTask],
        number: int,
        material: Material | None = None,
    ) -> None:
        """Plan at most `number` requests: a fifth of them propose, one at least, and the others label.

        Args:
            prompts: With the slots of `material`.
        """
        self.prompts = prompts
        self._settings = settings
        self._reader = reader_of(prompts, settings.reading)
        self._criteria = Criteria.of(settings, prompts.texts)
        self._seeds = list(seed_candidates(seeds))
        self._material = material or Material()
        self._pool, cells_of = Pool(), self._material.cells
        self._pool.extend(self._seeds, cells_of([each.text for each in self._seeds]) if cells_of else ())
        self._index, self._measure = pool_index(settings.novelty, settings.semantic), settings.semantic.measure
        self._index.insert(0, self._pool.texts)
        view = PoolView(self._pool, len(self._pool))
        if cells_of:
            view = replace(view, cells=CellIndex(self._pool.cells, view.others))
        ids = [f"{round_name(ROUND)}/{at:05d}" for at in range(max(1, number // 5))]
        planned = mix_of(settings, prompts, self._material).plan(ids, view)
        self._proposing = [Proposing({}, [each]) for each in planned]
        self._labelling: list[Labelling] = []
        self._room = (number - len(ids)) // self._each if settings.labels else 0

    @property
    def _each(self) -> int:
        """The requests that labelling takes for each instruction, at most."""
        label = self._settings.label
        return 1 + label.samples if label.as_ == "answer" else 1 if self.prompts.one_step else 2

    def run(self, engine: Engine) -> Iterator[Answer]:
        """Ask for all proposals at once, then for all labels, and give each answer as it comes."""
        for proposing, request, completion in _asked(engine, self._proposing):
            yield Answer(request, completion, None, self._candidates([proposing]))
        new = [candidate for candidate in self._candidates(self._proposing) if candidate.accepted]
        instructions = (new or self._seeds)[: self._room]
        way = way_of(self._settings, self.prompts, self._reader, self._text_of)
        self._labelling = [Labelling(way, [each]) for each in instructions]
        for labelling, request, completion in _asked(engine, self._labelling):
            is_question = request.kind is Kind.CLASSIFY
            said = self._reader.classification(completion.text) if is_question else None
            yield Answer(request, completion, said, [] if labelling.missing else self._instances([labelling]))

    def figures(self) -> TrialFigures:
        """What came of it, once all answers are there."""
        proposals = [row for proposing in self._proposing for row in proposing.rows(ROUND, self._pool)]
        labels = [row for labelling in self._labelling for row in labelling.rows(ROUND)]
        candidates, instances = self._candidates(self._proposing), self._instances(self._labelling)
        parsed = [row for row in candidates if row.position is not None]
        endings = [row.finish for row in proposals]
        endings += [row.finish for row in labels if row.kind is not Kind.CLASSIFY]  # a question is cut on purpose
        return TrialFigures(
            proposals=len(proposals),
            lost=_reasons(row for row in candidates if row.position is None),
            parsed=len(parsed),
            screened=_reasons(parsed),
            new=sum(row.accepted for row in parsed),
            labelled=len(self._labelling),
            dropped=_reasons(instances),
            usable=len({row.instruction_id for row in instances if row.accepted}),
            instances=sum(row.accepted for row in instances),
            endings=Counter(ENDINGS[finish] for finish in endings if finish in ENDINGS),
            proposing=_tokens(proposals),
            labelling=_tokens(labels),
        )

    def _candidates(self, batches: Sequence[Proposing]) -> list[Candidate]:
        """As the run judges them if its round has these requests."""
        rows = [row for proposing in batches for row in proposing.rows(ROUND, self._pool)]
        candidates, size = screened(rows, self._reader, self._criteria, self._pool.texts_of), len(self._pool)
        without = left_out(candidates, rows, self._pool.ordinals_by_id)
        neighbours, meanings = answers_of(self._index, size, survivors(candidates), without, self._measure)
        return list(admitted(candidates, neighbours, size, self._pool.id, self._criteria, meanings))

    def _instances(self, batches: Sequence[Labelling]) -> list[InstanceRow]:
        instructions = [instruction for labelling in batches for instruction in labelling.instructions]
        labels = [row for labelling in batches for row in labelling.rows(ROUND)]
        return list(labelled(instructions, labels, self._reader, self._criteria, text_of=self._text_of))

    @cached_property
    def _text_of(self) -> TextOf | None:
        """What instructions are answered from, once all that asks for them is answered."""
        documents, settings = self._material.documents, self._settings
        if documents is None or not settings.answers_from_texts:
            return None
        rows = [row for proposing in self._proposing for row in proposing.rows(ROUND, self._pool)]
        return RoundTexts(settings.documents, documents, numbers_of(rows))


def _asked(engine: Engine, batches: Sequence[Batch]) -> Iterator[tuple[Batch, Request, Completion]]:
    """Ask all that batches have to ask, at once, and what follows from an answer as soon as it is there."""
    under_way: dict[str, tuple[Batch, Request]] = {}

    def ask(batches: Sequence[Batch]) -> None:
        new = {request.id: (batch, request) for batch in batches for request in batch.queue}
        for batch in batches:
            batch.queue.clear()
        under_way.update(new)
        engine.add([request for _, request in new.values()])

    ask(batches)
    while under_way:
        for completion in engine.step():
            batch, request = under_way.pop(completion.request_id)
            batch.complete(completion.mended())
            if batch.queue:
                ask([batch])
            yield batch, request, completion.mended()


def _reasons(rows: Iterable[Candidate | InstanceRow]) -> Counter[str]:
    return Counter(row.reason for row in rows if row.reason is not None)


def _tokens(rows: Sequence[Proposal] | Sequence[Label]) -> tuple[int, int]:
    return sum(row.prompt_tokens for row in rows), sum(row.completion_tokens for row in rows)
