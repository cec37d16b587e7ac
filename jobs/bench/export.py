"""`selfinstruct bench export`: what it takes to write a large run as a dataset.

The run is made up (`bench scale --store_only`): one instance per instruction, short texts. The export runs in a process
of its own, whose processor time and peak of memory are those of the whole command, imports included.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from jobs.command_line import run
from jobs.commands import Command, Outcome
from selfinstruct.errors import FailureError
from selfinstruct.settings import option


@dataclass(frozen=True)
class BenchSettings:
    """Measure an export.

    Args:
        out: Folder for the run, the dataset and export_bench.json. A run that is there is used again.
        target: Instances.
        decontaminate: Evaluation sets to check against.
    """

    out: Path
    target: int = option(100_000, least=1)
    decontaminate: tuple[str, ...] = ()


COMMAND = Command("bench export", BenchSettings)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure; returns the exit code."""
    return run(COMMAND, bench, argv)


def bench(settings: BenchSettings) -> Outcome:
    """Make the run, export it, and report."""
    from jobs.bench import scale
    from jobs.bench.machine import machine

    made, dataset = settings.out / "run", settings.out / "dataset"
    if not made.exists():
        scale.main(["--out", str(made), "--target", str(settings.target), "--store_only"])
    command = [sys.executable, "-m", "jobs.main", "export", str(made), "--out", str(dataset)]
    if settings.decontaminate:
        command += ["--decontaminate", *settings.decontaminate]
    begun = time.perf_counter()
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise FailureError(f"bench export: the export ended with exit code {process.returncode}")
    files = [path for path in dataset.rglob("*") if path.is_file()]
    figures = {
        "settings": {**asdict(settings), "out": str(settings.out)},
        "machine": machine(),
        "rows": sum(json.loads((dataset / "export.json").read_text())["rows"].values()),
        "seconds": round(seconds, 1),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 1),
        "peak_mib": usage.ru_maxrss // 1024,
        "files": len(files),
        "mib": round(sum(path.stat().st_size for path in files) / 2**20, 1),
    }
    (settings.out / "export_bench.json").write_text(json.dumps(figures, indent=1) + "\n")
    print(json.dumps(figures, indent=2))
    return Outcome(figures)


if __name__ == "__main__":
    sys.exit(main())
