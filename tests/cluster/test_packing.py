"""Replicas with several GPUs, on a real Ray with GPUs that exist in its books only."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial

import pytest
import ray
from ray.util import placement_group_table

from cluster.placement import resources_of
from cluster.replicas import ReplicaPool, replicate
from cluster.settings import RaySettings
from selfinstruct.engines import IN_FLIGHT, EngineSettings, TemplateOptions, VLLMOptions, open_engine
from selfinstruct.prompts import load_prompts
from selfinstruct.records import Completion, Kind, Request
from tests.tools.head import start_ray

TWO_GPUS = EngineSettings("vllm", vllm=VLLMOptions(args=("tensor_parallel_size=2",)))
SETTINGS = EngineSettings("template", template=TemplateOptions(batch=4))


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    start_ray(num_cpus=3, num_gpus=5)
    yield
    ray.shutdown()


def complete(pool: ReplicaPool, count: int, name: str) -> set[str]:
    pool.add([Request(f"{name}/{n}", Kind.CLASSIFY, f"Task: {n}", n) for n in range(count)])
    done: list[Completion] = []
    end = time.monotonic() + 900
    while len(done) < count and time.monotonic() < end:
        done += pool.step()
    return {completion.request_id for completion in done}


def test_each_replica_with_several_gpus_has_a_strict_group_of_its_own(cluster: None) -> None:
    resources = resources_of(TWO_GPUS, RaySettings())
    assert resources == {"num_cpus": 1, "num_gpus": 2.0}
    assert resources_of(EngineSettings("openai"), RaySettings())["num_gpus"] == 0
    assert resources_of(EngineSettings("transformers"), RaySettings())["num_gpus"] == 1
    pool = ReplicaPool(
        [partial(open_engine, SETTINGS, load_prompts("tiny"))] * 3, 8, resources
    )  # for one of them there is no room
    try:
        assert len(complete(pool, 40, "before")) == 40
        groups = placement_group_table().values()
        assert [group["strategy"] for group in groups] == ["STRICT_PACK"] * 3
        assert [group["bundles"] for group in groups] == [{0: {"CPU": 1.0, "GPU": 2.0}}] * 3
        assert sorted(group["state"] for group in groups) == ["CREATED", "CREATED", "PENDING"]
        for seat in pool.roster.seats:
            if seat.ready:
                ray.kill(pool.actors[seat.number])
        assert len(complete(pool, 40, "after")) == 40
        assert len(placement_group_table()) == 3
    finally:
        pool.close()


@pytest.mark.parametrize(
    ("gpus", "in_flight", "held"), [(None, None, IN_FLIGHT["gpu"]), (0, None, IN_FLIGHT["cpu"]), (1, 24, 24)]
)
def test_a_replica_on_a_gpu_is_given_more_at_once(
    cluster: None, gpus: float | None, in_flight: int | None, held: int
) -> None:
    pool = replicate(EngineSettings(), load_prompts("tiny"), 1, in_flight, RaySettings(gpus=gpus))
    try:
        assert pool.room == held
    finally:
        pool.close()
