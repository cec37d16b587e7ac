"""Replicas on a real Ray: what becomes of real processes and what is said. Who is blamed: `test_roster.py`."""

from __future__ import annotations

import logging
import math
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import ray
from ray import cloudpickle

from cluster.blame import STRIKES
from cluster.placement import resources_of
from cluster.replica import BEAT, OUTAGE, EngineError, EngineThread
from cluster.replicas import ReplicaPool
from cluster.roster import DEATHS
from cluster.seats import Phase
from cluster.settings import RaySettings, TimeoutSettings
from jobs.display import Display
from selfinstruct.engines import EngineSettings, TransformersOptions
from selfinstruct.errors import FailureError, InputError
from selfinstruct.protocols import Engine
from selfinstruct.records import Completion, Finish, Kind, Request, Table
from selfinstruct.run.spending import Spending
from tests.tools.head import start_ray

FREE = {"num_cpus": 0, "num_gpus": 0}


class Fragile:
    """An engine that does to its process what a request's text says; it completes three requests a step.

    Args:
        latency: Seconds of a step.
    """

    def __init__(self, latency: float = 0.0) -> None:
        self._latency = latency
        self._queue: list[Request] = []

    def add(self, requests: Sequence[Request]) -> None:
        self._queue += requests

    def step(self) -> list[Completion]:
        batch, self._queue = self._queue[:3], self._queue[3:]
        time.sleep(self._latency)
        for request in batch:
            self._suffer(request.suffix)
        return [Completion(request.id, "text", Finish.STOP, 1, 1) for request in batch]

    def _suffer(self, harm: str) -> None:
        if harm == "raise":
            raise RuntimeError("the device was lost")
        if harm == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if harm == "server gone":
            raise FailureError("the server was lost")
        _, stop, once = harm.partition("stop ")
        if stop and not Path(once).exists():
            Path(once).touch()
            os.kill(os.getpid(), signal.SIGSTOP)


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    cloudpickle.register_pickle_by_value(sys.modules[__name__])  # the workers do not find this file
    start_ray(num_cpus=2)
    yield
    ray.shutdown()


def requests(count: int, **harms: int) -> list[Request]:
    """So many; by what they do, the number of the one that does it."""
    suffixes = {number: harm for harm, number in harms.items()}
    return [Request(f"r{number}", Kind.CLASSIFY, suffixes.get(number, ""), 0) for number in range(count)]


def pool_of(*openings: Callable[[], Engine], **options: Any) -> ReplicaPool:
    return ReplicaPool(openings, options.pop("in_flight", 12), FREE, **options)


