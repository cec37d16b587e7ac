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
from selfinstruct.run.settings import RoundSettings, RunSettings
from selfinstruct.settings import facts_of
from selfinstruct.storage.blobs import Blobs
from selfinstruct.storage.store import RunStore
from tests.tools.simulator.parts import SEEDS, model

PROMPTS = load_prompts("tiny")
BOTH = (Stage.PROPOSE, Stage.LABEL)


def settings(index: str = "minhash", target: int = 6, least: int = 2) -> RunSettings:
    """A run of four rounds (and the seed tasks'), or of more for a larger target."""
    rounds = RoundSettings(least=least, most=least + 1, max_failed=1.0, patience=50)
    novelty = NoveltySettings(index=index)  # type: ignore[arg-type]
    return RunSettings(seed=5, target=target, novelty=novelty, rounds=rounds)


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
    place: str | Blobs, target: int = 6, line: Completer | None = None, least: int = 2, pace: Pace = PACE
) -> RunStore:
    """Take a run to its end, of rounds of at least so many requests."""
    store, chosen = RunStore(place), settings(target=target, least=least)
    facts = facts_of(chosen)
    prepare(store, facts)
    lines = [(line or SingleCompleter(Steady(), 50), BOTH)]
    drive(Run(chosen, PROMPTS, SEEDS), store, make_index(chosen.novelty), lines, facts, pace=pace)
    return store
