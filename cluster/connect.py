"""Connecting to Ray: `RAY_ADDRESS` first, then `--ray.address`, else a local cluster of our own that ends with us."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

import ray

from cluster.settings import RaySettings
from selfinstruct.engines import EngineSettings, devices
from selfinstruct.errors import FailureError


@contextmanager
def connected(settings: RaySettings, replicas: int) -> Iterator[None]:
    """Be connected to a cluster for a while; a local one is started with a core for each replica.

    Raises:
        FailureError: there is no cluster at the address.
    """
    address = os.environ.get("RAY_ADDRESS") or settings.address
    logging.getLogger("ray._private.authentication").setLevel(logging.ERROR)  # that tokens are on is no warning
    # Ray would otherwise start Python in the workers through a package manager that it finds in the environment.
    os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    try:
        if address:
            ray.init(address=address, logging_level=logging.WARNING)
        else:
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
            cores = max(os.cpu_count() or 1, round(replicas * settings.cpus))
            ray.init(address="local", num_cpus=cores, include_dashboard=False, logging_level=logging.WARNING)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise FailureError(f"no Ray cluster could be reached at {address or 'this machine'}: {error}") from error
    try:
        yield
    finally:
        ray.shutdown()


def replica_resources(engine: EngineSettings, settings: RaySettings) -> dict[str, float]:
    """Ray's resource options for one replica of an engine."""
    count, gpus = devices(engine), settings.gpus
    if gpus is None:
        gpus = 1.0 if count and ray.cluster_resources().get("GPU", 0) >= 1 else 0.0
    return {"num_cpus": settings.cpus, "num_gpus": gpus * max(1, count)}
