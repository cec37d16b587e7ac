"""`selfinstruct bench peers`: this project beside others that ask a server, on one server and one machine.

The server (`loopback`) has no model and one latency; all else is the clients' doing. Each runs in processes of its own
with the same number of requests under way, and makes so many rows:

- *base* and *instruct*, the command `generate` with these prompt sets: two labelling requests a row, and one. *Base on
  Ray* has a replica and a shard in processes of Ray's, whose processor time nobody is told.
- *distilabel*, `SelfInstruct` and `TextGeneration` (`distilabel_pipeline`), which checks no novelty. It needs a Python
  that has it, by `--distilabel`.
- *released*, the first step of the released code (`released_loop`): instructions alone.

Processor time is that of all of a client's processes, its start and end included; seconds of requests are counted by
the server from the first to the last, and *of latency* is the share of what so many requests under way can be at most.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs.bench.loopback import Served
from jobs.command_line import run
from jobs.commands import Command, Outcome
from selfinstruct.errors import FailureError, InputError
from selfinstruct.settings import option

HERE = Path(__file__).parent
POLL = 0.02
"""Seconds between two looks for the first row."""


@dataclass(frozen=True)
class PeersSettings:
    """Measure this project beside others that ask a server.

    Args:
        out: Folder for peers.json; without it there is the table only.
        rows: Accepted rows that each is to make.
        latencies: Seconds that an answer takes.
        under_way: Requests that each has under way.
        repeats: How often each is measured; medians are shown.
        distilabel: A Python that has distilabel 1.5.3 and openai.
        limit: Seconds after which the released code's loop is stopped, and measured as far as it came (0: it is left
            out).
    """

    out: str | None = None
    rows: tuple[int, ...] = option((400, 4000), least=64)
    latencies: tuple[float, ...] = option((0.0, 0.2), least=0)
    under_way: int = option(64, least=1)
    repeats: int = option(3, least=1)
    distilabel: Path | None = None
    limit: float = option(120.0, least=0)

    def problems(self) -> Iterator[str]:
        """A Python must be there."""
        if self.distilabel is not None and not os.access(self.distilabel, os.X_OK):
            yield f"distilabel: there is no Python {self.distilabel}; make an environment with distilabel and openai"


@dataclass(frozen=True, slots=True)
class Figures:
    """One client at one latency."""

    who: str
    latency: float
    asked: int  # rows it was to make
    rows: int  # that it made
    requests: int
    seconds: float  # from the first request to the last answer
    start_seconds: float  # from the command to the first request
    first_row_seconds: float  # from the command
    whole_seconds: float  # from the command to its end
    processor_seconds: float | None  # of all the client's processes, where the system tells
    most_under_way: int
    of_latency: float | None  # requests * latency / (seconds * under way), where there is a latency

    @property
    def rows_per_second(self) -> float:
        """Over the whole command."""
        return self.rows / self.whole_seconds

    @property
    def ms_per_request(self) -> float | None:
        """Of processor time."""
        return None if self.processor_seconds is None else 1000 * self.processor_seconds / self.requests


@dataclass(frozen=True, slots=True)
class Ended:
    """A client's process that has ended."""

    began: float
    first: float
    rows: int
    seconds: float
    processor_seconds: float


