"""What a model is asked, and the prompt that asks it: an instruction, perhaps an input, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from selfinstruct.draws import seed_of
from selfinstruct.prompts import Prompt, PromptSet, Sampling
from selfinstruct.records import Kind, Request
from selfinstruct.settings import digest_of, option

WITH_INPUT = "{instruction}\n\nInput: {input}\nOutput:"
WITHOUT_INPUT = "{instruction}\nOutput:"


@dataclass(frozen=True, slots=True)
class Question:
    """One instance to answer. The references are what may be answered; a user's task may have none."""

    id: str  # readable and unique among the questions of one evaluation
    task: str
    category: str
    instruction: str
    input: str
    references: tuple[str, ...]


@dataclass(frozen=True)
class PromptSettings:
    """How a question is put, by default as for the predictions that were released with the paper.

    Args:
        with_input: The prompt of a question that has an input.
        without_input: The prompt of one that has none.
        chat: Ask as a user's message, in the model's own chat template.
        max_tokens: The most tokens of an answer.
        stop: Strings that end an answer.
    """

    with_input: str = WITH_INPUT
    without_input: str = WITHOUT_INPUT
    chat: bool = False
    max_tokens: int = option(1024, least=1)
    stop: tuple[str, ...] = ()

    def problems(self) -> Iterator[str]:
        """Templates that lack what is asked, and a stop string that would end every answer."""
        needed = {"with_input": ("{instruction}", "{input}"), "without_input": ("{instruction}",)}
        for name, placeholders in needed.items():
            for placeholder in placeholders:
                if placeholder not in getattr(self, name):
                    yield f"{name}: must hold {placeholder}"
        if "" in self.stop:
            yield "stop: an empty text would end every answer at once; leave it out"


def prompt_text(question: Question, settings: PromptSettings) -> str:
    """The whole prompt of a question. A model that is tuned on these templates goes on with a blank or a line."""
    template = settings.with_input if question.input else settings.without_input
    return fill(template, instruction=question.instruction, input=question.input)


def fill(template: str, **values: str) -> str:
    """A template with its `{placeholders}` replaced, once each; braces in the values stay as they are."""
    return Prompt("", template, "", greedy(1)).fill(**values)


def greedy(max_tokens: int, stop: tuple[str, ...] = ()) -> Sampling:
    """The likeliest token at each step (paper: temperature 0 and no penalties for evaluation)."""
    return Sampling(0.0, 1.0, 0.0, 0.0, max_tokens, stop)


def free_prompts(name: str, sampling: Sampling, *, chat: bool) -> PromptSet:
    """A prompt set of one kind, without constant parts: a request's suffix is its whole prompt."""
    prompt = Prompt("", "{instruction}", "", sampling)
    return PromptSet(name, chat, {Kind.INPUT_FIRST: prompt}, digest_of([name, chat, repr(sampling)]))


def free_request(id: str, text: str) -> Request:
    """A request for a set of `free_prompts`. All are of one kind, so that engines batch any of them together."""
    return Request(id, Kind.INPUT_FIRST, text, seed_of("evaluation", id))
