"""A command that is killed for good, again and again, whenever so many of its files are there."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path


def killed_at(arguments: Sequence[str], folder: Path, counts: Sequence[int]) -> int:
    """Begin a command once for each count and SIGKILL it when its folder has so many Parquet files.

    Args:
        arguments: The command's, after `selfinstruct`.

    Returns:
        How many were killed before they had ended by themselves.
    """
    kills = 0
    for count in counts:
        driver = subprocess.Popen(
            [sys.executable, "-m", "jobs.main", *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            while driver.poll() is None and len(list(folder.rglob("*.parquet"))) < count:
                time.sleep(0.02)
        finally:
            kills += driver.poll() is None
            driver.kill()
            driver.wait()
    return kills
