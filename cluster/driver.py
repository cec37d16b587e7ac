"""Generating on a cluster: check everything, start replicas and shards, let `selfinstruct.loop` drive, end tidily.

The driver has no state of its own. Kill it at any time and give the same command again: the run's files say where
it stands, the shards are fed from the pool, and requests that were under way are made again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from cluster.connect import connected, replica_resources
from cluster.replicas import ReplicaPool
from cluster.settings import GenerateSettings, check, prompt_set_for
from cluster.shards import ShardedIndex
from selfinstruct.engines import EngineSettings, identify, pinned
from selfinstruct.errors import YieldError
from selfinstruct.loop import Watch, check_facts, drive
from selfinstruct.prompts import PromptSet, load_prompts
from selfinstruct.records import ImportedTask, SeedTask, Table
from selfinstruct.rounds import Run, Stage
from selfinstruct.seeds import load_seeds
from selfinstruct.settings import Facts, facts_of, named_values
from selfinstruct.store import RunStore
from selfinstruct.texts import read_tasks


@dataclass(frozen=True)
class Inputs:
    """Everything a run is made from, read and checked before any work."""

    seeds: list[SeedTask]
    imported: list[ImportedTask]
    prompts: PromptSet
    proposer: EngineSettings
    labeller: EngineSettings
    facts: Facts


def read_inputs(settings: GenerateSettings) -> Inputs:
    """Read seeds and prompts, find the model, and say what the run's data depends on.

    Raises:
        InputError: something of it is wrong.
    """
    check(settings)
    seeds = load_seeds(settings.seeds)
    imported = read_tasks(settings.pool)
    variables = named_values("chat_template_kwargs", settings.chat_template_kwargs)
    prompts = load_prompts(prompt_set_for(settings.prompts, settings.proposer)).with_template(variables)
    proposer, labeller = identify(settings.proposer), identify(settings.labeller)
    facts = {
        **facts_of(settings),
        "seeds": _digest_of([asdict(seed) for seed in seeds]),
        "pool": _digest_of([asdict(task) for task in imported]),
        "prompts": prompts.digest,
        **{f"proposer.{key}": value for key, value in proposer.items()},
        **{f"labeller.{key}": value for key, value in labeller.items()},
    }
    return Inputs(
        seeds, imported, prompts, pinned(settings.proposer, proposer), pinned(settings.labeller, labeller), facts
    )


def open_store(settings: GenerateSettings, facts: Facts) -> RunStore:
    """The run's files, writable, and begun with the same facts if they were begun.

    Raises:
        InputError: the folder cannot be written, or the run's options differ.
    """
    store = RunStore(settings.out)
    if store.rounds(Table.CANDIDATES):
        check_facts(store, facts)
    store.blobs.check_writable()
    return store


def generate(settings: GenerateSettings, inputs: Inputs, store: RunStore, watch: Watch) -> Run:
    """Take a run from where its files are to its end; returns it finished.

    Raises:
        SelfInstructError: see `selfinstruct.errors`; what is committed stays, the same command goes on.
    """
    run = Run(settings, inputs.prompts, inputs.seeds, inputs.imported)
    with connected(settings.ray, _replicas(settings, inputs)), _lines(settings, inputs) as lines:
        index = ShardedIndex(settings.novelty, settings.shards, _absolute(settings.out))
        with ThreadPoolExecutor(1, thread_name_prefix="hands") as hands:
            try:
                drive(run, store, index, lines, inputs.facts, hands, watch)
            finally:
                hands.shutdown(cancel_futures=True)
    if run.barren:
        raise YieldError(
            f"{settings.out}: the last {settings.rounds.patience} rounds accepted nothing; {run.pool.generated}"
            f" instructions are there. More varied seeds or a higher temperature help; --rounds.patience goes on longer"
        )
    return run


@contextmanager
def _lines(settings: GenerateSettings, inputs: Inputs) -> Iterator[list[tuple[ReplicaPool, tuple[Stage, ...]]]]:
    """One pool for both stages, proposing first in line, or one pool for each."""
    proposer, labeller = inputs.proposer, inputs.labeller
    resources = replica_resources(proposer, settings.ray)
    pool = ReplicaPool(proposer, inputs.prompts, settings.replicas, settings.in_flight, resources)
    if proposer == labeller:
        yield [(pool, (Stage.PROPOSE, Stage.LABEL))]
    else:
        resources = replica_resources(labeller, settings.ray)
        label_pool = ReplicaPool(labeller, inputs.prompts, settings.label.replicas, settings.in_flight, resources)
        yield [(pool, (Stage.PROPOSE,)), (label_pool, (Stage.LABEL,))]


def _replicas(settings: GenerateSettings, inputs: Inputs) -> int:
    """Of both models together."""
    return settings.replicas + (settings.label.replicas if inputs.proposer != inputs.labeller else 0)


def _absolute(out: str) -> str:
    """The run's place, as a process with another working folder finds it."""
    return out if "://" in out else str(Path(out).expanduser().absolute())


def _digest_of(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
