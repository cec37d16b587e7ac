"""An engine without a model: it fills the templates of the tiny model's grammar, tens of thousands of times a second.

For tests, benchmarks and simulations. A completion depends on the request's seed, kind and suffix and on the rates
in `TemplateOptions` alone, never on batches or their order. Some answers are dirty on purpose, in the ways in which
a model's are, so that every rule of the pipeline has something to do.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial

from selfinstruct.engines.settings import EngineSettings, TemplateOptions, Traits
from selfinstruct.engines.wide import WideTasks
from selfinstruct.prompts import Prompt, PromptSet
from selfinstruct.records import Completion, Finish, Instance, Kind, Request
from selfinstruct.tiny import dialect, grammar
from selfinstruct.tiny.families import families
from selfinstruct.tiny.templates import Family, Template

GRAMMAR = "8c1e75449371e6d40522c151c6a97b288554c063273fd0183f97eefd9e01f1aa"
"""The version of the answers in a run's facts. It gets another value when an answer changes, which a test notices."""

DIRTY = 12
"""One instruction, and one answer with instances, in this many is dirty."""


WRITER = "selfinstruct-template"
"""What goes by the name of a model where the grammar wrote."""


def traits(settings: EngineSettings) -> Traits:
    """No model: the grammar stands in its place."""
    return Traits(writer=WRITER, revision="grammar", light=True, raw="yes")


def open_engine(settings: EngineSettings, prompts: PromptSet) -> TemplateEngine:
    """The engine under `settings.template`."""
    return TemplateEngine(settings.template, prompts)


def identify(settings: EngineSettings) -> dict[str, str]:
    """The answers' version and the rates; latency and batch size leave the data alone."""
    options = settings.template
    return {
        "engine": "template",
        "grammar": GRAMMAR,
        "failure_rate": repr(options.failure_rate),
        "cut_rate": repr(options.cut_rate),
        "words": repr(options.words),
        "diversity": repr(options.diversity),
    }


