"""The novelty index over Ray actors: shard s of n holds the pool's ordinals s, s + n, s + 2n ...

Every question visits every shard, so a question costs what one shard costs. Shards are caches: whatever one has lost
by dying is fed again when its next answer shows that it is behind, and all calls may be repeated at will.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ray

from selfinstruct.novelty import NoveltySettings, make_index, nearer
from selfinstruct.records import Neighbour

CHUNK = 20_000
"""Texts sent to a shard in one call."""


@ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)
class Shard:
    """Part of the index. Its own ordinals are dense; `ShardedIndex` translates."""

    def __init__(self, settings: NoveltySettings) -> None:
        self._index = make_index(settings)

    def insert(self, first: int, texts: Sequence[str]) -> int:
        """Hold texts from `first` on, unless that would leave a gap; returns how many are held now."""
        if first <= len(self._index):
            self._index.insert(first, texts)
        return len(self._index)

    def nearest(self, size: int, texts: Sequence[str]) -> list[Neighbour | None] | int:
        """The nearest among the first `size`, or how many are held if they are fewer than that."""
        return self._index.nearest(size, texts) if len(self._index) >= size else len(self._index)


class ShardedIndex:
    """A `protocols.NoveltyIndex` made of shards. The same answers as one index with the same settings."""

    def __init__(self, settings: NoveltySettings, count: int) -> None:
        self._shards: list[Any] = [Shard.remote(settings) for _ in range(count)]  # type: ignore[attr-defined]
        self._texts: list[str] = []  # to feed a shard that comes back; the strings are those of the pool

    def insert(self, first: int, texts: Sequence[str]) -> None:
        """Hold `texts` under the ordinals from `first` on."""
        self._texts[first:] = texts
        size = len(self._texts)
        held = [self._held(first, shard) for shard in range(len(self._shards))]
        ray.get([ref for shard, have in enumerate(held) for ref in self._feed(shard, have, self._held(size, shard))])

    def nearest(self, size: int, texts: Sequence[str]) -> list[Neighbour | None]:
        """For each text its nearest among the first `size` of the pool, over all shards."""
        question = ray.put(texts)
        best: list[Neighbour | None] = [None] * len(texts)
        asked = [(shard, self._ask(shard, size, question)) for shard in range(len(self._shards))]
        while asked:
            shard, ref = asked.pop(0)
            answer = ray.get(ref)
            if isinstance(answer, int):
                ray.get(self._feed(shard, answer, self._held(size, shard)))
                asked.append((shard, self._ask(shard, size, question)))
            else:
                best = [nearer(pair) for pair in zip(best, self._global(shard, answer), strict=True)]
        return best

    def close(self) -> None:
        """End all shards."""
        for shard in self._shards:
            ray.kill(shard)

    def _ask(self, shard: int, size: int, question: Any) -> Any:
        return self._shards[shard].nearest.remote(self._held(size, shard), question)

    def _feed(self, shard: int, have: int, want: int) -> list[Any]:
        """Send a shard its texts from `have` to `want`, in its own ordinals."""
        count = len(self._shards)
        mine = self._texts[have * count + shard : want * count : count]
        return [
            self._shards[shard].insert.remote(have + at, mine[at : at + CHUNK]) for at in range(0, len(mine), CHUNK)
        ]

    def _held(self, size: int, shard: int) -> int:
        """How many of the first `size` ordinals are this shard's."""
        return max(0, -(-(size - shard) // len(self._shards)))

    def _global(self, shard: int, neighbours: Sequence[Neighbour | None]) -> list[Neighbour | None]:
        count = len(self._shards)
        return [near and Neighbour(near.ordinal * count + shard, near.rouge_l) for near in neighbours]
