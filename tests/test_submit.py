"""The README's way onto a cluster, against a real head with token authentication: submit, follow, read the run."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from selfinstruct.storage.store import RunStore
from selfinstruct.storage.verify import verify

ROOT = Path(__file__).parent.parent
RAY = Path(sys.executable).with_name("ray")


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@pytest.fixture(scope="module")
def head() -> Iterator[Mapping[str, str]]:
    """The environment of a client of a head of our own, which has its own session folder and ports."""
    session = Path(tempfile.mkdtemp(prefix="si", dir="/tmp"))
    port, dashboard, client, agent, metrics = free_ports(5)
    environment = {**os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0123456789abcdef" * 4}
    environment |= {"RAY_metrics_report_interval_ms": "500", "RAY_USAGE_STATS_ENABLED": "0", "NO_PROXY": "127.0.0.1"}
    environment["PATH"] = f"{RAY.parent}:{environment['PATH']}"  # as on a node whose shell activates the environment
    environment.pop("RAY_ADDRESS", None)
    command = [str(RAY), "start", "--head", "--block", "--node-ip-address=127.0.0.1", f"--port={port}", "--num-cpus=3"]
    command += [f"--dashboard-port={dashboard}", "--dashboard-host=127.0.0.1", f"--temp-dir={session}"]
    command += [f"--ray-client-server-port={client}", f"--dashboard-agent-listen-port={agent}"]
    command += [f"--metrics-export-port={metrics}", "--disable-usage-stats"]
    with (session / "head.log").open("w") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        environment["METRICS"] = f"http://127.0.0.1:{metrics}/metrics"
        yield {**environment, "RAY_API_SERVER_ADDRESS": f"http://127.0.0.1:{dashboard}", "session": str(session)}
    finally:
        process.terminate()  # with --block, ends all of its processes
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
        shutil.rmtree(session, ignore_errors=True)


def submit(environment: Mapping[str, str], *command: str, no_wait: bool = False) -> tuple[int, str]:
    """`ray job submit`, tried again while the head's agent is starting."""
    waiting = ["--no-wait"] if no_wait else []
    words = [str(RAY), "job", "submit", *waiting, "--working-dir", ".", "--", *command]
    for _ in range(30):
        done = subprocess.run(words, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=240)
        output = done.stdout + done.stderr
        if done.returncode == 0 or "submitted successfully" in output:
            return done.returncode, output
        time.sleep(1)
    return done.returncode, output


def test_metrics_reach_prometheus_and_the_dashboard_asks_for_no_others(head: Mapping[str, str], tmp_path: Path) -> None:
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
            with urllib.request.urlopen(head["METRICS"]) as answer:
                found |= set(re.findall(r"ray_selfinstruct_\w+", answer.read().decode()))
            if asked <= found:
                break
            time.sleep(1)
        assert asked - found == set()
    finally:
        subprocess.run([str(RAY), "job", "stop", job], env=dict(head), capture_output=True, timeout=60)


def test_a_run_is_submitted_and_a_stranger_is_not_let_in(head: Mapping[str, str], tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = ["python", "-m", "jobs.generate", "--out", str(out), "--engine", "template", "--target", "100"]
    code, output = submit(head, *command, "--replicas", "2", "--shards", "2")
    assert code == 0, output
    store = RunStore(str(out))
    assert verify(store) == []
    assert "accepted instructions and their instances lie in" in output
    uploaded = sum(path.stat().st_size for path in Path(head["session"]).rglob("_ray_pkg_*.zip"))
    assert uploaded < 20e6

    stranger = {**head, "RAY_AUTH_TOKEN": "f" * 64}
    refused = subprocess.run([str(RAY), "job", "list"], env=stranger, capture_output=True, text=True, timeout=60)
    assert refused.returncode != 0

    code, output = submit(head, "python", "-m", "jobs.doctor", "--out", str(out), "--no_load")
    assert code == 0, output
    assert "token authentication is on" in output
