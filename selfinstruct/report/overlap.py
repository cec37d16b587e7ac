"""How near drawn instructions are to the seeds and to each other: exact ROUGE-L with every text of the pool.

Scores that a run stores beside accepted rows are lower bounds, since the index looks at a shortlist. Here every text
of the pool is considered. Most can be ruled out: each text has 64 bits, one of them set by each of its words, and the
bits of a query that another text lacks bound their longest common subsequence. The text with the best bound is scored
first; texts whose bound is not above the best score so far need no scoring.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from selfinstruct.novelty.lcs import Tokens, TokenStore
from selfinstruct.novelty.rouge import Tokeniser, tokenise

FIRST = 64
"""Texts with the best bounds that are scored before the others."""


@dataclass(frozen=True, slots=True)
class Nearest:
    """The highest ROUGE-L F of one instruction with any seed and with any other text of the pool."""

    seed: float
    other: float


class Overlap:
    """The tokens of a pool, in its order. About 100 bytes a text beside the vocabulary."""

    def __init__(self, tokeniser: Tokeniser) -> None:
        self._tokeniser = tokeniser
        self._store = TokenStore()

    def __len__(self) -> int:
        return len(self._store)

    def add(self, texts: Sequence[str]) -> None:
        """Append texts to the pool."""
        for text in texts:
            self._store.append(self._store.learn(tokenise(text, self._tokeniser)))

    def nearest(self, ordinals: Iterable[int], seeds: int) -> list[Nearest]:
        """For each of these texts how near it is to the first `seeds` texts of the pool, and to all others.

        Texts without a token are left out.
        """
        lengths = np.diff(self._store.starts[: len(self) + 1])
        bits = self._bits(lengths)
        found = []
        for ordinal in ordinals:
            if lengths[ordinal] == 0:
                continue
            query = self._store.tokens[self._store.starts[ordinal] : self._store.starts[ordinal + 1]]
            bounds = _bounds(int(bits[ordinal]), bits, len(query), lengths)
            bounds[ordinal] = -1.0
            found.append(Nearest(self._best(query, bounds[:seeds]), self._best(query, bounds)))
        return found

    def _bits(self, lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.uint64]:
        """A bit for each word of each text, 100,000 texts at a time."""
        bits = np.zeros(len(self), np.uint64)
        for first in range(0, len(self), 100_000):
            filled = first + np.flatnonzero(lengths[first : first + 100_000])
            if len(filled):
                starts = self._store.starts[filled]
                tokens = self._store.tokens[starts[0] : self._store.starts[filled[-1] + 1]].astype(np.uint64)
                spread = (tokens * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(58)
                bits[filled] = np.bitwise_or.reduceat(np.uint64(1) << spread, starts - starts[0])
        return bits

    def _best(self, query: Tokens, bounds: npt.NDArray[np.float64]) -> float:
        """The highest F of the query with the texts that have these bounds (-1: not to be considered)."""
        if len(bounds) == 0:
            return 0.0
        first = np.argpartition(-bounds, min(FIRST, len(bounds) - 1))[:FIRST]
        best = self._score(query, first[bounds[first] > 0], 0.0)
        rest = bounds > best
        rest[first] = False
        return self._score(query, np.flatnonzero(rest), best)

    def _score(self, query: Tokens, others: npt.NDArray[np.int64], floor: float) -> float:
        nearest = self._store.nearest(query, others.astype(np.uint32), floor)
        return nearest.rouge_l if nearest else floor


def _bounds(
    query_bits: int, bits: npt.NDArray[np.uint64], length: int, lengths: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """The highest F that each text may have with a query: each bit that it lacks is a word that it lacks."""
    missing = np.bitwise_count(np.uint64(query_bits) & ~bits).astype(np.int64)
    common = np.minimum(length - missing, lengths)
    # a hair above the exact value, since the score itself is rounded at each of its steps
    return np.asarray(2.0 * common / (length + lengths) * (1 + 1e-12), np.float64)
