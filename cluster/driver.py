"""Generating on a cluster: start replicas and shards, let `selfinstruct.run.loop` drive, end tidily.

The driver has no state of its own. Kill it at any time and give the same command again: the run's files say where
it stands, the shards are fed from the pool, and requests that were under way are made again.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from cluster.actors import Actors, actors_of, has_cluster
from cluster.connect import connected
from cluster.replicas import ReplicaPool, replicate
from cluster.settings import GenerateSettings
from cluster.shards import ShardedIndex
from cluster.watch.metrics import Metrics
from cluster.watch.progress import Progress
from selfinstruct.places import local_path
from selfinstruct.records import Table
from selfinstruct.run.budget import Budget
from selfinstruct.run.inputs import Inputs
from selfinstruct.run.loop import Watch, check_yield, drive
from selfinstruct.run.measuring import LateIndex, pool_index
from selfinstruct.run.rounds import Run, Stage
from selfinstruct.run.serving import Served, run_of, served
from selfinstruct.run.spending import Spending
from selfinstruct.run.timings import Terms, Timer
from selfinstruct.run.watches import Everybody, RunWatch
from selfinstruct.storage.store import RunStore


def generate(settings: GenerateSettings, inputs: Inputs, store: RunStore, watch: RunWatch) -> Run:
    """Take a run from where its files are to its end; returns it finished.

    Raises:
        SelfInstructError: see `selfinstruct.errors`; what is committed stays, the same command goes on.
    """
    run = run_of(settings, inputs)
    lines = served(inputs)
    actors = actors_of(settings)
    counts = [_count(settings, actors, each) for each in lines]
    watch.starting("connecting to Ray" if has_cluster(settings.ray) else "starting Ray")
    with connected(settings.ray, sum(counts)):
        completers = [(_pool(settings, *each), each[0].stages) for each in zip(lines, counts, strict=True)]
        pools = [pool for pool, _ in completers]
        index = LateIndex(partial(_sharded, settings, actors.shards))  # the replicas are to start first
        terms = Terms(settings.target, max(pool.gpus for pool in pools), settings.budget.price)
        timer = Timer(store.blobs, lambda: sum(pool.alive for pool in pools), terms)
        spending = Spending(lambda: timer.replica_seconds, terms.gpus, terms.price)
        metrics = Metrics(lambda: [pool.state() for pool in pools], timer)
        progress = Progress(store, settings.target)
        everybody = Everybody(timer, spending, metrics, progress, watch)
        everybody.started(pools, spending)
        budget = Budget(settings.budget, timer)
        with ThreadPoolExecutor(1, thread_name_prefix="hands") as hands:
            try:
                if not store.rounds(Table.CANDIDATES):
                    _await_models(run, pools, everybody)
                drive(run, store, index, completers, inputs.facts, hands, everybody, budget.spent)
            finally:
                hands.shutdown(cancel_futures=True)
                progress.close()
    check_yield(run, store)
    return run


def _await_models(run: Run, pools: Sequence[ReplicaPool], watch: Watch) -> None:
    """Wait until each model has been loaded once: one that cannot be, or cannot hold the prompts, begins no run."""
    while not all(pool.alive for pool in pools):
        for pool in pools:
            pool.step()
        watch.tick(run)


def _sharded(settings: GenerateSettings, count: int) -> ShardedIndex:
    """The index on shards. While they start, this process imports what it judges candidates of one round with."""
    index = ShardedIndex(settings.novelty, count, _absolute(settings.out), semantic=settings.semantic)
    pool_index(settings.novelty, settings.semantic)
    return index


def _pool(settings: GenerateSettings, line: Served, count: int) -> ReplicaPool:
    return replicate(line.engine, line.prompts, count, settings.in_flight, settings.ray, settings.timeouts)


def _count(settings: GenerateSettings, actors: Actors, line: Served) -> int:
    """How many replicas of an engine are asked for: each model says so itself, the first of its stages for all."""
    by_stage = {
        Stage.PROPOSE: actors.replicas,
        Stage.LABEL: settings.label.replicas,
        Stage.CHECK: settings.check.replicas,
    }
    return by_stage[line.stages[0]]


def _absolute(out: str) -> str:
    """The run's place, as a process with another working folder finds it."""
    path = local_path(out)
    return out if path is None else str(path.absolute())
