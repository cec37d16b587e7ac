"""How long a run will still take: known once it can be, through commits and lives, and about right."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from selfinstruct.engines import EngineSettings, open_engine
from selfinstruct.novelty.check import make_index
from selfinstruct.prompts import load_prompts
from selfinstruct.records import Completion, RoundFile, Table
from selfinstruct.run.loop import SingleCompleter, Watch, drive
from selfinstruct.run.remaining import Remaining
from selfinstruct.run.rounds import Run, Stage
from selfinstruct.run.settings import FormSettings, RoundSettings, RunSettings
from selfinstruct.settings import facts_of
from selfinstruct.sources.seeds import SEED_TASKS, load_seeds
from selfinstruct.storage.store import RunStore


class Looking(Watch):
    """Notes, whenever a round of candidates is committed, what is said to remain, and what was written by then."""

    def __init__(self, store: RunStore) -> None:
        self._remaining = Remaining(store.totals())
        self._is_new = True
        self.written = 0
        self.told: list[tuple[int, float | None]] = []

    def committed(self, file: RoundFile) -> None:
        self._remaining.committed(file)
        self._is_new |= file.table is Table.CANDIDATES

    def completed(self, completion: Completion) -> None:
        self._remaining.completed(completion)
        self.written += completion.completion_tokens

    def tick(self, run: Run) -> None:
        if self._is_new or run.finished:
            seconds, rate = self._remaining.seconds(run), self._remaining.tokens_per_second()
            self.told.append((self.written, None if seconds is None or rate is None else seconds * rate))
            self._is_new = False


def life(store: RunStore, target: int, form: Literal["task", "none"] = "task") -> Looking:
    settings = RunSettings(target=target, rounds=RoundSettings(least=8, most=8), label=FormSettings(as_=form))
    prompts = load_prompts("tiny")
    lines = [(SingleCompleter(open_engine(EngineSettings("template"), prompts), 32), (Stage.PROPOSE, Stage.LABEL))]
    watch = Looking(store)
    facts = facts_of(settings)
    drive(
        Run(settings, prompts, load_seeds(SEED_TASKS)), store, make_index(settings.novelty), lines, facts, watch=watch
    )
    return watch


def test_what_remains_is_told_in_time_and_about_right(tmp_path: Path) -> None:
    store = RunStore(str(tmp_path / "run"))
    first = life(store, 400)
    assert first.told[0][1] is None  # nothing can be known
    known = [(written, left) for written, left in first.told if left is not None]
    assert known == first.told[-len(known) :], "once told, it is told through all commits"
    assert len(known) >= len(first.told) - 4
    for written, left in known[: len(known) // 2]:
        assert 0.6 < left / (first.written - written) < 1.6
    assert first.told[-1][1] == 0
    second = life(store, 800)
    assert all(left is not None for _, left in second.told), "an earlier life has told what it takes"
    for written, left in second.told[: len(second.told) // 2]:
        assert left is not None
        assert 0.6 < left / (second.written - written) < 1.6


def test_instructions_alone_need_no_labels(tmp_path: Path) -> None:
    watch = life(RunStore(str(tmp_path / "run")), 200, "none")
    known = [left for _, left in watch.told if left is not None]
    assert len(known) >= len(watch.told) - 2
    assert known[0] > known[-1]
