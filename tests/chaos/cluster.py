"""A run on a Ray cluster of several nodes on this machine, parts of which are killed and stopped until it is done."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from cluster.driver import read_inputs
from cluster.settings import GenerateSettings
from selfinstruct.engines import open_engine
from selfinstruct.errors import CorruptError
from selfinstruct.loop import SingleLine, drive
from selfinstruct.novelty.check import make_index
from selfinstruct.records import Table
from selfinstruct.rounds import RoundSettings, Run, Stage
from selfinstruct.storage.store import RunStore
from selfinstruct.storage.verify import digest, verify
from tests.chaos.report import Outcome

Tell = Callable[[str], None]

REPOSITORY = Path(__file__).parents[2]
NODES = 2
TARGET = 150
ROUNDS = {"least": 4, "most": 12}
HARMS = {"replica": 6, "driver": 4, "shard": 4, "node": 1, "hung replica": 1, "replica that eats memory": 1}
"""What is harmed, and how often in proportion."""

RPC_FAILURES = (
    '{"CoreWorkerService.grpc_client.PushTask":'
    '{"num_failures": 60, "req_failure_prob": 6, "resp_failure_prob": 6, "in_flight_failure_prob": 3},'
    '"NodeManagerService.grpc_client.RequestWorkerLease":'
    '{"num_failures": 20, "req_failure_prob": 10, "resp_failure_prob": 10, "in_flight_failure_prob": 5},'
    '"CoreWorkerService.grpc_client.GetObjectStatus":'
    '{"num_failures": 20, "req_failure_prob": 10, "resp_failure_prob": 10, "in_flight_failure_prob": 5}}'
)
"""For Ray's fault injector: calls that get lost, whose answers get lost, or that are sent again while under way."""

EATEN = 5_000_000_000
"""Bytes that a replica takes; a fifth less is more than Ray's memory monitor lets a node have."""

HUNG_AFTER = 8
"""Seconds without an answer after which a replica is taken for hung, where the options have it."""


def can_end_hung_replicas() -> bool:
    """Whether a replica that is stopped is noticed."""
    return "timeouts" in GenerateSettings.__dataclass_fields__


def settings(folder: Path) -> GenerateSettings:
    """Those of the command below."""
    return GenerateSettings(out=str(folder), engine="template", target=TARGET, rounds=RoundSettings(**ROUNDS))


def expected(folder: Path) -> str:
    """The digest of the run that nobody disturbs, in this process."""
    options = settings(folder)
    inputs = read_inputs(options)
    store, engine = RunStore(str(folder)), open_engine(inputs.proposer, inputs.prompts)
    lines = [(SingleLine(engine, 64), (Stage.PROPOSE, Stage.LABEL))]
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
        from ray.cluster_utils import Cluster

        self.hunger = place / "hunger"
        memory = psutil.virtual_memory()
        self._can_eat = memory.available > 3 * EATEN  # else others on this machine would go hungry
        threshold = (memory.used + 0.8 * EATEN) / memory.total if self._can_eat else 0.98
        variables = {
            "PYTHONPATH": f"{REPOSITORY}{os.pathsep}{REPOSITORY / 'tests/chaos/hungry'}",
            "RAY_TMPDIR": str(place),  # also where it notes the address, which others on this machine might take
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
            "RAY_health_check_period_ms": "1000",
            "RAY_health_check_failure_threshold": "5",
            "RAY_memory_usage_threshold": f"{threshold:.3f}",
            "RAY_memory_monitor_refresh_ms": "100",
            "SELFINSTRUCT_TEST_HUNGER": str(self.hunger),
            "SELFINSTRUCT_TEST_MEGABYTES": str(EATEN // 1_000_000),
            **({"RAY_testing_rpc_failure": RPC_FAILURES} if faults else {}),
        }
        self._variables = variables
        with environment(**variables):
            self._cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
            self._nodes = [self._cluster.add_node(num_cpus=2) for _ in range(NODES)]
        self.driver: subprocess.Popen[bytes] | None = None

    def start_driver(self, folder: Path, log: Path) -> None:
        """The same command each time; it is given as many replicas as there are cores."""
        command = [sys.executable, "-m", "jobs.generate", "--out", str(folder), "--engine", "template"]
        command += ["--target", str(TARGET), "--template.latency", "0.05", "--template.batch", "4"]
        command += [text for key, value in ROUNDS.items() for text in (f"--rounds.{key}", str(value))]
        command += ["--replicas", "3", "--shards", "2", "--in_flight", "8", "--ray.address", self._cluster.address]
        if can_end_hung_replicas():
            command += ["--timeouts.answer", str(HUNG_AFTER)]
        with environment(**self._variables), log.open("ab") as output:
            self.driver = subprocess.Popen(command, cwd=REPOSITORY, stdout=output, stderr=output)

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
            "hung replica": lambda: can_end_hung_replicas() and self._signal("Replica", signal.SIGSTOP, draw),
            "replica that eats memory": self._make_hungry,
            "driver": self._kill_driver,
            "node": lambda: self._kill_node(draw),
        }[what]()

    def _signal(self, title: str, number: int, draw: random.Random) -> bool:
        workers = self.workers(title)
        if workers:
            draw.choice(workers).send_signal(number)
        return bool(workers)

    def _make_hungry(self) -> bool:
        if not self._can_eat or not self.workers("Replica"):
            return False
        self.hunger.touch()
        return True

    def _kill_driver(self) -> bool:
        assert self.driver is not None
        self.driver.kill()
        self.driver.wait()
        return True

    def _kill_node(self, draw: random.Random) -> bool:
        node = draw.choice(self._nodes)
        orphans = [process for info in node.all_processes["raylet"] for process in _children(info.process.pid)]
        self._cluster.remove_node(node, allow_graceful=False)
        for process in orphans:  # a node that is gone takes its workers with it
            if process.is_running():
                process.kill()
        with environment(**self._variables):
            self._nodes[self._nodes.index(node)] = self._cluster.add_node(num_cpus=2)
        return True

    def close(self) -> None:
        """End what was started."""
        stopped = self.workers("")
        if self.driver and self.driver.poll() is None:
            self.driver.kill()
            self.driver.wait()
        self._cluster.shutdown()
        for process in stopped:  # one that is stopped ends by nothing else
            if process.is_running():
                process.kill()


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


