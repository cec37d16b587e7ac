"""What a model proposes in a made-up world (`worlds`): topics by number, after what it is shown or by itself."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from jobs.bench.worlds import World

Numbers = NDArray[np.int64]
Marks = NDArray[np.bool_]

SEEDS = 175
"""Seed tasks of a world's people."""


class Popular:
    """Draws ranks by Zipf's law."""

    def __init__(self, number: int, exponent: float) -> None:
        weights = np.arange(1, number + 1, dtype=np.float64) ** -exponent
        self._ends = np.cumsum(weights) / weights.sum()
        self._last = number - 1

    def draw(self, rng: np.random.Generator, shape: int | tuple[int, ...]) -> Numbers:
        """So many ranks, from 0."""
        return np.minimum(np.searchsorted(self._ends, rng.random(shape), side="right"), self._last)


class Model:
    """What a model proposes in a world.

    Whatever is drawn of a world itself (where the people's seed tasks lie, say) depends on the world alone.
    """

    def __init__(self, world: World, rng: np.random.Generator) -> None:
        fixed = np.random.Generator(np.random.PCG64(world.seed))
        self.world = world
        self._rng = rng
        self._clusters = Popular(world.clusters, world.cluster_zipf)
        self._asked_for_nothing = Popular(world.clusters, world.query_zipf)
        self._topics = Popular(world.topics, world.topic_zipf)
        self._wordings = Popular(world.wordings, world.wording_zipf)
        people = fixed.permutation(world.clusters)[Popular(world.clusters, world.seed_zipf).draw(fixed, SEEDS)]
        self.seeds = people * world.topics + self._topics.draw(fixed, SEEDS)
        self.slots = fixed.permutation(world.clusters)[: world.slots]
        self._documents = fixed.permutation(world.clusters)[: world.document_clusters]
        self.cells = fixed.integers(0, world.cells, world.clusters)

    def worded(self, topics: Numbers) -> Numbers:
        """A number for each topic in its words."""
        return topics * self.world.wordings + self._wordings.draw(self._rng, len(topics))

    def listed(self, topics: Numbers, off: Marks, slots: float) -> tuple[Numbers, Marks]:
        """What follows lists of demonstrations, a row each: as many topics as there are demonstrations in a row."""
        rng, world, shape = self._rng, self.world, topics.shape
        which = rng.integers(0, shape[1], shape)
        shown, shown_off = np.take_along_axis(topics, which, axis=1), np.take_along_axis(off, which, axis=1)
        follows = rng.random(shape) < world.follow
        clusters = np.where(follows, shown // world.topics, self._clusters.draw(rng, shape))
        if slots:
            filled = self.slots[rng.integers(0, len(self.slots), shape[0])][:, None]
            keeps = (rng.random((shape[0], 1)) < slots) & (rng.random(shape) < world.slot_follow)
            clusters, follows = np.where(keeps, filled, clusters), follows & ~keeps
        found = clusters * world.topics + self._topics.draw(rng, shape)
        return self._drift(found.ravel(), (follows & shown_off).ravel())

    def rewritten(self, topics: Numbers, off: Marks) -> tuple[Numbers, Marks]:
        """What becomes of instructions, one for each."""
        rng, world, number = self._rng, self.world, len(topics)
        deep = rng.random(number) < world.deepen
        within = np.where(deep, rng.integers(0, world.topics, number), self._topics.draw(rng, number))
        return self._drift(topics // world.topics * world.topics + within, off)

    def unasked(self, number: int) -> tuple[Numbers, Marks]:
        """What a chat model says that is asked for nothing."""
        clusters = self._asked_for_nothing.draw(self._rng, number)
        found = clusters * self.world.topics + self._topics.draw(self._rng, number)
        return self._drift(found, np.zeros(number, bool))

    def of_documents(self, number: int) -> tuple[Numbers, Marks]:
        """What documents give, one for each."""
        rng, world = self._rng, self.world
        clusters = self._documents[rng.integers(0, len(self._documents), number)]
        return self._drift(clusters * world.topics + rng.integers(0, world.topics, number), np.zeros(number, bool))

    def _drift(self, topics: Numbers, follow_off: Marks) -> tuple[Numbers, Marks]:
        """Some wander off by themselves, and some after what they follow."""
        rng, world, number = self._rng, self.world, len(topics)
        astray = rng.random(number) < world.drift
        anywhere = rng.integers(0, world.clusters * world.topics, number)
        return np.where(astray, anywhere, topics), astray | (follow_off & (rng.random(number) < world.inherit))
