"""The novelty check: an instruction is new when its ROUGE-L with everything in the pool is at most the threshold
(paper, section 2.2.4).

ROUGE-L with the whole pool is too much work, so an index shortlists and the exact score decides. The longest common
subsequence is at most the multiset overlap, so F >= t implies a Jaccard similarity of at least t / (2 - t) (7/13 at
0.7) over *counted* unigrams, that is pairs (token, k-th occurrence). Two kinds of index use that:

    minhash  MinHash-LSH with bands and rows for that bound, never for the threshold itself: one pair is missed with
             probability (1 - J ** rows) ** bands, at most 0.1 % at the bound with the default (79, 4)
    prefix   an inverted index that misses none

Both give the same answers however the pool is divided into shards and rounds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from selfinstruct.novelty.index import LocalIndex, NoveltySettings
from selfinstruct.records import Neighbour


def make_index(settings: NoveltySettings) -> LocalIndex:
    """An empty index of the kind that the settings name."""
    if settings.index == "prefix":
        from selfinstruct.novelty.prefix import PrefixIndex

        return PrefixIndex(settings)
    from selfinstruct.novelty.minhash import MinHashIndex  # late: datasketch brings scipy

    return MinHashIndex(settings)


def nearer(neighbours: Iterable[Neighbour | None]) -> Neighbour | None:
    """The highest ROUGE-L, ties to the lowest ordinal."""
    found = (neighbour for neighbour in neighbours if neighbour is not None)
    return max(found, key=lambda neighbour: (neighbour.rouge_l, -neighbour.ordinal), default=None)


def is_new(settings: NoveltySettings, nearest: Neighbour | None) -> bool:
    """Whether a text with this nearest one is new by its words."""
    return nearest is None or nearest.rouge_l <= settings.threshold


def admit(
    settings: NoveltySettings,
    size: int,
    texts: Sequence[str],
    committed: Sequence[Neighbour | None],
    passes: Callable[[int], bool] | None = None,
) -> list[tuple[bool, Neighbour | None]]:
    """Whether each text is new, and its nearest; equal to a one-by-one loop that inserts what it accepts.

    Args:
        size: Texts in the committed pool; admitted texts get the ordinals from here on.
        texts: The round's survivors in canonical order.
        committed: The nearest of each in the committed pool.
        passes: Asked about each that is new, by its place and in order; what does not pass is not admitted.
    """
    within_round = make_index(settings)
    verdicts = []
    for at, (entry, nearest) in enumerate(zip(within_round.encode(texts), committed, strict=True)):
        inside = within_round.search(entry, len(within_round))
        if inside is not None:
            nearest = nearer([nearest, Neighbour(size + inside.ordinal, inside.rouge_l)])
        new = is_new(settings, nearest) and (passes is None or passes(at))
        if new:
            within_round.add(entry)
        verdicts.append((new, nearest))
    return verdicts
