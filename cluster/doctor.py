"""Checks before a run begins: each finding comes with its remedy, and nothing is changed or left behind."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from typing import Any

import psutil
import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from cluster.actors import actors_of
from cluster.connect import connected
from cluster.placement import resources_of
from cluster.settings import GenerateSettings
from selfinstruct.engines import name_of, open_engine, traits
from selfinstruct.errors import InputError, SelfInstructError
from selfinstruct.places import local_path
from selfinstruct.run.inputs import Inputs, read_inputs
from selfinstruct.run.serving import Served, served
from selfinstruct.storage.blobs import open_blobs
from selfinstruct.wording import counted

PACKAGES = ("selfinstruct", "ray", "torch", "transformers", "pyarrow", "datasketch", "numba")
LEAST_DISK = 20  # GiB; Ray's logs and spilled objects
LEAST_MEMORY = 4  # GiB
ANSWER = 60.0  # seconds in which a node must answer
LOAD = 1800.0  # seconds in which the model must be loaded


class Grade(StrEnum):
    """How a check came out."""

    GOOD = "ok"
    DOUBTFUL = "warning"
    BAD = "wrong"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, what was seen, and what to do about it (empty if it is good)."""

    grade: Grade
    what: str
    seen: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Node:
    """What a node says about itself.

    Args:
        disk: Free GiB.
        memory: Free GiB.
        token: A token is asked for.
        readable: The token's file, if others may read it.
        open: Which of Ray's processes listen on other addresses than loopback, with their ports.
    """

    address: str
    versions: Mapping[str, str]
    disk: float
    memory: float
    gpus: tuple[str, ...]
    token: bool
    readable: str = ""
    open: tuple[str, ...] = ()


def examine(settings: GenerateSettings, load: bool) -> Iterator[Finding]:
    """All findings about a run with these options, one by one.

    Args:
        load: Load the model in a replica, too.
    """
    inputs, finding = _inputs(settings)
    yield finding
    yield _store(settings.out)
    if not actors_of(settings).replicas:
        yield from _process(inputs if load else None)
        return
    try:
        with connected(settings.ray, 1) as dashboard:
            yield from _cluster(settings, dashboard)
            if inputs is not None and load:
                yield _model(settings, inputs)
    except SelfInstructError as error:
        yield Finding(Grade.BAD, "cluster", str(error), "start Ray there, or correct --ray.address and RAY_ADDRESS")


def _process(inputs: Inputs | None) -> Iterator[Finding]:
    """Of a run in one process; inputs if its model is to be loaded."""
    node = _describe("this machine")
    yield _versions([node])
    yield from _space(node)
    if inputs is not None:
        yield _loaded(inputs, _problem(served(inputs)[0]))


def _inputs(settings: GenerateSettings) -> tuple[Inputs | None, Finding]:
    try:
        inputs = read_inputs(settings)
    except InputError as error:
        return None, Finding(Grade.BAD, "options", str(error), "mend what it names")
    return inputs, Finding(
        Grade.GOOD, "options", f"{counted(len(inputs.seeds), 'seed task')}, prompts read, model {settings.model} found"
    )


def _store(out: str) -> Finding:
    path = local_path(out)
    made = [each for each in (path, *path.parents) if not each.exists()] if path else []
    try:
        open_blobs(out).check_writable()
    except SelfInstructError as error:
        return Finding(Grade.BAD, "store", str(error), "a run needs a place where a file can be put once and for all")
    finally:
        for folder in made:
            with suppress(OSError):
                folder.rmdir()
    if "://" not in out and (os.environ.get("RAY_ADDRESS")):
        return Finding(
            Grade.DOUBTFUL, "store", f"{out} is a local folder", "give --out s3://... where shards are on other nodes"
        )
    return Finding(Grade.GOOD, "store", f"{out} puts files only where there are none")


def _cluster(settings: GenerateSettings, dashboard: str) -> Iterator[Finding]:
    nodes, silent = _nodes()
    for address in silent:
        yield Finding(
            Grade.BAD, "node", f"{address} did not answer in {ANSWER:.0f} s", "look at its Ray logs, or end it"
        )
    yield _versions(nodes)
    for node in nodes:
        yield from _space(node)
    yield _room(settings, nodes)
    yield from _doors(settings, nodes, dashboard)


