"""Round 0: what a run is given, seed tasks and imported tasks, as candidates and instances."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from selfinstruct.novelty.check import make_index
from selfinstruct.novelty.dedup import judge, with_ids
from selfinstruct.novelty.index import NoveltySettings
from selfinstruct.records import Candidate, ImportedTask, Instance, InstanceRow, Origin, Reason, SeedTask
from selfinstruct.steps.instantiate import instance_row


def seed_candidates(seeds: Sequence[SeedTask]) -> Iterable[Candidate]:
    """The seed tasks as they are, unscreened."""
    return (_given(id, Origin.SEED, text) for id, text in with_ids(seeds))


def imported_candidates(
    tasks: Sequence[ImportedTask],
    seeds: Sequence[SeedTask],
    novelty: NoveltySettings,
    screen: Callable[[str], Reason | None] | None,
) -> Iterable[Candidate]:
    """Imported instructions, judged against the seeds and each other; taken as they are where `screen` is None."""
    texts = [(f"imported/{task.id}", task.instruction) for task in tasks]
    if screen is None or not tasks:  # no index is made where there is nothing to judge
        return [_given(id, Origin.IMPORTED, text) for id, text in texts]
    return [
        replace(
            _given(verdict.id, Origin.IMPORTED, verdict.text),
            accepted=verdict.accepted,
            reason=verdict.reason,
            nearest_id=verdict.nearest_id,
            rouge_l=verdict.rouge_l,
        )
        for verdict in judge(texts, with_ids(seeds), make_index(novelty), novelty, screen)
    ]


def _given(id: str, origin: Origin, text: str) -> Candidate:
    return Candidate(
        id=id,
        round=0,
        request_id=None,
        position=None,
        origin=origin,
        text=text,
        accepted=True,
        reason=None,
        nearest_id=None,
        rouge_l=None,
    )


def given_instances(
    candidates: Sequence[Candidate],
    tasks: Sequence[SeedTask | ImportedTask],
    contaminated: Callable[[str], object] | None,
) -> Iterable[InstanceRow]:
    """The instances that come with the accepted ones of round 0, verbatim, or a row that says that there are none.

    Imported ones that overlap with an evaluation set are rejected; seed tasks stay as they were written.
    """
    for candidate, task in zip(candidates, tasks, strict=True):
        if not candidate.accepted:
            continue
        if not task.instances:
            yield instance_row(candidate, task.is_classification, None, Instance("", ""), Reason.EMPTY_OUTPUT)
        for position, instance in enumerate(task.instances):
            reason = None
            if contaminated and candidate.origin is Origin.IMPORTED:
                hit = contaminated(instance.input) or contaminated(instance.output)
                reason = Reason.CONTAMINATED if hit else None
            yield instance_row(candidate, task.is_classification, position, instance, reason)
