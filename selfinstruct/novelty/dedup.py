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
from selfinstruct.records import Reason

BATCH = 20_000
"""Texts that are checked together. The verdicts do not depend on it."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one text. The nearest is the one with the highest ROUGE-L in the index's shortlist."""

    id: str
    text: str
    accepted: bool
    reason: Reason | None
    nearest_id: str | None
    rouge_l: float | None


def judge(
    texts: Iterable[tuple[str, str]],
    pool: Sequence[tuple[str, str]],
    index: PoolIndex,
    novelty: NoveltySettings,
    screen: Callable[[str], Reason | None] | None,
) -> Iterator[Verdict]:
    """The verdicts in order; equal to checking and inserting one text after the other.

    Args:
        texts: Ids and texts to judge.
        pool: Ids and texts that are there before.
        index: Empty, with the same settings; holds the pool and all accepted texts in the end.
        screen: None leaves the heuristic filters out.
    """
    ids = [id for id, _ in pool]  # by ordinal
    index.insert(0, [text for _, text in pool])
    remaining = iter(texts)
    while batch := list(islice(remaining, BATCH)):
        reasons = [screen(text) if screen else None for _, text in batch]
        survivors = [text for (_, text), reason in zip(batch, reasons, strict=True) if reason is None]
        size = len(ids)
        outcomes = iter(admit(novelty, size, survivors, index.nearest(size, survivors)))
        admitted = []
        for (id, text), reason in zip(batch, reasons, strict=True):
            if reason is not None:
                yield Verdict(id, text, False, reason, None, None)
                continue
            new, nearest = next(outcomes)
            nearest_id, score = (ids[nearest.ordinal], nearest.rouge_l) if nearest else (None, None)
            yield Verdict(id, text, new, None if new else Reason.SIMILAR, nearest_id, score)
            if new:
                ids.append(id)
                admitted.append(text)
        index.insert(size, admitted)
