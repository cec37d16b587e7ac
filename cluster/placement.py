"""Where replicas run: what each of them asks for, which node they avoid, and what the cluster has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import ray
from ray._private.state import state

from cluster.settings import RaySettings
from selfinstruct.engines import EngineSettings, traits

GIB = 2**30


def resources_of(engine: EngineSettings, settings: RaySettings) -> dict[str, float]:
    """Ray's resource options for one replica of an engine."""
    resources = {"num_cpus": settings.cpus, "num_gpus": _gpus(engine, settings)}
    return resources | ({"memory": settings.memory * GIB} if settings.memory else {})


def _gpus(engine: EngineSettings, settings: RaySettings) -> float:
    """As many per device as the user says; otherwise one, if the cluster has GPUs or may get some."""
    count, gpus = traits(engine).devices, settings.gpus
    if gpus is None:
        gpus = 1.0 if count and max(_there().get("GPU", 0), _to_come().get("GPU", 0)) >= 1 else 0.0
    return gpus * max(1, count)


def keep_off_head(resources: Mapping[str, float]) -> dict[str, Any]:
    """Ray's options that keep a replica off the head node, which is for the driver and the shards, if there are others.

    A lost head takes the run with it, and what is large or may crash should not endanger it. GPUs of a head are for
    replicas all the same: where all machines are alike they are paid for, and `ray start --num-gpus=0` keeps them free.
    """
    nodes = [node for node in ray.nodes() if node["Alive"]]
    heads = [node for node in nodes if "node:__internal_head__" in node["Resources"]]
    if resources["num_gpus"] or not heads or len(heads) == len(nodes):
        return {}
    return {"label_selector": {"ray.io/node-id": f"!{heads[0]['NodeID']}"}}


def shortage(waiting: int, count: int, resources: Mapping[str, float]) -> str:
    """What `waiting` of `count` replicas wait for and what the cluster has, in one line."""
    asked = {"CPU": resources["num_cpus"], "GPU": resources["num_gpus"], "memory": resources.get("memory", 0)}
    nodes = sum(node["Alive"] for node in ray.nodes())
    return (
        f"replicas: {waiting} of {count} have no place yet; each asks for {_listed(asked)}; the cluster has"
        f" {_listed(_there())} on {nodes} node{'s' * (nodes != 1)}, free {_listed(ray.available_resources())}"
        f"{_promised()}"
    )


def _promised() -> str:
    """What an autoscaler may add."""
    return f", and may grow to {_listed(_to_come())}" if _to_come() else ""


def _there() -> Mapping[str, float]:
    there: Mapping[str, float] = ray.cluster_resources()
    return there


def _to_come() -> Mapping[str, float]:
    """What the cluster's autoscaler may grow it to; empty if there is none. Ray's own libraries ask like this."""
    return state.get_max_resources_from_cluster_config() or {}


def _listed(resources: Mapping[str, float]) -> str:
    """Those of interest, in words."""
    amounts = Counter({name: resources.get(name, 0) for name in ("CPU", "GPU")})
    words = [f"{amount:g} {name}" for name, amount in amounts.items() if amount]
    words += [f"{resources['memory'] / GIB:.0f} GiB"] if resources.get("memory") else []
    return ", ".join(words) or "nothing"