def _nodes() -> tuple[list[Node], list[str]]:
    """The living nodes, as they describe themselves, and the addresses of those that do not answer."""
    alive = {node["NodeID"]: node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]}
    asked = {}
    for node_id, address in alive.items():
        place = NodeAffinitySchedulingStrategy(node_id, soft=False)
        ask = ray.remote(_describe).options(num_cpus=0, scheduling_strategy=place)
        asked[ask.remote(address)] = address
    done, late = ray.wait(list(asked), num_returns=len(asked), timeout=ANSWER)
    return [ray.get(ref) for ref in done], [asked[ref] for ref in late]


def _describe(address: str) -> Node:
    """Runs on a node, and describes it; what Ray has open there only where it is connected to any."""
    import shutil
    import tempfile
    from importlib.metadata import PackageNotFoundError, version

    import torch

    def installed(name: str) -> str:
        try:
            return version(name)
        except PackageNotFoundError:
            return "absent"

    return Node(
        address=address,
        versions={name: installed(name) for name in PACKAGES},
        disk=shutil.disk_usage(tempfile.gettempdir()).free / 2**30,
        memory=psutil.virtual_memory().available / 2**30,
        gpus=tuple(torch.cuda.get_device_name(at) for at in range(torch.cuda.device_count())),
        token=os.environ.get("RAY_AUTH_MODE") == "token",
        readable=_readable_token(),
        open=_listening(_of_session(ray.get_runtime_context().get_session_name())) if ray.is_initialized() else (),
    )


def _readable_token() -> str:
    file = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or "~/.ray/auth_token").expanduser()
    with suppress(OSError):
        return str(file) if file.stat().st_mode & 0o077 else ""
    return ""


