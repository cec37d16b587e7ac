"""A full disk where a command writes, or where it keeps temporary files: one line, and nothing half-written."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.main import main
from tests.tools.commands import commands, make_place
from tests.tools.disks import leave, small_disk

WRITE = sorted(name for name, arguments in commands(Path(), Path()).items() if "--out" in arguments)

RUNS = {
    "generate",
    "label",
    "polish",
    "import",
    "merge",
    "reparse",
    "evaluate superni",
    "evaluate tasks",
    "evaluate constraints",
    "rate judge",
}
"""What these have written stays, whole, and the same command goes on."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_place(tmp_path_factory.mktemp("place"))


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", kilobytes=64) as folder:
        yield folder


@pytest.mark.parametrize("space", [0, 12])
@pytest.mark.parametrize("name", WRITE)
def test_a_full_disk_is_one_line(
    name: str, space: int, place: Path, disk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if space:
        leave(disk, kilobytes=space)
    arguments = [
        *name.split(),
        *commands(place, disk)[name],
        *(["--wait_for_space", "0"] if name == "generate" else []),
    ]
    capsys.readouterr()
    code = main(arguments)
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith(f"selfinstruct {name}: ")]
    if code == 0:  # what it writes is small
        assert space
        return
    assert (code, len(told)) == (5, 1), told
    assert "No space left on device" in told[0]
    assert str(disk) in told[0]
    if name not in RUNS:
        assert [path.name for path in disk.rglob("*") if path.is_file() and path.name != "ballast"] == []


READ_ONLY = """
mount -t tmpfs tmpfs /mnt || exit 77
for place in /tmp /var/tmp; do mount --bind $place $place && mount -o remount,ro,bind $place || exit 77; done
cd /proc && exec "$@"
"""


def test_no_folder_for_temporary_files_is_one_line() -> None:
    """Where libraries want one; which were tried is for the system to say."""
    command = ["-m", "jobs.main", "generate", "--target", "5", "--replicas", "0", "--out", "/mnt/run"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", READ_ONLY, "sh", sys.executable, *command],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    assert done.returncode == 5, done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("selfinstruct generate: No usable temporary directory found in ")
    assert last.endswith("; name another by TMPDIR")
