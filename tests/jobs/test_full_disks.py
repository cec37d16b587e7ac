"""A full disk where a command writes, or where it keeps temporary files: one line, and nothing half-written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.main import main
from tests.tools.commands import commands, make_place
from tests.tools.disks import leave, small_disk

WRITE = sorted(
    name for name, arguments in commands(Path(), Path()).items() if "--out" in arguments and name != "bench rules"
)
WAIT = {"generate", "label", "polish"}
"""These wait for space, for as long as one says."""


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
    arguments = [*name.split(), *commands(place, disk)[name], *(["--wait_for_space", "0"] if name in WAIT else [])]
    capsys.readouterr()
    code = main(arguments)
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith(f"selfinstruct {name}: ")]
    if code == 0:  # what it writes is small
        assert space
        return
    assert code == 5, told
    assert len(told) == 1
    assert "No space left on device" in told[0]
    assert str(disk) in told[0]
