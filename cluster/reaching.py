"""Whether a cluster can be reached, told within seconds, and a local one that is given the time that it takes.

By itself Ray asks an address that does not answer for minutes, in many lines, and gives its own processes half a
minute to start, which a busy machine may not have.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil
from ray._private import services
from ray._raylet import GcsClient  # type: ignore[attr-defined]  # of a compiled module
from ray.exceptions import AuthenticationError

from selfinstruct.errors import FailureError

log = logging.getLogger("selfinstruct.ray")

CONNECT = 4.0
"""Seconds in which a port must take a connection."""

ANSWER = 5.0
"""Seconds in which Ray must answer there."""

QUIET = 20.0
"""Seconds of starting a local cluster after which that is said."""

START = 300
"""Seconds that a local cluster may take to start, as long as its processes live."""

WAITS = {
    "RAY_gcs_server_port_wait_time_s": str(START),
    "RAY_agent_register_timeout_ms": str(START * 1000),
    "RAY_worker_register_timeout_seconds": str(START),
}
"""How long Ray's processes wait for each other, who would end when one comes late."""


def check_reachable(address: str) -> None:
    """Ask the cluster at `host:port` or `ray://host:port` whether it is there, and lets us in.

    Raises:
        FailureError: it does not answer, or takes another token.
    """
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdecimal():
        return  # Ray finds it by itself, or says what is wrong with it
    end = time.monotonic() + CONNECT
    while (refused := _refusal(host.strip("[]"), int(port))) and time.monotonic() < end:
        time.sleep(0.2)
    if refused:
        raise FailureError(
            f"no Ray cluster answers at {address} ({refused}); start it, or correct --ray.address and RAY_ADDRESS"
        )
    if not address.startswith("ray://"):
        _check_token(address)


def _refusal(host: str, port: int) -> str:
    """Why a port takes no connection; empty if it does."""
    try:
        socket.create_connection((host, port), CONNECT).close()
    except (OSError, OverflowError, UnicodeError) as error:
        return str(getattr(error, "strerror", None) or error)
    return ""


def _check_token(address: str) -> None:
    answers: list[BaseException | None] = []

    def ask() -> None:
        try:
            GcsClient(address=address)
            answers.append(None)
        except BaseException as error:
            answers.append(error)

    asking = threading.Thread(target=ask, name="ask the cluster", daemon=True)
    asking.start()
    asking.join(ANSWER)
    if not answers:
        raise FailureError(f"what answers at {address} is no Ray cluster, or is too busy to say so; is the port right?")
    if isinstance(answers[0], AuthenticationError):
        raise FailureError(
            f"the Ray cluster at {address} does not take this command's token (RAY_AUTH_MODE is"
            f" {os.environ.get('RAY_AUTH_MODE', 'not set')!r}); set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN or"
            " RAY_AUTH_TOKEN_PATH to the token that the cluster was started with"
        )


@contextmanager
def patient() -> Iterator[None]:
    """While a local cluster is started: wait as long as that takes, and say so."""
    before = {name: os.environ.get(name) for name in WAITS}
    os.environ.update({name: value for name, value in WAITS.items() if name not in os.environ})
    saying = threading.Timer(QUIET, log.warning, (f"starting Ray takes its time here; waiting up to {START} s",))
    saying.daemon = True
    saying.start()
    find, services.get_node = services.get_node, _waiting(services.get_node, time.monotonic() + START)
    try:
        yield
    finally:
        saying.cancel()
        services.get_node = find
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)


def _waiting(find: Any, end: float) -> Any:
    """Ray's way to ask whether its node is there, which waits for it where Ray would give up."""

    def found(gcs_address: str, node_id: str) -> Any:
        while True:
            try:
                return find(gcs_address, node_id)
            except RuntimeError:
                if time.monotonic() > end or not _is_starting():
                    raise
                time.sleep(0.1)

    return found


def _is_starting() -> bool:
    """Whether a node's process, a child of this one, lives."""
    alive = (child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE)
    return any("raylet" in child.name() for child in alive)


def one_line(error: BaseException) -> str:
    """What Ray says, in the first of its many lines."""
    return next(iter(str(error).strip().splitlines()), "") or type(error).__name__
