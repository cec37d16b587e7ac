"""A run in a made-up world (`worlds`): rounds as a run has them, topics and wordings in place of texts.

Which strategy plans which request is up to the code of real runs (`Mix`), and so is the mix where it follows what
strategies bring. What the strategies show and what is known of a row is simulated here, a round at a time in arrays;
`topics` has what a model makes of what it is shown.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from jobs.bench.topics import SEEDS, Marks, Model, Numbers
from jobs.bench.worlds import STRATEGIES, World
from selfinstruct.draws import seed_of
from selfinstruct.records import round_name
from selfinstruct.steps.strategies.control import WINDOW, Brought, shares_of
from selfinstruct.steps.strategies.mix import Mix, place_of

LISTED = 8
"""Proposals to a request that shows a list; the other strategies ask for one."""

SMALLEST, LARGEST, LAG, LOOKBACK = 16, 2_048, 2, 6
"""Rounds, as a run has them."""

MOST_CROWDED = 0.5
"""A new topic is taken for a paraphrase no oftener than this."""

JUDGED, RIGHT_YES, WRONG_NO = 0.1, 0.9, 0.8
"""Where there is a check: its share of the accepted rows, and how often the judge says what is so."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What a run is told.

    Attributes:
        shares: Of the requests, by strategy; None for those that follow what the strategies bring.
        seeds: Of eight demonstrations of `paper`, those that are seed tasks.
        slots: Share of the requests of `paper` and `spread` whose prompt has a slot.
        checked: Whether a check says which rows are right.
        gate: Whether what is taken for a paraphrase is dropped.
    """

    name: str
    shares: Mapping[str, float] | None
    seeds: int = 6
    slots: float = 0.0
    checked: bool = False
    gate: bool = False


@dataclass(frozen=True, slots=True)
class Rows:
    """Proposals of a round, in order."""

    strategy: Numbers  # its place among STRATEGIES
    topic: Numbers
    off: Marks  # wandered off


@dataclass(slots=True)
class Counts:
    """What a run has come to after each round, in sums."""

    candidates: list[int] = field(default_factory=lambda: [0])
    tokens: list[int] = field(default_factory=lambda: [0])
    accepted: list[int] = field(default_factory=lambda: [0])
    topics: list[int] = field(default_factory=lambda: [0])  # distinct, of accepted rows
    usable: list[int] = field(default_factory=lambda: [0])  # those with a row that is right

    def add(self, **more: int) -> None:
        """Append the sums after another round."""
        for name, count in more.items():
            sums = getattr(self, name)
            sums.append(sums[-1] + count)


@dataclass(slots=True)
class Verdicts:
    """How the two gates did: rows called repeats, those of them that are, and all that are, each of what they saw."""

    called: int = 0
    truly: int = 0
    repeats: int = 0

    def take(self, called: Marks, repeats: Marks) -> None:
        """More rows."""
        self.called += int(called.sum())
        self.truly += int((called & repeats).sum())
        self.repeats += int(repeats.sum())

    @property
    def precision(self) -> float:
        """Of the rows that were called repeats."""
        return self.truly / max(1, self.called)

    @property
    def recall(self) -> float:
        """Of the rows that are repeats."""
        return self.truly / max(1, self.repeats)


class Pool:
    """What a run holds: topics in words, and the cells that the yardstick takes them for."""

    def __init__(self, model: Model, rng: np.random.Generator) -> None:
        world, room = model.world, 1 << 20
        self._model, self._rng = model, rng
        self.topics = np.zeros(room, np.int64)
        self.cells = np.zeros(room, np.int16)
        self.off = np.zeros(room, bool)
        self.size = 0
        self.sizes = [0]  # before each round, and after the last one
        self.known = np.zeros(world.clusters * world.topics, bool)
        self.usable = np.zeros(world.clusters * world.topics, bool)
        self.worded = np.zeros(world.clusters * world.topics * world.wordings, bool)
        self.crowd = np.zeros(world.clusters, np.int64)  # known topics

    def extend(self, topics: Numbers, worded: Numbers, off: Marks) -> int:
        """Take in the rows of a round; returns how many of their topics are new."""
        world, end = self._model.world, self.size + len(topics)
        if end > len(self.topics):
            for name in ("topics", "cells", "off"):
                setattr(self, name, np.concatenate([getattr(self, name), np.zeros_like(getattr(self, name))]))
        clusters = topics // world.topics
        wrong = self._rng.random(len(topics)) < world.cell_noise
        cells = np.where(wrong, self._rng.integers(0, world.cells, len(topics)), self._model.cells[clusters])
        self.topics[self.size : end], self.cells[self.size : end], self.off[self.size : end] = topics, cells, off
        new = np.unique(topics[~self.known[topics]])
        self.known[new] = True
        self.worded[worded] = True
        self.crowd += np.bincount(new // world.topics, minlength=world.clusters)
        self.size = end
        self.sizes.append(end)
        return len(new)

    def any_of(self, first: int, end: int, shape: int | tuple[int, ...]) -> Numbers:
        """Ordinals, each as likely."""
        return self._rng.integers(first, end, shape)

    def by_cells(self, first: int, end: int, shape: tuple[int, int]) -> Numbers:
        """Ordinals, each cell as likely (`strategies.cells`, which besides draws no cell twice for a request)."""
        order = np.argsort(self.cells[first:end], kind="stable")
        sizes = np.bincount(self.cells[first:end])
        sizes = sizes[sizes > 0]
        starts = np.cumsum(sizes) - sizes
        cells = self._rng.integers(0, len(sizes), shape)
        within = (self._rng.random(shape) * sizes[cells]).astype(np.int64)
        found: Numbers = first + order[starts[cells] + within]
        return found


class Simulation:
    """One run of a policy in a world. It is stepped a round at a time."""

    def __init__(self, world: World, policy: Policy, repeat: int = 0) -> None:
        self.counts = Counts()
        self.lexical, self.semantic = Verdicts(), Verdicts()
        self.brought: list[Mapping[str, Brought]] = [{}]  # by round
        self.shares: list[Mapping[str, float]] = [{}]
        self._world, self._policy = world, policy
        self._seed = seed_of("simulated", world.seed, repeat)
        self._rng = np.random.Generator(np.random.PCG64(self._seed))
        self._model = Model(world, self._rng)
        self._pool = Pool(self._model, self._rng)
        self._documents = world.documents
        self._tokens = np.array([world.tokens[name] for name in STRATEGIES])
        self._invalid = np.array([world.invalid[name] for name in STRATEGIES])
        seeds = self._model.seeds
        self._pool.extend(seeds, self._model.worded(seeds), np.zeros(SEEDS, bool))

    def until(self, candidates: int = 0, tokens: int = 0) -> Simulation:
        """Step until there are so many of both."""
        while self.counts.candidates[-1] < candidates or self.counts.tokens[-1] < tokens:
            self.step()
        return self

    def step(self) -> None:
        """A round."""
        rows = self._proposed()
        worded = self._model.worded(rows.topic)
        accepted = self._admitted(rows, worded)
        topics, off = rows.topic[accepted], rows.off[accepted]
        distinct = self._distinct(topics)
        if self._policy.gate:
            accepted = accepted[distinct]
            topics, off, distinct = topics[distinct], off[distinct], distinct[distinct]
        right = ~off & (self._rng.random(len(accepted)) >= self._invalid[rows.strategy[accepted]])
        self.counts.add(
            candidates=len(rows.topic),
            tokens=int(self._tokens[rows.strategy].sum()),
            accepted=len(accepted),
            topics=self._pool.extend(topics, worded[accepted], off),
            usable=_mark(self._pool.usable, topics[right]),
        )
        self.brought.append(self._brought(rows, accepted, distinct, right))

    def _proposed(self) -> Rows:
        """What the requests of a round give, in their order."""
        number = len(self.shares)
        size = self._pool.sizes[max(0, number - LAG) + 1]
        count = min(max(size // 8, SMALLEST), LARGEST)
        self.shares.append(self._mix(number))
        mix = Mix(self._seed, self.shares[number], {})
        names = [mix.name_at(place) for place in _places(self._seed, number)[:count]]
        found = []
        for name in STRATEGIES:
            places = np.array([at for at, each in enumerate(names) if each == name], np.int64)
            if len(places):
                found += self._of(name, places, size)
        places, kinds, topics, off = (np.concatenate(each) for each in zip(*found, strict=True))
        order = np.argsort(places, kind="stable")
        return Rows(kinds[order], topics[order], off[order])

    def _of(self, name: str, places: Numbers, size: int) -> list[tuple[Numbers, Numbers, Numbers, Marks]]:
        """Places, strategies, topics and straying of what the requests of a strategy give."""
        model, number = self._model, len(places)
        if name == "document" and number > (left := self._documents):  # each is used once, then `paper` stands in
            last = self._of("document", places[:left], size) if left else []
            return [*last, *self._of("paper", places[left:], size)]
        match name:
            case "paper" | "spread":
                ordinals = self._shown(name, number, size)
                topics, off = model.listed(self._pool.topics[ordinals], self._pool.off[ordinals], self._policy.slots)
                places = np.repeat(places, LISTED)
            case "query":
                topics, off = model.unasked(number)
            case "evolve":
                ordinals = self._pool.any_of(0, size, number)
                topics, off = model.rewritten(self._pool.topics[ordinals], self._pool.off[ordinals])
            case _:
                self._documents -= number
                topics, off = model.of_documents(number)
        return [(places, np.full(len(places), STRATEGIES.index(name)), topics, off)]

    def _shown(self, name: str, number: int, size: int) -> Numbers:
        """Ordinals of demonstrations, a row for each request."""
        seeds = self._policy.seeds if name == "paper" else 2
        others = LISTED - seeds if size > SEEDS else 0
        given = self._pool.any_of(0, SEEDS, (number, LISTED - others))
        if not others:
            return given
        draw = self._pool.any_of if name == "paper" else self._pool.by_cells
        return np.concatenate([given, draw(SEEDS, size, (number, others))], axis=1)

    def _admitted(self, rows: Rows, worded: Numbers) -> Numbers:
        """Which rows are new by their words, as the novelty check has it."""
        repeats = self._pool.worded[worded] | ~_firsts(worded)
        luck = self._rng.random(len(worded))
        dropped = np.where(repeats, luck >= self._world.lexical_miss, luck < self._world.lexical_noise)
        known = self._pool.known[rows.topic] | ~_firsts(rows.topic)
        self.lexical.take(dropped, known)
        return np.flatnonzero(~dropped)

    def _distinct(self, topics: Numbers) -> Marks:
        """Which accepted rows the yardstick takes for something new."""
        world, known = self._world, self._pool.known[topics] | ~_firsts(topics)
        crowd = np.minimum(world.crowding * self._pool.crowd[topics // world.topics], MOST_CROWDED)
        luck = self._rng.random(len(topics))
        called = np.where(known, luck >= world.paraphrase_miss, luck < crowd)
        self.semantic.take(called, known)
        return ~called

    def _brought(self, rows: Rows, accepted: Numbers, distinct: Marks, right: Marks) -> Mapping[str, Brought]:
        """The counts of a round, as a run has them of its files."""
        kinds, number = rows.strategy[accepted], len(STRATEGIES)
        judged = self._rng.random(len(accepted)) < (JUDGED if self._policy.checked else 0)
        luck = self._rng.random(len(accepted))
        says = np.where(right, luck < RIGHT_YES, luck >= WRONG_NO)
        counts = [
            np.bincount(each, minlength=number)
            for each in (rows.strategy, kinds, kinds[distinct], kinds[judged], kinds[judged & says])
        ]
        a_request = {"paper": LISTED, "spread": LISTED}
        return {
            name: Brought(int(given) // a_request.get(name, 1), int(given * tokens), *map(int, rest))
            for name, tokens, (given, *rest) in zip(STRATEGIES, self._tokens, np.transpose(counts), strict=True)
        }

    def _mix(self, number: int) -> Mapping[str, float]:
        """The shares of a round."""
        if self._policy.shares is not None:
            return self._policy.shares
        end = max(0, number - LOOKBACK)
        rounds = self.brought[max(0, end - WINDOW + 1) : end + 1]
        total = {name: sum((each[name] for each in rounds if each), Brought()) for name in STRATEGIES}
        return {name: float(share) for name, share in shares_of(total).items()}


@lru_cache(1_024)
def _places(seed: int, number: int) -> Sequence[float]:
    """Where the requests of a round stand in the mix, as many as a round may have."""
    return array("d", (place_of(seed, f"{round_name(number)}/{position:05d}") for position in range(LARGEST)))


def _firsts(values: Numbers) -> Marks:
    """Which values have not come before in the list."""
    first = np.zeros(len(values), bool)
    first[np.unique(values, return_index=True)[1]] = True
    return first


def _mark(marks: Marks, values: Numbers) -> int:
    """Set marks; returns how many were not set."""
    new = np.unique(values[~marks[values]])
    marks[new] = True
    return len(new)
