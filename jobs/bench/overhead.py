"""`selfinstruct bench overhead`: how busy driver, store and index keep the replicas, without a model.

Replicas of the template engine that sleep in place of working make up tasks; everything else is what a run has.

- *uneven*: a batch takes as long as its longest completion, 200 ms on average, and one replica is five times slower.
- *scaling*: a batch takes 200 ms, and the rounds grow with the replicas. Beyond 16 replicas a batch takes as much
  longer as there are more of them, so that the driver meets the same load through more actors.

All is measured over a while that begins when round 1 is complete, instances included, and ends before the run does.
Each replica says how long its engine worked and how long it waited for its next batch.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cluster.settings import RaySettings
from jobs.command_line import run
from jobs.commands import Command, Outcome
from selfinstruct.engines import EngineSettings, TemplateOptions, open_engine
from selfinstruct.errors import FailureError
from selfinstruct.novelty.index import NoveltySettings
from selfinstruct.prompts import PromptSet, load_prompts
from selfinstruct.records import Completion, RoundFile, Table
from selfinstruct.run.loop import Watch
from selfinstruct.run.rounds import Run, Stage
from selfinstruct.run.settings import RoundSettings, RunSettings
from selfinstruct.settings import MOST_ACTORS, option
from selfinstruct.sources.seeds import SEED_TASKS, load_seeds

if TYPE_CHECKING:
    from cluster.events import Usage
    from cluster.replicas import ReplicaPool

WORDS = 30_000
BATCH = 32
LATENCY = 0.2
"""Seconds of a batch."""

MOST_AT_ONCE = 16
"""Replicas beyond which a batch takes longer."""

SLOWER = 5.0

FIXED, PER_TOKEN = 0.05, 0.002
"""Seconds of an uneven batch, and of each token of its longest completion; `LATENCY` on average."""


@dataclass(frozen=True)
class OverheadSettings:
    """Measure how busy replicas are kept.

    Args:
        out: Folder for overhead.json; without it there is the table only.
        uneven: Replicas of the uneven case, one of them slow (0: leave it out).
        replicas: Replicas of each run of the scaling case (none: leave it out).
        seconds: How long each run is measured.
        requests: Propose requests of a round of the uneven case, and of the scaling case at 16 replicas.
        in_flight: Requests that each replica holds at most.
        index: Kind of index; prefix leaves more of a small machine to what is measured.
    """

    out: str | None = None
    uneven: int = option(16, least=0, most=MOST_ACTORS)
    replicas: tuple[int, ...] = option((1, 2, 4, 8, 16, 64), least=1, most=MOST_ACTORS)
    seconds: float = option(20.0, above=0)
    requests: int = option(1024, least=1)
    in_flight: int = option(4 * BATCH, least=1)
    index: Literal["minhash", "prefix"] = "prefix"

    def problems(self) -> Iterator[str]:
        """One of the uneven replicas is slow, and others are not."""
        if self.uneven == 1:
            yield "uneven: is 1, must be 0 or at least 2: one replica is slow"


@dataclass(frozen=True, slots=True)
class Figures:
    """One run."""

    replicas: int
    requests_per_second: float
    of_ideal: float  # that rate over what the replicas give if they never wait
    busy: float  # share of the time in which the replicas' engines worked, over all of them
    least_busy: float  # of one replica
    batch_seconds: float  # on average, the slow replica left out
    driver_ms_per_request: float  # of processor time, of all threads
    longest_step: float  # seconds that the driver's loop once took for one turn
    accepted: int
    seconds: float
    machine_busy: float | None = None  # share of all cores' time that anybody used; near 1 the machine is what limits
    replicas_ms_per_request: float | None = None  # of processor time, of all actors and of Ray's own processes


COMMAND = Command("bench overhead", OverheadSettings)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure; returns the exit code."""
    return run(COMMAND, bench, argv)


