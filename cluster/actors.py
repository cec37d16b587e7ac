"""How many actors a run has, and whether it has any: where nothing is gained by Ray, it is not started."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass

from cluster.settings import GenerateSettings, RaySettings
from selfinstruct.engines import traits

REPLICAS, SHARDS = 2, 2
"""Where nobody says how many."""


@dataclass(frozen=True, slots=True)
class Actors:
    """Replicas of the proposing model, and shards of the index. Without replicas everything is in one process."""

    replicas: int
    shards: int


def actors_of(settings: GenerateSettings) -> Actors:
    """How many actors a run with these options has, here and now.

    Raises:
        InputError: there is no such engine.
    """
    replicas = settings.replicas
    if replicas is None:
        replicas = 0 if _one_process_will_do(settings) else REPLICAS
    return Actors(replicas, settings.shards or SHARDS)


def _one_process_will_do(settings: GenerateSettings) -> bool:
    """Whether no model runs here, and nobody has asked for actors or a cluster."""
    engines = [settings.proposer, settings.labeller, *([settings.judging] if settings.check.rubric else [])]
    asked = settings.shards is not None or settings.label.replicas > 1 or settings.check.replicas > 1
    return not asked and not has_cluster(settings.ray) and all(traits(each).light for each in engines)


def has_cluster(settings: RaySettings) -> bool:
    """Whether a cluster is named, as it is in a job of Ray's too, or this process is connected to one."""
    loaded = sys.modules.get("ray")  # who has not imported it is not connected
    return bool(settings.address or os.environ.get("RAY_ADDRESS") or (loaded and loaded.is_initialized()))
