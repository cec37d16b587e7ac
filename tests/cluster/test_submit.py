"""The README's way onto a cluster, against a real head with token authentication: submit, follow, read the run."""

from __future__ import annotations

import dataclasses
import importlib
import json
import pkgutil
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

import jobs
from selfinstruct.sources.options import kinds_of
from selfinstruct.storage.store import RunStore
from selfinstruct.storage.verify import digest, verify
from tests.tools.head import RAY, ROOT, Head, ray_head


@pytest.fixture(scope="module")
def head() -> Iterator[Head]:
    with ray_head(3, RAY_metrics_report_interval_ms="500") as running:
        yield running


def submit(head: Head, *command: str, no_wait: bool = False) -> tuple[int, str]:
    """`ray job submit`, tried again while the head's agent is starting."""
    waiting = ["--no-wait"] if no_wait else []
    words = [str(RAY), "job", "submit", *waiting, "--working-dir", ".", "--", *command]
    for _ in range(300):
        done = subprocess.run(words, env=head.environment, cwd=ROOT, capture_output=True, text=True, timeout=900)
        output = done.stdout + done.stderr
        if done.returncode == 0 or "submitted successfully" in output:
            return done.returncode, output
        time.sleep(1)
    return done.returncode, output


@pytest.fixture(scope="module")
def run(head: Head, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was submitted."""
    out = tmp_path_factory.mktemp("submitted") / "run"
    command = ["python", "-m", "jobs.generate", "--out", str(out), "--engine", "template", "--target", "100"]
    code, output = submit(head, *command, "--replicas", "2", "--shards", "2")
    assert code == 0, output
    assert "accepted instructions and their instances lie in" in output
    return out


SUBMIT_ALL = """
import json, os, sys, time
from ray.job_submission import JobSubmissionClient
client = JobSubmissionClient(os.environ["RAY_API_SERVER_ADDRESS"])
jobs = [client.submit_job(entrypoint=each, runtime_env={"working_dir": "."}) for each in sys.argv[1:]]
while not all(client.get_job_status(job).is_terminal() for job in jobs):
    time.sleep(0.5)
print(json.dumps([(client.get_job_status(job).value, client.get_job_logs(job)) for job in jobs]))
"""
"""What `ray job submit` does, for several at a time: its own start takes seconds."""


def test_metrics_reach_prometheus_and_the_dashboard_asks_for_no_others(head: Head, tmp_path: Path) -> None:
    panels = json.loads((ROOT / "deploy/grafana.json").read_text())["panels"]
    asked = {name for panel in panels for name in re.findall(r"ray_selfinstruct_\w+", json.dumps(panel["targets"]))}
    assert len(asked) > 10
    command = ["python", "-m", "jobs.generate", "--out", str(tmp_path / "run"), "--engine", "template"]
    command += ["--target", "100000", "--budget.hours", "0.03", "--template.latency", "0.3"]
    code, output = submit(head, *command, "--replicas", "1", "--shards", "1", no_wait=True)
    assert code == 0, output
    job = re.findall(r"raysubmit_\w+", output)[0]
    try:
        found: set[str] = set()
        for _ in range(120):
            with urllib.request.urlopen(head.metrics) as answer:
                found |= set(re.findall(r"ray_selfinstruct_\w+", answer.read().decode()))
            if asked <= found:
                break
            time.sleep(1)
        assert asked - found == set()
    finally:
        subprocess.run([str(RAY), "job", "stop", job], env=head.environment, capture_output=True, timeout=600)


def test_a_run_is_submitted_and_a_stranger_is_not_let_in(head: Head, run: Path) -> None:
    assert verify(RunStore(str(run))) == []
    stranger = {**head.environment, "RAY_AUTH_TOKEN": "f" * 64}
    refused = subprocess.run([str(RAY), "job", "list"], env=stranger, capture_output=True, text=True, timeout=600)
    assert refused.returncode != 0


def test_little_is_uploaded(head: Head, run: Path) -> None:
    """Most of it is the embedded model."""
    uploads = list(head.session.rglob("_ray_pkg_*/"))
    assert uploads
    for upload in [each for each in uploads if each.is_dir()]:
        assert sum(path.stat().st_size for path in upload.rglob("*") if path.is_file()) < 9e6
        names = {path.name for path in upload.iterdir()}
        assert {"jobs", "cluster", "selfinstruct"} <= names
        assert names.isdisjoint({"tests", "docs", "runs", ".git", ".venv"})


def test_the_other_jobs_are_submitted_alike(head: Head, run: Path, tmp_path: Path) -> None:
    """Each on Ray, where it uses Ray, and with what it is to leave behind."""
    tasks = [{"instruction": f"Name {n} birds.", "input": "", "output": "owl " * n} for n in range(1, 9)]
    file = tmp_path / "tasks.jsonl"
    file.write_text("".join(json.dumps(task) + "\n" for task in tasks))
    out = {name: str(tmp_path / name) for name in ("verdicts", "page.html", "answers", "tuned", "figures")}
    submitted = {
        f"jobs.dedup {file} --out {out['verdicts']} --shards 2": "verdicts/verdicts.parquet",
        f"jobs.report {run} --out {out['page.html']} --overlap_rows 9 --verb_rows 9": "page.html",
        f"jobs.evaluate tasks --tasks {file} --out {out['answers']} --limit 2 --prompt.max_tokens 16": (
            "answers/tiny/results.json"
        ),
        f"jobs.finetune {file} --out {out['tuned']} --steps 2 --batch 2 --max_length 64": "tuned/model.safetensors",
        f"jobs.bench overhead --uneven 0 --replicas 2 --seconds 1 --requests 64 --out {out['figures']}": (
            "figures/overhead.json"
        ),
        f"jobs.doctor --out {run} --no_load": "",
    }
    words = [sys.executable, "-c", SUBMIT_ALL, *(f"python -m {command}" for command in submitted)]
    done = subprocess.run(words, env=head.environment, cwd=ROOT, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr
    outcomes = json.loads(done.stdout.splitlines()[-1])
    for (command, left), (status, output) in zip(submitted.items(), outcomes, strict=True):
        assert status == "SUCCEEDED", f"{command}: {output}"
        assert (tmp_path / left).exists(), f"{command}: {output}"
    assert "token authentication is on" in outcomes[-1][1]


def test_the_example_stops_a_job_and_goes_on(head: Head, run: Path, tmp_path: Path) -> None:
    options = ["--engine", "template", "--target", "300", "--seed", "3", "--template.latency", "0.1"]
    command = ["sh", "examples/cluster_job.sh", str(tmp_path / "run"), *options, "--replicas", "2", "--shards", "1"]
    done = subprocess.run(command, env=head.environment, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    undisturbed = [sys.executable, "-m", "jobs.generate", "--out", str(tmp_path / "same"), *options, "--replicas", "0"]
    subprocess.run(undisturbed, cwd=ROOT, check=True, capture_output=True)
    assert digest(RunStore(str(tmp_path / "run"))) == digest(RunStore(str(tmp_path / "same")))


def test_no_option_takes_a_secret() -> None:
    """Commands are listed by `ray job list` and on the dashboard: a secret is named by its file or variable only."""
    options = set()
    for module in pkgutil.iter_modules(jobs.__path__, "jobs."):
        for found in vars(importlib.import_module(module.name)).values():
            if isinstance(found, type) and dataclasses.is_dataclass(found) and found.__name__.endswith("Settings"):
                options |= set(kinds_of(found))
    assert len(options) > 100
    suspicious = {each for each in options if re.search("key|token|secret|password|credential", each.split(".")[-1])}
    by_name = {each for each in suspicious if each.endswith(("_env", "_file"))}
    assert len(by_name) >= 2
    assert {each.split(".")[-1] for each in suspicious - by_name} == {
        "tokeniser",
        "token_latency",
        "max_tokens",
        "tokens_per_batch",
    }