COMMAND = Command("bench peers", PeersSettings)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure; returns the exit code."""
    return run(COMMAND, bench, argv)


def bench(settings: PeersSettings) -> Outcome:
    """Measure, print a table and write JSON."""
    from jobs.bench.machine import machine

    versions = _versions(settings.distilabel)
    ceiling = server_ceiling(settings.under_way)
    print(f"The server alone: {ceiling:,.0f} requests per second of its processor time.\n")
    print("\n".join(HEAD), flush=True)
    lines = []
    for latency in settings.latencies:
        for rows in settings.rows:
            for who in clients(settings):
                times = 1 if who == "released" else settings.repeats
                lines.append(middle([_measured(settings, who, rows, latency) for _ in range(times)]))
                print(row(lines[-1]), flush=True)
    figures = {
        "settings": {**dataclasses.asdict(settings), "distilabel": settings.distilabel is not None},
        "machine": {**machine(), **versions},
        "server_requests_per_processor_second": round(ceiling),
        "lines": [dataclasses.asdict(each) for each in lines],
    }
    if settings.out is not None:
        folder = Path(settings.out)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "peers.json").write_text(json.dumps(figures, indent=1) + "\n")
    return Outcome(figures)


def clients(settings: PeersSettings) -> list[str]:
    """Those that can be measured here."""
    others = {"distilabel": settings.distilabel is not None, "released": settings.limit > 0}
    return ["base", "instruct", "ray", *(name for name, there in others.items() if there)]


def middle(measured: Sequence[Figures]) -> Figures:
    """The measurement with the median of the time it took."""
    return sorted(measured, key=lambda each: each.whole_seconds)[len(measured) // 2]


def _measured(settings: PeersSettings, who: str, rows: int, latency: float) -> Figures:
    served: list[Served] = []
    with tempfile.TemporaryDirectory() as folder:
        with serving(latency, served) as url:
            ended = CLIENTS[who](settings, url, rows, Path(folder))
        (seen,) = served
    share = seen.requests * latency / (seen.seconds * settings.under_way)
    return Figures(
        who=who,
        latency=latency,
        asked=rows,
        rows=ended.rows,
        requests=seen.requests,
        seconds=round(seen.seconds, 3),
        start_seconds=round(seen.first - ended.began, 3),
        first_row_seconds=round(ended.first - ended.began, 3),
        whole_seconds=round(ended.seconds, 3),
        processor_seconds=None if who == "ray" else round(ended.processor_seconds, 3),
        most_under_way=seen.most,
        of_latency=round(share, 4) if latency else None,
    )


# ---- the clients


def _generate(prompts: str, *where: str) -> Callable[[PeersSettings, str, int, Path], Ended]:
    def client(settings: PeersSettings, url: str, rows: int, folder: Path) -> Ended:
        from selfinstruct.records import Table
        from selfinstruct.storage.store import RunStore

        out = folder / "run"
        command = [sys.executable, "-m", "jobs.main", "generate", "--engine", "openai", "--model", "m"]
        command += ["--openai.url", url, "--openai.concurrency", str(settings.under_way), "--prompts", prompts]
        command += ["--out", str(out), "--target", str(rows), *where]
        first: list[float] = []
        ended = _process(command, first, lambda: (out / "instances" / "000001.parquet").exists())
        made = RunStore(str(out)).totals()[Table.CANDIDATES]["accepted"]
        return dataclasses.replace(ended, first=first[0], rows=made)

    return client


def _distilabel(settings: PeersSettings, url: str, rows: int, folder: Path) -> Ended:
    arguments = [str(HERE / "distilabel_pipeline.py"), url, str(rows), str(settings.under_way)]
    apart = {"HOME": str(folder), "PYTHONPATH": "", "PYTHONSAFEPATH": "1"}  # our modules are not to be in its way
    return _process([str(settings.distilabel), *arguments], environment=apart)


def _released(settings: PeersSettings, url: str, rows: int, folder: Path) -> Ended:
    arguments = [url, str(rows), str(settings.under_way), str(settings.limit)]
    return _process([sys.executable, "-m", "jobs.bench.released_loop", *arguments])


CLIENTS: Mapping[str, Callable[[PeersSettings, str, int, Path], Ended]] = {
    "base": _generate("base", "--replicas", "0"),
    "instruct": _generate("instruct", "--replicas", "0"),
    "ray": _generate("base", "--replicas", "1", "--shards", "1"),
    "distilabel": _distilabel,
    "released": _released,
}


def _process(
    command: Sequence[str],
    first: list[float] | None = None,
    has_row: Callable[[], bool] = lambda: True,
    environment: Mapping[str, str] | None = None,
) -> Ended:
    """Run a client to its end.

    Args:
        first: Gets the time when there was a row, where that is seen from without; else the client's last line says it,
            and how many rows there were.
        environment: Variables besides.

    Raises:
        FailureError: it failed.
    """
    quiet = {"NO_PROXY": "127.0.0.1", "HF_HUB_OFFLINE": "1", "RAY_USAGE_STATS_ENABLED": "0"}
    with tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile("w+") as complained:
        began = time.time()
        child = subprocess.Popen(
            command,
            stdout=said,
            stderr=complained,
            env={**os.environ, **quiet, **(environment or {})},
        )
        while first is not None and not first and child.poll() is None:
            if has_row():
                first.append(time.time())
            time.sleep(POLL)
        _, status, used = os.wait4(child.pid, 0)
        seconds = time.time() - began
        child.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        complained.seek(0)
        if child.returncode:
            raise FailureError(f"{' '.join(command[:4])} ... failed: {complained.read()[-500:]}")
        told: dict[str, Any] = {"first": 0.0, "rows": 0}
        if first is None:
            told = json.loads(said.read().splitlines()[-1])
    return Ended(began, told["first"], told["rows"], seconds, used.ru_utime + used.ru_stime)


# ---- the server


@contextmanager
def serving(latency: float, served: list[Served]) -> Iterator[str]:
    """A server for a while, by its URL; what it has seen is put into the list in the end."""
    command = [sys.executable, "-m", "jobs.bench.loopback", "--latency", str(latency)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        port = int(server.stdout.readline())
        try:
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            server.stdin.close()
            served.append(Served(**json.loads(server.stdout.readline())))


def server_ceiling(under_way: int, requests: int = 10_000) -> float:
    """Requests that the server answers in a second of its processor time, asked by plain sockets."""
    served: list[Served] = []
    with serving(0.0, served) as url:
        asyncio.run(_asked(int(url.split(":")[2].split("/")[0]), under_way, requests // under_way))
    return served[0].requests / served[0].processor_seconds


async def _asked(port: int, under_way: int, times: int) -> None:
    body = json.dumps({"prompt": "Is it classification?"}).encode()
    request = b"POST /v1/completions HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(times):
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0]))
        writer.close()

    await asyncio.gather(*(client() for _ in range(under_way)))


def _versions(python: Path | None) -> dict[str, str]:
    """Of the peers' packages. InputError if one is missing: that is known before hours of measuring."""
    if python is None:
        return {}
    names = ("distilabel", "openai", "requests")
    program = f"from importlib.metadata import version; print(*map(version, {names}))"
    told = subprocess.run([str(python), "-c", program], capture_output=True, text=True)
    if told.returncode:
        raise InputError(f"--distilabel: {python} must have {', '.join(names)} ({told.stderr.splitlines()[-1]})")
    return dict(zip(names, told.stdout.split(), strict=True))


HEAD = (
    "| latency | rows | who | rows/s | requests/s | of latency | CPU, ms a request | first request, s | first row, s |",
    "|--:|--:|---|--:|--:|--:|--:|--:|--:|",
)


def row(figures: Figures) -> str:
    """A row of the documents' table."""
    whole = figures.rows >= figures.asked
    cells = (
        f"{figures.latency * 1000:.0f} ms",
        f"{figures.asked:,}" if whole else f"{figures.rows:,} of {figures.asked:,}",
        NAMES[figures.who],
        f"{figures.rows_per_second:,.1f}",
        f"{figures.requests / figures.seconds:,.0f}",
        f"{figures.of_latency:.1%}" if figures.of_latency is not None else "",
        f"{figures.ms_per_request:.2f}" if figures.ms_per_request is not None else "",
        f"{figures.start_seconds:.1f}",
        f"{figures.first_row_seconds:.1f}",
    )
    return f"| {' | '.join(cells)} |"


NAMES = {
    "base": "`base`",
    "instruct": "`instruct`",
    "ray": "`base` on Ray",
    "distilabel": "distilabel",
    "released": "released loop",
}


if __name__ == "__main__":
    sys.exit(main())
