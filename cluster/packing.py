"""Keeping all GPUs of a replica on one node."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ray.util.placement_group import placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy


def packed(options: Mapping[str, Any]) -> dict[str, Any]:
    """Ray's options for one replica's actor, with its scheduling strategy; call it once for each replica.

    A replica with one GPU or none goes where there is most room (SPREAD). One with several, for a tensor-parallel
    model, gets a placement group of its own, STRICT_PACK: its GPUs are on one node, come all together, and are kept for
    it while its actor dies and comes back. The group is a single bundle, since the actor holds all GPUs itself and
    vLLM's workers are its children; it goes with the driver's job.
    """
    if options.get("num_gpus", 0) <= 1:
        return {**options, "scheduling_strategy": "SPREAD"}
    names = {"num_cpus": "CPU", "num_gpus": "GPU", "memory": "memory"}
    bundle = {names[option]: options[option] for option in names if options.get(option)}
    labels = options.get("label_selector")
    group = placement_group([bundle], strategy="STRICT_PACK", bundle_label_selector=[labels] if labels else None)
    strategy = PlacementGroupSchedulingStrategy(group, placement_group_bundle_index=0)
    rest = {name: value for name, value in options.items() if name != "label_selector"}
    return {**rest, "scheduling_strategy": strategy}