class TemplateEngine:
    """Implements `protocols.Engine`."""

    def __init__(self, options: TemplateOptions, prompts: PromptSet) -> None:
        self._options = options
        self._prompts = prompts
        self._queue: deque[Request] = deque()
        self._constant_words = {
            kind: _words(prompts[kind].prefix) + _words(prompts[kind].tail) for kind in prompts.kinds
        }
        self._wide = WideTasks(options.words, options.diversity) if options.words else None
        self._answers: Mapping[Kind, Callable[[str, _Stream], str]] = {
            Kind.PROPOSE: self._propose,
            Kind.QUERY: self._query,
            Kind.EVOLVE: self._evolve,
            Kind.DOCUMENT: self._document,
            Kind.CLASSIFY: self._classify,
            Kind.INPUT_FIRST: self._input_first,
            Kind.OUTPUT_FIRST: self._output_first,
            Kind.INSTANTIATE: self._instantiate,
            Kind.CHECK: self._check,
            Kind.SELECT: self._select,
            Kind.INPUT: self._input,
            Kind.ANSWER: partial(self._answer, Kind.ANSWER),
            Kind.DOCUMENT_ANSWER: self._document_answer,
            Kind.POLISH: partial(self._answer, Kind.POLISH),
        }

    def add(self, requests: Sequence[Request]) -> None:
        """Queue requests."""
        self._queue.extend(requests)

    def step(self) -> list[Completion]:
        """Complete the next batch; an idle engine returns an empty list at once."""
        begun = time.monotonic()
        requests = [self._queue.popleft() for _ in range(min(self._options.batch, len(self._queue)))]
        completions = [self._complete(request) for request in requests]
        if completions:
            longest = max(completion.completion_tokens for completion in completions)
            seconds = self._options.latency + longest * self._options.token_latency
            time.sleep(max(0.0, begun + seconds - time.monotonic()))
        return completions

    def _complete(self, request: Request) -> Completion:
        source = _Stream(request)
        prompt_tokens = self._constant_words[request.kind] + _words(request.suffix)
        fate = source.fraction() - self._options.failure_rate
        if fate < 0:
            error = "the template engine was told to let this request fail"
            return Completion(request.id, "", Finish.FAILED, prompt_tokens, 0, error)
        text = self._answers[request.kind](request.suffix, source)
        finish = Finish.STOP
        if fate < self._options.cut_rate:
            text, finish = text[: source.below(len(text) + 1)], Finish.LENGTH
        return Completion(request.id, text, finish, prompt_tokens, _words(text))

    def _propose(self, suffix: str, source: _Stream) -> str:
        if not source.below(8 * DIRTY):
            return "\n"
        texts = self._instructions(source)
        for at in range(8):
            if not source.below(DIRTY):
                texts[at] = _dirty_instruction(texts, at, source)
        first = _open_number(self._prompts[Kind.PROPOSE], suffix)
        if self._prompts[Kind.PROPOSE].schema:
            return dialect.json_tasks(texts)
        text = dialect.numbered(texts, first)
        # a chat model begins a list of its own, a base model goes on after the open number
        return f"{first}.{text}" if self._prompts.chat else text

    def _query(self, suffix: str, source: _Stream) -> str:
        return self._one(source)

    def _one(self, source: _Stream) -> str:
        """One instruction, or something in its place."""
        if not source.below(8 * DIRTY):
            return ""
        texts = self._instructions(source)
        return texts[0] if source.below(DIRTY) else _dirty_instruction(texts, 0, source)

    def _evolve(self, suffix: str, source: _Stream) -> str:
        """The instruction with something added, now and then so little that it is the same, or another one."""
        prompt = self._prompts[Kind.EVOLVE]
        before, _, after = prompt.suffix.partition("{instruction}")
        parent = suffix.removeprefix(before).rpartition(after.partition("{")[0])[0].rstrip(".") or self._one(source)
        added = _ADDED[source.below(len(_ADDED))]
        text = f"{parent}, {added}" if source.below(4) else self._one(source)
        return self._told(Kind.EVOLVE, text, source)

    def _document(self, suffix: str, source: _Stream) -> str:
        return self._told(Kind.DOCUMENT, self._one(source), source)

    def _told(self, kind: Kind, text: str, source: _Stream) -> str:
        """One instruction in the form in which it is asked for, now and then with a word before it."""
        if self._prompts[kind].schema:
            return json.dumps({"task": text})
        return text if source.below(6) else f"Task: {text}"

    def _instructions(self, source: _Stream) -> list[str]:
        if self._wide:
            return [self._wide.instruction(source) for _ in range(8)]
        return grammar.sample_instructions(source, 8)

    def _check(self, suffix: str, source: _Stream) -> str:
        if not source.below(DIRTY):
            return "I would have to see more of it."
        return "\n".join(f"{key}: {'yes' if source.below(4) else 'no'}" for key in ("task", "input", "output"))

    def _select(self, suffix: str, source: _Stream) -> str:
        if not source.below(DIRTY):
            return "They are all very good."
        shown = suffix.count("\n[") + 1
        before, _, after = self._prompts[Kind.SELECT].suffix.partition("{number}")
        picks = int(suffix.removesuffix(after).rpartition(before.rpartition("}")[2])[2])
        first = source.below(shown)
        return ", ".join(f"[{(first + at) % shown + 1}]" for at in range(picks))

    def _classify(self, suffix: str, source: _Stream) -> str:
        instruction = _instruction(self._prompts[Kind.CLASSIFY], suffix)
        return dialect.yes_or_no(self._is_classification(instruction, source))

    def _is_classification(self, instruction: str, source: _Stream) -> bool:
        if self._wide:
            return self._wide.is_classification(instruction)
        known = grammar.recognise(instruction)
        return known[0].is_classification if known else not source.below(4)

    def _input_first(self, suffix: str, source: _Stream) -> str:
        instances = self._instances(Kind.INPUT_FIRST, suffix, source)
        return dialect.input_first(instances) if instances else _NO_ANSWER

    def _output_first(self, suffix: str, source: _Stream) -> str:
        instances = self._instances(Kind.OUTPUT_FIRST, suffix, source)
        return dialect.output_first(instances) if instances else _NO_ANSWER

    def _instantiate(self, suffix: str, source: _Stream) -> str:
        prompt = self._prompts[Kind.INSTANTIATE]
        is_classification = self._is_classification(_instruction(prompt, suffix), source)
        instances = self._instances(Kind.INSTANTIATE, suffix, source)
        if prompt.schema:
            return dialect.json_task(is_classification, instances)
        write = dialect.output_first if is_classification else dialect.input_first
        return write(instances) if instances else _NO_ANSWER

    def _input(self, suffix: str, source: _Stream) -> str:
        given = self._instances(Kind.INPUT, suffix, source)
        if not given or not given[0].input:
            return "" if not source.below(8 * DIRTY) else "NONE"
        return given[0].input

    def _answer(self, kind: Kind, suffix: str, source: _Stream) -> str:
        thought = "" if source.below(3) else f"<think>\nLet me see: {suffix[:40]}\n</think>\n\n"
        if not source.below(DIRTY):
            return f"<think>\n{suffix}" if source.below(2) else f"{thought}{_NO_ANSWER} The answer is:"
        given = self._instances(kind, suffix, source)
        return thought + (given[0].output if given else _NO_ANSWER)

    def _document_answer(self, suffix: str, source: _Stream) -> str:
        """Of the words of the text every second one, or those in a row that nobody ought to take over."""
        before, _, after = self._prompts[Kind.DOCUMENT_ANSWER].suffix.partition("{document}")
        document = suffix.removeprefix(before).rpartition(after.partition("{")[0])[0] or suffix
        if not source.below(DIRTY):
            return f"{document[:60]} And so on:" if source.below(2) else ""
        words = document.split()
        own = " ".join(words[1::2])
        return f"In short: {own}." if source.below(4) else f"It is said: {' '.join(words[: len(words) // 2])} {own}."

    def _instances(self, kind: Kind, suffix: str, source: _Stream) -> list[Instance]:
        if self._wide:
            return self._wide.instances(source)
        known = grammar.recognise(_instruction(self._prompts[kind], suffix))
        family, chosen = known or (_stand_in(kind, source), {})
        instances = list(family.instances(chosen, source))
        if not source.below(DIRTY):
            return _dirty_instances(instances, family, chosen, source)
        return instances