def _of_session(name: str) -> Iterator[psutil.Process]:
    """The processes of Ray on this machine that belong to a session, workers included."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if any(name in word for word in process.cmdline()):
                yield process
                yield from process.children(recursive=True)


def _listening(processes: Iterable[psutil.Process]) -> tuple[str, ...]:
    """Names and ports of those that others than this machine can reach."""
    found: defaultdict[str, set[int]] = defaultdict(set)
    for process in processes:
        with suppress(psutil.Error):
            for each in process.net_connections(kind="inet"):
                if each.status == psutil.CONN_LISTEN and not _on_loopback(each.laddr.ip):
                    found[_label(process)].add(each.laddr.port)
    return tuple(f"{name} {' '.join(map(str, sorted(ports)))}" for name, ports in sorted(found.items()))


def _label(process: psutil.Process) -> str:
    scripts = [Path(word).stem for word in process.cmdline() if word.endswith(".py")]
    return str(scripts[0] if scripts else process.name())


def _on_loopback(address: str) -> bool:
    parsed = ip_address(address)
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped:
        parsed = parsed.ipv4_mapped
    return parsed.is_loopback


def _versions(nodes: list[Node]) -> Finding:
    found: defaultdict[str, set[str]] = defaultdict(set)
    for node in nodes:
        for name, version in node.versions.items():
            found[name].add(version)
    mixed = [f"{name} {' and '.join(sorted(versions))}" for name, versions in found.items() if len(versions) > 1]
    if mixed:
        return Finding(Grade.BAD, "versions", "; ".join(mixed), "install the same constraints file on every node")
    absent = [name for name, versions in found.items() if "absent" in versions]
    if absent:
        return Finding(
            Grade.BAD, "versions", f"{', '.join(absent)} not installed", "pip install the project on every node"
        )
    shown = ", ".join(f"{name} {next(iter(versions))}" for name, versions in found.items())
    return Finding(Grade.GOOD, "versions", f"{counted(len(nodes), 'node')}{' alike' * (len(nodes) > 1)}: {shown}")


def _space(node: Node) -> Iterator[Finding]:
    seen = f"{node.address}: {node.disk:.0f} GiB of disk and {node.memory:.0f} GiB of memory free"
    if node.disk < LEAST_DISK:
        yield Finding(Grade.DOUBTFUL, "disk", seen, f"Ray's logs and the model's files want {LEAST_DISK} GiB and more")
    elif node.memory < LEAST_MEMORY:
        yield Finding(Grade.DOUBTFUL, "memory", seen, "Ray ends processes on a node whose memory is nearly full")
    else:
        yield Finding(Grade.GOOD, "space", seen)


def _room(settings: GenerateSettings, nodes: list[Node]) -> Finding:
    needed, asked = resources_of(settings.proposer, settings.ray), actors_of(settings).replicas
    have = ray.cluster_resources()
    fitting = min(
        (
            int(have.get(name, 0) / each)
            for name, each in (("CPU", needed["num_cpus"]), ("GPU", needed["num_gpus"]))
            if each
        ),
        default=asked,
    )
    gpus = ", ".join(sorted({name for node in nodes for name in node.gpus})) or "no GPU"
    seen = f"room now for {fitting} of {counted(asked, 'replica')} ({gpus})"
    if fitting < asked:
        return Finding(
            Grade.DOUBTFUL, "replicas", seen, "the others wait for nodes; fine if the cluster grows by itself"
        )
    return Finding(Grade.GOOD, "replicas", seen)


def _doors(settings: GenerateSettings, nodes: list[Node], dashboard: str) -> Iterator[Finding]:
    """Whether others could reach the cluster: what is asked of them, and what really listens."""
    ours = not (os.environ.get("RAY_ADDRESS") or settings.ray.address)
    open_nodes = [node.address for node in nodes if not node.token]
    if open_nodes:
        yield Finding(
            Grade.BAD,
            "access",
            f"no token is asked for on {', '.join(open_nodes)}",
            "whoever reaches Ray's ports can run anything: start Ray with RAY_AUTH_MODE=token (SECURITY.md)",
        )
    else:
        yield Finding(Grade.GOOD, "access", "token authentication is on")
    for node in nodes:
        if node.readable:
            seen = f"{node.address}: others may read {node.readable}"
            yield Finding(Grade.DOUBTFUL, "token", seen, f"chmod 600 {node.readable}")
        yield _ports(node.address, node.open, expected=node.token and not ours)
    if ours:
        yield _ports("this process", _listening([psutil.Process()]), expected=False)
    if dashboard and not dashboard.startswith(("127.", "localhost", "[::1]")):
        yield Finding(
            Grade.DOUBTFUL, "dashboard", f"listens on {dashboard}", "start the head with --dashboard-host=127.0.0.1"
        )


def _ports(where: str, reachable: tuple[str, ...], expected: bool) -> Finding:
    """What others can reach.

    Args:
        expected: It is no fault: a cluster of several machines cannot do without.
    """
    if not reachable:
        return Finding(Grade.GOOD, "ports", f"{where}: on loopback only")
    if expected:
        return Finding(Grade.GOOD, "ports", f"{where}, for whoever has the token: {', '.join(reachable)}")
    return Finding(
        Grade.DOUBTFUL,
        "ports",
        f"{where}, open to the network: {', '.join(reachable)}",
        "let a firewall admit the cluster's own nodes only",
    )


def _model(settings: GenerateSettings, inputs: Inputs) -> Finding:
    """Load the model where a replica would; opening it checks that its context holds the prompts."""
    place: Callable[..., Any] = (
        ray.remote(_problem).options(**resources_of(settings.proposer, settings.ray), max_retries=0).remote
    )
    try:
        problem = ray.get(place(served(inputs)[0]), timeout=LOAD)
    except ray.exceptions.RayError as error:
        problem = " ".join(str(error).split())[-300:]
    return _loaded(inputs, problem)


def _problem(line: Served) -> str | None:
    """What prevents a model from being loaded in this process, if anything does."""
    try:
        open_engine(line.engine, line.prompts)
    except SelfInstructError as error:
        return str(error)
    return None


def _loaded(inputs: Inputs, problem: str | None) -> Finding:
    if problem:
        return Finding(Grade.BAD, "model", problem, "try the model alone with `selfinstruct try`")
    if traits(inputs.proposer).checkpoint:
        return Finding(Grade.GOOD, "model", f"{inputs.proposer.model} loads, and its context holds the prompts")
    return Finding(Grade.GOOD, "model", f"{inputs.proposer.engine} is ready for requests to {name_of(inputs.proposer)}")
