"""A small file system, which is full."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


@contextlib.contextmanager
def small_disk(folder: Path, kilobytes: int = 256) -> Iterator[Path]:
    """A file system of so many KiB in a new folder, full of `ballast`; skips the test where none can be mounted."""
    folder.mkdir()
    size = f"size={kilobytes}k"
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", folder], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    try:
        with contextlib.suppress(OSError), (folder / "ballast").open("wb", buffering=0) as file:
            while True:
                file.write(b"x" * 4096)
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def leave(folder: Path, kilobytes: int) -> None:
    """Make so much space."""
    file = folder / "ballast"
    file.write_bytes(b"x" * (file.stat().st_size - kilobytes * 1024))
