"""On a cluster of several simulated nodes that come and go: the same tables, and the head is left alone."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
import ray
from ray.cluster_utils import Cluster

from cluster.replicas import ReplicaPool
from cluster.shards import ShardedIndex
from selfinstruct.engines import EngineSettings, TemplateOptions, open_engine
from selfinstruct.novelty.check import make_index
from selfinstruct.prompts import load_prompts
from selfinstruct.records import Completion, Kind, Request, RoundFile
from selfinstruct.run.keeping import Left
from selfinstruct.run.loop import SingleCompleter, drive
from selfinstruct.run.rounds import Effect, Run, Stage
from selfinstruct.run.settings import RoundSettings, RunSettings
from selfinstruct.settings import facts_of
from selfinstruct.sources.seeds import SEED_TASKS, load_seeds
from selfinstruct.storage.store import RunStore
from selfinstruct.storage.verify import digest, verify

PROMPTS = load_prompts("tiny")
SEEDS = load_seeds(SEED_TASKS)
SETTINGS = RunSettings(seed=3, target=250, rounds=RoundSettings(least=4, most=12))
BOTH = (Stage.PROPOSE, Stage.LABEL)


@pytest.fixture
def head() -> Iterator[Cluster]:
    """A head that would have room for replicas."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 8, "include_dashboard": False})
    ray.init(address=cluster.address, log_to_driver=False)
    yield cluster
    ray.shutdown()
    cluster.shutdown()


class Weather:
    """A line and a watch in one: adds a node and takes another one, and lets the run go on once the pool has noticed.

    Args:
        pool: Asks for four replicas; a node has room for two.
    """

    def __init__(self, cluster: Cluster, pool: ReplicaPool, nodes: Sequence[object]) -> None:
        self._cluster, self._pool, self._nodes = cluster, pool, [*nodes]
        self._wanted = 2
        self._commits = 0
        self.seen: set[str] = set()  # nodes on which replicas were

    @property
    def room(self) -> int:
        return self._pool.room if self._pool.alive >= self._wanted else 0

    def add(self, requests: Sequence[Request]) -> None:
        self._pool.add(requests)

    def step(self) -> list[Completion]:
        self.seen |= {seat.place.node for seat in self._pool.roster.seats if seat.place}
        return self._pool.step()

    def committed(self, file: RoundFile) -> None:
        self._commits += 1
        if self._commits == 4:
            self._nodes.append(self._cluster.add_node(num_cpus=2))
            self._wanted = 4
        if self._commits == 10:
            self._cluster.remove_node(self._nodes.pop(0), allow_graceful=False)
            self._wanted = 2

    def completed(self, completion: Completion) -> None: ...

    def performed(self, effect: Effect, seconds: float) -> None: ...

    def tick(self, run: Run) -> None: ...

    def ended(self, left: Left) -> None: ...


def test_nodes_come_and_go_and_the_tables_stay_the_same(head: Cluster, tmp_path: Path) -> None:
    """As many replicas as there is room for do the work; those of a lost node cost nobody a strike."""
    expected = RunStore(str(tmp_path / "expected"))
    engine = open_engine(EngineSettings("template"), PROMPTS)
    facts = facts_of(SETTINGS)
    drive(
        Run(SETTINGS, PROMPTS, SEEDS),
        expected,
        make_index(SETTINGS.novelty),
        [(SingleCompleter(engine, 64), BOTH)],
        facts,
    )

    heads = {node["NodeID"] for node in ray.nodes()}
    first = head.add_node(num_cpus=2)
    options = TemplateOptions(latency=0.1, batch=4)
    opening = partial(open_engine, EngineSettings("template", template=options), PROMPTS)
    pool = ReplicaPool([opening] * 4, 8, {"num_cpus": 1, "num_gpus": 0})
    weather = Weather(head, pool, [first])
    store = RunStore(str(tmp_path / "run"))
    index = ShardedIndex(SETTINGS.novelty, 2, str(tmp_path / "run"))
    with ThreadPoolExecutor(1) as hands:
        drive(Run(SETTINGS, PROMPTS, SEEDS), store, index, [(weather, BOTH)], facts, hands, weather)
    state = pool.state()
    pool.close()
    index.close()
    assert digest(store) == digest(expected)
    assert verify(store) == []
    assert len(weather.seen) == 2
    assert weather.seen.isdisjoint(heads)
    assert (state.lost, state.culprits) == (state.deaths, 0)
    assert state.lost >= 2
    assert state.resent > 0


def test_a_node_that_joins_is_used_within_one_batch(head: Cluster) -> None:
    """From the moment its replica is ready, the others complete one batch each at most before it has work."""
    head.add_node(num_cpus=1)
    batch = 4
    options = TemplateOptions(latency=0.3, batch=batch)
    opening = partial(open_engine, EngineSettings("template", template=options), PROMPTS)
    pool = ReplicaPool([opening] * 2, 2 * batch, {"num_cpus": 1, "num_gpus": 0})
    made = 0

    def turn() -> int:
        nonlocal made
        fresh = [Request(f"r{made + n}", Kind.CLASSIFY, "", made + n) for n in range(pool.room)]
        made += len(fresh)
        pool.add(fresh)
        return len(pool.step())

    while not pool.alive:
        turn()
    head.add_node(num_cpus=1)
    while pool.alive < 2:
        turn()
    newest = max(pool.roster.seats, key=lambda seat: seat.since)
    completed = 0
    while not (newest.held or newest.proven) and completed <= batch:
        before = completed  # a turn gives requests out before it takes completions in
        completed += turn()
    assert before <= batch
    assert newest.held or newest.proven
    pool.close()
