"""`python -m tests.tools.soak`: an hour of a run on a real Ray head, a replica killed every minute; does anything grow?

The template engine at a low rate stands for the model; driver, shards, store and all of Ray's own processes (dashboard
included) are what a cluster's head has. Every ten seconds the memory of each process, open files and the bytes of
Ray's logs are noted. What may grow is the pool, in the driver and the shards; all else should be flat. Writes
`soak.json` and its curve, `soak.png`; both every few minutes, so that a soak that is cut short is not lost.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from jobs.bench.machine import machine
from selfinstruct.records import Table
from selfinstruct.storage.store import RunStore
from selfinstruct.storage.verify import verify
from tests.tools.head import ROOT, Head, ray_head

MIB = 2**20
SHARE = 1 / 3
"""The beginning that slopes leave out: caches fill, workers are started ahead."""

TITLES = {
    "gcs_server": "GCS",
    "raylet/raylet": "raylet",
    "dashboard/dashboard.py": "dashboard",
    "ray::DashboardAgent": "agent",
    "ray::RuntimeEnvAgent": "runtime env agent",
    "log_monitor.py": "log monitor",
    "ray::Shard": "shards",
    "ray::Replica": "replicas",
}
"""How a process is known by its command line, and what it is called here."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.tools.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--kill_every", type=float, default=60, help="seconds")
    parser.add_argument("--sample_every", type=float, default=10, help="seconds")
    parser.add_argument("--latency", type=float, default=0.5, help="seconds that a batch of 8 takes")
    parser.add_argument("--out", type=Path, default=Path("docs/bench"))
    parser.add_argument("--plot", action="store_true", help="only draw, and say, what soak.json has")
    arguments = parser.parse_args()
    if arguments.plot:
        figures = json.loads((arguments.out / "soak.json").read_text())
        report(arguments.out, figures["settings"], figures["samples"], figures["rest"])
        return 0
    with tempfile.TemporaryDirectory(prefix="soak") as place, ray_head(3) as head:
        return soak(arguments, Path(place), head)


def soak(arguments: argparse.Namespace, place: Path, head: Head) -> int:
    """Run, kill, note; returns 0 if the run is whole at the end."""
    settings = {key: value for key, value in vars(arguments).items() if key not in ("out", "plot")}
    store, samples, draw = RunStore(str(place / "run")), [], random.Random(0)
    kills = 0
    with (place / "driver.log").open("wb") as log:
        driver = _start(arguments, place, head, log)
        begun = time.monotonic()
        next_kill, next_report = begun + arguments.kill_every, begun + 300
        while time.monotonic() - begun < 60 * arguments.minutes and driver.poll() is None:
            time.sleep(arguments.sample_every)
            samples.append(_sample(time.monotonic() - begun, driver.pid, head, store, place / "driver.log", kills))
            if time.monotonic() > next_kill:
                next_kill += arguments.kill_every
                kills += _kill_replica(head, draw)
            if time.monotonic() > next_report:
                next_report += 300
                report(arguments.out, settings, samples, {"logs": _families(head.session)})
        went_on = driver.poll() is None
        driver.send_signal(signal.SIGTERM)
        code = driver.wait(timeout=60)
    problems = verify(store)
    if not went_on:
        problems.append(f"the driver ended with {code}: {(place / 'driver.log').read_text()[-2000:]}")
    rest = {"logs": _families(head.session), "exit_code": code, "problems": problems, "machine": machine()}
    report(arguments.out, settings, samples, rest)
    print(*problems, sep="\n")
    return bool(problems)


def _start(arguments: argparse.Namespace, place: Path, head: Head, log: Any) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "jobs.generate", "--out", str(place / "run"), "--ray.address", head.address]
    command += ["--engine", "template", "--template.words", "30000", "--template.batch", "8"]
    command += ["--template.latency", str(arguments.latency), "--in_flight", "32", "--novelty.index", "prefix"]
    command += ["--replicas", "2", "--shards", "2", "--rounds.most", "64", "--target", "100000000"]
    environment = {**head.environment, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)


def _processes(head: Head) -> dict[str, list[psutil.Process]]:
    """Ray's own and its workers, by what they are; only those that this head started."""
    found = defaultdict(list)
    for process in psutil.Process(head.process.pid).children(recursive=True):
        try:
            words = " ".join(process.cmdline())
        except psutil.Error:
            continue
        for mark, name in TITLES.items():
            if mark in words:
                found[name].append(process)
                break
    return found


def _kill_replica(head: Head, draw: random.Random) -> bool:
    replicas = _processes(head)["replicas"]
    if replicas:
        draw.choice(replicas).kill()
    return bool(replicas)


def _sample(seconds: float, driver: int, head: Head, store: RunStore, log: Path, kills: int) -> dict[str, Any]:
    """One row: MiB of memory that is the process's own, by what it is; the pool; bytes of logs."""
    totals = store.totals()
    memory = {name: sum(map(_own_memory, each)) for name, each in _processes(head).items()}
    process = psutil.Process(driver)
    return {
        "seconds": round(seconds, 1),
        "accepted": totals[Table.CANDIDATES]["accepted"],
        "kills": kills,
        "memory": {name: round(each, 2) for name, each in sorted({"driver": _own_memory(process), **memory}.items())},
        "driver_files": process.num_fds(),
        "driver_threads": process.num_threads(),
        "driver_cpu": round(sum(process.cpu_times()[:2]), 2),
        "driver_log_bytes": log.stat().st_size,
        "log_bytes": sum(_families(head.session).values()),
    }


