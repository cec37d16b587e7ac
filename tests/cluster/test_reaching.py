"""A cluster that is not there, or does not let us in, is told within seconds; a slow start is waited for."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ray._private import services

from cluster import reaching
from cluster.reaching import check_reachable, patient
from selfinstruct.errors import FailureError
from tests.tools.head import ROOT, ray_head

GENERATE = [sys.executable, "-m", "jobs.main", "generate", "--engine", "template", "--replicas", "1", "--target", "5"]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.mark.parametrize("address", ["127.0.0.1:PORT", "ray://127.0.0.1:PORT", "no.such.host.invalid:6379", "h:99999"])
def test_an_address_that_does_not_answer(address: str) -> None:
    address = address.replace("PORT", str(free_port()))
    with pytest.raises(FailureError, match=r"no Ray cluster answers at .*correct --ray.address and RAY_ADDRESS$"):
        check_reachable(address)


def test_what_answers_is_no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reaching, "ANSWER", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(FailureError, match="is no Ray cluster"):
        check_reachable(f"127.0.0.1:{server.getsockname()[1]}")


def test_a_wrong_token_is_named(tmp_path: Path) -> None:
    with ray_head(1) as head:
        for mode, token in (("token", "f" * 64), ("disabled", "")):
            environment = {**head.environment, "RAY_AUTH_MODE": mode, "RAY_AUTH_TOKEN": token}
            command = [*GENERATE, "--out", str(tmp_path / "run"), "--ray.address", head.address]
            done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
            assert done.returncode == 5, done.stderr
            assert "Traceback" not in done.stderr
            line = done.stderr.splitlines()[-1]
            assert line.startswith("selfinstruct generate: the Ray cluster at 127.0.0.1:")
            assert f"RAY_AUTH_MODE is '{mode}'); set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN or" in line
            assert token not in done.stderr or not token


def test_a_slow_start_is_waited_for_and_said(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """As long as a node's process lives; Ray's own code would ask no more after half a minute."""
    asked: list[str] = []

    def find(address: str, node: str) -> dict[str, str]:
        asked.append(node)
        if len(asked) < 5:
            raise RuntimeError("the node is not there yet")
        return {"node": node}

    monkeypatch.setattr(services, "get_node", find)
    monkeypatch.setattr(reaching, "QUIET", 0.0)
    monkeypatch.setattr(reaching, "_is_starting", lambda: True)
    with caplog.at_level(logging.WARNING), patient():
        assert services.get_node("address", "a") == {"node": "a"}
        while not caplog.messages:
            time.sleep(0.01)
        assert all(os.environ[name].startswith("300") for name in reaching.WAITS)
    assert caplog.messages == ["starting Ray takes its time here; waiting up to 300 s"]
    assert services.get_node is find
    assert not reaching.WAITS.keys() & os.environ.keys()
    asked.clear()
    monkeypatch.setattr(reaching, "_is_starting", lambda: False)
    with patient(), pytest.raises(RuntimeError):
        services.get_node("address", "b")
    assert asked == ["b"]


def test_a_folder_that_ray_cannot_use(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    environment = {**os.environ, "RAY_TMPDIR": str(file), "RAY_USAGE_STATS_ENABLED": "0"}
    command = [*GENERATE, "--out", str(tmp_path / "run")]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 5, done.stderr
    line = done.stderr.splitlines()[-1]
    assert line.startswith("selfinstruct generate: Ray could not be started (")
    assert line.endswith("a short folder that it may write (RAY_TMPDIR)")
    assert "Traceback" not in done.stderr