def step_on(pool: ReplicaPool, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pool.step()


def complete(pool: ReplicaPool, asked: Sequence[Request]) -> dict[str, Completion]:
    """Step until every request is completed, once."""
    pool.add(asked)
    completions: list[Completion] = []
    end = time.monotonic() + 900
    while len(completions) < len(asked):
        assert time.monotonic() < end
        completions += pool.step()
    pool.close()
    assert {completion.request_id for completion in completions} == {request.id for request in asked}
    return {completion.request_id: completion for completion in completions}


@pytest.mark.parametrize(("harm", "said"), [("die", "worker process has died"), ("raise", "RuntimeError: the device")])
def test_a_request_that_kills_its_replica_fails_and_no_other(harm: str, said: str) -> None:
    told: list[str] = []
    pool = pool_of(Fragile, Fragile, tell=told.append)
    completions = complete(pool, requests(40, **{harm: 5}))
    culprit = completions.pop("r5")
    assert culprit.finish is Finish.FAILED
    assert culprit.error is not None
    assert said in culprit.error
    assert {completion.finish for completion in completions.values()} == {Finish.STOP}
    state = pool.state()
    assert (state.culprits, state.lost, state.queued, state.held) == (1, 0, 0, 0)
    assert STRIKES <= state.deaths <= STRIKES + 2
    assert said in told[0]


def test_a_stopped_process_is_ended_and_its_requests_are_made_again(tmp_path: Path) -> None:
    pool = pool_of(Fragile, timeouts=TimeoutSettings(answer=3))
    asked = requests(12, **{f"stop {tmp_path / 'once'}": 5})
    while not pool.alive:
        pool.step()
    stopped = pool.roster.seats[0].place
    assert stopped is not None
    completions = complete(pool, asked)
    assert {completion.finish for completion in completions.values()} == {Finish.STOP}
    assert (pool.state().deaths, pool.state().culprits) == (1, 0)
    end = time.monotonic() + 300
    while Path(f"/proc/{stopped.pid}/cmdline").exists() and time.monotonic() < end:  # its device must become free
        time.sleep(0.1)
    assert not Path(f"/proc/{stopped.pid}/cmdline").exists()


def test_a_model_whose_loading_raises_is_given_up() -> None:
    def opening() -> Engine:
        raise OSError("the weights are on a disk that is gone")

    pool = pool_of(opening)
    with pytest.raises(FailureError, match=r"died 5 times.*OSError: the weights are on a disk that is gone"):
        step_on(pool)
    pool.close()


def test_what_engines_warn_of_is_said_once_and_not_for_every_replica() -> None:
    def opening() -> Engine:
        logging.getLogger("selfinstruct.engines").warning("no token ends %s", "its texts")
        return Fragile(latency=0.05)

    told: list[str] = []
    complete(pool_of(opening, opening, in_flight=4, tell=told.append), requests(60))
    assert told == ["replicas: no token ends its texts"]


def test_what_is_missing_is_said_and_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cluster.news.SHORTAGE_TOLD", (1.0, 600.0))
    told: list[str] = []
    resources = resources_of(EngineSettings(), RaySettings(gpus=1, memory=2))
    pool = ReplicaPool([Fragile] * 3, 8, resources, tell=told.append)
    end = time.monotonic() + 300
    while not told and time.monotonic() < end:
        pool.step()
    assert len(told) == 1
    assert "of 3 have no place yet; each asks for 1 CPU, 1 GPU, 2 GiB; the cluster has 2 CPU" in told[0]
    assert (pool.state().waiting, pool.state().ready) == (3, 0)
    display = Display(10, {table: Counter() for table in Table})
    display.started([pool], Spending(lambda: 0.0, 0, None))
    assert "0 of 3 replicas ready, 3 waiting for a node" in display.line()
    pool.close()


def test_only_an_engine_with_a_model_of_its_own_takes_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    def gpus(engine: EngineSettings, settings: RaySettings | None = None) -> float:
        return resources_of(engine, settings or RaySettings())["num_gpus"]

    local, on_cpu = EngineSettings(), EngineSettings(transformers=TransformersOptions(device="cpu"))
    assert gpus(local) == 0
    monkeypatch.setattr("cluster.placement._to_come", lambda: {"GPU": 8, "CPU": 64})  # what an autoscaler may start
    assert [gpus(engine) for engine in (local, on_cpu)] == [1, 0]
    assert [gpus(EngineSettings(engine)) for engine in ("openai", "template")] == [0, 0]
    assert gpus(EngineSettings("openai"), RaySettings(gpus=0.5)) == 0.5


# ---- without a cluster


def test_a_thread_answers_while_its_engine_works() -> None:
    go = threading.Event()

    class Waiting(Fragile):
        def step(self) -> list[Completion]:
            go.wait()
            return super().step()

    thread = EngineThread(Waiting)
    assert thread.opened() is None
    first = thread.exchange(requests(2))
    assert not first.completions
    assert first.stalled >= BEAT
    go.set()
    second = thread.exchange([])
    assert [completion.request_id for completion in second.completions] == ["r0", "r1"]
    assert second.stalled == 0
    assert BEAT <= second.usage.busy <= second.usage.total
    assert not thread.exchange([]).completions  # at once: there is nothing to wait for


def test_an_engine_whose_server_is_gone_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A replica that is started in an outage must not use up the pool's patience at once."""
    monkeypatch.setattr("cluster.replica.OUTAGE", 0.3)
    monkeypatch.setattr("cluster.replica.KNOCK", 0.01)
    tries = 0

    def opening(needed: float) -> Engine:
        nonlocal tries
        tries += 1
        if tries < needed:
            raise FailureError("nothing answers")
        return Fragile()

    assert EngineThread(partial(opening, 3)).opened() is None
    assert tries == 3
    assert isinstance(EngineThread(partial(opening, math.inf)).opened(), FailureError)


def test_an_outage_of_ten_minutes_is_waited_out() -> None:
    assert (DEATHS - 1) * OUTAGE >= 600  # the first of the deaths is that of an engine that was open


@pytest.mark.parametrize(("harm", "kind"), [("raise", EngineError), ("server gone", FailureError)])
def test_a_failed_engine_hands_over_what_it_has_completed(harm: str, kind: type[Exception]) -> None:
    thread = EngineThread(Fragile)
    report = thread.exchange(requests(4, **{harm: 3}))
    done = [*report.completions]
    while not report.failure:
        report = thread.exchange([])
        done += report.completions
    assert [completion.request_id for completion in done] == ["r0", "r1", "r2"]
    assert isinstance(report.failure, kind)


def test_each_step_of_a_replica_is_known(tmp_path: Path) -> None:
    fetched, loaded = tmp_path / "fetched", tmp_path / "loaded"

    def wait_for(path: Path) -> None:
        while not path.exists():
            time.sleep(0.02)

    def opening() -> Engine:
        wait_for(loaded)
        return Fragile()

    pool = pool_of(opening, fetching=lambda: wait_for(fetched))
    seen = []
    end = time.monotonic() + 300
    while not pool.alive and time.monotonic() < end:
        pool.step()
        [standing] = pool.standings()
        if not seen or seen[-1] != standing.phase:
            seen.append(standing.phase)
            assert bool(standing.address) is (standing.phase is not Phase.WAITING)
            if standing.phase is Phase.FETCHING:
                assert pool.state().fetching == pool.state().count == 1
                fetched.touch()
            if standing.phase is Phase.LOADING:
                loaded.touch()
    pool.close()
    assert seen == [Phase.WAITING, Phase.FETCHING, Phase.LOADING, Phase.READY]


def test_weights_that_cannot_be_fetched_are_one_clear_line() -> None:
    def fetching() -> None:
        raise InputError("--model: there is no such bucket")

    pool = pool_of(Fragile, fetching=fetching)
    with pytest.raises(InputError, match="no such bucket"):
        step_on(pool)
    pool.close()