def campaign(place: Path, kills: int, seed: int, *, faults: bool = False, tell: Tell = print) -> Outcome:
    """Runs in folders under `place`, harmed every few seconds until there were so many kills and the last is done."""
    outcome, draw = Outcome("Ray, its calls failing too" if faults else "Ray"), random.Random(seed)
    whole = expected(place / "expected")
    ground = Ground(place, faults)
    try:
        while outcome.kills < kills or not outcome.runs:
            _one_run(ground, place, kills, draw, outcome, tell)
            outcome.judge(f"run{outcome.runs}", *_problems(place / f"run{outcome.runs}", whole))
            outcome.runs += 1
    finally:
        ground.close()
    return outcome


def _one_run(ground: Ground, place: Path, kills: int, draw: random.Random, outcome: Outcome, tell: Tell) -> None:
    folder, log = place / f"run{outcome.runs}", place / f"log{outcome.runs}"
    begun = time.monotonic()
    ground.start_driver(folder, log)
    started: tuple[float, int] | None = None  # a driver that takes the run up, and the files it found
    next_harm = time.monotonic() + 5
    while time.monotonic() - begun < 900:
        time.sleep(0.1)
        assert ground.driver is not None
        code = ground.driver.poll()
        if code == 0:
            break
        if code is not None and code != -signal.SIGKILL:
            outcome.judge(folder.name, f"the driver ended with {code}: {_last_line(log)}")
            break
        if code is not None:
            ground.start_driver(folder, log)
            started = time.monotonic(), _files(folder)
        if started and _files(folder) > started[1]:
            outcome.recovery.append(time.monotonic() - started[0])
            started = None
        if time.monotonic() > next_harm and outcome.kills < kills and _files(folder):
            what = draw.choices(list(HARMS), list(HARMS.values()))[0]
            if (what != "driver" or started is None) and ground.harm(what, draw):
                outcome.count(what)
                tell(f"{outcome.name}: {outcome.kills} kills, {what}; {folder.name} has {_files(folder)} files")
            next_harm = time.monotonic() + draw.uniform(0.3, 2.5)
    else:
        outcome.judge(folder.name, "did not come to its end in 15 minutes")
        ground.harm("driver", draw)


def _problems(folder: Path, whole: str) -> list[str]:
    store = RunStore(str(folder))
    try:
        problems = verify(store)
        if not problems and digest(store) != whole:
            problems = ["not the run that it is without kills"]
    except CorruptError as error:
        problems = [str(error)]
    left = [str(path) for path in folder.rglob(".*") if path.is_file()]
    return [*problems, *(f"{path} is left in staging" for path in left)]


def _files(folder: Path) -> int:
    return sum(1 for table in Table for _ in folder.glob(f"{table}/*.parquet"))


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()
    return lines[-1] if lines else ""
