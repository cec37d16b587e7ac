"""A real Ray head of our own: its own session folder, its own ports, token authentication, dashboard and metrics."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import ray

from cluster.reaching import patient

ROOT = Path(__file__).parents[2]
RAY = Path(sys.executable).with_name("ray")


@dataclass(frozen=True)
class Head:
    """A running head.

    Args:
        process: `ray start --block`, whose children are all of Ray's processes.
        session: The folder given as --temp-dir.
        address: For `ray.init`.
        metrics: Where it exports metrics for Prometheus.
        environment: Of its clients.
    """

    process: subprocess.Popen[bytes]
    session: Path
    address: str
    metrics: str
    environment: Mapping[str, str]


def start_ray(**options: int) -> None:
    """A local Ray for this process, waited for however busy the machine is, and begun again if it ends in starting."""
    options_ = {"include_dashboard": False, "log_to_driver": False, **options}
    for left in reversed(range(3)):
        try:
            with patient():
                ray.init(address="local", **options_)
            return
        except Exception:
            ray.shutdown()
            if not left:
                raise


@contextmanager
def ray_head(cpus: int, **variables: str) -> Iterator[Head]:
    """A head with so many (made-up) cores for a while; `variables` are added to its environment and its clients'."""
    session = Path(tempfile.mkdtemp(prefix="si", dir="/tmp"))  # a short name: Ray's sockets lie in it
    port, dashboard, client, agent, metrics = _free_ports(5)
    environment = {**os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0123456789abcdef" * 4}
    environment |= {"RAY_USAGE_STATS_ENABLED": "0", "NO_PROXY": "127.0.0.1", **variables}
    environment["PATH"] = f"{RAY.parent}:{environment['PATH']}"  # as on a node whose shell activates the environment
    environment.pop("RAY_ADDRESS", None)
    command = [str(RAY), "start", "--head", "--block", "--node-ip-address=127.0.0.1", f"--port={port}"]
    command += [f"--num-cpus={cpus}", "--object-store-memory=200000000", f"--temp-dir={session}"]
    command += [f"--dashboard-port={dashboard}", "--dashboard-host=127.0.0.1", "--disable-usage-stats"]
    command += [f"--ray-client-server-port={client}", f"--dashboard-agent-listen-port={agent}"]
    command += [f"--metrics-export-port={metrics}"]
    with (session / "head.log").open("w") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    environment["RAY_API_SERVER_ADDRESS"] = f"http://127.0.0.1:{dashboard}"
    try:
        _wait(process, port, session / "head.log")
        yield Head(process, session, f"127.0.0.1:{port}", f"http://127.0.0.1:{metrics}/metrics", environment)
    finally:
        ours = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        process.terminate()  # with --block, ends all of its processes
        for left in psutil.wait_procs(ours, timeout=10)[1]:
            with suppress(psutil.NoSuchProcess):  # it ended this moment
                left.kill()
        process.wait()
        shutil.rmtree(session, ignore_errors=True)


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Until the head takes connections, however busy the machine is."""
    while process.poll() is None:
        with suppress(OSError):
            return socket.create_connection(("127.0.0.1", port), 60).close()
        time.sleep(0.2)
    raise RuntimeError(f"the head has ended: {log.read_text()}")


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports: list[int] = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
