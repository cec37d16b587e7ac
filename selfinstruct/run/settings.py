"""The options of the algorithm. Each step's stand beside its code; here they come together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from selfinstruct.novelty.index import NoveltySettings
from selfinstruct.prompts import OF_STRATEGIES, Form
from selfinstruct.records import Kind
from selfinstruct.semantic.settings import SemanticSettings
from selfinstruct.settings import SEEDS, NamedValues, group, option
from selfinstruct.steps.constraints import ConstraintSettings
from selfinstruct.steps.instantiate import InstanceSettings
from selfinstruct.steps.rules import RuleSettings
from selfinstruct.steps.screen import ScreenSettings
from selfinstruct.steps.strategies.settings import (
    DocumentSettings,
    EvolveSettings,
    MixSettings,
    ProposeSettings,
    SpreadSettings,
)


@dataclass(frozen=True)
class RoundSettings:
    """How rounds are sized, overlapped and stopped.

    Args:
        lag: Round r is planned from the pool after round r - lag; 1 means that rounds do not overlap.
        least: Fewest propose requests in a round; a round has an eighth of the pool, within these bounds.
        most: Most propose requests in a round.
        label_lag: Rounds by which labelling and check may be behind before proposing waits for them.
        patience: Rounds in a row without an accepted instruction after which the run stops.
        max_failed: Share of a round's requests that may fail (one may always); above it nothing is committed.
    """

    lag: int = option(2, least=1)
    least: int = option(16, least=1, alters_data=False)
    most: int = option(2048, least=1, alters_data=False)
    label_lag: int = option(4, least=1, alters_data=False)
    patience: int = option(5, least=1, alters_data=False)
    max_failed: float = option(0.01, least=0, most=1, alters_data=False)

    def requests(self, size: int) -> int:
        """How many propose requests a round has that is planned from a pool of this size."""
        return min(max(size // 8, self.least), self.most)

    def problems(self) -> Iterator[str]:
        """What is wrong with the options together."""
        if self.most < self.least:
            yield f"most: is {self.most}, must be at least --rounds.least, {self.least}"


MOST_SAMPLES = 1000
"""Answers to one instruction."""


@dataclass(frozen=True)
class FormSettings:
    """In which form instructions are labelled.

    Args:
        as_: task (inputs and outputs, as the paper asks for them), answer (each instruction is a user's turn, and the
            output what a chat model says to it) or none (instructions alone: a run of two tables).
        samples: With answer: how many answers each instruction gets.
    """

    as_: Literal["task", "answer", "none"] = option("task", before="task")
    samples: int = option(1, least=1, most=MOST_SAMPLES, before=1)

    def problems(self) -> Iterator[str]:
        """What is wrong with the options together."""
        if self.samples > 1 and self.as_ != "answer":
            yield f"samples: is {self.samples}, and only with --label.as answer there are several"


@dataclass(frozen=True)
class StepSettings:
    """The options of the steps from a prompt to a verdict.

    Args:
        seed: Seed of everything that is drawn.
        stop_repetition: End an answer that goes in circles, with the engines that run the model here: of its instances
            the last is dropped as repetition.
        reading: How answers are read: tolerant (in any form that real models give them) or paper (by the rules of the
            paper and its released code, which drop proposals that were cut by length whole).
        slots: What the words in braces of prompts that ask for instructions are filled with, as name=file: texts with
            a value a line, JSON lines or Parquet, or builtin for the shipped lists. What they hold is a fact of the
            run, where they lie is not.
    """

    seed: int = option(0, least=SEEDS[0], most=SEEDS[1])
    stop_repetition: bool = option(True, before=False)
    reading: Literal["tolerant", "paper"] = option("tolerant", before="paper")
    propose: ProposeSettings = group(ProposeSettings)
    strategies: MixSettings = group(MixSettings, on_command_line=False)
    spread: SpreadSettings = group(SpreadSettings, on_command_line=False)
    evolve: EvolveSettings = group(EvolveSettings, on_command_line=False)
    documents: DocumentSettings = group(DocumentSettings, on_command_line=False)
    screen: ScreenSettings = group(ScreenSettings)
    novelty: NoveltySettings = group(NoveltySettings)
    instances: InstanceSettings = group(InstanceSettings)
    rules: RuleSettings = group(RuleSettings, on_command_line=False)
    constraints: ConstraintSettings = group(ConstraintSettings, on_command_line=False)
    semantic: SemanticSettings = group(SemanticSettings, on_command_line=False)
    label: FormSettings = group(FormSettings)
    slots: NamedValues = option((), alters_data=False, on_command_line=False, in_recipes=True)

    @property
    def prompt_form(self) -> Form:
        """The form in which the prompt set is to ask."""
        return "answer" if self.label.as_ == "answer" else "task"

    @property
    def answers_from_texts(self) -> bool:
        """Whether an instruction that came of a document is answered from it."""
        return self.labels and self.documents.answer and self.strategies.document > 0

    @property
    def strategy_kinds(self) -> tuple[Kind, ...]:
        """The kinds of request that there are because of the strategies."""
        kinds = tuple(kind for kind in OF_STRATEGIES if kind in self.strategies.shares)
        return (*kinds, Kind.DOCUMENT_ANSWER) if self.answers_from_texts else kinds

    @property
    def labels(self) -> bool:
        """Whether instructions are labelled at all."""
        return self.label.as_ != "none"

    def problems(self) -> Iterator[str]:
        """What is wrong with the options together."""
        if bool(self.documents.files) is not bool(self.strategies.document):
            lacks = "no share in strategies" if self.documents.files else "no documents.files"
            yield f"strategies.document: has {lacks}; give both, or neither"


@dataclass(frozen=True)
class FeedbackSettings:
    """What plans learn from the verdicts of earlier rounds.

    Args:
        proven: Of what is no seed task, only instructions with an accepted instance are shown as demonstrations, so
            that a pool does not feed on its own debris. Where the run has a check, the instance must have passed: its
            judgements are yes in all. What a check of a smaller share did not look at counts as without a check.
        lookback: How many rounds back the newest verdicts are that a plan takes. Opening a round waits for them, so
            labelling and check may trail by less, and when they end does not show in the data.
    """

    proven: bool = option(False, before=False)
    lookback: int = option(6, least=1, most=1000, before=6)


@dataclass(frozen=True)
class JudgeSettings:
    """A check of the run's own: a model judges accepted instances while the run goes on.

    Args:
        rubric: What is asked: chat or base (the paper's three questions, for a chat model or a base model), or a TOML
            file with [questions] of your own; empty for no check. What it says is a fact of the run, its name is not.
        share: Share of the accepted instances that are judged, drawn by the hash of their ids.
    """

    rubric: str = option("", before="")
    share: float = option(1.0, above=0, most=1, before=1.0)


@dataclass(frozen=True, kw_only=True)
class RunSettings(StepSettings):
    """The options of the algorithm; those of engines and cluster are elsewhere.

    Args:
        target: Accepted instructions to reach; the round that reaches it is finished whole.
        check_pool: Screen imported instructions and check them for novelty; otherwise they are taken as they are.
    """

    target: int = option(1000, least=1, alters_data=False)
    check_pool: bool = True
    rounds: RoundSettings = group(RoundSettings)
    feedback: FeedbackSettings = group(FeedbackSettings, on_command_line=False)
    check: JudgeSettings = group(JudgeSettings, on_command_line=False)

    def problems(self) -> Iterator[str]:
        """What is wrong with the options together."""
        yield from super().problems()
        if self.feedback.proven and not self.labels:
            yield "feedback.proven: asks for accepted instances, and with label.as none there are none"
        if self.check.rubric and not self.labels:
            yield "check.rubric: asks about accepted instances, and with label.as none there are none"
        if self.strategies.judged and not self.check.rubric:
            yield "strategies.judged: the run has no check of its own; name a check.rubric"
        if self.feedback.lookback < self.rounds.lag:
            yield f"feedback.lookback: is {self.feedback.lookback}, must be at least rounds.lag ({self.rounds.lag})"
