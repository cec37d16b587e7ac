"""How an instruction is labelled: which requests go first, and which follow from an answer. Pure, as all of a plan."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from selfinstruct.draws import seed_of
from selfinstruct.prompts import PromptSet
from selfinstruct.records import Candidate, Completion, Finish, Kind, Request
from selfinstruct.run.settings import StepSettings
from selfinstruct.steps.constraints import asked
from selfinstruct.steps.instantiate import kind_for
from selfinstruct.steps.readers import Reader
from selfinstruct.steps.readers.answers import input_of

TextOf = Callable[[Candidate], str | None]
"""The text that an instruction is answered from, if it came of one."""


class Way(Protocol):
    """One of them."""

    def first(self, instruction: Candidate) -> Sequence[Request]:
        """What is asked about an instruction."""

    def following(self, instruction: Candidate, kind: Kind, completion: Completion) -> Sequence[Request]:
        """What is asked once a request of this kind about it is answered."""


class Tasks:
    """As the paper does: a question for each instruction, then, by its answer, its instances.

    A prompt set of one step has no question; the answer that holds the instances says what it would have told.
    """

    def __init__(self, settings: StepSettings, prompts: PromptSet, reader: Reader) -> None:
        self._settings = settings
        self._prompts = prompts
        self._reader = reader

    def first(self, instruction: Candidate) -> Sequence[Request]:
        return [self._request(instruction, kind_for(None) if self._prompts.one_step else Kind.CLASSIFY)]

    def following(self, instruction: Candidate, kind: Kind, completion: Completion) -> Sequence[Request]:
        if kind is not Kind.CLASSIFY or completion.finish is Finish.FAILED:
            return ()
        is_classification = bool(self._reader.classification(completion.text))
        return [self._request(instruction, kind_for(is_classification))]

    def _request(self, instruction: Candidate, kind: Kind) -> Request:
        id = f"{instruction.id}/{'classify' if kind is Kind.CLASSIFY else 'instances'}"
        seed = self._settings.seed
        text = asked(self._settings.constraints, seed, instruction, kind).text
        return Request(id, kind, self._prompts[kind].fill(instruction=text), seed_of("request", seed, id))


class Answers:
    """As a user is answered: an input for each instruction, or none, then so many answers."""

    def __init__(self, settings: StepSettings, prompts: PromptSet) -> None:
        self._settings = settings
        self._prompts = prompts

    def first(self, instruction: Candidate) -> Sequence[Request]:
        id, suffix = f"{instruction.id}/input", self._prompts[Kind.INPUT].fill(instruction=instruction.text)
        return [Request(id, Kind.INPUT, suffix, seed_of("request", self._settings.seed, id))]

    def following(self, instruction: Candidate, kind: Kind, completion: Completion) -> Sequence[Request]:
        given = input_of(completion) if kind is Kind.INPUT else None
        if given is None:
            return ()
        told = asked(self._settings.constraints, self._settings.seed, instruction, Kind.ANSWER)
        suffix = self._prompts[Kind.ANSWER].fill_task(told.text, given)
        return _samples(self._settings, instruction, Kind.ANSWER, suffix)


class FromTexts:
    """What came of a text is answered from it, at once; all else in another way."""

    def __init__(self, settings: StepSettings, prompts: PromptSet, text_of: TextOf, otherwise: Way) -> None:
        self._settings = settings
        self._prompts = prompts
        self._text_of = text_of
        self._otherwise = otherwise

    def first(self, instruction: Candidate) -> Sequence[Request]:
        text = self._text_of(instruction)
        if text is None:
            return self._otherwise.first(instruction)
        told = asked(self._settings.constraints, self._settings.seed, instruction, Kind.DOCUMENT_ANSWER)
        suffix = self._prompts[Kind.DOCUMENT_ANSWER].fill(instruction=told.text, document=text)
        return _samples(self._settings, instruction, Kind.DOCUMENT_ANSWER, suffix)

    def following(self, instruction: Candidate, kind: Kind, completion: Completion) -> Sequence[Request]:
        return () if kind is Kind.DOCUMENT_ANSWER else self._otherwise.following(instruction, kind, completion)


def way_of(settings: StepSettings, prompts: PromptSet, reader: Reader, text_of: TextOf | None) -> Way:
    """How instructions are labelled under these settings.

    Args:
        text_of: None where none came of a text, or none is to be answered from it.
    """
    answers = settings.label.as_ == "answer"
    way: Way = Answers(settings, prompts) if answers else Tasks(settings, prompts, reader)
    return FromTexts(settings, prompts, text_of, way) if text_of else way


def _samples(settings: StepSettings, instruction: Candidate, kind: Kind, suffix: str) -> list[Request]:
    """One prompt under as many seeds as answers are wanted."""
    ids = [f"{instruction.id}/answer/{sample}" for sample in range(settings.label.samples)]
    return [Request(id, kind, suffix, seed_of("request", settings.seed, id)) for id in ids]