def bench(settings: OverheadSettings) -> Outcome:
    """Measure, print a table and write JSON."""
    from cluster.connect import connected
    from jobs.bench.machine import machine

    prompts = load_prompts("tiny")
    uneven, scaling = None, []
    print("\n".join(HEAD), flush=True)
    with connected(RaySettings(), 0):
        if settings.uneven:
            uneven = _measured(settings, _uneven(settings.uneven), settings.requests, prompts)
            print(row("uneven", uneven), flush=True)
        for count in settings.replicas:
            scaling.append(_measured(settings, *_even(settings, count), prompts))
            print(row("even", scaling[-1]), flush=True)
    figures = {
        "settings": dataclasses.asdict(settings),
        "machine": machine(),
        "uneven": uneven and dataclasses.asdict(uneven),
        "scaling": [dataclasses.asdict(each) for each in scaling],
    }
    if settings.out is not None:
        folder = Path(settings.out)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "overhead.json").write_text(json.dumps(figures, indent=1) + "\n")
    return Outcome(figures)


def _uneven(count: int) -> list[TemplateOptions]:
    """The engine of each replica, the slow one first."""
    each = TemplateOptions(latency=FIXED, token_latency=PER_TOKEN, batch=BATCH, words=WORDS)
    slow = dataclasses.replace(each, latency=SLOWER * FIXED, token_latency=SLOWER * PER_TOKEN)
    return [slow, *[each] * (count - 1)]


def _even(settings: OverheadSettings, count: int) -> tuple[list[TemplateOptions], int]:
    """The engine of each replica, and the requests of a round."""
    latency = LATENCY * max(1.0, count / MOST_AT_ONCE)
    return [TemplateOptions(latency=latency, batch=BATCH, words=WORDS)] * count, settings.requests * count // 16


def _measured(settings: OverheadSettings, engines: list[TemplateOptions], requests: int, prompts: PromptSet) -> Figures:
    """One run, as far as it is measured."""
    from cluster.replicas import ReplicaPool
    from cluster.shards import ShardedIndex
    from selfinstruct.novelty.check import make_index
    from selfinstruct.run.loop import drive
    from selfinstruct.storage.store import RunStore

    algorithm = RunSettings(
        target=10**9,
        novelty=NoveltySettings(index=settings.index),
        rounds=RoundSettings(least=requests, most=requests),
    )
    openings = {each: partial(open_engine, EngineSettings("template", template=each), prompts) for each in engines}
    pool = ReplicaPool([openings[each] for each in engines], settings.in_flight, {"num_cpus": 0, "num_gpus": 0})
    meter = Meter(pool, engines, settings.seconds)
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(1) as hands:
        index = ShardedIndex(algorithm.novelty, 1, folder)
        hands.submit(make_index, algorithm.novelty)  # as a run does
        try:
            while pool.alive < len(engines):
                pool.step()
            lines = [(pool, (Stage.PROPOSE, Stage.LABEL))]
            drive(Run(algorithm, prompts, load_seeds(SEED_TASKS)), RunStore(folder), index, lines, {}, hands, meter)
        except _EnoughError:
            pass
        finally:
            hands.shutdown(cancel_futures=True)
            pool.close()
            index.close()
    return meter.figures()


class _EnoughError(Exception):
    """It was measured for long enough."""


