"""A model on an object store (moto's server): brought to a node once, recognised, and noticed when it changes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import ray
from moto.moto_api import recorder

from cluster.replicas import ReplicaPool
from cluster.seats import Phase
from selfinstruct.engines import EngineSettings, fetch, identify, open_engine, pinned, weights
from selfinstruct.engines.checkpoint import context
from selfinstruct.errors import InputError
from selfinstruct.prompts import load_prompts
from selfinstruct.storage.object_blobs import ObjectBlobs
from selfinstruct.tiny import MODEL
from tests.tools.head import start_ray

ROOT = Path(__file__).parents[2]


@pytest.fixture
def model(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The embedded model's URL in a bucket; this node's cache is empty."""
    monkeypatch.setenv("SELFINSTRUCT_CACHE", str(tmp_path / "cache"))
    url = f"{bucket}/models/tiny"
    blobs = ObjectBlobs(url)
    for path in MODEL.iterdir():
        if path.is_file():
            blobs.put(path.name, path.read_bytes())
    return url


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The names of the objects that were read since this was called before."""
    monkeypatch.setattr(recorder, "_location", str(tmp_path / "recording"))
    recorder.reset_recording()
    recorder.start_recording()

    def names() -> list[str]:
        rows = [json.loads(line) for line in (tmp_path / "recording").read_text().splitlines()]
        recorder.reset_recording()
        return [row["url"].rpartition("/")[2] for row in rows if row["method"] == "GET" and "?" not in row["url"]]

    yield names
    recorder.stop_recording()


def test_two_replicas_of_a_node_fetch_once(model: str, asked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    settings, prompts = EngineSettings(model=model), load_prompts("tiny")
    start_ray(num_cpus=2)
    try:
        opening = partial(open_engine, settings, prompts)
        pool = ReplicaPool([opening] * 2, 8, {"num_cpus": 1, "num_gpus": 0}, fetching=partial(fetch, settings))
        while pool.alive < 2:
            pool.step()
        assert {standing.phase for standing in pool.standings()} == {Phase.READY}
        pool.close()
    finally:
        ray.shutdown()
    read = asked()
    assert read.count("model.safetensors") == 1
    assert len(read) == len(set(read))


def test_the_model_is_the_one_that_was_uploaded(model: str, asked: Any) -> None:
    settings = EngineSettings(model=model)
    assert context(settings) == context(EngineSettings())
    identity = identify(settings)
    assert "model.safetensors" not in asked()
    fetch(settings)
    [folder] = [path for path in (weights.cache() / "models").iterdir() if (path / "model.safetensors").exists()]
    assert (folder / "model.safetensors").read_bytes() == (MODEL / "model.safetensors").read_bytes()
    held = pinned(settings, identity)
    fetch(held)
    ObjectBlobs(model).replace("config.json", b"{}")
    assert identify(settings) != identity
    with pytest.raises(InputError, match="not those that this run was begun with"):
        fetch(held)


DIES = """
import os, sys
from selfinstruct.engines import weights
whole = weights._file
weights._file = lambda blobs, entry, place: os._exit(9) if entry.size > 1e6 else whole(blobs, entry, place)
weights.fetch(sys.argv[1], ("config.json", "*.safetensors"))
"""


def test_what_a_killed_process_has_fetched_is_kept(model: str, asked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    died = subprocess.run([sys.executable, "-c", DIES, model], env=environment, timeout=600)
    assert died.returncode == 9
    assert asked() == ["config.json"]
    monkeypatch.setattr(weights, "PART", 1_000_000)
    folder = weights.fetch(model, ("config.json", "*.safetensors"))
    assert asked() == ["model.safetensors"] * 5
    assert (folder / "model.safetensors").read_bytes() == (MODEL / "model.safetensors").read_bytes()
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]


def test_a_prefix_without_a_model_is_one_clear_line(bucket: str) -> None:
    with pytest.raises(InputError, match="there is no model"):
        identify(EngineSettings(model=f"{bucket}/nothing"))
