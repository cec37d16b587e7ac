"""Lives of a run that end before its rounds do: what the next one asks again, on disks, in buckets, beside damage."""

from __future__ import annotations

import errno
import math
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jobs.main import main
from selfinstruct.engines import EngineSettings, TemplateOptions, open_engine
from selfinstruct.errors import FailureError
from selfinstruct.novelty.check import make_index
from selfinstruct.prompts import load_prompts
from selfinstruct.records import Completion, Finish, Request, Table
from selfinstruct.run.keeping import PACE, Left, Pace, Save
from selfinstruct.run.loop import SingleCompleter, Watch, drive
from selfinstruct.run.rounds import Run, Stage
from selfinstruct.run.settings import RoundSettings, RunSettings
from selfinstruct.settings import Facts, facts_of, fingerprint_of
from selfinstruct.sources.seeds import SEED_TASKS, load_seeds
from selfinstruct.storage.blobs import Blobs
from selfinstruct.storage.local_blobs import LocalBlobs
from selfinstruct.storage.segments import decode_segment, encode_segment
from selfinstruct.storage.store import RunStore
from selfinstruct.storage.verify import digest, verify

PROMPTS = load_prompts("tiny")
SEEDS = load_seeds(SEED_TASKS)[:24]
BOTH = (Stage.PROPOSE, Stage.LABEL)
SETTINGS = RunSettings(seed=7, target=60, rounds=RoundSettings(least=30, most=40))
FACTS = facts_of(SETTINGS)
IN_FLIGHT = 4


class Engine:
    """The template engine, which counts what it is asked, and is interrupted before an answer of some number."""

    def __init__(
        self, answers: float = math.inf, error: type[BaseException] = KeyboardInterrupt, fails: int = 0
    ) -> None:
        self.asked: Counter[str] = Counter()
        self.answered: list[str] = []
        self._engine = open_engine(EngineSettings("template", template=TemplateOptions(batch=1)), PROMPTS)
        self._answers, self._error, self._fails = answers, error, fails

    def add(self, requests: Sequence[Request]) -> None:
        self.asked.update(request.id for request in requests)
        self._engine.add(requests)

    def step(self) -> list[Completion]:
        if len(self.answered) >= self._answers:
            raise self._error("interrupted")
        done = [self._spoilt(completion) for completion in self._engine.step()]
        self.answered += [completion.request_id for completion in done]
        return done

    def _spoilt(self, completion: Completion) -> Completion:
        if len(self.answered) >= self._fails:
            return completion
        return replace(completion, text="", finish=Finish.FAILED, error="no luck")


def live(
    place: Path | str | Blobs,
    engine: Engine,
    facts: Facts = FACTS,
    settings: RunSettings = SETTINGS,
    pace: Pace = PACE,
    enough: Callable[[], bool] | None = None,
    watch: Watch | None = None,
) -> RunStore:
    """One life of a run."""
    store = RunStore(str(place) if isinstance(place, Path) else place)
    index = make_index(settings.novelty)
    run, lines = Run(settings, PROMPTS, SEEDS), [(SingleCompleter(engine, IN_FLIGHT), BOTH)]
    drive(run, store, index, lines, facts, watch=watch, enough=enough, pace=pace)
    return store


def interrupted(place: Path | str, answers: int, error: type[BaseException] = KeyboardInterrupt) -> Engine:
    """A life that ended after so many answers."""
    engine = Engine(answers, error)
    with pytest.raises(error):
        live(place, engine)
    return engine


