"""`selfinstruct bench scale`: a whole run without a model, as large as you like.

The template engine makes up tasks over a wide vocabulary (`engines/wide.py`); store, shards and driver are the real
ones. Each committed round becomes a row: what was accepted, how long each step took, and what memory and disk it all
occupies. `--store_only` writes a valid run of made-up rows at once, for others to test on.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from cluster.settings import GenerateSettings
from jobs.command_line import run
from jobs.commands import Command, Outcome
from selfinstruct.engines import TemplateOptions
from selfinstruct.engines.wide import expected_acceptance, vocabulary
from selfinstruct.errors import InputError
from selfinstruct.novelty.index import NoveltySettings
from selfinstruct.records import (
    Candidate,
    Completion,
    Finish,
    Instance,
    InstanceRow,
    Kind,
    Label,
    Origin,
    Proposal,
    RoundFile,
    Table,
    round_name,
)
from selfinstruct.run.rounds import Check, Effect, Insert, Run, Write
from selfinstruct.run.settings import RoundSettings
from selfinstruct.run.watches import RunWatch
from selfinstruct.settings import MOST_ACTORS, option
from selfinstruct.tiny import dialect

if TYPE_CHECKING:
    from selfinstruct.run.inputs import Inputs
    from selfinstruct.storage.store import RunStore

WORDS = 30_000

LEAST_ACCEPTANCE = 0.3
"""Real runs stay above it; below, a bench would measure rejections."""


@dataclass(frozen=True)
class ScaleSettings:
    """Measure a run without a model.

    Args:
        out: Folder of the run; the figures go to scale.json beside its tables.
        target: Accepted instructions.
        replicas: Template engines.
        shards: Index shards.
        index: Kind of index.
        in_flight: Requests that each replica holds.
        most: Most propose requests in a round.
        diversity: Decimal logarithm of how many different tasks there are.
        store_only: Write made-up rows without engine or index: a run to test other commands on.
    """

    out: str
    target: int = option(20_000, least=1)
    replicas: int = option(1, least=1, most=MOST_ACTORS)
    shards: int = option(1, least=1, most=MOST_ACTORS)
    index: Literal["minhash", "prefix"] = "minhash"
    in_flight: int = option(512, least=1)
    most: int = option(2048, least=1)
    diversity: float = option(12.0, above=0, most=300)
    store_only: bool = False


COMMAND = Command("bench scale", ScaleSettings)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure; returns the exit code."""
    return run(COMMAND, bench, argv)


def bench(settings: ScaleSettings) -> Outcome:
    """Run and report."""
    from cluster import generating
    from selfinstruct.run.inputs import read_inputs

    recorder = Recorder()
    options = TemplateOptions(words=WORDS, diversity=settings.diversity, batch=128)
    generate = GenerateSettings(
        out=settings.out,
        target=settings.target,
        engine="template",
        replicas=settings.replicas,
        shards=settings.shards,
        in_flight=settings.in_flight,
        rounds=RoundSettings(most=settings.most),
        novelty=NoveltySettings(index=settings.index),
        template=options,
    )
    inputs = read_inputs(generate)
    store = generating.open_store(generate, inputs.facts)
    if settings.store_only:
        rows = fill(generate, inputs, store)
        print(f"{settings.out}: {rows} accepted instructions, made up")
        return Outcome({"accepted": rows})
    _refuse_what_never_ends(settings)
    begun = time.perf_counter()
    finished = generating.generate(generate, inputs, store, recorder)
    return Outcome(report(settings, recorder, finished, time.perf_counter() - begun))


def _refuse_what_never_ends(settings: ScaleSettings) -> None:
    """Extrapolate the acceptance before a long run: too few different tasks would give ever fewer new ones."""
    share = expected_acceptance(2 * settings.target, settings.diversity)
    print(f"about {share:.0%} of the candidates will be new towards the end", flush=True)
    if share < LEAST_ACCEPTANCE:
        raise InputError(
            f"--diversity: {settings.diversity:g} leaves {share:.0%} of the candidates new towards the end; raise it"
        )


@dataclass(frozen=True, slots=True)
class RoundFigures:
    """One committed round of candidates. Seconds are of that round alone, memory is as it was then, in MiB."""

    round: int
    pool: int
    accepted: int
    candidates: int
    wall: float  # since the round before
    check: float  # asking the shards
    insert: float  # feeding them
    write: float  # encoding and committing files
    driver_cpu: float  # of the driver's process, in seconds
    requests: int  # completed, of all kinds
    driver_mib: float
    shards_mib: float


class Recorder(RunWatch):
    """Keeps figures and prints a line now and then. Time begins with it."""

    def __init__(self) -> None:
        self.rounds: list[RoundFigures] = []
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._requests = 0
        self._pool = 0
        self.first_request: float | None = None  # seconds until the first new completion
        self._begun = self._last = time.perf_counter()
        self._cpu = time.process_time()
        self._printed = 0.0

    def completed(self, completion: Completion) -> None:
        """Count it."""
        if self.first_request is None:
            self.first_request = time.perf_counter() - self._begun
        self._requests += 1

    def performed(self, effect: Effect, seconds: float) -> None:
        """Add its seconds to the step's."""
        step = {Check: "check", Insert: "insert", Write: "write"}[type(effect)]
        self._seconds[step] += seconds

    def committed(self, file: RoundFile) -> None:
        """Make a row of a round of candidates."""
        if file.table is not Table.CANDIDATES:
            return
        accepted = sum(row.accepted for row in cast(Sequence[Candidate], file.rows))
        self._pool += accepted
        now, cpu = time.perf_counter(), time.process_time()
        figures = RoundFigures(
            round=file.round,
            pool=self._pool,
            accepted=accepted,
            candidates=len(file.rows),
            wall=now - self._last,
            check=self._seconds["check"],
            insert=self._seconds["insert"],
            write=self._seconds["write"],
            driver_cpu=cpu - self._cpu,
            requests=self._requests,
            driver_mib=_resident(os.getpid()),
            shards_mib=sum(map(_resident, _shards())),
        )
        self._last, self._cpu, self._requests = now, cpu, 0
        self._seconds.clear()
        self.rounds.append(figures)
        if now - self._printed > 10:
            self._printed = now
            print(_line(figures), flush=True)


