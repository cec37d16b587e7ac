"""On a real Ray: the same tables as in one process, whatever dies."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import ray

from cluster.replicas import ReplicaPool
from cluster.shards import ShardedIndex
from selfinstruct.engines import EngineSettings, TemplateOptions, open_engine
from selfinstruct.errors import InputError
from selfinstruct.novelty.check import make_index
from selfinstruct.novelty.index import NoveltySettings
from selfinstruct.prompts import load_prompts
from selfinstruct.records import Completion, RoundFile, Table
from selfinstruct.run.keeping import Left
from selfinstruct.run.loop import SingleCompleter, drive
from selfinstruct.run.measuring import pool_index
from selfinstruct.run.rounds import Effect, Run, Stage
from selfinstruct.run.settings import RoundSettings, RunSettings
from selfinstruct.semantic.settings import SemanticSettings
from selfinstruct.settings import facts_of
from selfinstruct.sources.seeds import SEED_TASKS, load_seeds
from selfinstruct.storage.store import RunStore
from selfinstruct.storage.verify import digest, verify
from tests.tools.head import start_ray

PROMPTS = load_prompts("tiny")
SEEDS = load_seeds(SEED_TASKS)
SETTINGS = RunSettings(seed=3, target=250, rounds=RoundSettings(least=4, most=12))
BOTH = (Stage.PROPOSE, Stage.LABEL)
REPLICA = {"num_cpus": 0, "num_gpus": 0}


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    start_ray(num_cpus=2)
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The digest of the run in one process."""
    store = RunStore(str(tmp_path_factory.mktemp("expected")))
    engine = open_engine(EngineSettings("template"), PROMPTS)
    index = make_index(SETTINGS.novelty)
    drive(Run(SETTINGS, PROMPTS, SEEDS), store, index, [(SingleCompleter(engine, 64), BOTH)], facts_of(SETTINGS))
    return digest(store)


def make_pool(replicas: int, latency: float = 0.0, in_flight: int = 8) -> ReplicaPool:
    settings = EngineSettings("template", template=TemplateOptions(latency=latency, batch=4))
    return ReplicaPool([partial(open_engine, settings, PROMPTS)] * replicas, in_flight, REPLICA)


