"""Which instances a model is tuned on, and in which order (paper, section 2.3).

A run gives its accepted instances and its seed tasks, a file its tasks. Exact duplicates (instruction, input and
output) are dropped, the first stays. The order is drawn by keyed hash, epoch by epoch, so that every machine, number
of workers and version of a library sees the same examples in the same step.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from selfinstruct.draws import Draws
from selfinstruct.errors import InputError
from selfinstruct.quality.only import Only, only_where
from selfinstruct.records import Table
from selfinstruct.sources.rows import is_readable
from selfinstruct.sources.texts import read_tasks
from selfinstruct.storage.history import check_labelled
from selfinstruct.storage.store import RunStore, name_of, open_run

SEED = "seed/"
"""How the ids of seed tasks begin."""


@dataclass(frozen=True, slots=True)
class Example:
    """One instance of one task, and where it comes from."""

    id: str
    instruction: str
    input: str
    output: str


@dataclass(frozen=True, slots=True)
class Source:
    """Where examples come from: a run and the digest of its content, or a file. `given` counts instances."""

    name: str
    digest: str
    given: int


@dataclass(frozen=True, slots=True)
class ExampleSet:
    """The examples in canonical order, and the account of them."""

    examples: Sequence[Example]
    sources: Sequence[Source]
    duplicates: int
    digest: str  # of the examples in their order
    notes: Sequence[str] = ()  # what of the files is not used


def read_examples(
    names: Sequence[str], seeds: bool = True, only: str | None = None, check: str | None = None
) -> ExampleSet:
    """The examples of runs (folders or URLs) and files (`texts.read_tasks`), in this order.

    Args:
        seeds: Take a run's seed tasks too.
        only: Of what a run's model wrote, what this expression lets pass (`quality.only`); files are read whole.
        check: The check that it means.

    Raises:
        InputError: there is no such run or file, it has no accepted instance, or `only` cannot be read.
        CorruptError: a file of a run is damaged.
    """
    unique: dict[tuple[str, str, str], Example] = {}
    sources: list[Source] = []
    notes: list[str] = []
    for name in names:
        told: list[str] = []
        if is_readable(name) or os.path.isfile(name):  # no run in any case
            own = list(_of_file(name, told))
            digest = _digest_of(own)
        else:
            store = open_run(name)
            check_labelled(store)
            own = list(_of_run(store, seeds, only_where(only, store, check)))
            digest = run_digest(store)
        if all(example.id.startswith(SEED) for example in own):
            raise InputError(
                "; ".join(
                    [f"{name}: has no accepted instance to tune on; give a run that has some, or another file", *told]
                )
            )
        notes += told
        sources.append(Source(name, digest, len(own)))
        for each in own:
            unique.setdefault((each.instruction, each.input, each.output), each)
    examples = list(unique.values())
    duplicates = sum(source.given for source in sources) - len(examples)
    return ExampleSet(examples, sources, duplicates, _digest_of(examples), notes)


def run_digest(store: RunStore) -> str:
    """The digest of a run as `verify.digest` gives it, from what the files' footers say about their rows."""
    total = hashlib.sha256()
    for table in Table:
        for number in store.rounds(table):
            total.update(f"{name_of(table, number)} {store.metadata(table, number).content}\n".encode())
    return total.hexdigest()


def order(number: int, wanted: int, seed: int) -> Iterator[int]:
    """`wanted` indices below `number`: all of them in one random order, then in another, and so on."""
    epoch = 0
    while wanted > 0:
        shuffled = Draws("epoch", seed, epoch).sample(range(number), number)[:wanted]
        yield from shuffled
        wanted -= len(shuffled)
        epoch += 1


def _of_run(store: RunStore, seeds: bool, only: Only | None) -> Iterator[Example]:
    columns = ["id", "instruction", "input", "output"]
    for number in store.rounds(Table.INSTANCES):
        rows = store.read_columns(Table.INSTANCES, number, columns, accepted_only=True).to_pylist()
        passing = only.ids(number) if only else {row["id"] for row in rows}
        yield from (
            Example(**row) for row in rows if row["id"] in passing and (seeds or not row["id"].startswith(SEED))
        )


def _of_file(name: str, notes: list[str]) -> Iterator[Example]:
    for task in read_tasks([name], notes):
        for position, instance in enumerate(task.instances):
            yield Example(f"{task.id}/{position}", task.instruction, instance.input, instance.output)


def _digest_of(examples: Iterable[Example]) -> str:
    digest = hashlib.sha256()
    for each in examples:
        digest.update(json.dumps([each.instruction, each.input, each.output]).encode() + b"\n")
    return digest.hexdigest()
