"""The novelty index over Ray actors: shard s of n holds the pool's ordinals s, s + n, s + 2n ...

Every question visits every shard, so a question costs what one shard costs. Shards are caches, and all calls may be
repeated at will: an answer is given for exactly the pool size that was asked about, and a shard that holds less than
that, because it died and came back or is new, says so and is brought up to date first. The shards of a run read the
committed files, all of them at once; shards without a run (`dedup`) are fed again by their owner.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from selfinstruct.novelty.check import make_index, nearer
from selfinstruct.novelty.index import NoveltySettings
from selfinstruct.records import Neighbour, Table
from selfinstruct.run.measuring import vector_index
from selfinstruct.semantic.settings import SemanticSettings
from selfinstruct.wording import counted

if TYPE_CHECKING:
    from selfinstruct.semantic.index import Meanings

CHUNK = 20_000
"""Texts sent to a shard in one call."""

_WORDS_ALONE = SemanticSettings()

WORTH_TELLING = 50_000
"""Texts whose loading takes long enough to be reported."""


@ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1, enable_task_events=False)
class Shard:
    """Part of the index. Its own ordinals are dense; `ShardedIndex` translates.

    Args:
        number, count: Which shard of how many.
        run: The run whose committed files it can read, if any.
    """

    def __init__(
        self, settings: NoveltySettings, semantic: SemanticSettings, number: int, count: int, run: str | None
    ) -> None:
        from selfinstruct.storage.store import RunStore

        self._index = make_index(settings)
        self._vectors = vector_index() if semantic.measure else None
        self._number, self._count = number, count
        self._store = RunStore(run) if run else None
        self._rounds = self._ordinals = 0  # of the run's files, as far as they are read

    def insert(self, first: int, texts: Sequence[str]) -> int:
        """Take texts from `first` on, unless that would leave a gap; returns how many are held now."""
        if first <= len(self._index):
            self._insert(first, texts)
        return len(self._index)

    def catch_up(self, size: int) -> int:
        """Read committed candidates until this shard's part of the first `size` is held; returns how many are."""
        assert self._store is not None, "this shard has no files to read"
        while self._ordinals < size:
            column = self._store.read_columns(Table.CANDIDATES, self._rounds, ["text"], accepted_only=True)["text"]
            texts = column.to_pylist()
            mine = texts[(self._number - self._ordinals) % self._count :: self._count]
            self._insert(len(self._index), mine)
            self._rounds += 1
            self._ordinals += len(texts)
        return len(self._index)

    def nearest(self, size: int, texts: Sequence[str], without: Sequence[int | None]) -> list[Neighbour | None] | int:
        """The nearest among the first `size`, or how many are held if they are fewer than that."""
        return self._index.nearest(size, texts, without) if len(self._index) >= size else len(self._index)

    def meanings(self, size: int, texts: Sequence[str], without: Sequence[int | None], whole: bool) -> Meanings | int:
        """What texts are about, and this shard's part of what is near to them among the first `size` and among
        themselves; or how many are held if they are fewer than `size`.

        Args:
            whole: Whether all of the pool is looked at, of which this is a part.
        """
        assert self._vectors is not None, "this shard measures nothing"
        if len(self._index) < size:
            return len(self._index)
        return self._vectors.meanings(size, texts, whole, without, self._number, self._count)

    def _insert(self, first: int, texts: Sequence[str]) -> None:
        self._index.insert(first, texts)
        if self._vectors is not None:
            self._vectors.insert(first, texts)