def step_on(pool: ReplicaPool, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pool.step()


class Saboteur:
    """Looks on, and does harm every so many commits."""

    def __init__(self, harm: Any, every: int) -> None:
        self._harm, self._every, self.commits, self.done = harm, every, 0, 0

    def committed(self, file: RoundFile) -> None:
        self.commits += 1
        if self.commits % self._every == 0:
            self._harm()
            self.done += 1

    def completed(self, completion: Completion) -> None: ...

    def performed(self, effect: Effect, seconds: float) -> None: ...

    def tick(self, run: Run) -> None: ...

    def ended(self, left: Left) -> None: ...


def run_on_ray(folder: Path, pool: ReplicaPool, index: ShardedIndex, watch: Any = None) -> RunStore:
    store = RunStore(str(folder))
    with ThreadPoolExecutor(1) as hands:
        drive(Run(SETTINGS, PROMPTS, SEEDS), store, index, [(pool, BOTH)], facts_of(SETTINGS), hands, watch)
    pool.close()
    index.close()
    assert verify(store) == []
    return store


@pytest.mark.parametrize(("replicas", "shards"), [(1, 1), (4, 3)])
def test_the_tables_do_not_depend_on_replicas_and_shards(
    cluster: None, tmp_path: Path, expected: str, replicas: int, shards: int
) -> None:
    store = run_on_ray(tmp_path, make_pool(replicas), ShardedIndex(SETTINGS.novelty, shards))
    assert digest(store) == expected


def test_killed_replicas_and_shards_lose_nothing(cluster: None, tmp_path: Path, expected: str) -> None:
    pool, index = make_pool(3, latency=0.02), ShardedIndex(SETTINGS.novelty, 2)
    draw = random.Random(0)

    def harm() -> None:
        ray.kill(draw.choice(pool.actors))
        ray.kill(draw.choice(index._shards), no_restart=False)

    watch = Saboteur(harm, every=4)
    assert digest(run_on_ray(tmp_path, pool, index, watch)) == expected
    assert watch.done >= 3


def test_shards_that_measure_give_the_verdicts_of_one_process_whatever_dies(cluster: None, tmp_path: Path) -> None:
    settings = replace(SETTINGS, target=120, semantic=SemanticSettings(measure=True, gate=True, cosine=0.55))
    engine, whole = open_engine(EngineSettings("template"), PROMPTS), RunStore(str(tmp_path / "whole"))
    lines: Any = [(SingleCompleter(engine, 64), BOTH)]
    index = pool_index(settings.novelty, settings.semantic)
    drive(Run(settings, PROMPTS, SEEDS), whole, index, lines, facts_of(settings))
    assert whole.totals()[Table.CANDIDATES]["rejected.paraphrase"]
    store, pool, folder = RunStore(str(tmp_path / "run")), make_pool(2), str(tmp_path / "run")
    shards = ShardedIndex(settings.novelty, 3, folder, semantic=settings.semantic)
    watch = Saboteur(lambda: ray.kill(shards._shards[1], no_restart=False), every=6)
    drive(Run(settings, PROMPTS, SEEDS), store, shards, [(pool, BOTH)], facts_of(settings), watch=watch)  # type: ignore[arg-type]
    pool.close()
    shards.close()
    assert digest(store) == digest(whole)
    assert watch.done


def test_two_pools_label_beside_each_other(cluster: None, tmp_path: Path, expected: str) -> None:
    store = RunStore(str(tmp_path))
    proposers, labellers = make_pool(1), make_pool(2)
    lines = [(proposers, (Stage.PROPOSE,)), (labellers, (Stage.LABEL,))]
    drive(Run(SETTINGS, PROMPTS, SEEDS), store, ShardedIndex(SETTINGS.novelty, 1), lines, facts_of(SETTINGS))
    proposers.close()
    labellers.close()
    assert digest(store) == expected


def test_a_sharded_index_answers_as_one_index_does(cluster: None) -> None:
    texts = [seed.instruction for seed in SEEDS]
    varied = [" ".join(text.split()[1:]) for text in texts]
    single, sharded = make_index(NoveltySettings()), ShardedIndex(NoveltySettings(), 3)
    for index in (single, sharded):
        index.insert(0, texts[:100])
        index.insert(100, texts[100:])
        index.insert(50, texts[50:150])  # a repeated call
    assert sharded.nearest(len(texts), varied) == single.nearest(len(texts), varied)
    without = [None if at % 3 else at % len(texts) for at in range(len(varied))]
    assert sharded.nearest(len(texts), varied, without) == single.nearest(len(texts), varied, without)
    sharded.close()


def test_shards_of_a_run_load_its_files_and_come_back(
    cluster: None, tmp_path: Path, expected: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cluster.shards.WORTH_TELLING", 1)
    store = run_on_ray(tmp_path, make_pool(1), ShardedIndex(SETTINGS.novelty, 2, str(tmp_path)))
    assert digest(store) == expected
    texts = [
        row.text
        for number in store.rounds(Table.CANDIDATES)
        for row in store.read_accepted(Table.CANDIDATES, number).rows
    ]
    varied = [" ".join(text.split()[1:]) for text in texts]
    single, sharded = make_index(SETTINGS.novelty), ShardedIndex(SETTINGS.novelty, 3, str(tmp_path))
    single.insert(0, texts)
    sharded.insert(0, texts)
    assert f"{len(texts)} texts loaded" in capsys.readouterr().out
    for size in (len(texts), len(texts) - 50):
        assert sharded.nearest(size, varied) == single.nearest(size, varied)
        ray.kill(sharded._shards[1], no_restart=False)
    assert sharded.nearest(len(texts), varied) == single.nearest(len(texts), varied)
    sharded.close()


def test_an_engine_that_cannot_be_opened_is_one_clear_line(cluster: None, tmp_path: Path) -> None:
    absent = EngineSettings(model=str(tmp_path / "absent"))
    pool = ReplicaPool([partial(open_engine, absent, PROMPTS)], 8, REPLICA)
    with pytest.raises(InputError, match="absent"):
        step_on(pool)
    pool.close()


# ---- the whole command


def generate(folder: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "jobs.generate", "--out", str(folder), "--engine", "template", "--target", "250"]
    command += ["--template.latency", "0.02", "--rounds.least", "4", "--rounds.most", "12", *options]
    return subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def finished(process: subprocess.Popen[str]) -> tuple[int, str]:
    output, _ = process.communicate(timeout=900)
    return process.returncode, output


def test_the_driver_is_killed_at_random_moments_and_run_again(tmp_path: Path) -> None:
    assert finished(generate(tmp_path / "whole"))[0] == 0
    draw = random.Random(1)
    kills = 0
    for _ in range(3):
        process = generate(tmp_path / "killed")
        begun = time.monotonic()
        while not (tmp_path / "killed/candidates/000000.parquet").exists():
            assert process.poll() is None
            assert time.monotonic() - begun < 120
            time.sleep(0.05)
        time.sleep(draw.uniform(0, 2.5))
        kills += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert kills >= 1
    code, output = finished(generate(tmp_path / "killed", "--replicas", "3", "--shards", "1"))
    assert code == 0, output
    whole, killed = RunStore(str(tmp_path / "whole")), RunStore(str(tmp_path / "killed"))
    assert verify(killed) == []
    assert digest(killed) == digest(whole)
    assert not [path for path in (tmp_path / "killed").rglob(".*") if path.is_file()]


def test_of_two_drivers_on_one_folder_exactly_one_goes_on(tmp_path: Path) -> None:
    drivers = [generate(tmp_path / "run") for _ in range(2)]
    outcomes = [finished(driver) for driver in drivers]
    assert sorted(code for code, _ in outcomes) == [0, 3], outcomes
    assert "holds this run" in next(output for code, output in outcomes if code == 3)
    assert verify(RunStore(str(tmp_path / "run"))) == []


def test_a_model_that_cannot_be_loaded_begins_no_run(tmp_path: Path) -> None:
    """What only a replica finds out, here a missing device, leaves the folder free for another try."""
    process = generate(tmp_path / "run", "--engine", "transformers", "--transformers.device", "cuda:77")
    code, output = finished(process)
    assert code == 2, output
    assert "--transformers.device: 'cuda:77' is not there" in output
    assert not list((tmp_path / "run").rglob("*.parquet"))


def test_another_model_labels_though_the_proposers_fill_the_machine(tmp_path: Path) -> None:
    """A local cluster has a core for every replica of both models, else the labellers would wait for ever."""
    options = ["--label.model", "another", "--replicas", str(max(2, os.cpu_count() or 1)), "--rounds.label_lag", "1"]
    process = generate(tmp_path / "run", *options)
    try:
        code, output = finished(process)
    finally:
        process.kill()
    assert code == 0, output
    assert verify(RunStore(str(tmp_path / "run"))) == []
