"""A run on a Ray cluster of several nodes on this machine, parts of which are killed and stopped until it is done."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from cluster.settings import GenerateSettings
from selfinstruct.engines import open_engine
from selfinstruct.novelty.check import make_index
from selfinstruct.records import Table
from selfinstruct.run.inputs import read_inputs
from selfinstruct.run.loop import SingleCompleter, drive
from selfinstruct.run.rounds import Run, Stage
from selfinstruct.run.settings import RoundSettings
from selfinstruct.storage.store import RunStore
from selfinstruct.storage.verify import digest
from tests.tools.chaos.judging import kept, problems
from tests.tools.chaos.report import ENOUGH, Outcome

Tell = Callable[[str], None]

REPOSITORY = Path(__file__).parents[3]
NODES = 2
TARGET = 150
ROUNDS = {"least": 4, "most": 12}
HARMS = {
    "replica": 6,
    "driver": 4,
    "shard": 4,
    "node": 1,
    "head node with the driver": 1,
    "hung replica": 1,
    "replica that eats memory": 1,
}
"""What is harmed, and how often in proportion."""

WITH_DRIVER = ("driver", "head node with the driver")

RPC_FAILURES = (
    '{"CoreWorkerService.grpc_client.PushTask":'
    '{"num_failures": 60, "req_failure_prob": 6, "resp_failure_prob": 6, "in_flight_failure_prob": 3},'
    '"NodeManagerService.grpc_client.RequestWorkerLease":'
    '{"num_failures": 20, "req_failure_prob": 10, "resp_failure_prob": 10, "in_flight_failure_prob": 5},'
    '"CoreWorkerService.grpc_client.GetObjectStatus":'
    '{"num_failures": 20, "req_failure_prob": 10, "resp_failure_prob": 10, "in_flight_failure_prob": 5}}'
)
"""For Ray's fault injector: calls that get lost, whose answers get lost, or that are sent again while under way."""

EATEN = 6_000_000_000
"""Bytes that a replica takes; a fifth less is more than Ray's memory monitor lets a node have."""

HUNG_AFTER = 10
"""Seconds without an answer after which a replica is taken for hung; the least that the option takes."""

UNHARMED, PER_HARM = 60, 60
"""Seconds that a run may take without harm, and as many more for each; one that takes longer has failed."""


def settings(folder: Path) -> GenerateSettings:
    """Those of the command below."""
    return GenerateSettings(out=str(folder), engine="template", target=TARGET, rounds=RoundSettings(**ROUNDS))


def expected(folder: Path) -> str:
    """The digest of the run that nobody disturbs, in this process."""
    options = settings(folder)
    inputs = read_inputs(options)
    store, engine = RunStore(str(folder)), open_engine(inputs.proposer, inputs.prompts)
    lines = [(SingleCompleter(engine, 64), (Stage.PROPOSE, Stage.LABEL))]
    drive(Run(options, inputs.prompts, inputs.seeds), store, make_index(options.novelty), lines, inputs.facts)
    return digest(store)


