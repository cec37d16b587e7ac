"""Who works on a run where nobody says so: replicas on Ray, or this process alone."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from cluster.actors import Actors, actors_of
from cluster.settings import GenerateSettings, JudgePoolSettings, LabelPoolSettings, RaySettings
from jobs.main import main
from selfinstruct.errors import InputError

ROOT = Path(__file__).parents[2]
SERVER = GenerateSettings(out="run", engine="openai", model="m")
ALONE, TWO = Actors(0, 2), Actors(2, 2)


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (SERVER, ALONE),
        (replace(SERVER, engine="template", model="tiny"), ALONE),
        (replace(SERVER, engine="transformers"), TWO),
        (replace(SERVER, engine="vllm"), TWO),
        (replace(SERVER, label=LabelPoolSettings(engine="transformers")), TWO),
        (replace(SERVER, label=LabelPoolSettings(model="another")), ALONE),
        (replace(SERVER, label=LabelPoolSettings(model="another", replicas=2)), TWO),
        (replace(SERVER, check=JudgePoolSettings(rubric="chat", engine="vllm", model="j")), TWO),
        (replace(SERVER, check=JudgePoolSettings(engine="vllm", model="j")), ALONE),
        (replace(SERVER, ray=RaySettings(address="10.0.0.1:6379")), TWO),
        (replace(SERVER, shards=4), Actors(2, 4)),
        (replace(SERVER, replicas=4), Actors(4, 2)),
        (replace(SERVER, replicas=0, shards=4), Actors(0, 4)),
        (replace(SERVER, engine="transformers", replicas=0), ALONE),
    ],
)
def test_one_process_where_no_model_runs_here_and_nobody_asks_for_more(
    settings: GenerateSettings, expected: Actors
) -> None:
    assert actors_of(settings) == expected


def test_a_job_on_a_cluster_has_replicas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    assert actors_of(SERVER) == TWO
    assert actors_of(replace(SERVER, replicas=0)) == ALONE


def test_an_unknown_engine_is_said_by_name() -> None:
    with pytest.raises(InputError, match="there is no engine 'vlm'"):
        actors_of(replace(SERVER, engine="vlm"))


def test_the_command_loads_no_ray_and_says_so(tmp_path: Path) -> None:
    program = f"""
import sys
from jobs.main import main
options = ["--engine", "template", "--target", "10", "--rounds.least", "4", "--out", {str(tmp_path / "run")!r}]
assert main(["generate", *options]) == 0
assert "ray" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "template engine, in this process" in done.stderr


def test_doctor_looks_over_one_process_without_ray(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--engine", "template", "--out", str(tmp_path / "run")]) == 0
    shown = capsys.readouterr().out
    assert "this machine: " in shown
    assert "template is ready for requests" in shown
    assert "cluster" not in shown
    assert list(tmp_path.iterdir()) == []
