"""Whole runs in one process with the template engine: same run, same tables, whatever the circumstances."""

from __future__ import annotations

import contextlib
import random
import time
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selfinstruct.engines import EngineSettings, TemplateOptions, open_engine
from selfinstruct.errors import FailureError, FingerprintError, HeldError
from selfinstruct.novelty.check import make_index
from selfinstruct.novelty.index import NoveltySettings
from selfinstruct.novelty.rouge import rouge_l, tokenise
from selfinstruct.prompts import load_prompts
from selfinstruct.protocols import Engine
from selfinstruct.records import Completion, Finish, Neighbour, Request, RoundFile, Table
from selfinstruct.run.loop import SingleCompleter, drive
from selfinstruct.run.rounds import Run, Stage, Write
from selfinstruct.run.settings import FeedbackSettings, RoundSettings, RunSettings
from selfinstruct.settings import facts_of
from selfinstruct.sources.seeds import SEED_TASKS, load_seeds
from selfinstruct.storage.accounts import one_sided
from selfinstruct.storage.store import RunStore
from selfinstruct.storage.verify import digest, verify
from tests.tools.shuffling import Shuffling

PROMPTS = load_prompts("tiny")
SEEDS = load_seeds(SEED_TASKS)[:24]
BOTH = (Stage.PROPOSE, Stage.LABEL)


def make_settings(target: int = 60, **rounds: Any) -> RunSettings:
    return RunSettings(seed=7, target=target, rounds=RoundSettings(**{"least": 2, "most": 6, **rounds}))


def make_engine(**options: Any) -> Engine:
    return open_engine(EngineSettings("template", template=TemplateOptions(**options)), PROMPTS)


