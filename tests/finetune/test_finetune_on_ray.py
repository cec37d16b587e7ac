"""`selfinstruct finetune` as users run it, on a real Ray: killed and resumed, with other workers, to the same model."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

from jobs.main import main
from selfinstruct.engines import EngineSettings, identify, open_engine
from selfinstruct.finetune.folder import ModelFolder
from selfinstruct.finetune.plan import prepare
from selfinstruct.finetune.settings import TuneSettings
from selfinstruct.novelty.check import make_index
from selfinstruct.prompts import load_prompts
from selfinstruct.records import Table
from selfinstruct.run.loop import SingleCompleter, drive
from selfinstruct.run.rounds import Run, Stage
from selfinstruct.run.settings import RoundSettings, RunSettings
from selfinstruct.settings import facts_of
from selfinstruct.sources.seeds import SEED_TASKS, load_seeds
from selfinstruct.storage.store import RunStore
from selfinstruct.storage.verify import verify

OPTIONS = ["--steps", "24", "--batch", "4", "--rate", "3e-4", "--save_every", "4", "--log_every", "1"]
ENVIRONMENT = {"RAY_USAGE_STATS_ENABLED": "0", "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("data") / "tasks.jsonl"
    rows = [
        {"instruction": f"Count the letters of word number {n}.", "input": "ab" * n, "output": f"There are {2 * n}."}
        for n in range(1, 13)
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def begin(tasks: Path, out: Path, *options: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "jobs.finetune", str(tasks), "--out", str(out), *OPTIONS, *options]
    with log_of(out).open("w") as log:
        return subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env={**os.environ, **ENVIRONMENT})


def log_of(out: Path) -> Path:
    return out.with_suffix(".log")


def finish(process: subprocess.Popen[bytes], out: Path) -> None:
    assert process.wait(timeout=900) == 0, log_of(out).read_text()


def wait_for_step(process: subprocess.Popen[bytes], out: Path) -> int:
    """Wait until a training goes on from a checkpoint, and return the step."""
    end = time.monotonic() + 900
    while not (found := re.search(r"going on from step (\d+) of 24\n", log_of(out).read_text())):
        assert process.poll() is None, log_of(out).read_text()
        assert time.monotonic() < end
        time.sleep(0.02)
    return int(found[1])


def wait_for_checkpoint(process: subprocess.Popen[bytes], out: Path) -> None:
    """Wait until a checkpoint is one that a training can go on from."""
    snapshot = out / "checkpoints/training/checkpoint_manager_snapshot.json"
    end = time.monotonic() + 900
    while not (snapshot.exists() and "checkpoint-" in snapshot.read_text()):
        assert process.poll() is None, log_of(out).read_text()
        assert time.monotonic() < end
        time.sleep(0.02)


def train_workers(process: subprocess.Popen[bytes]) -> list[int]:
    """Process ids of the training's workers, which Ray names after their class."""
    ours = psutil.Process(process.pid).children(recursive=True)
    return [child.pid for child in ours if child.is_running() and "RayTrainWorker" in " ".join(child.cmdline())]


@pytest.fixture(scope="module")
def tuned(tasks: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose training lost a worker in the midst of an epoch, then its driver; two workers resumed it."""
    out = tmp_path_factory.mktemp("tuned") / "model"
    process = begin(tasks, out)
    wait_for_checkpoint(process, out)
    (worker,) = train_workers(process)
    os.kill(worker, signal.SIGKILL)
    first = wait_for_step(process, out)
    process.kill()
    process.wait()
    assert not (out / "config.json").exists()

    process = begin(tasks, out, "--workers", "2")
    second = wait_for_step(process, out)
    finish(process, out)
    assert 4 <= first <= second < 24
    return out


class Collector:
    """A `training.Reporter` that keeps losses, and the model."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.losses: list[float] = []

    def metrics(self, row: Mapping[str, Any]) -> None:
        self.losses += [row["loss"]] if "loss" in row else []

    def saved(self, folder: Path, name: str) -> None:
        shutil.copytree(folder, self.folder / name)


def test_a_killed_training_ends_where_an_uninterrupted_one_does(tasks: Path, tuned: Path, tmp_path: Path) -> None:
    """Step for step with the losses of one process without Ray, and at its weights, but for their saved rounding."""
    import datasets
    from safetensors.torch import load_file

    from selfinstruct.finetune.training import train

    settings = TuneSettings(steps=24, batch=4, rate=3e-4, save_every=4, log_every=1)
    plan = prepare([str(tasks)], EngineSettings(), settings, 1)
    whole = Collector(tmp_path)
    train(plan.job, datasets.Dataset(plan.table()).select(plan.order), whole, None)
    rows = list(ModelFolder(tuned).metrics())
    assert [row["step"] for row in rows] == list(range(1, 25))
    assert [row["loss"] for row in rows] == pytest.approx(whole.losses, rel=1e-4)
    ours, theirs = (load_file(folder / "model.safetensors") for folder in (tuned, tmp_path / "model"))
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        assert tensor.dtype == theirs[name].dtype
        assert (tensor.float() - theirs[name].float()).abs().max() < 2e-3, name
    assert not (tuned / "checkpoints").exists()
    assert not list(tuned.glob(".*"))


def test_a_finished_model_is_left_alone(tasks: Path, tuned: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (tuned / "model.safetensors").stat().st_mtime_ns
    assert main(["finetune", str(tasks), "--out", str(tuned), *OPTIONS]) == 0
    assert "is there already" in capsys.readouterr().out
    assert main(["finetune", str(tasks), "--out", str(tuned), *OPTIONS, "--seed", "1", "--lora.rank", "2"]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert any("lora.rank: the run has 0, this command 2" in line for line in errors)
    assert any("seed: the run has 0, this command 1" in line for line in errors)
    assert (tuned / "model.safetensors").stat().st_mtime_ns == before


def test_the_model_says_what_it_was_made_from(tasks: Path, tuned: Path) -> None:
    import yaml

    _, front, text = (tuned / "README.md").read_text().split("---\n", 2)
    assert "self-instruct" in yaml.safe_load(front)["tags"]
    assert yaml.safe_load(front)["license"] == "apache-2.0"  # of the embedded model, as its own card says
    assert "under apache-2.0" in text
    record = ModelFolder(tuned).record()
    assert record is not None
    assert record["sources"][0]["digest"] in text
    assert record["facts"]["base.weights"] in text
    assert record["account"]["examples"] == 12
    assert record["outcome"]["steps"] == 24


def test_the_tuned_model_is_the_next_engine(tuned: Path, tmp_path: Path) -> None:
    """A run with it begins, and its fingerprint leads back to the training and its data."""
    settings = EngineSettings(model=str(tuned))
    prompts, run_settings = load_prompts("tiny"), RunSettings(target=1, rounds=RoundSettings(least=1, most=1))
    facts = {**facts_of(run_settings), **{f"proposer.{key}": value for key, value in identify(settings).items()}}
    store = RunStore(str(tmp_path / "run"))
    line = SingleCompleter(open_engine(settings, prompts), 8)
    run = Run(run_settings, prompts, load_seeds(SEED_TASKS)[:20])
    drive(run, store, make_index(run_settings.novelty), [(line, (Stage.PROPOSE, Stage.LABEL))], facts)
    assert verify(store) == []
    begun = store.metadata(Table.CANDIDATES, 0).notes["facts"]
    record = ModelFolder(tuned).record()
    assert record is not None
    assert begun["proposer.weights"] == record["outcome"]["weights"] != record["facts"]["base.weights"]
