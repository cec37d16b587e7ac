"""What a run's pool begins with beside the seeds: instruction sets in files, and what other runs have accepted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from selfinstruct.errors import CorruptError, InputError
from selfinstruct.places import local_path
from selfinstruct.records import Candidate, ImportedTask, Instance, InstanceRow, Origin, Table
from selfinstruct.sources.rows import ENDINGS, is_readable
from selfinstruct.sources.texts import read_tasks

if TYPE_CHECKING:
    from selfinstruct.storage.store import RunStore


def read_pool(names: Sequence[str], notes: list[str] | None = None) -> list[ImportedTask]:
    """The tasks of files (`texts.read_tasks`) and runs (folders or URLs), in this order.

    An id begins with the place of its file or run among the names; the number of the row follows, or the id in its run.

    Args:
        notes: Takes a line on each file of which something is not used.

    Raises:
        InputError: there is no such file or run, it has no task, or it is damaged.
    """
    return [replace(task, id=f"{at}:{task.id}") for at, name in enumerate(names) for task in _tasks(name, notes)]


def _tasks(name: str, notes: list[str] | None) -> Iterator[ImportedTask]:
    if is_readable(name):
        for task in read_tasks([name], notes):
            yield replace(task, id=task.id.partition(":")[2])
        return
    from selfinstruct.storage.store import RunStore  # late: it brings pyarrow, and options are read without it

    try:
        store = RunStore(name) if (path := local_path(name)) is None or path.is_dir() else None
        if store is None or not store.rounds(Table.CANDIDATES):
            raise InputError(f"--pool: {name} is no run of this program, and no file ({', '.join(ENDINGS)})")
        tasks = list(_accepted(store))
    except CorruptError as error:
        raise InputError(f"--pool: {error}; `selfinstruct verify {name}` names all that is wrong with it") from error
    if not tasks:
        raise InputError(f"--pool: {name} has accepted nothing beside its seed tasks yet")
    yield from tasks


def _accepted(store: RunStore) -> Iterator[ImportedTask]:
    """The accepted tasks of a run's complete rounds with their accepted instances, without its seed tasks."""
    from selfinstruct.storage.history import complete_rounds

    for number in (0, *complete_rounds(store)) if store.rounds(Table.INSTANCES) else ():
        instances: defaultdict[str, list[InstanceRow]] = defaultdict(list)
        labelled = store.read(Table.INSTANCES, number).rows if number in store.rounds(Table.INSTANCES) else ()
        for row in cast(Sequence[InstanceRow], labelled):
            instances[row.instruction_id].append(row)
        for candidate in cast(Sequence[Candidate], store.read(Table.CANDIDATES, number).rows):
            if candidate.accepted and candidate.origin is not Origin.SEED:
                own = instances[candidate.id]
                kept = tuple(Instance(row.input, row.output) for row in own if row.accepted)
                yield ImportedTask(candidate.id, candidate.text, kept, own[0].is_classification if own else None)