class ShardedIndex:
    """A `measuring.MeasuringIndex` made of shards. The same answers as one index with the same settings.

    Args:
        count: Number of shards.
        run: URL of the run whose accepted candidates are the pool; without it the texts are kept here.
        tell: Is given a line when a large pool was loaded.
        semantic: Whether the shards hold vectors, too.
    """

    def __init__(
        self,
        settings: NoveltySettings,
        count: int,
        run: str | None = None,
        tell: Callable[[str], None] = print,
        semantic: SemanticSettings = _WORDS_ALONE,
    ) -> None:
        self._run = run
        self._tell = tell
        self._size = 0
        self._texts: list[str] = []  # without a run only
        place = Shard.options(**_placement(run))  # type: ignore[attr-defined]
        self._shards: list[Any] = [place.remote(settings, semantic, number, count, run) for number in range(count)]

    def insert(self, first: int, texts: Sequence[str]) -> None:
        """Hold `texts` under the ordinals from `first` on."""
        if self._run is None:
            self._texts[first:] = texts
        self._size = first + len(texts)
        begun = time.monotonic()
        ray.get([ref for shard in range(len(self._shards)) for ref in self._bring(shard, self._held(first, shard))])
        seconds = time.monotonic() - begun
        if len(texts) >= WORTH_TELLING:
            rate = 1e6 * seconds / len(texts)
            self._tell(f"index: {counted(len(texts), 'text')} loaded in {seconds:.1f} s ({rate:.0f} s per million)")

    def nearest(self, size: int, texts: Sequence[str], without: Sequence[int | None] = ()) -> list[Neighbour | None]:
        """For each text its nearest among the first `size` of the pool, over all shards."""
        best: list[Neighbour | None] = [None] * len(texts)
        question = ray.put(texts)
        for shard, answer in self._answers(lambda shard: shard.nearest, size, question, without):
            best = [nearer(pair) for pair in zip(best, self._global(shard, answer), strict=True)]
        return best

    def meanings(self, size: int, texts: Sequence[str], without: Sequence[int | None] = ()) -> Meanings:
        """What each text is about, and what is near to it among the first `size` of the pool and before it."""
        from selfinstruct.semantic.index import is_whole, nearest_of

        question = ray.put(texts)
        answers = dict(self._answers(lambda shard: shard.meanings, size, question, without, is_whole(size)))
        return nearest_of(answers[shard] for shard in range(len(self._shards)))

    def close(self) -> None:
        """End all shards."""
        for shard in self._shards:
            ray.kill(shard)

    def _answers(
        self, method: Callable[[Any], Any], size: int, question: Any, without: Sequence[int | None], *more: Any
    ) -> Iterator[tuple[int, Any]]:
        """Each shard and its answer, those that were behind last."""
        count = len(self._shards)

        def ask(shard: int) -> tuple[int, Any]:
            own = [None if each is None or each % count != shard else each // count for each in without]
            return shard, method(self._shards[shard]).remote(self._held(size, shard), question, own, *more)

        asked = deque(ask(shard) for shard in range(len(self._shards)))
        while asked:
            shard, ref = asked.popleft()
            answer = ray.get(ref)
            if isinstance(answer, int):
                ray.get(self._bring(shard, answer))
                asked.append(ask(shard))
            else:
                yield shard, answer

    def _bring(self, shard: int, have: int) -> list[Any]:
        """Calls after which a shard that holds `have` of its texts holds its part of the whole pool."""
        if self._run is not None:
            return [self._shards[shard].catch_up.remote(self._size)]
        count = len(self._shards)
        mine = self._texts[have * count + shard :: count]
        return [
            self._shards[shard].insert.remote(have + at, mine[at : at + CHUNK]) for at in range(0, len(mine), CHUNK)
        ]

    def _held(self, size: int, shard: int) -> int:
        """How many of the first `size` ordinals are this shard's."""
        return max(0, -(-(size - shard) // len(self._shards)))

    def _global(self, shard: int, neighbours: Sequence[Neighbour | None]) -> list[Neighbour | None]:
        count = len(self._shards)
        return [near and Neighbour(near.ordinal * count + shard, near.rouge_l) for near in neighbours]


def _placement(run: str | None) -> dict[str, Any]:
    """A run's shards stay on the driver's node: the nodes of replicas may go at any time, and local files are here."""
    if run is None:
        return {}
    here = ray.get_runtime_context().get_node_id()
    return {"scheduling_strategy": NodeAffinitySchedulingStrategy(here, soft=False)}
