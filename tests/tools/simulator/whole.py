"""A run without failures, of the simulator's model, on a real place."""

from __future__ import annotations

from collections.abc import Sequence

from selfinstruct.novelty.check import make_index
from selfinstruct.novelty.index import NoveltySettings
from selfinstruct.prompts import load_prompts
from selfinstruct.records import Completion, Request
from selfinstruct.run.keeping import PACE, Pace
from selfinstruct.run.loop import Completer, SingleCompleter, drive, prepare
from selfinstruct.run.rounds import Run, Stage
from selfinstruct.run.settings import FeedbackSettings, RoundSettings, RunSettings
from selfinstruct.settings import Facts, facts_of
from selfinstruct.steps.checks import Judge
from selfinstruct.steps.rubric import load_rubric
from selfinstruct.storage.blobs import Blobs
from selfinstruct.storage.store import RunStore
from tests.tools.simulator.parts import SEEDS, model

PROMPTS = load_prompts("tiny")
STAGES = tuple(Stage)
JUDGE = Judge(load_rubric("base"), share=0.7, seed=5, model="parts", identity={})
"""Who judges in runs that have a check."""


def facts_with(chosen: RunSettings, judge: Judge | None) -> Facts:
    """The facts of a run, as `run.facts` has them."""
    return {**facts_of(chosen), **({f"judge.{key}": fact for key, fact in judge.facts.items()} if judge else {})}


def settings(index: str = "minhash", target: int = 6, least: int = 2, *, proven: bool = False) -> RunSettings:
    """A run of four rounds (and the seed tasks'), or of more for a larger target."""
    feedback = FeedbackSettings(proven, lookback=2)
    rounds = RoundSettings(least=least, most=least + 1, max_failed=1.0, patience=50)
    novelty = NoveltySettings(index=index)  # type: ignore[arg-type]
    return RunSettings(seed=5, target=target, novelty=novelty, rounds=rounds, feedback=feedback)


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
) -> RunStore:
    """Take a run to its end, of rounds of at least so many requests; with a judge, one that hears its check."""
    store, chosen = RunStore(place), settings(target=target, least=least, proven=judge is not None)
    facts = facts_with(chosen, judge)
    prepare(store, facts)
    lines = [(line or SingleCompleter(Steady(), 50), STAGES)]
    run = Run(chosen, PROMPTS, SEEDS, judge=judge)
    drive(run, store, make_index(chosen.novelty), lines, facts, pace=pace)
    return store