@contextmanager
def environment(**variables: str) -> Iterator[None]:
    """These environment variables for a while; processes started meanwhile inherit them."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})


class Ground:
    """The cluster, the driver of the run on it, and what can be done to them.

    Args:
        place: Folder of this campaign.
        faults: Have Ray's own calls fail as well.
    """

    def __init__(self, place: Path, faults: bool = False) -> None:
        self.hunger, self.answers = place / "hunger", place / "answers"
        memory = psutil.virtual_memory()
        self.can_eat = memory.available > 2.5 * EATEN  # else others on this machine would go hungry
        threshold = (memory.used + 0.8 * EATEN) / memory.total if self.can_eat else 0.98
        variables = {
            "PYTHONPATH": f"{REPOSITORY}{os.pathsep}{REPOSITORY / 'tests/tools/chaos/in_workers'}",
            "RAY_TMPDIR": str(place),  # also where it notes the address, which others on this machine might take
            "RAY_USAGE_STATS_ENABLED": "0",
            "PYTHONFAULTHANDLER": "1",
            "PYTHONUNBUFFERED": "1",
            "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
            "RAY_health_check_period_ms": "1500",
            "RAY_health_check_failure_threshold": "10",
            "RAY_memory_usage_threshold": f"{threshold:.3f}",
            "RAY_memory_monitor_refresh_ms": "100",
            "SELFINSTRUCT_TEST_ANSWERS": str(self.answers),
            "SELFINSTRUCT_TEST_HUNGER": str(self.hunger),
            "SELFINSTRUCT_TEST_MEGABYTES": str(EATEN // 1_000_000),
            **({"RAY_testing_rpc_failure": RPC_FAILURES} if faults else {}),
        }
        self._variables = variables
        self._start_cluster()
        self.driver: subprocess.Popen[bytes] | None = None

    def _start_cluster(self) -> None:
        from ray.cluster_utils import Cluster

        with environment(**self._variables):
            head = {"num_cpus": 0, "include_dashboard": False}
            self._cluster = _patiently(lambda: Cluster(initialize_head=True, head_node_args=head))
        self._nodes = [self._new_node() for _ in range(NODES)]

    def _new_node(self) -> Any:
        with environment(**self._variables):
            return _patiently(lambda: self._cluster.add_node(num_cpus=2))

    def start_driver(self, folder: Path, log: Path) -> None:
        """The same command each time; it is given as many replicas as there are cores."""
        command = [sys.executable, "-m", "jobs.generate", "--out", str(folder), "--engine", "template"]
        command += ["--target", str(TARGET), "--template.latency", "0.05", "--template.batch", "4"]
        command += [text for key, value in ROUNDS.items() for text in (f"--rounds.{key}", str(value))]
        command += ["--replicas", "3", "--shards", "2", "--in_flight", "8", "--ray.address", self._cluster.address]
        command += ["--timeouts.answer", str(HUNG_AFTER)]
        with environment(**self._variables), log.open("ab") as output:
            self.driver = subprocess.Popen(command, cwd=REPOSITORY, stdout=output, stderr=output)

    def answered(self) -> int:
        """Answers that replicas have given, in all runs until now."""
        return self.answers.stat().st_size if self.answers.exists() else 0

    def workers(self, title: str) -> list[psutil.Process]:
        """The workers of our own raylets that run such an actor."""
        found = []
        for node in [self._cluster.head_node, *self._nodes]:
            for info in node.all_processes.get("raylet", []):
                found += _children(info.process.pid)
        return [process for process in found if _title(process).startswith(f"ray::{title}")]

    def harm(self, what: str, draw: random.Random) -> bool:
        """Do it; False if there is nothing of the kind just now."""
        return {
            "replica": lambda: self._signal("Replica", signal.SIGKILL, draw),
            "shard": lambda: self._signal("Shard", signal.SIGKILL, draw),
            "hung replica": lambda: self._signal("Replica", signal.SIGSTOP, draw),
            "replica that eats memory": self._make_hungry,
            "driver": self._kill_driver,
            "node": lambda: self._kill_node(draw),
            "head node with the driver": self._kill_head,
        }[what]()

    def _signal(self, title: str, number: int, draw: random.Random) -> bool:
        workers = self.workers(title)
        if workers:
            draw.choice(workers).send_signal(number)
        return bool(workers)

    def _make_hungry(self) -> bool:
        if not self.workers("Replica"):
            return False
        self.hunger.touch()
        end = time.monotonic() + 20
        while self.hunger.exists() and time.monotonic() < end:
            time.sleep(0.1)
        return not self.hunger.exists()

    def _kill_driver(self) -> bool:
        assert self.driver is not None
        self.driver.kill()
        self.driver.wait()
        return True

    def abort_driver(self) -> None:
        """End it, and have it write in its log where it was."""
        assert self.driver is not None
        self.driver.send_signal(signal.SIGABRT)
        try:
            self.driver.wait(20)
        except subprocess.TimeoutExpired:
            self._kill_driver()

    def _kill_head(self) -> bool:
        """With the head go its GCS, the shards and the driver; Ray gives up the nodes that are left."""
        self._kill_driver()
        self._end_cluster()
        self._start_cluster()
        return True

    def _kill_node(self, draw: random.Random) -> bool:
        node = draw.choice(self._nodes)
        orphans = [process for info in node.all_processes["raylet"] for process in _children(info.process.pid)]
        self._cluster.remove_node(node, allow_graceful=False)
        for process in orphans:  # a node that is gone takes its workers with it
            if process.is_running():
                process.kill()
        self._nodes[self._nodes.index(node)] = self._new_node()
        return True

    def close(self) -> None:
        """End what was started."""
        if self.driver and self.driver.poll() is None:
            self._kill_driver()
        self._end_cluster()

    def _end_cluster(self) -> None:
        workers = self.workers("")
        for node in [*self._nodes, self._cluster.head_node]:
            self._cluster.remove_node(node, allow_graceful=False)
        self._cluster.shutdown()  # forgets the address
        for process in workers:  # those of a raylet that is gone end late, one that is stopped never
            if process.is_running():
                process.kill()


def _patiently(start: Callable[[], Any]) -> Any:
    """Ray's own patience with a node that starts is half a minute, too little on a machine that is very busy."""
    for _ in range(4):
        try:
            return start()
        except Exception as error:  # it raises nothing more special
            print(f"once more: {error}", flush=True)
    return start()