def _own_memory(process: psutil.Process) -> float:
    """Resident MiB without what is shared: code, and objects in Ray's store."""
    try:
        info = process.memory_info()
    except psutil.Error:
        return 0.0
    return float(info.rss - info.shared) / MIB


def _families(session: Path) -> dict[str, int]:
    """Bytes of the logs of all sessions of this head, by the files' names without numbers and ids."""
    sizes: Counter[str] = Counter()
    for path in session.glob("session_2*/logs/**/*"):
        if path.is_file() and not path.is_symlink():
            name = re.sub(r"[0-9a-f]{8,}|\d+", "#", path.name)
            sizes[re.sub(r"(#[-_.]?)+", "#", name)] += path.stat().st_size
    return {name: size for name, size in sizes.most_common() if size}


# ---- what it comes to


def slope(xs: Sequence[float], ys: Sequence[float]) -> float:
    """Of the least-squares line; 0 where all x are equal."""
    mean_x, mean_y = sum(xs) / len(xs), sum(ys) / len(ys)
    spread = sum((x - mean_x) ** 2 for x in xs)
    return sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True)) / spread if spread else 0.0


def conclusions(samples: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Slopes after the first third: MiB per hour of each process, bytes per accepted instruction, log MiB per hour."""
    later = samples[int(len(samples) * SHARE) :]
    hours = [row["seconds"] / 3600 for row in later]
    names = sorted(set().union(*(row["memory"] for row in later)))
    memory = {name: [row["memory"].get(name, 0.0) for row in later] for name in names}
    pool = [row["accepted"] for row in later]
    return {
        "minutes": round(samples[-1]["seconds"] / 60, 1),
        "kills": samples[-1]["kills"],
        "accepted": samples[-1]["accepted"],
        "mib_at_the_end": {name: round(values[-1], 1) for name, values in memory.items()},
        "mib_per_hour": {name: round(slope(hours, values), 2) for name, values in memory.items()},
        "bytes_per_accepted": {name: round(slope(pool, memory[name]) * MIB) for name in ("driver", "shards")},
        "log_mib_per_hour": round(slope(hours, [row["log_bytes"] / MIB for row in later]), 3),
        "driver_log_kib_per_hour": round(slope(hours, [row["driver_log_bytes"] / 1024 for row in later]), 1),
        "driver_files": [later[0]["driver_files"], later[-1]["driver_files"]],
        "driver_threads": [later[0]["driver_threads"], later[-1]["driver_threads"]],
        "driver_cpu_share": round(slope([row["seconds"] for row in later], [row["driver_cpu"] for row in later]), 4),
    }


def report(out: Path, settings: dict[str, Any], samples: list[dict[str, Any]], rest: dict[str, Any]) -> None:
    """Write the figures and draw them."""
    out.mkdir(parents=True, exist_ok=True)
    figures = {"settings": settings, "conclusions": conclusions(samples), "rest": rest}
    head = json.dumps(figures, indent=1)[:-2]
    rows = ",\n".join(json.dumps(row) for row in samples)
    (out / "soak.json").write_text(f'{head},\n "samples": [\n{rows}\n]\n}}\n')
    draw(out / "soak.png", samples)
    print(json.dumps(figures["conclusions"], indent=1), flush=True)


def draw(path: Path, samples: Sequence[dict[str, Any]]) -> None:
    """Memory by process, and beneath it the pool and the logs."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 7), dpi=110, layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    minutes = [row["seconds"] / 60 for row in samples]
    for name in ("driver", "shards", "GCS", "raylet", "dashboard", "agent", "runtime env agent", "log monitor"):
        above.plot(minutes, [row["memory"].get(name) for row in samples], label=name, linewidth=1.2)
    above.set_ylabel("own memory, MiB")
    above.set_ylim(0, 1.2 * above.get_ylim()[1])  # room for the legend
    above.legend(ncols=4, frameon=False, loc="upper left", fontsize=8)
    for before, row in itertools.pairwise(samples):
        if row["kills"] > before["kills"]:
            above.axvline(row["seconds"] / 60, color="0.9", linewidth=0.8, zorder=0)
    below.plot(minutes, [row["accepted"] / 1000 for row in samples], color="tab:green")
    below.set_ylabel("accepted, thousands", color="tab:green")
    below.set_xlabel("minutes (grey lines: a replica was killed)")
    logs = below.twinx()
    logs.plot(minutes, [row["log_bytes"] / MIB for row in samples], color="tab:red")
    logs.set_ylabel("Ray's logs, MiB", color="tab:red")
    logs.set_ylim(bottom=0)
    figure.savefig(path)


if __name__ == "__main__":
    sys.exit(main())
