"""A run without failures, of the simulator's model, on a real place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from selfinstruct.novelty.index import NoveltySettings
from selfinstruct.prompts import OF_STRATEGIES, load_prompts
from selfinstruct.records import Completion, Kind, Request
from selfinstruct.run.keeping import PACE, Pace
from selfinstruct.run.loop import Completer, SingleCompleter, drive, prepare
from selfinstruct.run.material import Material
from selfinstruct.run.rounds import Run, Stage
from selfinstruct.run.settings import FeedbackSettings, RoundSettings, RunSettings
from selfinstruct.semantic.settings import SemanticSettings
from selfinstruct.settings import Facts, facts_of
from selfinstruct.sources.corpus import Text
from selfinstruct.steps.checks import Judge
from selfinstruct.steps.rubric import load_rubric
from selfinstruct.steps.strategies.settings import DocumentSettings, MixSettings
from selfinstruct.storage.blobs import Blobs
from selfinstruct.storage.store import RunStore
from tests.tools.simulator.parts import SEEDS, index_of, model

PROMPTS = load_prompts("tiny")
MIXED_PROMPTS = load_prompts("chat", strategies=(*OF_STRATEGIES, Kind.DOCUMENT_ANSWER))
MIX = MixSettings(paper=0.1, spread=0.1, query=0.15, evolve=0.15, document=0.5)
STAGES = tuple(Stage)
DOCUMENTS = DocumentSettings(copied=0.5)
COSINE = 0.42
"""Above it runs with all strategies and without a check drop, too: with one, words alone decide."""

JUDGE = Judge(load_rubric("base"), share=0.7, seed=5, model="parts", identity={})
"""Who judges in runs that have a check."""


class Texts(Sequence[Text]):
    """Documents: fewer than some runs ask for, and one that says nothing."""

    def __len__(self) -> int:
        return 9

    def __getitem__(self, number: Any) -> Any:
        return None if number == 4 else Text(f"text {number}", f"Of {number} things one is told here, and of no other.")


def cells_of(texts: Sequence[str]) -> list[int]:
    """A few cells, by what stands last."""
    return [hash_of(text.split()[-1]) % 5 for text in texts]


def hash_of(word: str) -> int:
    return sum(map(ord, word))


MATERIAL = Material(documents=Texts(), cells=cells_of)
"""What requests are made of in runs with a mix of strategies."""


def facts_with(chosen: RunSettings, judge: Judge | None) -> Facts:
    """The facts of a run, as `run.facts` has them."""
    return {**facts_of(chosen), **({f"judge.{key}": fact for key, fact in judge.facts.items()} if judge else {})}


def settings(
    index: str = "minhash", target: int = 6, least: int = 2, *, proven: bool = False, mixed: bool = False
) -> RunSettings:
    """A run of four rounds (and the seed tasks'), or of more for a larger target."""
    feedback = FeedbackSettings(proven, lookback=2)
    rounds = RoundSettings(least=least, most=least + 1, max_failed=1.0, patience=50)
    novelty = NoveltySettings(index=index)  # type: ignore[arg-type]
    mix = replace(MIX, auto=proven, judged=proven) if mixed else MixSettings()
    semantic = SemanticSettings(measure=mixed, gate=mixed and not proven, cosine=COSINE)
    return RunSettings(
        seed=5,
        target=target,
        novelty=novelty,
        semantic=semantic,
        rounds=rounds,
        feedback=feedback,
        strategies=mix,
        documents=DOCUMENTS,
    )


def run_of(chosen: RunSettings, judge: Judge | None) -> Run:
    """A run with these settings."""
    if chosen.strategies.document:
        return Run(chosen, MIXED_PROMPTS, SEEDS, judge=judge, material=MATERIAL)
    return Run(chosen, PROMPTS, SEEDS, judge=judge)


class Steady:
    """The model without trouble."""

    def __init__(self) -> None:
        self._requests: list[Request] = []

    def add(self, requests: Sequence[Request]) -> None:
        self._requests += requests

    def step(self) -> list[Completion]:
        done, self._requests = self._requests, []
        return [model(request) for request in done]


def whole_run(
    place: str | Blobs,
    target: int = 6,
    line: Completer | None = None,
    least: int = 2,
    pace: Pace = PACE,
    judge: Judge | None = None,
    *,
    mixed: bool = False,
) -> RunStore:
    """Take a run to its end, of rounds of at least so many requests; with a judge, one that hears its check."""
    store, chosen = RunStore(place), settings(target=target, least=least, proven=judge is not None, mixed=mixed)
    facts = facts_with(chosen, judge)
    prepare(store, facts)
    lines = [(line or SingleCompleter(Steady(), 50), STAGES)]
    run = run_of(chosen, judge)
    drive(run, store, index_of(chosen), lines, facts, pace=pace)
    return store
