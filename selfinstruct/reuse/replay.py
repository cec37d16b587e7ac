"""A run from completions that are there already: the pure stages, and nobody to ask.

What a model answered is given, so everything that follows from it is too: candidates, their verdicts, instances. An
accepted instruction about which nothing was ever asked ends as an instance with the reason `not_asked`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from selfinstruct.protocols import PoolIndex
from selfinstruct.records import Candidate, Label, Proposal, RoundFile, Table
from selfinstruct.run.loop import restore, settle
from selfinstruct.run.rounds import Run
from selfinstruct.settings import Facts
from selfinstruct.storage.store import RunStore


@dataclass(frozen=True, slots=True)
class StoredRound:
    """One round's completions. Proposals have the ids that they will have in the new run."""

    number: int
    proposals: Sequence[Proposal]
    labels: Callable[[Sequence[Candidate]], Sequence[Label]]
    """The answers about the accepted instructions, in their order, as far as there are any."""
    notes: Mapping[str, Any]
    """Of the proposals, `dialect` among them; the labels get the dialect alone."""


def replay(run: Run, store: RunStore, index: PoolIndex, facts: Facts, rounds: Iterable[StoredRound]) -> None:
    """Write all rounds; what is committed stays, so a second call goes on after a first that was killed.

    Args:
        index: Empty, with the run's settings.

    Raises:
        SelfInstructError: as `restore` and `RunStore.commit` do.
    """
    fingerprint = restore(run, store, facts)
    settle(run, store, index, fingerprint)
    for each in rounds:
        if each.number < run.labelled:
            continue
        if each.number not in store.rounds(Table.PROPOSALS):
            _commit(run, store, fingerprint, RoundFile(Table.PROPOSALS, each.number, tuple(each.proposals), each.notes))
        settle(run, store, index, fingerprint)
        if run.settings.labels and each.number not in store.rounds(Table.LABELS):
            accepted = cast(Sequence[Candidate], store.read_accepted(Table.CANDIDATES, each.number).rows)
            notes = {"dialect": each.notes["dialect"]}
            _commit(run, store, fingerprint, RoundFile(Table.LABELS, each.number, tuple(each.labels(accepted)), notes))
        settle(run, store, index, fingerprint)


def _commit(run: Run, store: RunStore, fingerprint: str, file: RoundFile) -> None:
    run.committed(store.commit(file, fingerprint))
