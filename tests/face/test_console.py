"""The console script, and other packages of the names that it needs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def selfinstruct(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The command, with `folder` before all else on Python's path."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}
    command = [sys.executable, "-m", "selfinstruct", *words]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("name", ["jobs", "cluster"])
def test_another_package_of_our_names_is_told_in_one_line(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").touch()
    done = selfinstruct(tmp_path, "status", "runs/demo")
    (line,) = done.stderr.splitlines()
    assert done.returncode == 2
    assert line.startswith(f"selfinstruct: `import {name}` finds {tmp_path / name}, not {ROOT / name};")


def test_folders_of_those_names_are_no_packages(tmp_path: Path) -> None:
    (tmp_path / "jobs").mkdir()
    done = selfinstruct(tmp_path, "--version")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("selfinstruct ")