def segments(place: Path) -> list[Path]:
    return sorted((place / "pending").glob("*"))


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The digest of the run that is never interrupted."""
    folder = tmp_path_factory.mktemp("expected")
    whole = digest(live(folder, Engine()))
    assert not segments(folder)
    return whole


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, FailureError])
@pytest.mark.parametrize("answers", [1, 25, 50, 110])
def test_an_end_that_is_no_kill_loses_no_answer(
    tmp_path: Path, expected: str, answers: int, error: type[BaseException]
) -> None:
    first, second = Engine(answers, error), Engine()
    with pytest.raises(error) as caught:
        live(tmp_path, first)
    in_flight = len(first.asked) - answers
    assert 0 < in_flight <= IN_FLIGHT
    committed = {row.request_id for row in _raw(RunStore(str(tmp_path)))}
    kept = set(first.answered) - committed
    assert caught.value.__notes__ == [str(Left(kept=len(kept), in_flight=in_flight))]
    store = live(tmp_path, second)
    assert digest(store) == expected
    assert not set(first.answered) & set(second.asked)
    assert set(first.asked) - set(first.answered) <= set(second.asked)
    assert not segments(tmp_path)


def _raw(store: RunStore) -> list:  # type: ignore[type-arg]
    tables = (Table.PROPOSALS, Table.LABELS)
    return [row for table in tables for number in store.rounds(table) for row in store.read(table, number).rows]


def test_a_run_in_a_bucket_keeps_its_answers_too(bucket: str, expected: str) -> None:
    first, second = interrupted(bucket, 50), Engine()
    store = live(bucket, second)
    assert digest(store) == expected
    assert not set(first.answered) & set(second.asked)
    assert store.blobs.names("pending") == []


def test_interrupted_again_and_again_each_request_is_answered_once(tmp_path: Path, expected: str) -> None:
    answered: Counter[str] = Counter()
    for _ in range(100):
        engine = Engine(7)
        try:
            live(tmp_path, engine)
            break
        except KeyboardInterrupt:
            continue
        finally:
            answered.update(engine.answered)
    assert digest(RunStore(str(tmp_path))) == expected
    assert len(answered) > 100
    assert set(answered.values()) == {1}


def test_what_is_kept_is_counted_once_and_with_its_round(tmp_path: Path) -> None:
    live(tmp_path / "whole", Engine())
    interrupted(tmp_path / "run", 50)
    totals = live(tmp_path / "run", Engine()).totals()
    assert totals == RunStore(str(tmp_path / "whole")).totals()


class Ahead(Engine):
    """An engine that answers one request of round 2 only when it has answered some of round 3."""

    def __init__(self) -> None:
        super().__init__()
        self._held: list[Completion] = []

    @property
    def ahead(self) -> list[str]:
        return [id for id in self.answered if id.startswith("000003/")]

    def step(self) -> list[Completion]:
        done = super().step()
        self._held += [each for each in done if each.request_id == "000002/00000"]
        released = self._held if len(self.ahead) >= 5 else []
        self._held = [each for each in self._held if each not in released]
        return [each for each in done if each.request_id != "000002/00000"] + released


def test_a_run_that_its_budget_ends_keeps_what_it_was_told_of_later_rounds(tmp_path: Path) -> None:
    class Watching(Watch):
        left = Left()

        def ended(self, left: Left) -> None:
            self.left = left

    settings = replace(SETTINGS, target=500)
    watch, first, second, facts = Watching(), Ahead(), Engine(), facts_of(settings)
    store = live(tmp_path / "run", first, facts, settings, enough=lambda: len(first.ahead) >= 5, watch=watch)
    ahead = set(first.answered) - {row.request_id for row in _raw(store)}
    assert len(ahead) >= 5
    assert watch.left == Left(kept=len(ahead), in_flight=len(first.asked) - len(first.answered))
    live(tmp_path / "run", second, facts, settings)
    assert not set(first.answered) & set(second.asked)
    live(tmp_path / "whole", Engine(), facts, settings)
    assert digest(store) == digest(RunStore(str(tmp_path / "whole")))


def test_requests_that_failed_are_asked_again_and_a_round_of_failures_heals(tmp_path: Path, expected: str) -> None:
    first, second = Engine(fails=10), Engine()
    with pytest.raises(FailureError, match="10 of 30 requests for proposals failed") as caught:
        live(tmp_path, first)
    assert "10 requests that failed are made again" in caught.value.__notes__[0]
    assert digest(live(tmp_path, second)) == expected
    assert set(first.answered) & set(second.asked) == set(first.answered[:10])


# ---- segments that are of no use


def damaged_copies(path: Path) -> dict[str, bytes]:
    data = path.read_bytes()
    answers = decode_segment(data)
    others = [replace(each, completion=replace(each.completion, text="1. Say nothing at all.")) for each in answers]
    return {
        "empty": b"",
        "torn": data[:-100],
        "a bit flipped": data[:200] + bytes([data[200] ^ 1]) + data[201:],
        "something else": b"PK\x03\x04 what is this?",
        "a table": (path.parents[1] / "candidates/000000.parquet").read_bytes(),
        "of other facts": encode_segment(others, fingerprint_of({**FACTS, "seed": 8})),
        "of other requests": encode_segment(
            [replace(each, request="0" * 64) for each in others], fingerprint_of(FACTS)
        ),
    }


@pytest.mark.parametrize(
    "harm", ["empty", "torn", "a bit flipped", "something else", "a table", "of other facts", "of other requests"]
)
def test_a_segment_that_must_not_be_used_costs_its_answers(
    tmp_path: Path, expected: str, harm: str, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = interrupted(tmp_path, 25), Engine()
    (path,) = segments(tmp_path)
    path.write_bytes(damaged_copies(path)[harm])
    assert main(["verify", str(tmp_path)]) == 0
    assert "whole" in capsys.readouterr().out
    assert digest(live(tmp_path, second)) == expected
    assert set(first.answered) <= set(second.asked)
    assert not segments(tmp_path)


def test_a_file_of_another_name_is_nobodys(tmp_path: Path, expected: str) -> None:
    interrupted(tmp_path, 25)
    (tmp_path / "pending/notes.txt").write_text("mine")
    assert digest(live(tmp_path, Engine())) == expected
    assert [path.name for path in segments(tmp_path)] == ["notes.txt"]


class FullForSegments:
    """The module `os`, of a disk on which there is no space for segments."""

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def open(self, path: Path, flags: int, *rest: int) -> int:
        if path.parent.name == "pending" and flags & os.O_CREAT:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return os.open(path, flags, *rest)


def test_a_disk_too_full_for_segments_neither_stops_the_run_nor_is_waited_for(tmp_path: Path, expected: str) -> None:
    full = LocalBlobs(tmp_path / "whole", patience=3600, system=FullForSegments())
    assert digest(live(full, Engine(), pace=Pace(answers=1))) == expected
    full = LocalBlobs(tmp_path / "ended", patience=3600, system=FullForSegments())
    with pytest.raises(KeyboardInterrupt) as caught:
        live(full, Engine(25))
    assert caught.value.__notes__ == [str(Left(in_flight=IN_FLIGHT, unkept=25))]
    assert digest(live(tmp_path / "ended", Engine())) == expected


def test_verify_says_what_lies_beside_the_tables_and_repair_takes_what_is_no_segment(
    tmp_path: Path, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    interrupted(run, 25)
    (run / "pending/notes.txt").write_text("mine")
    (run / "pending/torn-000000.parquet").write_bytes(b"torn")
    assert main(["verify", str(run)]) == 0
    told = "whole, and answers to 25 requests of rounds under way (1 of 2 files cannot be read)"
    assert told in capsys.readouterr().out
    (good,) = (path for path in segments(run) if path.name not in ("notes.txt", "torn-000000.parquet"))
    assert main(["repair", str(run)]) == 0
    assert segments(run) == [good]
    aside = tmp_path / "run-removed-1"
    assert [path.name for path in segments(aside)] == ["notes.txt", "torn-000000.parquet"]
    assert main(["repair", str(run), "--to_round", "0"]) == 0
    assert segments(run) == []
    assert segments(tmp_path / "run-removed-2") == [tmp_path / "run-removed-2/pending" / good.name]
    assert digest(live(run, Engine())) == expected


def test_a_merge_takes_nothing_of_rounds_under_way(tmp_path: Path) -> None:
    for name in ("one", "two"):
        interrupted(tmp_path / name, 140)
        assert segments(tmp_path / name)
    sources = [str(tmp_path / name) for name in ("one", "two")]
    assert main(["merge", *sources, "--out", str(tmp_path / "both")]) == 0
    assert not segments(tmp_path / "both")
    assert verify(RunStore(str(tmp_path / "both"))) == []
    assert all(map(segments, map(Path, sources)))


# ---- kept while the loop goes on


def test_a_store_that_is_slow_does_not_keep_the_engine_waiting(tmp_path: Path, expected: str) -> None:
    """The first segment is let go only when the engine has answered far more than it holds."""
    engine, waited = Engine(), threading.Event()

    class Slow(ThreadPoolExecutor):
        def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
            return super().submit(self._late, fn, *args)

        def _late(self, fn: Callable[..., Any], *args: Any) -> Any:
            if isinstance(args[0], Save) and not waited.is_set():
                while len(engine.answered) < 20:
                    time.sleep(0.001)
                waited.set()
            return fn(*args)

    run, store = Run(SETTINGS, PROMPTS, SEEDS), RunStore(str(tmp_path))
    with Slow(1) as hands:
        line = SingleCompleter(engine, IN_FLIGHT)
        drive(run, store, make_index(SETTINGS.novelty), [(line, BOTH)], FACTS, hands, pace=Pace(2, 0.0))
    assert waited.is_set()
    assert digest(store) == expected