def _resident(pid: int) -> float:
    """Resident memory of a process in MiB; 0 if it has gone."""
    import psutil

    try:
        return float(psutil.Process(pid).memory_info().rss) / 2**20
    except psutil.NoSuchProcess:
        return 0.0


def _shards() -> list[int]:
    """Process ids of this run's shards, which Ray names after their actor."""
    import psutil

    ours = psutil.Process().children(recursive=True)
    return [process.pid for process in ours if process.is_running() and "Shard" in " ".join(process.cmdline())]


def _line(figures: RoundFigures) -> str:
    rate = figures.accepted / figures.wall
    per_request = 1000 * figures.driver_cpu / max(1, figures.requests)
    return (
        f"round {figures.round:5d}  pool {figures.pool:9,d}  accepted {figures.accepted / figures.candidates:4.0%}"
        f"  {rate:7,.0f}/s  check {figures.check:5.2f} s  write {figures.write:5.2f} s"
        f"  driver {figures.driver_mib:5,.0f} MiB, {per_request:.2f} ms/request"
        f"  shards {figures.shards_mib:6,.0f} MiB"
    )


def report(settings: ScaleSettings, recorder: Recorder, finished: Run, seconds: float) -> dict[str, Any]:
    """Print the whole, write scale.json, and give what stands there."""
    from jobs.bench.machine import machine

    rounds = recorder.rounds
    requests = sum(figures.requests for figures in rounds)
    cpu = sum(figures.driver_cpu for figures in rounds)
    summary = {
        "accepted": finished.pool.generated,
        "seconds": round(seconds, 1),
        "accepted_per_second": round(finished.pool.generated / seconds, 1),
        "seconds_to_first_completion": round(recorder.first_request or 0.0, 1),
        "driver_ms_per_request": round(1000 * cpu / max(1, requests), 3),
        "driver_mib": round(rounds[-1].driver_mib),
        "shards_mib": round(rounds[-1].shards_mib),
        "disk_mib": round(sum(path.stat().st_size for path in Path(settings.out).rglob("*.parquet")) / 2**20, 1),
    }
    figures = {
        "settings": dataclasses.asdict(settings),
        "machine": machine(),
        "summary": summary,
        "rounds": [asdict(each) for each in rounds],
    }
    Path(settings.out, "scale.json").write_text(json.dumps(figures, indent=1))
    print(_line(rounds[-1]))
    print(json.dumps(summary, indent=2))
    return figures


# ---- made-up rows


def fill(settings: GenerateSettings, inputs: Inputs, store: RunStore) -> int:
    """Commit whole rounds of made-up rows until the target is reached; returns how many were accepted."""
    from selfinstruct.settings import fingerprint_of

    fingerprint = fingerprint_of(inputs.facts)
    run = Run(settings, inputs.prompts, inputs.seeds)
    run.begin(inputs.facts)
    for effect in run.effects():
        if isinstance(effect, Write):
            store.commit(effect.make(), fingerprint)
    accepted = number = 0
    while accepted < settings.target:
        number += 1
        for file in made_up_round(number, settings.rounds.most):
            store.commit(file, fingerprint)
            accepted += len(file.rows) if file.table is Table.INSTANCES else 0
    return accepted


def made_up_round(number: int, requests: int) -> Iterator[RoundFile]:
    """The four files of one round in which everything is accepted: eight instructions a request, one instance each."""
    words = vocabulary(WORDS)
    proposals, candidates, labels, instances = [], [], [], []
    for position in range(requests):
        id = f"{round_name(number)}/{position:05d}"
        texts = [_made_up(words, 8 * (number * requests + position) + item) for item in range(8)]
        answer = dialect.numbered(texts)
        proposals.append(Proposal(id, number, "paper", (), answer, Finish.STOP, 200, len(answer) // 6, None, ()))
        for item, text in enumerate(texts):
            name = f"{id}/{item:02d}"
            candidates.append(Candidate(name, number, id, item, Origin.MODEL, text, True, None, None, None))
            labels.append(Label(f"{name}/classify", number, name, Kind.CLASSIFY, " No", Finish.STOP, 40, 1, None))
            output = text[::2]
            answer = dialect.input_first([Instance("", output)])
            labels.append(Label(f"{name}/instances", number, name, Kind.INPUT_FIRST, answer, Finish.STOP, 40, 9, None))
            instances.append(InstanceRow(f"{name}/0", number, name, text, False, "", output, True, None, Origin.MODEL))
    yield RoundFile(Table.PROPOSALS, number, tuple(proposals))
    yield RoundFile(Table.CANDIDATES, number, tuple(candidates))
    yield RoundFile(Table.LABELS, number, tuple(labels))
    yield RoundFile(Table.INSTANCES, number, tuple(instances))


def _made_up(words: Sequence[str], key: int) -> str:
    """Eight to twenty-three words that differ from key to key."""
    steps = range(key, key + (8 + key % 16) * 7919, 7919)
    return "Explain " + " ".join([words[step * step % len(words)] for step in steps]) + "."


if __name__ == "__main__":
    sys.exit(main())
