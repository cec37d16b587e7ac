"""Connecting to Ray: `RAY_ADDRESS` first, then `--ray.address`, else a local cluster of our own that ends with us."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import ray

from cluster.closed import closed
from cluster.reaching import check_reachable, one_line, patient
from cluster.settings import RaySettings
from selfinstruct.errors import FailureError, SelfInstructError


@contextmanager
def connected(settings: RaySettings, replicas: int, *, show_logs: bool = True) -> Iterator[str]:
    """Be connected to a cluster for a while; a local one is started with a core for each replica, closed to others.

    Gives the address at which the cluster's dashboard listens, empty if it has none. A process that is connected
    already, as one that uses Ray by itself, stays so, whatever the settings say.

    Args:
        show_logs: Print here what actors print.

    Raises:
        FailureError: there is no cluster at the address, it does not let us in, or none could be started.
    """
    if ray.is_initialized():
        yield ""
        return
    address = os.environ.get("RAY_ADDRESS") or settings.address
    logging.getLogger("ray._private.authentication").setLevel(logging.ERROR)  # it would warn that tokens are on
    # Ray would otherwise start Python in the workers through a package manager that it finds in the environment.
    os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    os.environ.setdefault("RAY_COLOR_PREFIX", "0")  # what it prints of actors is shown without escapes
    options: dict[str, Any] = {"logging_level": logging.WARNING, "log_to_driver": show_logs}
    on_terminate = signal.getsignal(signal.SIGTERM)
    with ExitStack() as local:
        try:
            if address:
                check_reachable(address)
                context = ray.init(address=address, **options)
            else:
                os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
                cores = max(os.cpu_count() or 1, round(replicas * settings.cpus))
                options |= local.enter_context(closed())
                with patient():
                    context = ray.init(address="local", num_cpus=cores, include_dashboard=False, **options)
        except SelfInstructError:
            raise
        except Exception as error:  # of many kinds, `Exception` among them
            if address:
                raise FailureError(f"no Ray cluster could be reached at {address}: {one_line(error)}") from error
            raise FailureError(
                f"Ray could not be started ({one_line(error)}); it needs memory, processes, and a short folder that it"
                " may write (RAY_TMPDIR)"
            ) from error
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, on_terminate)  # Ray has put its own handler there
        try:
            yield context.dashboard_url or ""
        finally:
            ray.shutdown()
