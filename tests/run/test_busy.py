"""How busy a run keeps whoever answers it, by a clock that only requests and files move: no process, no waiting.

So many requests are under way at once, each takes 200 ms, as many again wait, and a file or a question to the index
takes 30 ms, one after the other.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from selfinstruct.engines import EngineSettings, TemplateOptions, open_engine
from selfinstruct.novelty.check import make_index
from selfinstruct.novelty.index import NoveltySettings
from selfinstruct.prompts import load_prompts
from selfinstruct.records import Request
from selfinstruct.run.loop import Watch, _outcome, _report
from selfinstruct.run.rounds import Run, Stage
from selfinstruct.run.settings import RoundSettings, RunSettings
from selfinstruct.sources.seeds import SEED_TASKS, load_seeds
from selfinstruct.storage.store import RunStore

LATENCY, EFFECT = 0.2, 0.03


@dataclass(frozen=True)
class Busy:
    """How a run went."""

    share: float  # of the slots' time, from the first request to the last file
    drained: float  # seconds from the last moment at which all slots were taken to the last answer


def busy(folder: Path, slots: int, target: int, rounds: RoundSettings) -> Busy:
    """A run of the template engine with so many slots."""
    settings = RunSettings(target=target, novelty=NoveltySettings(index="prefix"), rounds=rounds)
    options = TemplateOptions(words=30_000, batch=10**6)
    prompts = load_prompts("tiny")
    engine = open_engine(EngineSettings("template", template=options), prompts)
    run, store = Run(settings, prompts, load_seeds(SEED_TASKS)), RunStore(str(folder))
    index = make_index(settings.novelty)
    run.begin({})
    events: list[tuple[float, int, Any]] = []  # when, in which order, a request or an effect
    waiting: deque[Request] = deque()
    now = begun = work = full = answered = hands_free = 0.0
    under_way, order = 0, itertools.count()
    while not run.finished:
        for effect in run.effects():
            hands_free = max(hands_free, now) + EFFECT
            heapq.heappush(events, (hands_free, next(order), effect))
        for stage in (Stage.PROPOSE, Stage.LABEL):
            waiting += run.requests(stage, max(0, 2 * slots - under_way - len(waiting)))
        while waiting and under_way < slots:
            begun = begun or now
            heapq.heappush(events, (now + LATENCY, next(order), waiting.popleft()))
            under_way += 1
        full = now if under_way == slots else full
        then, (now, _, event) = now, heapq.heappop(events)
        work += under_way * (now - then)
        if isinstance(event, Request):
            under_way, answered = under_way - 1, now
            engine.add([event])
            for completion in engine.step():
                run.complete(completion)
        else:
            _report(run, event, _outcome(event, store, index, "facts"), Watch())
    return Busy(work / (slots * (now - begun)), answered - full)


@pytest.mark.parametrize("slots", [16, 64, 128])
def test_a_run_of_a_thousand_keeps_nine_in_ten_busy_and_ends_with_its_last_answers(tmp_path: Path, slots: int) -> None:
    found = busy(tmp_path, slots, 1000, RoundSettings())
    assert found.share > 0.9
    assert found.drained < LATENCY + EFFECT


def test_larger_first_rounds_keep_more_busy(tmp_path: Path) -> None:
    few = busy(tmp_path / "few", 256, 1000, RoundSettings())
    assert few.share < busy(tmp_path / "many", 256, 1000, RoundSettings(least=64)).share
