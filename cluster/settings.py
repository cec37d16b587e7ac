"""The options of a run on a cluster. No heavy imports, so that `--help` starts at once."""

from __future__ import annotations

from dataclasses import dataclass, field

from selfinstruct.errors import InputError
from selfinstruct.run.inputs import InputSettings, LabelSettings
from selfinstruct.settings import unaltering

IN_FLIGHT = {"cpu": 64, "gpu": 512}
"""Requests that a replica holds at most, by where it runs: a GPU's step takes about as long for few as for many."""


@dataclass(frozen=True)
class RaySettings:
    """Where the actors run.

    Args:
        address: Address of a running cluster; without it (and without RAY_ADDRESS) a local one is started.
        gpus: GPUs per replica (per device of a tensor-parallel model); without it 1 where the cluster has any, or may
            start nodes that do, and the model runs in the replica, else 0.
        cpus: CPU cores per replica.
        memory: GiB of main memory that a replica reserves (0: none).
    """

    address: str | None = None
    gpus: float | None = None
    cpus: float = 1
    memory: float = 0


@dataclass(frozen=True)
class TimeoutSettings:
    """When a replica is taken for hung. It is ended then, another one started, and its requests are made again.

    Args:
        load: Seconds in which it must have loaded its model, a download included.
        request: Seconds in which it must complete one request at least, as long as it has any.
        answer: Seconds in which its process must answer, whatever its engine is at.
    """

    load: float = 7200
    request: float = 1800
    answer: float = 120


@dataclass(frozen=True)
class BudgetSettings:
    """When to end before the target: the round under way is finished, and the same command goes on another time.

    Args:
        hours: Hours after which this command begins no further round.
        cost: Money after which it begins none (needs --budget.price).
        price: Money per replica and hour, for this and to be shown.
    """

    hours: float | None = None
    cost: float | None = None
    price: float | None = None


@dataclass(frozen=True)
class LabelPoolSettings(LabelSettings):
    """Another model for classifying and instantiating.

    Args:
        engine: Engine of the labelling model (default: that of --engine).
        model: The labelling model (default: that of --model; then both stages share the replicas).
        replicas: Replicas of the labelling model, if it is another one.
    """

    replicas: int = 1


@dataclass(frozen=True, kw_only=True)
class GenerateSettings(InputSettings):
    """Grow a set of instructions and instances from seed tasks. The same command resumes a run.

    Args:
        out: Folder of the run, local or s3://, gs://, az://.
        replicas: Copies of the model, each in a Ray actor of its own.
        shards: Ray actors that hold the novelty index.
        in_flight: Requests that each replica holds at most (default: 512 on a GPU, else 64).
        wait_for_space: Seconds to wait when the disk of the run is full; then the run stops.
    """

    out: str = unaltering("")
    replicas: int = unaltering(2)
    shards: int = unaltering(2)
    in_flight: int | None = unaltering(None)
    wait_for_space: float = unaltering(600.0)
    label: LabelPoolSettings = field(default_factory=LabelPoolSettings, metadata={"alters_data": False})
    ray: RaySettings = field(default_factory=RaySettings, metadata={"alters_data": False})
    timeouts: TimeoutSettings = field(default_factory=TimeoutSettings, metadata={"alters_data": False})
    budget: BudgetSettings = field(default_factory=BudgetSettings, metadata={"alters_data": False})


def check(settings: GenerateSettings) -> None:
    """InputError for what the types of the options let through."""
    least = {
        "target": (settings.target, 1),
        "replicas": (settings.replicas, 1),
        "shards": (settings.shards, 1),
        "in_flight": (1 if settings.in_flight is None else settings.in_flight, 1),
        "wait_for_space": (settings.wait_for_space, 0),
        "label.replicas": (settings.label.replicas, 1),
        "propose.seeds": (settings.propose.seeds, 1),
        "propose.generated": (settings.propose.generated, 0),
        "ngram": (settings.ngram, 2),
        "instances.most": (settings.instances.most, 1),
        "rounds.lag": (settings.rounds.lag, 1),
        "rounds.least": (settings.rounds.least, 1),
        "rounds.most": (settings.rounds.most, settings.rounds.least),
        "rounds.label_lag": (settings.rounds.label_lag, 1),
        "rounds.patience": (settings.rounds.patience, 1),
        "novelty.bands": (settings.novelty.bands, 2),
        "novelty.rows": (settings.novelty.rows, 1),
        "novelty.threshold": (settings.novelty.threshold, 0),
        "ray.cpus": (settings.ray.cpus, 0),
        "ray.gpus": (settings.ray.gpus or 0, 0),
        "ray.memory": (settings.ray.memory, 0),
        "budget.hours": (settings.budget.hours or 0, 0),
        "budget.cost": (settings.budget.cost or 0, 0),
        "budget.price": (settings.budget.price or 0, 0),
        "timeouts.load": (settings.timeouts.load, 1),
        "timeouts.request": (settings.timeouts.request, 1),
        "timeouts.answer": (settings.timeouts.answer, 10),
    }
    problems = [
        f"--{key}: is {value}, must be at least {bound}" for key, (value, bound) in least.items() if value < bound
    ]
    if settings.budget.cost is not None and settings.budget.price is None:
        problems.append("--budget.cost: needs --budget.price, the money that a replica takes per hour")
    if not settings.out:
        problems.append("--out: is missing; name the run's folder, for example --out runs/first")
    if problems:
        raise InputError(*problems)
