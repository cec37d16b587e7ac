"""One schedule: lives of drivers, one after another or two at once, until one has finished; then the checker."""

from __future__ import annotations

import contextlib
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import pyarrow as pa

from selfinstruct.errors import FailureError, HeldError, InputError
from selfinstruct.records import CheckRow, Finish, RoundFile, Table, round_name
from selfinstruct.run.keeping import Pace
from selfinstruct.run.loop import Watch, drive, prepare
from selfinstruct.settings import fingerprint_of
from selfinstruct.storage.blobs import Blobs
from selfinstruct.storage.checks import CheckSet
from selfinstruct.storage.object_blobs import ObjectBlobs
from selfinstruct.storage.segments import Answer, decode_segment, encode_segment
from selfinstruct.storage.store import RunStore
from selfinstruct.storage.verify import verify
from tests.tools.simulator.bucket import Bucket, Faults
from tests.tools.simulator.checker import Contents, Memory, check, tamper
from tests.tools.simulator.disk import Disk, SimulatedLocalBlobs
from tests.tools.simulator.parts import Hands, Index, Replicas
from tests.tools.simulator.pool import Trouble
from tests.tools.simulator.whole import JUDGE, STAGES, facts_with, run_of, settings, whole_run
from tests.tools.simulator.world import CrashAt, Killed, Process, Violation, World

pa.set_cpu_count(1)  # files are tiny here: threads would only wait for each other

ROOT = "/runs/first"
PACE = Pace(answers=2, seconds=math.inf)
"""Of segments: after a few answers, and never by the clock."""

LIVES = 30
TROUBLED = 12
"""Lives with faults; then there are no more, so that every schedule ends."""


@dataclass(frozen=True)
class Plan:
    """What befalls a run. Everything else follows from the seed.

    Args:
        remote: In a bucket, else on a disk.
        two: Two drivers at once, whenever there are drivers.
        salted: Each life has a model of its own, whose answers are others; no run is then equal to another one.
        slow: Files are written some time later than they are asked for.
        errors: How often a system call fails, on a disk.
        meddled: How often a segment of answers is exchanged between two lives for one that must not be used.
        checked: The run has a check, and shows only what passed it.
        mixed: The run has a mix of all strategies; with a check, one that follows what they bring.
    """

    seed: int
    remote: bool = False
    two: bool = False
    salted: bool = False
    slow: bool = False
    crashes: tuple[CrashAt, ...] = ()
    trouble: Trouble = field(default_factory=Trouble)
    faults: Faults = field(default_factory=Faults)
    errors: float = 0.0
    index_trouble: float = 0.0
    meddled: float = 0.0
    checked: bool = False
    mixed: bool = False


@cache
def uninterrupted(checked: bool, mixed: bool) -> Contents:
    """What the run without failures holds."""
    judge = JUDGE if checked else None
    store = whole_run(Memory({}), judge=judge, mixed=mixed)
    assert len(store.rounds(Table.CANDIDATES)) > 4, store.rounds(Table.CANDIDATES)
    return check(store.blobs, settings(proven=checked, mixed=mixed), None, judge)


class _Noted(Watch):
    """Looks on, and notes which rounds of proposals this driver took for committed, and which it took for judged."""

    def __init__(self) -> None:
        self.rounds: list[int] = []
        self.judgements: list[int] = []

    def committed(self, file: RoundFile) -> None:
        if file.table is Table.PROPOSALS:
            self.rounds.append(file.round)

    def judged(self, number: int, rows: Sequence[CheckRow]) -> None:
        self.judgements.append(number)
        assert self.judgements == sorted(self.judgements), f"checks were written in the order {self.judgements}"