class _Stream:
    """Draws under a hash of the request: a linear congruential generator, ten times as fast as `draws.Draws`."""

    __slots__ = ("_state",)

    def __init__(self, request: Request) -> None:
        key = request.seed.to_bytes(8, "little")
        digest = hashlib.blake2b(request.suffix.encode(), digest_size=8, key=key, person=request.kind.encode())
        self._state = int.from_bytes(digest.digest(), "little")

    def _word(self) -> int:
        self._state = (self._state * 6364136223846793005 + 1442695040888963407) & 0xFFFFFFFFFFFFFFFF
        return self._state >> 32  # the low bits of such a generator are poor

    def below(self, n: int) -> int:
        return self._word() * n >> 32

    def fraction(self) -> float:
        return self._word() / 2**32


_ADDED = (
    "and say in one sentence why this is what you would do in such a case.",
    "as a person would who has done it for thirty years, with two examples from that time.",
    "in no more than five lines, none of which may have more than nine words.",
    "first for a child, then for somebody who knows it all.",
    "briefly.",
)
"""What is added to instructions that are to be rewritten; the last is too little."""

_NO_ANSWER = "I am not sure what is wanted here."

DIRT = (
    "Name {a animal}.",
    "Say more.",
    "Draw {scene} for {audience}, and plot its colours.",
    "Show me a picture of {hero} at {occasion}.",
    "Open the file with {records} and make a graph of every {records.1}.",
    "Write a program that {code} for {company}.",
    "- {Name}, {work}, would like to {chore} {deadline}",
    "(for {audience}) Explain {why}.",
    "\u00dcbersetze den Satz von {writer} ins Englische.",
    "\u00c9crivez une lettre au sujet de {matter}.",
)


@cache
def _dirt() -> Sequence[Template]:
    """Instructions that a filter ought to drop."""
    return tuple(map(Template, DIRT))


def _dirty_instruction(texts: Sequence[str], at: int, source: _Stream) -> str:
    """Something in place of `texts[at]` that a filter ought to drop."""
    choice = source.below(len(DIRT) + 4)
    if choice < len(DIRT):
        return _dirt()[choice].fill({}, source)
    if choice == len(DIRT):
        return " ".join(texts[at] for _ in range(150 // texts[at].count(" ") + 1))  # too long
    return f"{texts[at - 1]} Please." if at else texts[at + 1]  # too similar


def _dirty_instances(
    instances: list[Instance], family: Family, chosen: Mapping[str, int], source: _Stream
) -> list[Instance]:
    """The instances with something wrong about them; none at all stands for an answer that cannot be parsed."""
    first = instances[0]
    choice = source.below(7)
    if choice == 0:
        return [*instances, Instance("", "")]
    if choice == 1:
        return [*instances, Instance(first.output, first.output)]
    if choice == 2:
        return [*instances, Instance(first.input, "The answer is:")]
    if choice == 3:
        return [*instances, Instance(first.input, f"not {first.output}")]
    if choice == 4:
        return [*instances, first]
    if choice == 5:
        more = (case for _ in range(6) for case in family.instances(dict(chosen), source))
        return list(dict.fromkeys([*instances, *more]))
    return []


def _stand_in(kind: Kind, source: _Stream) -> Family:
    """A family whose instances answer an instruction that is not of the grammar."""
    fitting = [
        family for family in families() if family.has_input and family.is_classification is (kind is Kind.OUTPUT_FIRST)
    ]
    return fitting[source.below(len(fitting))]


def _instruction(prompt: Prompt, suffix: str) -> str:
    """The instruction in a suffix of the prompts about one."""
    if "{task}" in prompt.suffix:
        before, _, after = prompt.suffix.partition("{task}")
        return suffix.removeprefix(before).removesuffix(after).partition("\n\n")[0]
    before, _, after = prompt.suffix.partition("{instruction}")
    return suffix.removeprefix(before).removesuffix(after)


def _open_number(prompt: Prompt, suffix: str) -> int:
    """The number of the list's open item."""
    after = prompt.suffix.rpartition("{number}")[2].partition("{")[0]  # slots may follow
    text = suffix[: suffix.rfind(after)]
    digits = text[len(text.rstrip("0123456789")) :]
    return int(digits) if digits else 9


def _words(text: str) -> int:
    """A cheap count of words, in place of tokens."""
    return text.count(" ") + text.count("\n") + 1 if text else 0
