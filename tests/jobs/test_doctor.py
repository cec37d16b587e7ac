"""`selfinstruct doctor`, held against a real Ray and stores that are wrong in one way each: said, and with a remedy."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from ray.cluster_utils import Cluster

from cluster import doctor
from cluster.doctor import Finding, Grade, Node, examine
from cluster.settings import GenerateSettings
from jobs.doctor import main

ROOT = Path(__file__).parents[2]
SETTINGS = GenerateSettings(out="", engine="template", replicas=1)


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    token = tmp_path_factory.mktemp("token") / "auth_token"
    token.touch(mode=0o644)  # as Ray makes it
    os.environ["RAY_AUTH_TOKEN_PATH"] = str(token)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
    yield cluster
    cluster.shutdown()
    del os.environ["RAY_AUTH_TOKEN_PATH"]


@pytest.fixture
def there(started: Cluster, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """A cluster of others, without token authentication (conftest.py)."""
    monkeypatch.setenv("RAY_ADDRESS", started.address)
    return started


def findings(settings: GenerateSettings, load: bool = False) -> dict[str, Finding]:
    """By what was looked at, the worst where there are several; each that is not good has a remedy."""
    found: dict[str, Finding] = {}
    for finding in examine(settings, load):
        assert (finding.grade is Grade.GOOD) is (finding.remedy == "")
        worse = max(found.get(finding.what, finding), finding, key=lambda each: list(Grade).index(each.grade))
        found[finding.what] = worse
    return found


def test_what_is_wrong_with_options_store_room_and_access(there: Cluster, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    settings = replace(SETTINGS, out=str(tmp_path / "file" / "run"), replicas=40, engine="transformers", model="/none")
    found = findings(settings, load=True)
    assert {what: finding.grade for what, finding in found.items()} == {
        "options": Grade.BAD,
        "store": Grade.BAD,
        "versions": Grade.GOOD,
        "space": found["space"].grade,
        "replicas": Grade.DOUBTFUL,
        "access": Grade.BAD,
        "token": Grade.DOUBTFUL,
        "ports": Grade.DOUBTFUL,
    }
    assert "'/none' is no folder" in found["options"].seen
    assert "cannot write here" in found["store"].seen
    assert found["replicas"].seen.startswith("room now for 2 of 40 replicas")
    assert "RAY_AUTH_MODE=token" in found["access"].remedy
    assert found["token"].remedy.startswith("chmod 600 /")
    assert re.search(r"open to the network: .*gcs_server \d+, .*raylet \d+ \d+", found["ports"].seen)


def test_prompts_that_do_not_fit_the_model(there: Cluster, tmp_path: Path) -> None:
    """Only loading it can tell; a run's folder of this machine is a doubt where other nodes have shards."""
    settings = replace(SETTINGS, out=str(tmp_path), engine="transformers", prompts="base")
    found = findings(settings, load=True)
    assert found["options"].grade is Grade.GOOD
    assert found["model"].grade is Grade.BAD
    assert "tokens" in found["model"].seen
    assert found["store"].grade is Grade.DOUBTFUL
    assert list(tmp_path.iterdir()) == []


class Careless(BaseHTTPRequestHandler):
    """A store that puts whatever the condition."""

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("ETag", '"1"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None: ...


def test_a_store_without_conditions_and_a_node_that_is_silent(there: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "ANSWER", 3.0)
    for name, value in {"ACCESS_KEY_ID": "k", "SECRET_ACCESS_KEY": "s", "REGION": "r", "ALLOW_HTTP": "true"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    node = there.add_node(num_cpus=1)
    there.wait_for_nodes()
    raylet = node.all_processes["raylet"][0].process.pid
    with ThreadingHTTPServer(("127.0.0.1", 0), Careless) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
        os.kill(raylet, signal.SIGSTOP)
        try:
            found = findings(replace(SETTINGS, out="s3://bucket/run"))
        finally:
            os.kill(raylet, signal.SIGCONT)
            server.shutdown()
    there.remove_node(node)
    assert "ignores `If-None-Match`" in found["store"].seen
    assert found["node"].grade is Grade.BAD
    assert "did not answer in 3 s" in found["node"].seen


def test_all_is_well_on_a_cluster_of_our_own(tmp_path: Path) -> None:
    """In a process of its own: the tests' own one has told Ray to ask for no token."""
    options = ["--out", str(tmp_path / "run"), "--engine", "template", "--replicas", "1"]
    environment = {name: value for name, value in os.environ.items() if name != "RAY_AUTH_MODE"}
    environment["HOME"] = str(tmp_path)
    words = [sys.executable, "-m", "jobs.doctor", *options]
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "token authentication is on" in done.stdout
    assert "this process: on loopback only" in done.stdout
    assert "open to the network" not in done.stdout
    assert "template is ready for requests" in done.stdout


def test_seeds_that_cannot_be_read(there: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seeds = tmp_path / "none.jsonl"
    assert main(["--out", str(tmp_path / "run"), "--engine", "template", "--seeds", str(seeds)]) == 2
    shown = capsys.readouterr().out
    assert f"wrong    options   {seeds}: cannot be read" in shown
    assert "-> mend what it names" in shown


WELL = Node("10.0.0.1", {"ray": "2.60.0", "torch": "2.13.0"}, disk=100, memory=50, gpus=(), token=True)


def test_nodes_that_differ_or_lack_something() -> None:
    """Such nodes cannot be had on one machine; what they would say is judged."""
    other = replace(WELL, versions={"ray": "2.59.0", "torch": "2.13.0"})
    assert doctor._versions([WELL, WELL]).grade is Grade.GOOD
    assert "ray 2.59.0 and 2.60.0" in doctor._versions([WELL, other]).seen
    assert "constraints" in doctor._versions([WELL, other]).remedy
    absent = replace(WELL, versions={"ray": "2.60.0", "torch": "absent"})
    assert doctor._versions([absent]).seen == "torch not installed"
    assert [each.what for each in doctor._space(replace(WELL, disk=5))] == ["disk"]
    assert [each.what for each in doctor._space(replace(WELL, memory=1))] == ["memory"]
    assert [each.what for each in doctor._space(WELL)] == ["space"]


def test_a_dashboard_for_everybody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    closed = list(doctor._doors(SETTINGS, [replace(WELL, open=("raylet 6380",))], "127.0.0.1:8265"))
    assert [each.grade for each in closed] == [Grade.GOOD, Grade.GOOD]
    assert closed[-1].seen == "10.0.0.1, for whoever has the token: raylet 6380"
    opened = list(doctor._doors(SETTINGS, [WELL], "0.0.0.0:8265"))
    assert opened[-1].grade is Grade.DOUBTFUL
    assert "--dashboard-host=127.0.0.1" in opened[-1].remedy