class Simulation:
    """A plan at work."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.disk, self.bucket = Disk(), Bucket()
        self.world = World(plan.seed, plan.crashes, self.disk.lose_power)
        self.disk.world = self.bucket.world = self.world
        self.disk.removing = self.bucket.removing = self._removing
        self._meddling = random.Random(f"meddling {plan.seed}")
        # An exact index where brute force is to agree with texts that are never the same.
        self.settings = settings("prefix" if plan.salted else "minhash", proven=plan.checked, mixed=plan.mixed)
        self.judge = JUDGE if plan.checked else None
        self.facts = facts_with(self.settings, self.judge)
        self.lives = 0
        self.finished: list[tuple[str, list[int]]] = []  # writers that ended well, and the proposals they committed

    def run(self) -> None:
        """AssertionError if anything is not as it must be."""
        for life in range(LIVES):
            self._set_faults(life < TROUBLED)
            drivers = 2 if self.plan.two and life < TROUBLED else 1
            errors = [process.error for process in self.world.run([self._life] * drivers)]
            for error in errors:
                self._judge(error)
            self._look_at_segments()
            self._look_at_checks()
            if self.finished and all(error is None or isinstance(error, HeldError) for error in errors):
                break  # else the same command once more: a driver that failed after another ended leaves traces
        assert self.finished, f"no driver has finished in {LIVES} lives"
        self._check()

    def _life(self, process: Process) -> None:
        """What `cluster.driver` does, with other parts."""
        self.lives += 1
        plan, world = self.plan, self.world
        store = RunStore(self._blobs(), writer=f"life-{process.number}")
        prepare(store, self.facts)
        paid = set() if plan.faults.stale else set(map(_paid_for, self.files()))
        if not plan.two and plan.faults == Faults():  # else a segment may be gone, or not be read
            paid |= {answer.request for _, answers in self._segments() for answer in answers}
        hands, watch = Hands() if plan.slow else None, _Noted()
        salt = process.number + 1 if plan.salted else 0
        replicas = Replicas(world, salt, self._trouble, world.draw.randint(1, 3), paid, hands)
        index = Index(world, self.settings, plan.index_trouble)
        run, lines = run_of(self.settings, self.judge), [(replicas, STAGES)]
        drive(run, store, index, lines, self.facts, hands, watch, pace=PACE)
        self.finished.append((store.writer.id, watch.rounds))

    def _blobs(self) -> Blobs:
        if self.plan.remote:
            return ObjectBlobs("s3://bucket/run", self.bucket)
        return SimulatedLocalBlobs(Path(ROOT), system=self.disk)

    def files(self) -> dict[str, bytes]:
        """The run's files by name, temporary ones too."""
        if self.plan.remote:
            return dict(self.bucket.objects)
        return {path.removeprefix(f"{ROOT}/"): data for path, data in self.disk.files().items()}

    def _segments(self) -> Iterator[tuple[str, tuple[Answer, ...]]]:
        """The segments that may be used."""
        for name, data in self.files().items():
            if name.startswith("pending/") and "/." not in name:
                with contextlib.suppress(Exception):
                    yield name, decode_segment(data, fingerprint_of(self.facts))

    def _look_at_segments(self) -> None:
        """Between two lives: they hold no failures. Some are exchanged."""
        for name, answers in list(self._segments()):
            for answer in answers:
                assert answer.completion.finish is not Finish.FAILED, f"{name} has a failure"
            if self._meddling.random() < self.plan.meddled:
                data = self._spoilt(answers)
                if self.plan.remote:
                    self.bucket.objects[name] = data
                else:
                    self.disk.alter(f"{ROOT}/{name}", data)

    def _look_at_checks(self) -> None:
        """Between two lives: what is judged are the first of the rounds whose instances are there."""
        if self.judge and not self.plan.faults.stale:
            store = RunStore(Memory(self.files()))
            judged = CheckSet(store, self.judge.facts).rounds()
            assert judged == list(store.rounds(Table.INSTANCES))[1 : len(judged) + 1], f"judged are {judged}"

    def _spoilt(self, answers: Sequence[Answer]) -> bytes:
        """A segment of the same requests that is damaged, or whose answers were given under other facts, or to other
        requests that had the same ids."""
        mark, how = fingerprint_of(self.facts), self._meddling.choice(["torn", "flipped", "facts", "requests"])
        others = [replace(each, completion=replace(each.completion, text="1. Weep.")) for each in answers]
        if how == "facts":
            return encode_segment(others, fingerprint_of({**self.facts, "seed": 6}))
        if how == "requests":
            return encode_segment([replace(each, request="0" * 64) for each in others], mark)
        data = encode_segment(answers, mark)
        at = self._meddling.randrange(len(data))
        return data[:at] if how == "torn" else data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]

    def _removing(self, path: str, data: bytes) -> None:
        """A driver removes a file: a segment, of which every answer is committed, or the run is done."""
        name, files = path.removeprefix(f"{ROOT}/"), self.files()
        if not name.startswith("pending/"):
            raise Violation(f"{name} is removed, which is no segment")
        store = RunStore(Memory(files))
        if store.totals()[Table.CANDIDATES]["accepted"] >= self.settings.target:
            return
        for answer in decode_segment(data):
            if _place_of(answer.completion.request_id) not in set(map(_paid_for, files)):
                raise Violation(f"{name} is removed, and {answer.completion.request_id} is not committed")

    def _set_faults(self, on: bool) -> None:
        plan = self.plan
        self._trouble = plan.trouble if on else Trouble()
        self.bucket.faults = plan.faults if on else Faults()
        self.disk.error_rate = plan.errors if on else 0.0

    def _judge(self, error: BaseException | None) -> None:
        """The ends that a driver may come to."""
        plan = self.plan
        if error is None or isinstance(error, Killed):
            return
        if isinstance(error, Violation):
            raise AssertionError(str(error)) from error
        fails = plan.errors or plan.faults != Faults()
        others = plan.two or plan.remote
        if isinstance(error, FailureError) and (fails or (plan.trouble != Trouble() and "replicas died" in str(error))):
            return
        if isinstance(error, HeldError) and others:
            return
        if isinstance(error, InputError) and fails and ("check the URL" in str(error) or "cannot write" in str(error)):
            return  # while it was proved that the place can be written
        raise AssertionError(f"a driver ended with {type(error).__name__}: {error}") from error

    def _check(self) -> None:
        self.world.crash_is_over()
        staging = [
            name for name in self.files() if "/." in f"/{name}" and not (self.plan.remote and name == ".writable")
        ]
        assert not staging, f"left in staging: {staging}"
        if not (self.plan.two or self.plan.errors or self.plan.faults != Faults()):
            kept = [name for name in self.files() if name.startswith("pending/")]
            assert not kept, f"of no use any more: {kept}"
        if not self.plan.remote:
            self.disk.lose_power()  # what a driver said to be done is there for good
        files = self.files()
        expected = None if self.plan.salted else uninterrupted(self.plan.checked, self.plan.mixed)
        check(Memory(files), self.settings, expected, self.judge)
        for writer, rounds in self.finished:
            for number in rounds:
                metadata = RunStore(Memory(files)).metadata(Table.PROPOSALS, number)
                assert metadata.writer.id == writer, f"{writer} went on with proposals/{round_name(number)} of another"
        if self.plan.seed % 4 == 0:
            how, damaged = tamper(files, self.world.draw)
            assert verify(RunStore(Memory(damaged))), f"{how}, and verify does not find it"


def _place_of(request_id: str) -> str:
    """The table and round in which the answer to a request ends, in its own words."""
    number, *rest = request_id.split("/")
    return f"{'proposals' if len(rest) == 1 else 'checks' if rest[-1] == 'check' else 'labels'}/{number}"


def _paid_for(name: str) -> str:
    """A file by its table and round, whichever check it may be of."""
    return f"{name.partition('/')[0]}/{name.rpartition('/')[2].removesuffix('.parquet')}"


def simulate(plan: Plan) -> Simulation:
    """Carry a plan out. AssertionError with the plan if the checker is not content."""
    simulation = Simulation(plan)
    try:
        simulation.run()
    except AssertionError as error:
        last = "\n  ".join(simulation.world.log[-12:])
        raise AssertionError(f"{error}\nplan: {plan}\nlast operations:\n  {last}") from error
    return simulation
