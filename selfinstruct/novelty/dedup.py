"""The screen and novelty check over instructions that exist already, in order of appearance.

Used by the `dedup` command and for pools that a run begins with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from selfinstruct.novelty.check import admit
from selfinstruct.novelty.index import NoveltySettings
from selfinstruct.protocols import PoolIndex
from selfinstruct.records import Reason, SeedTask

BATCH = 20_000
"""Texts that are checked together. The verdicts do not depend on it."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one text. The nearest is the one with the highest ROUGE-L in the index's shortlist."""

    id: str
    text: str
    accepted: bool
    reason: Reason | None
    nearest_id: str | None = None
    nearest: str | None = None
    rouge_l: float | None = None


Screening = Callable[[str], Reason | None]
"""Why a text is dropped whatever the pool holds, or None."""


def judge(
    texts: Iterable[tuple[str, str]],
    pool: Sequence[tuple[str, str]],
    index: PoolIndex,
    novelty: NoveltySettings,
    screen: Screening | None,
) -> Iterator[Verdict]:
    """The verdicts in order; equal to checking and inserting one text after the other.

    Args:
        texts: Ids and texts to judge.
        pool: Ids and texts that are there before.
        index: Empty, with the same settings; holds the pool and all accepted texts in the end.
        screen: Asked about each text on one line; None leaves the heuristic filters out.
    """
    held = list(pool)
    index.insert(0, [text for _, text in held])
    remaining = iter(texts)
    while batch := list(islice(remaining, BATCH)):
        yield from judge_batch(batch, held, index, novelty, screen)


def judge_batch(
    batch: Sequence[tuple[str, str]],
    held: list[tuple[str, str]],
    index: PoolIndex,
    novelty: NoveltySettings,
    screen: Screening | None = None,
) -> list[Verdict]:
    """The verdicts on one batch. What is accepted goes into the index and behind `held`, which says what it holds."""
    reasons = [screen(" ".join(text.split())) if screen else None for _, text in batch]
    survivors = [text for (_, text), reason in zip(batch, reasons, strict=True) if reason is None]
    size = len(held)
    outcomes = iter(admit(novelty, size, survivors, index.nearest(size, survivors)))
    verdicts = []
    for (id, text), reason in zip(batch, reasons, strict=True):
        if reason is not None:
            verdicts.append(Verdict(id, text, False, reason))
            continue
        new, nearest = next(outcomes)
        near = (*held[nearest.ordinal], nearest.rouge_l) if nearest else (None, None, None)
        verdicts.append(Verdict(id, text, new, None if new else Reason.SIMILAR, *near))
        if new:
            held.append((id, text))
    index.insert(size, [text for _, text in held[size:]])
    return verdicts


def with_ids(seeds: Iterable[SeedTask]) -> list[tuple[str, str]]:
    """The ids and texts under which seed tasks are in a pool."""
    return [(f"seed/{seed.id}", seed.instruction) for seed in seeds]
