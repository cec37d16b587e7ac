"""The pool's index of a run: by words alone, or by what texts are about beside it, where the run measures that."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Protocol, cast

from selfinstruct.novelty.check import make_index
from selfinstruct.novelty.index import NoveltySettings
from selfinstruct.protocols import PoolIndex
from selfinstruct.records import Neighbour
from selfinstruct.semantic.settings import SemanticSettings
from selfinstruct.settings import Facts

if TYPE_CHECKING:
    from selfinstruct.semantic.index import Meanings, VectorIndex


SEMANTIC = ("semantic.table", "semantic.search")
"""The facts, beside options, that a run has which measures."""


class MeasuringIndex(PoolIndex, Protocol):
    """A `PoolIndex` that also knows what its texts are about."""

    def meanings(self, size: int, texts: Sequence[str], without: Sequence[int | None] = ()) -> Meanings:
        """What each text is about, and the nearest among the first `size` of the pool; `without` as of `nearest`."""


class Measured:
    """A `MeasuringIndex` in this process: an index by words and one by vectors, side by side."""

    def __init__(self, words: PoolIndex, vectors: VectorIndex) -> None:
        self._words, self._vectors = words, vectors

    def insert(self, first: int, texts: Sequence[str]) -> None:
        """Hold `texts` under the ordinals from `first` on."""
        self._words.insert(first, texts)
        self._vectors.insert(first, texts)

    def nearest(self, size: int, texts: Sequence[str], without: Sequence[int | None] = ()) -> list[Neighbour | None]:
        """For each text its nearest by words among the first `size`."""
        return self._words.nearest(size, texts, without)

    def meanings(self, size: int, texts: Sequence[str], without: Sequence[int | None] = ()) -> Meanings:
        """What each text is about, and the nearest among the first `size`."""
        from selfinstruct.semantic.index import is_whole

        return self._vectors.meanings(size, texts, is_whole(size), without)


class LateIndex:
    """A `MeasuringIndex` that is made when it is first fed or asked: what it imports would keep requests waiting."""

    def __init__(self, make: Callable[[], PoolIndex]) -> None:
        self._make = make

    @cached_property
    def _index(self) -> PoolIndex:
        return self._make()

    def insert(self, first: int, texts: Sequence[str]) -> None:
        """As the index does."""
        self._index.insert(first, texts)

    def nearest(self, size: int, texts: Sequence[str], without: Sequence[int | None] = ()) -> list[Neighbour | None]:
        """As the index does."""
        return self._index.nearest(size, texts, without)

    def meanings(self, size: int, texts: Sequence[str], without: Sequence[int | None] = ()) -> Meanings:
        """As the index does, if it measures."""
        return cast(MeasuringIndex, self._index).meanings(size, texts, without)


def pool_index(novelty: NoveltySettings, semantic: SemanticSettings) -> PoolIndex:
    """An empty index in this process, as a run with these settings asks it.

    Raises:
        InputError: it measures, and [semantic] is not installed.
    """
    if not semantic.measure:
        return make_index(novelty)
    return Measured(make_index(novelty), vector_index())


def vector_index() -> VectorIndex:
    """An empty index of vectors by the shipped table. InputError if [semantic] is not installed."""
    from selfinstruct.semantic.index import VectorIndex
    from selfinstruct.semantic.table import shipped_table

    return VectorIndex(shipped_table())


def answers_of(
    index: PoolIndex, size: int, texts: Sequence[str], without: Sequence[int | None], measure: bool
) -> tuple[list[Neighbour | None], Meanings | None]:
    """What an index says of texts: their nearest by words, and, if they are measured, by what they are about."""
    near = index.nearest(size, texts, without) if without else index.nearest(size, texts)
    return near, cast(MeasuringIndex, index).meanings(size, texts, without) if measure else None


def semantic_facts(semantic: SemanticSettings) -> Facts:
    """What decides what a run measures: the table, and how is searched. InputError if [semantic] is not installed."""
    if not semantic.measure:
        return {}
    from selfinstruct.semantic.index import NUMBER
    from selfinstruct.semantic.table import shipped_table

    return dict(zip(SEMANTIC, (shipped_table().digest, NUMBER), strict=True))
