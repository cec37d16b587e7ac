"""The options of a run on a cluster. No heavy imports, so that `--help` starts at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from selfinstruct.run.budget import BudgetSettings
from selfinstruct.run.inputs import InputSettings, JudgeModelSettings, LabelSettings
from selfinstruct.settings import MOST_ACTORS, group, option


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
    gpus: float | None = option(None, least=0)
    cpus: float = option(1, least=0)
    memory: float = option(0, least=0)


@dataclass(frozen=True)
class TimeoutSettings:
    """When a replica counts as hung. It is then ended, another one is started, and its requests are made again.

    Args:
        load: Seconds in which it must have loaded its model, a download included.
        request: Seconds in which it must complete at least one request, as long as it has any.
        answer: Seconds in which its process must answer, whatever its engine is doing.
    """

    load: float = option(7200, least=1)
    request: float = option(1800, least=1)
    answer: float = option(120, least=10)


@dataclass(frozen=True)
class LabelPoolSettings(LabelSettings):
    """How instructions are labelled, and by which model.

    Args:
        as_: task (inputs and outputs, as the paper asks for them), answer (each instruction is a user's turn, and the
            output what a chat model says to it) or none (instructions alone: a run of two tables).
        samples: With answer: how many answers each instruction gets.
        engine: Engine of the labelling model (default: that of --engine).
        model: The labelling model (default: that of --model; then both stages share the replicas).
        replicas: Replicas of the labelling model, if it is another one.
    """

    replicas: int = option(1, least=1, most=MOST_ACTORS, alters_data=False)


@dataclass(frozen=True)
class JudgePoolSettings(JudgeModelSettings):
    """A check of the run's own, and its model.

    Args:
        replicas: Replicas of the judging model, if it is another one than those that propose and label.
    """

    replicas: int = option(1, least=1, most=MOST_ACTORS, alters_data=False)


@dataclass(frozen=True, kw_only=True)
class GenerateSettings(InputSettings):
    """Grow a set of instructions and instances from seed tasks. The same command resumes a run.

    Args:
        out: Folder of the run, local or s3://, gs://, az://.
        replicas: Copies of the model, each in a Ray actor of its own; 0 is one in this process, without Ray (default:
            2; 0 where no model runs here, as with openai and template, and no cluster, --shards or other replicas are
            asked for).
        shards: Ray actors that hold the novelty index (default: 2); without Ray it is in this process, too.
        in_flight: Requests that each replica holds at most (default: 512 on a GPU, with openai four times what its
            options let be under way, else 64).
        wait_for_space: Seconds to wait when the disk of the run is full; then the run stops.
    """

    out: str = option("", alters_data=False)
    replicas: int | None = option(None, least=0, most=MOST_ACTORS, alters_data=False)
    shards: int | None = option(None, least=1, most=MOST_ACTORS, alters_data=False)
    in_flight: int | None = option(None, least=1, alters_data=False)
    wait_for_space: float = option(600.0, least=0, alters_data=False)
    label: LabelPoolSettings = group(LabelPoolSettings)
    check: JudgePoolSettings = group(JudgePoolSettings, on_command_line=False)
    ray: RaySettings = group(RaySettings, alters_data=False)
    timeouts: TimeoutSettings = group(TimeoutSettings, alters_data=False)
    budget: BudgetSettings = group(BudgetSettings, alters_data=False)

    def problems(self) -> Iterator[str]:
        """What is wrong with the options together."""
        yield from super().problems()
        if not self.out:
            yield "out: is missing; name the run's folder, for example --out runs/first"