def _children(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def campaign(
    place: Path,
    kills: int,
    seed: int,
    *,
    faults: bool = False,
    harms: Mapping[str, int] = HARMS,
    tell: Tell = print,
) -> Outcome:
    """Runs in folders under `place`, harmed every few seconds until there were so many kills and the last is done."""
    outcome, draw = Outcome("Ray, its calls failing too" if faults else "Ray"), random.Random(seed)
    whole = expected(place / "expected")
    ground = Ground(place, faults)
    dealt = Harms({what: n for what, n in harms.items() if ground.can_eat or "memory" not in what}, draw)
    try:
        while (outcome.kills < kills or not outcome.runs) and len(outcome.failed) < ENOUGH:
            folder, answered = place / f"run{outcome.runs}", ground.answered()
            trouble = _one_run(ground, place, kills, dealt, outcome, tell)
            outcome.judge(folder.name, *(trouble or problems(folder, whole)))
            outcome.runs += 1
            if not trouble:
                outcome.lost.append(ground.answered() - answered - kept(folder))
    finally:
        ground.close()
    return outcome


class Harms:
    """What is to be harmed next, dealt like cards: how often each comes is certain, the order is drawn."""

    def __init__(self, harms: Mapping[str, int], draw: random.Random) -> None:
        self._whole = [what for what, number in harms.items() for _ in range(number)]
        self._cards: list[str] = []
        self.draw = draw

    def next(self) -> str:
        """The card on top."""
        if not self._cards:
            self._cards = self.draw.sample(self._whole, len(self._whole))
        return self._cards.pop()

    def put_back(self, what: str) -> None:
        """It was not possible just now."""
        self._cards.insert(0, what)


def _one_run(ground: Ground, place: Path, kills: int, harms: Harms, outcome: Outcome, tell: Tell) -> list[str]:
    """Why it did not come to its end, if so."""
    folder, log = place / f"run{outcome.runs}", place / f"log{outcome.runs}"
    ground.start_driver(folder, log)
    started: tuple[float, int] | None = None  # a driver that takes the run up, and the files it found
    now = time.monotonic()
    deadline, next_harm = now + UNHARMED, now + 5
    while (now := time.monotonic()) < deadline:
        time.sleep(0.1)
        assert ground.driver is not None
        code = ground.driver.poll()
        if code == 0:
            return []
        if code is not None and code != -signal.SIGKILL:
            return [f"the driver ended with {code}: {_tail(log)}"]
        if code is not None:
            ground.start_driver(folder, log)
            started = now, _files(folder)
        if started and _files(folder) > started[1]:
            outcome.recovery.append(now - started[0])
            started = None
        if now > next_harm and outcome.kills < kills and _files(folder):
            what = harms.next()
            if (what not in WITH_DRIVER or started is None) and ground.harm(what, harms.draw):
                outcome.count(what)
                deadline += PER_HARM
                tell(f"{outcome.name}: {outcome.kills} kills, {what}; {folder.name} has {_files(folder)} files")
            else:
                harms.put_back(what)
            next_harm = time.monotonic() + harms.draw.uniform(0.3, 2.5)
    ground.abort_driver()
    return [f"did not come to its end in time: {_tail(log, 60)}"]


def _files(folder: Path) -> int:
    return sum(1 for table in Table for _ in folder.glob(f"{table}/*.parquet"))


def _tail(log: Path, lines: int = 5) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