class Meter(Watch):
    """A `selfinstruct.run.loop.Watch` that measures from the end of round 1 on."""

    def __init__(self, pool: ReplicaPool, engines: Sequence[TemplateOptions], seconds: float) -> None:
        self._pool = pool
        self._engines = engines
        self._seconds = seconds
        self._requests = self._accepted = 0
        self._begun: _Moment | None = None
        self._ended: _Moment | None = None
        self._turn = time.monotonic()
        self._longest = 0.0

    def completed(self, completion: Completion) -> None:
        """Count it."""
        self._requests += 1

    def committed(self, file: RoundFile) -> None:
        """Begin, when the time has come."""
        if file.table is Table.INSTANCES and file.round == 1:
            self._begun = self._moment()
            self._turn = time.monotonic()

    def tick(self, run: Run) -> None:
        """End, when the time has come."""
        if self._begun is None:
            return
        now = time.monotonic()
        self._longest = max(self._longest, now - self._turn)
        self._turn = now
        if now - self._begun.time > self._seconds:
            self._ended = self._moment()
            self._accepted = run.pool.generated
            raise _EnoughError

    def _moment(self) -> _Moment:
        import psutil

        machine = psutil.cpu_times()
        whole = sum(machine) - machine.guest - machine.guest_nice  # these are in user and nice as well
        return _Moment(
            time.monotonic(),
            time.process_time(),
            self._requests,
            self._pool.usage(),
            whole,
            whole - machine.idle - machine.iowait,
            sum(map(_cpu, psutil.Process().children(recursive=True))),
        )

    def figures(self) -> Figures:
        """What was measured."""
        begun, ended = self._begun, self._ended
        assert begun is not None, "nothing was measured"
        assert ended is not None, "nothing was measured"
        each = [_between(*pair) for pair in zip(begun.usage, ended.usage, strict=True)]
        batches = [(use.busy, use.steps) for use, engine in zip(each, self._engines, strict=True) if not _slow(engine)]
        steps = sum(steps for _, steps in batches)
        if not steps:
            raise FailureError("no batch was completed in so many --seconds; give it more")
        batch = sum(busy for busy, _ in batches) / steps
        seconds, requests = ended.time - begun.time, ended.requests - begun.requests
        ideal = BATCH / batch * sum(1 / SLOWER if _slow(engine) else 1 for engine in self._engines)
        return Figures(
            replicas=len(each),
            requests_per_second=round(requests / seconds, 1),
            of_ideal=round(requests / seconds / ideal, 4),
            busy=round(sum(use.busy for use in each) / sum(use.total for use in each), 4),
            least_busy=round(min(use.busy / use.total for use in each), 4),
            batch_seconds=round(batch, 4),
            driver_ms_per_request=round(1000 * (ended.cpu - begun.cpu) / requests, 4),
            longest_step=round(self._longest, 3),
            machine_busy=round((ended.machine_busy - begun.machine_busy) / (ended.machine - begun.machine), 4),
            replicas_ms_per_request=round(1000 * (ended.others_cpu - begun.others_cpu) / requests, 4),
            accepted=self._accepted,
            seconds=round(seconds, 1),
        )


@dataclass(frozen=True, slots=True)
class _Moment:
    time: float
    cpu: float
    requests: int
    usage: list[Usage]
    machine: float  # seconds of all cores since the machine was started
    machine_busy: float  # those of them in which there was something to do
    others_cpu: float  # seconds of processor time of our child processes


def _cpu(process: Any) -> float:
    import psutil

    try:
        times = process.cpu_times()
    except psutil.Error:
        return 0.0
    return float(times.user + times.system)


def _between(before: Usage, after: Usage) -> Usage:
    return type(after)(after.busy - before.busy, after.total - before.total, after.steps - before.steps)


def _slow(engine: TemplateOptions) -> bool:
    return engine.token_latency == SLOWER * PER_TOKEN


HEAD = (
    "| batches | replicas | requests/s | of ideal | busy | the least busy one | driver, ms of CPU per request |",
    "|---|--:|--:|--:|--:|--:|--:|",
)


def row(name: str, figures: Figures) -> str:
    """A row of the README's table."""
    cells = (
        name,
        str(figures.replicas),
        f"{figures.requests_per_second:,.0f}",
        f"{figures.of_ideal:.1%}",
        f"{figures.busy:.1%}",
        f"{figures.least_busy:.1%}",
        f"{figures.driver_ms_per_request:.2f}",
    )
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.exit(main())