def run_to_the_end(
    folder: Path | str,
    run_settings: RunSettings | None = None,
    engine: Engine | None = None,
    in_flight: int = 50,
    index: Any = None,
    store: RunStore | None = None,
    hands: Executor | None = None,
) -> RunStore:
    run_settings = run_settings or make_settings()
    store = store or RunStore(str(folder))
    run = Run(run_settings, PROMPTS, SEEDS)
    index = index or make_index(run_settings.novelty)
    lines = [(SingleCompleter(engine or make_engine(), in_flight), BOTH)]
    drive(run, store, index, lines, facts_of(run_settings), hands)
    return store


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The digest of the uninterrupted run."""
    store = run_to_the_end(tmp_path_factory.mktemp("expected"))
    assert verify(store) == []
    return digest(store)


class Shards:
    """An index by document, without Ray."""

    def __init__(self, count: int) -> None:
        self._parts = [make_index(NoveltySettings()) for _ in range(count)]

    def insert(self, first: int, texts: Sequence[str]) -> None:
        for ordinal, text in enumerate(texts, start=first):
            self._parts[ordinal % len(self._parts)].insert(ordinal // len(self._parts), [text])

    def nearest(self, size: int, texts: Sequence[str], without: Sequence[int | None] = ()) -> list[Neighbour | None]:
        count = len(self._parts)
        answers = [
            [near and Neighbour(near.ordinal * count + at, near.rouge_l) for near in part.nearest(len(part), texts)]
            for at, part in enumerate(self._parts)
        ]
        return [
            max((near for near in nears if near), key=lambda near: (near.rouge_l, -near.ordinal), default=None)
            for nears in zip(*answers, strict=True)
        ]


@settings(max_examples=15)
@given(st.integers(0, 10**6), st.integers(1, 120), st.integers(1, 4), st.integers(1, 5))
def test_the_tables_do_not_depend_on_order_batches_shards_or_labelling_lag(
    tmp_path_factory: pytest.TempPathFactory, expected: str, seed: int, in_flight: int, shards: int, label_lag: int
) -> None:
    store = run_to_the_end(
        tmp_path_factory.mktemp("run"),
        make_settings(label_lag=label_lag),
        Shuffling(make_engine(batch=8), seed),
        in_flight,
        Shards(shards),
    )
    assert digest(store) == expected


class Hands(ThreadPoolExecutor):
    """One worker that makes each file in two threads at once, when the machine has long gone on."""

    def submit(self, fn: Any, /, effect: Any, *args: Any) -> Future[Any]:  # type: ignore[override]
        return super().submit(self._twice, fn, effect, *args)

    def _twice(self, fn: Any, effect: Any, *args: Any) -> Any:
        if isinstance(effect, Write):
            time.sleep(0.02)
            with ThreadPoolExecutor(2) as both:
                one, other = both.map(lambda write: write.make(), [effect, effect])
            assert one == other
        return fn(effect, *args)


def test_files_may_be_made_in_other_threads_while_the_machine_goes_on(tmp_path: Path, expected: str) -> None:
    with Hands(1) as hands:
        assert digest(run_to_the_end(tmp_path, make_settings(lag=2), hands=hands)) == expected


class StoppedError(Exception):
    """The process would have died here."""


class StoppingStore(RunStore):
    """A store whose process dies before or after a given commit."""

    def __init__(self, url: str, commits: int, after: bool) -> None:
        super().__init__(url)
        self._commits = commits
        self._after = after

    def commit(self, file: RoundFile, fingerprint: str) -> RoundFile:
        self._commits -= 1
        if self._commits == 0 and not self._after:
            raise StoppedError
        committed = super().commit(file, fingerprint)
        if self._commits == 0:
            raise StoppedError
        return committed


@pytest.mark.parametrize("after", [False, True])
def test_stopped_at_every_commit_and_resumed_the_tables_are_the_same(
    tmp_path: Path, expected: str, after: bool
) -> None:
    stops = 0
    for commits in range(1, 100):
        folder = tmp_path / str(commits)
        try:
            run_to_the_end(folder, store=StoppingStore(str(folder), commits, after))
            break
        except StoppedError:
            stops += 1
        assert digest(run_to_the_end(folder)) == expected
    assert stops >= 12


def test_dying_again_and_again_still_ends_with_the_same_tables(tmp_path: Path, expected: str) -> None:
    for _ in range(100):
        try:
            store = run_to_the_end(tmp_path, store=StoppingStore(str(tmp_path), 1, after=True))
            break
        except StoppedError:
            continue
    assert digest(store) == expected


def test_the_tables_for_a_target_begin_those_for_a_larger_one(tmp_path: Path) -> None:
    small = run_to_the_end(tmp_path / "small", make_settings(40))
    large = run_to_the_end(tmp_path / "large", make_settings(150))
    grown = run_to_the_end(tmp_path / "small", make_settings(150))
    assert digest(grown) == digest(large)
    assert len(large.rounds(Table.CANDIDATES)) > len(RunStore(str(tmp_path / "small")).rounds(Table.CANDIDATES)) - 3
    for table in Table:
        for number in small.rounds(table):
            assert small.read(table, number) == large.read(table, number)


@pytest.mark.parametrize("turns", [0, 1, 7, 30])
def test_a_run_that_is_told_to_end_finishes_its_round_and_goes_on_later(tmp_path: Path, turns: int) -> None:
    options, left = make_settings(target=300), iter(range(turns))
    run, store = Run(options, PROMPTS, SEEDS), RunStore(str(tmp_path / "ended"))
    line = SingleCompleter(make_engine(batch=2), 10)
    index = make_index(options.novelty)
    drive(run, store, index, [(line, BOTH)], facts_of(options), enough=lambda: next(left, None) is None)
    assert run.finished
    assert run.pool.generated < 300
    assert verify(store) == []
    files = {table: len(store.rounds(table)) for table in Table}
    assert files[Table.CANDIDATES] == files[Table.INSTANCES] == 1 + files[Table.PROPOSALS] == 1 + files[Table.LABELS]
    whole = run_to_the_end(tmp_path / "whole", options)
    assert digest(run_to_the_end(tmp_path / "ended", options)) == digest(whole)


def test_the_run_stops_after_the_round_that_reaches_the_target(tmp_path: Path) -> None:
    store = run_to_the_end(tmp_path, make_settings(60))
    rounds = store.rounds(Table.CANDIDATES)
    accepted = [store.metadata(Table.CANDIDATES, number).total.get("accepted", 0) for number in rounds]
    assert accepted[-2] < 60 <= accepted[-1]
    assert [len(store.rounds(table)) for table in Table] == [len(rounds) - 1, len(rounds), len(rounds) - 1, len(rounds)]


def test_no_two_accepted_instructions_are_similar(tmp_path: Path) -> None:
    store = run_to_the_end(tmp_path, make_settings(150))
    texts = [row.text for n in store.rounds(Table.CANDIDATES) for row in store.read_accepted(Table.CANDIDATES, n).rows]
    tokens = [tokenise(text, "rouge") for text in texts]
    seeds = len(SEEDS)
    assert all(rouge_l(tokens[i], tokens[j]) <= 0.7 for i in range(seeds, len(tokens)) for j in range(i))


def test_every_request_and_every_instruction_is_accounted_for(tmp_path: Path) -> None:
    engine = make_engine(failure_rate=0.15, cut_rate=0.2)
    store = run_to_the_end(tmp_path, make_settings(150, max_failed=1.0), engine)
    assert verify(store) == []
    totals = store.totals()
    assert totals[Table.PROPOSALS]["requests.failed"] == totals[Table.CANDIDATES]["rejected.failed"] > 0
    assert totals[Table.PROPOSALS]["requests.cut_by_length"] == totals[Table.CANDIDATES]["rejected.cut_by_length"] > 0
    assert totals[Table.INSTANCES]["instances.rejected.failed"] > 0
    for number in list(store.rounds(Table.CANDIDATES))[1:]:
        requests = {row.request_id for row in store.read(Table.PROPOSALS, number).rows}
        assert requests == {row.request_id for row in store.read(Table.CANDIDATES, number).rows}
        accepted = {row.id for row in store.read_accepted(Table.CANDIDATES, number).rows}
        assert accepted == {row.instruction_id for row in store.read(Table.INSTANCES, number).rows}


def proven_settings(lookback: int = 2) -> RunSettings:
    return replace(make_settings(150, label_lag=1), feedback=FeedbackSettings(proven=True, lookback=lookback))


@pytest.fixture(scope="module")
def proven(tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    """A run whose model leaves many instructions without an instance."""
    return run_to_the_end(tmp_path_factory.mktemp("proven"), proven_settings(), Lazy(make_engine(batch=8), 0))


class Lazy(Shuffling):
    """Answers late, in any order, and gives no instances for every other instruction."""

    def step(self) -> list[Completion]:
        return [replace(each, text="") if _is_shirked(each.request_id) else each for each in super().step()]


def _is_shirked(request_id: str) -> bool:
    """Whether it is a labelling request, about one of those instructions."""
    instruction, _, last = request_id.rpartition("/")
    return not last.isdigit() and zlib.crc32(instruction.encode()) % 2 == 0


def test_proven_demonstrations_have_an_accepted_instance_of_long_enough_ago(proven: RunStore) -> None:
    good: dict[str, int] = {}
    for number in proven.rounds(Table.INSTANCES):
        good |= {row.instruction_id: number for row in proven.read_accepted(Table.INSTANCES, number).rows}  # type: ignore[union-attr]
    shown = [
        (number, id)
        for number in proven.rounds(Table.PROPOSALS)
        for row in proven.read(Table.PROPOSALS, number).rows
        for id in row.demonstrations  # type: ignore[union-attr]
        if not id.startswith("seed/")
    ]
    assert len(shown) > 20
    assert all(id in good and good[id] <= number - 2 for number, id in shown)
    accepted = {
        row.id for n in proven.rounds(Table.CANDIDATES) for row in proven.read_accepted(Table.CANDIDATES, n).rows
    }  # type: ignore[union-attr]
    assert len(accepted - good.keys()) > 30


@pytest.mark.parametrize("seed", range(3))
def test_a_run_that_looks_back_does_not_depend_on_when_answers_come(
    proven: RunStore, tmp_path: Path, seed: int
) -> None:
    with ThreadPoolExecutor(1) as hands:
        store = run_to_the_end(
            tmp_path, proven_settings(), Lazy(make_engine(batch=8), seed + 1), in_flight=3 + 20 * seed, hands=hands
        )
    assert digest(store) == digest(proven)


def test_a_run_that_looks_back_goes_on_where_it_was(proven: RunStore, tmp_path: Path) -> None:
    options, draw = proven_settings(), random.Random(0)
    for life in range(12):
        left = iter(range(draw.randint(1, 40)))
        run, store = Run(options, PROMPTS, SEEDS), RunStore(str(tmp_path / "run"))
        lines = [(SingleCompleter(Lazy(make_engine(batch=8), life), 20), BOTH)]
        with contextlib.suppress(InterruptedError):
            drive(run, store, make_index(options.novelty), lines, facts_of(options), enough=partial(_stop, left))
    assert digest(run_to_the_end(tmp_path / "run", options, Lazy(make_engine(batch=8), 0))) == digest(proven)


def _stop(left: Iterator[int]) -> bool:
    if next(left, None) is None:
        raise InterruptedError
    return False


def test_seed_tasks_are_round_zero_verbatim(tmp_path: Path) -> None:
    store = run_to_the_end(tmp_path)
    candidates = pq.read_table(tmp_path / "candidates/000000.parquet").to_pylist()
    instances = pq.read_table(tmp_path / "instances/000000.parquet").to_pylist()
    assert [row["text"] for row in candidates] == [seed.instruction for seed in SEEDS]
    assert [(row["input"], row["output"]) for row in instances] == [
        (each.input, each.output) for seed in SEEDS for each in seed.instances
    ]
    assert store.totals()[Table.CANDIDATES]["accepted.seed"] == len(SEEDS)


class Garbling:
    """An engine whose answers hold what no file can."""

    def __init__(self) -> None:
        self._engine = make_engine(failure_rate=0.002)

    def add(self, requests: Sequence[Request]) -> None:
        self._engine.add(requests)

    def step(self) -> list[Completion]:
        return [
            replace(done, text=done.text + "\ud800 \0", error=done.error and done.error + "\udfff")
            if sum(done.request_id.encode()) % 3 == 0
            else done
            for done in self._engine.step()
        ]


def test_what_no_file_can_hold_is_replaced_and_counted(tmp_path: Path) -> None:
    store = run_to_the_end(tmp_path, make_settings(max_failed=0.1), Garbling())
    assert verify(store) == []
    totals = store.totals()
    for table, suffix in ((Table.PROPOSALS, "requests.broken_encoding"), (Table.LABELS, ".broken_encoding")):
        texts = [row.text for number in store.rounds(table) for row in store.read(table, number).rows]
        broken = sum("\ufffd \ufffd" in text for text in texts)
        assert broken > 0
        assert broken == sum(count for key, count in totals[table].items() if key.endswith(suffix))


@given(st.text(st.characters(), max_size=20))
def test_a_mended_text_can_be_written_and_a_good_one_stays(text: str) -> None:
    mended = Completion("r", text, Finish.STOP, 1, 1, error=text).mended()
    mended.text.encode()
    assert mended.text == mended.error
    if "\0" not in text and not any("\ud800" <= char <= "\udfff" for char in text):
        assert mended.text == text


def test_halves_of_a_character_are_joined() -> None:
    assert Completion("r", "\ud83d\ude00 \ude00", Finish.STOP, 1, 1).mended().text == "\U0001f600 \ufffd"


def test_many_failed_requests_leave_the_round_uncommitted(tmp_path: Path) -> None:
    with pytest.raises(FailureError, match=r"--rounds\.max_failed"):
        run_to_the_end(tmp_path, make_settings(least=12, most=12), make_engine(failure_rate=0.5))
    assert list(RunStore(str(tmp_path)).rounds(Table.PROPOSALS)) == []
    with pytest.raises(FailureError, match=r"(?m)Mend the cause and run the same command again$"):
        run_to_the_end(tmp_path, engine=make_engine(failure_rate=1))


def test_other_options_that_alter_data_are_refused_by_name(tmp_path: Path) -> None:
    run_to_the_end(tmp_path)
    with pytest.raises(FingerprintError, match=r"seed: the run has 7, this command 8"):
        run_to_the_end(tmp_path, RunSettings(seed=8, target=60))
    run_to_the_end(tmp_path, make_settings(label_lag=1, patience=2))  # these alter nothing


class SameAnswer:
    """A model that has one idea."""

    def __init__(self) -> None:
        self._requests: list[Request] = []

    def add(self, requests: Sequence[Request]) -> None:
        self._requests += requests

    def step(self) -> list[Completion]:
        done, self._requests = self._requests, []
        return [Completion(each.id, "Tell me the same thing again", Finish.STOP, 1, 1) for each in done]


def test_rounds_without_anything_new_end_the_run(tmp_path: Path) -> None:
    store = run_to_the_end(tmp_path, make_settings(patience=3), SameAnswer())
    accepted = [store.metadata(Table.CANDIDATES, n).counts.get("accepted", 0) for n in store.rounds(Table.CANDIDATES)]
    assert accepted == [0, 1, 0, 0, 0]
    assert verify(store) == []


def test_the_driver_that_loses_a_round_stops_and_the_other_goes_on(tmp_path: Path, expected: str) -> None:
    class Overtaken(RunStore):
        """A store whose run is finished by another driver just before our second round of proposals."""

        def commit(self, file: RoundFile, fingerprint: str) -> RoundFile:
            if file.table is Table.PROPOSALS and file.round == 2:
                run_to_the_end(tmp_path)
            return super().commit(file, fingerprint)

    with pytest.raises(HeldError, match="holds this run"):
        run_to_the_end(tmp_path, store=Overtaken(str(tmp_path)))
    assert digest(RunStore(str(tmp_path))) == expected


def test_a_run_that_met_one_kind_of_task_alone_says_so() -> None:
    many = {Table.CANDIDATES: Counter(accepted=120), Table.INSTANCES: Counter(classification=0)}
    many[Table.LABELS] = Counter({"classify.requests": 120})
    assert "no task was taken for classification" in str(one_sided(many))
    many[Table.INSTANCES] = Counter(classification=100, unreadable=20)
    assert "every task was taken for classification" in str(one_sided(many))
    many[Table.INSTANCES] = Counter(classification=20, unreadable=20)
    assert one_sided(many) is None
    assert one_sided({**many, Table.CANDIDATES: Counter(accepted=12), Table.INSTANCES: Counter()}) is None
    assert one_sided({**many, Table.INSTANCES: Counter(), Table.LABELS: Counter()}) is None  # nobody was asked
