"""A run in one process, without Ray, killed again and again until it is done."""

from __future__ import annotations

import math
import os
import random
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any, Literal

from selfinstruct.quality.checking import check
from selfinstruct.records import Completion, Request
from selfinstruct.run.keeping import PACE, Pace
from selfinstruct.run.loop import Completer, SingleCompleter
from selfinstruct.storage.checks import CheckSet
from selfinstruct.storage.local_blobs import LocalBlobs
from selfinstruct.storage.store import RunStore
from tests.tools.chaos.judging import content, problems
from tests.tools.chaos.report import ENOUGH, Outcome
from tests.tools.simulator.parts import model
from tests.tools.simulator.whole import JUDGE, Steady, whole_run

CALLS = ("open", "write", "fsync", "link", "unlink", "mkdir")
IN_FLIGHT = 4


@dataclass(frozen=True)
class Shape:
    """A run to be killed: its accepted instructions, the requests of a round, and when answers are kept before that.

    Its check is made `beside` the other stages, or `after` them: then nothing but the check is killed.
    """

    name: str
    target: int
    least: int
    pace: Pace
    check: Literal["", "beside", "after"] = ""


SHORT = Shape("one process", 12, 2, PACE)
LONG = Shape("one process, long rounds", 100, 60, Pace(answers=16))
LOSING = Shape("one process, long rounds, nothing kept", 100, 60, Pace(10**9, math.inf))

CHECKED = Shape("one process, with a check", 12, 2, Pace(answers=4), "beside")
JUDGED = Shape("one process, a check afterwards", 24, 2, PACE, "after")


class KillingSystem:
    """The module `os`, except that the process kills itself instead of its n-th writing call, or in its midst."""

    def __init__(self, number: int, half_written: bool, report: Path) -> None:
        self._number, self._half_written, self._report, self._done = number, half_written, report, 0

    def __getattr__(self, name: str) -> Any:
        call = getattr(os, name)
        return self._counting(name, call) if name in CALLS else call

    def _counting(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any) -> Any:
            self._done += 1
            if self._done == self._number:
                self._report.write_text(name)
                if name == "write" and self._half_written:
                    os.write(arguments[0], arguments[1][: len(arguments[1]) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*arguments)

        return counted


class Slow:
    """A `Completer` that answers a few requests at a time, takes its time, and writes down what it has answered.

    Args:
        most: Answers after which the process kills itself, when they have been taken.
    """

    def __init__(self, log: Path, seconds: float, draw: random.Random, most: float = math.inf) -> None:
        self._log = os.open(log, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
        self._seconds, self._draw, self._left = seconds, draw, most
        self._held: list[Request] = []
        self._ready = False

    @property
    def room(self) -> int:
        return IN_FLIGHT - len(self._held)

    def add(self, requests: Sequence[Request]) -> None:
        self._held += requests

    def step(self) -> list[Completion]:
        if not self._ready:
            os.write(self._log, f"ready {time.time()}\n".encode())
            self._ready = True
        if self._left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(self._seconds)
        count = self._draw.randint(0, len(self._held))
        done, self._held = self._held[:count], self._held[count:]
        self._left -= count
        os.write(self._log, "".join(f"answer {request.id}\n" for request in done).encode())
        return [model(request) for request in done]


def live(
    shape: Shape,
    folder: str,
    log: str,
    seed: int,
    call: int | None = None,
    half_written: bool = False,
    most: float = math.inf,
) -> None:
    """One life of the run; it ends at the given system call, after so many answers, or when the run is done, or when
    somebody kills it."""
    system = KillingSystem(call, half_written, Path(f"{log}.call")) if call else os
    line = Slow(Path(log), 0.005, random.Random(seed), most)
    carry_on(LocalBlobs(Path(folder), system=system), shape, line)


def carry_on(place: str | LocalBlobs, shape: Shape, line: Completer | None = None) -> RunStore:
    """Take what is to be killed to its end."""
    if shape.check != "after":
        judge = JUDGE if shape.check else None
        return whole_run(place, shape.target, line, shape.least, shape.pace, judge)
    checks = CheckSet(RunStore(place), JUDGE.facts)
    checks.begin()
    check(checks, JUDGE, line or SingleCompleter(Steady(), 50), 1.0, lambda completions: None)
    return checks.store


def started() -> ForkServerContext:
    """What processes are forked from, with all code loaded."""
    context = get_context("forkserver")
    context.set_forkserver_preload(
        ["tests.tools.chaos.single", "selfinstruct.novelty.minhash", "selfinstruct.novelty.lcs"]
    )
    return context


def campaign(place: Path, kills: int, seed: int, shape: Shape = SHORT) -> Outcome:
    """Runs in folders under `place`, killed until there were so many kills: half at random times, half at calls.

    The last one is then left alone: on a busy machine few lives come far enough to get a run on.
    """
    context, draw, outcome = started(), random.Random(seed), Outcome(shape.name)
    expected = content(carry_on(_begun(place / "expected", shape), shape))
    runs = 0
    while outcome.kills < kills and len(outcome.failed) < ENOUGH:
        runs += 1
        folder, log = Path(_begun(place / f"run{runs}", shape)), place / f"log{runs}"
        while not _one_life(context, shape, folder, log, draw, outcome, spared=outcome.kills >= kills):
            pass
        outcome.runs += 1
        outcome.judge(f"run {runs} of seed {seed}", *problems(folder, expected))
        outcome.lost.append(asked_again(log))
    return outcome


def _begun(folder: Path, shape: Shape) -> str:
    """A folder with what is there before anything is killed."""
    if shape.check == "after":
        whole_run(str(folder), shape.target, least=shape.least)
    return str(folder)


def _one_life(
    context: ForkServerContext,
    shape: Shape,
    folder: Path,
    log: Path,
    draw: random.Random,
    outcome: Outcome,
    spared: bool,
) -> bool:
    """Whether it came to its end."""
    call = draw.randint(1, 60) if not spared and draw.random() < 0.5 else None
    begun = time.time()
    how = draw.randrange(10**6), call, draw.random() < 0.5
    process = context.Process(target=live, args=(shape, str(folder), str(log), *how), daemon=True)
    process.start()
    if call is None and not spared:
        process.join(draw.uniform(0, 1.2))
        if process.is_alive():
            process.kill()
    process.join(60)
    if process.is_alive():
        process.kill()
        outcome.judge(folder.name, "a life took more than a minute")
        return True
    ready = _ready(log)
    if outcome.kills and ready > begun:
        outcome.recovery.append(ready - begun)
    if process.exitcode == 0:
        return True
    if process.exitcode != -signal.SIGKILL:
        outcome.judge(folder.name, f"a life ended with {process.exitcode}")
        return True
    point = Path(f"{log}.call")
    at = f"before or in {point.read_text()}()" if point.exists() else "at a random time"
    point.unlink(missing_ok=True)
    outcome.count(at)
    return False


def _ready(log: Path) -> float:
    """When the newest life that came so far made its first requests."""
    lines = log.read_text().splitlines() if log.exists() else []
    return max((float(line.split()[1]) for line in lines if line.startswith("ready")), default=0.0)


def asked_again(log: Path) -> int:
    """Answers that were given before, in all lives until now."""
    answers = [line for line in log.read_text().splitlines() if line.startswith("answer")]
    return len(answers) - len(set(answers))
