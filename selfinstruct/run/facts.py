"""What a run's data depends on, gathered when it begins and compared when it goes on.

The facts lie in the notes of round 0; their fingerprint is in every file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from selfinstruct.errors import FingerprintError, InputError
from selfinstruct.prompts import PromptSet
from selfinstruct.records import ImportedTask, SeedTask, Table
from selfinstruct.run.settings import RunSettings
from selfinstruct.settings import Facts, differences, digest_of, facts_of
from selfinstruct.sources.contamination import Contamination

if TYPE_CHECKING:
    from selfinstruct.storage.store import RunStore

ORIGIN = "origin"
"""The fact by which a run made from stored answers is known: the command that made it, of what, and how many rounds."""


def gather_facts(
    settings: RunSettings,
    seeds: Sequence[SeedTask],
    imported: Sequence[ImportedTask],
    prompts: PromptSet,
    evaluation: Contamination | None,
    proposer: Mapping[str, str],
    labeller: Mapping[str, str],
) -> Facts:
    """The facts of a run that begins with these inputs. `proposer` and `labeller` are what `engines.identify` says."""
    return {
        **facts_of(settings),
        "seeds": tasks_digest(seeds),
        "pool": tasks_digest(imported),
        "prompts": prompts.digest,
        **({"evaluation": evaluation.digest} if evaluation else {}),
        **{f"proposer.{key}": value for key, value in proposer.items()},
        **{f"labeller.{key}": value for key, value in labeller.items()},
    }


def tasks_digest(tasks: Sequence[SeedTask] | Sequence[ImportedTask]) -> str:
    """SHA-256 (hex) of given tasks' content."""
    return digest_of([asdict(task) for task in tasks])


def check_facts(store: RunStore, facts: Facts) -> None:
    """FingerprintError, naming the keys, unless the run was begun with the same facts.

    Where a run was made from stored answers, the first round generated after them settles what those left open: model
    and prompts, for instance.
    """
    begun: Facts = store.metadata(Table.CANDIDATES, 0).notes["facts"]
    if (origin := begun.get(ORIGIN)) and ORIGIN not in facts:
        if len(store.rounds(Table.INSTANCES)) <= origin["rounds"]:
            raise InputError(
                f"{store.blobs.url}: `selfinstruct {origin['command']}` has not finished it; give that command again"
            )
        facts = {**facts, **{key: begun[key] for key in (ORIGIN, "pool") if key in begun}}
        first = origin["rounds"] + 1
        settled = first in store.rounds(Table.PROPOSALS)
        begun = {**(store.metadata(Table.PROPOSALS, first).notes["facts"] if settled else facts), **begun}
    different = differences(facts, begun)
    if different:
        raise FingerprintError(
            f"{store.blobs.url}: this run was begun with other options that alter data; give those, or another --out",
            *different,
        )
