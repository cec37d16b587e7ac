"""A local cluster is closed to others, held against what its processes really listen on and whom they let in."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from cluster.closed import _folder

ROOT = Path(__file__).parents[2]

STRANGER = "import sys; from ray._raylet import GcsClient; GcsClient(address=sys.argv[1]).check_alive([], timeout=5)"

SCRIPT = """
import json, os, subprocess, sys
import psutil, ray
from cluster.connect import connected
from cluster.settings import RaySettings

with connected(RaySettings(), 1):
    mode = ray.get(ray.remote(lambda: os.environ["RAY_AUTH_MODE"]).options(num_cpus=0).remote())
    me = psutil.Process()
    ours = [me, *me.children(recursive=True)]
    sockets = [each for process in ours for each in process.net_connections(kind="inet")]
    node = ray._private.worker._global_node
    visits = {}
    for name, token in (("friend", os.environ["RAY_AUTH_TOKEN"]), ("stranger", "f" * 64)):
        words = [sys.executable, "-c", sys.argv[1], node.gcs_address]
        environment = {**os.environ, "RAY_AUTH_TOKEN": token}
        done = subprocess.run(words, env=environment, capture_output=True, text=True)
        visits[name] = [done.returncode, done.stderr]
    found = {
        "mode": mode,
        "session": node.get_session_dir_path(),
        "listening": sorted({each.laddr.ip for each in sockets if each.status == psutil.CONN_LISTEN}),
        "visits": visits,
    }
found["left"] = [name for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN") if name in os.environ]
print(json.dumps(found))
"""


def test_nobody_else_reaches_a_local_cluster(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in ("RAY_AUTH_MODE", "RAY_TMPDIR")}
    environment |= {"HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    words = [sys.executable, "-c", SCRIPT, STRANGER]
    done = subprocess.run(words, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["mode"] == "token"
    assert set(found["listening"]) <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}
    assert len(found["listening"]) > 0
    assert found["visits"]["friend"][0] == 0, found["visits"]
    assert found["visits"]["stranger"][0] != 0
    assert "auth" in found["visits"]["stranger"][1].lower()
    assert found["left"] == []
    assert list(tmp_path.iterdir()) == []  # no token lies in the home folder
    [entrance] = [path for path in Path(found["session"]).parents if path.name.startswith("selfinstruct-")]
    assert stat.S_IMODE(entrance.stat().st_mode) == 0o700


def test_somebody_elses_folder_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    ours = _folder()
    assert ours.name == f"selfinstruct-{os.getuid()}"
    assert _folder() == ours
    ours.chmod(0o777)
    assert _folder() != ours
    ours.rmdir()
    (tmp_path / "elsewhere").mkdir()
    ours.symlink_to(tmp_path / "elsewhere")
    assert stat.S_IMODE(_folder().lstat().st_mode) == 0o700
    assert _folder().parent == tmp_path
    assert list((tmp_path / "elsewhere").iterdir()) == []
