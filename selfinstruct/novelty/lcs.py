"""ROUGE-L of one text with many, by bit-parallel longest common subsequences.

The query's positions are the bits of a vector V, all ones at first. A token of the other text with the positions M
turns V into (V + (V & M)) | (V & ~M); zeros in the end are the length of the longest common subsequence (Crochemore et
al., 2001; Hyyrö, 2004). A query of up to 64 tokens needs one machine word, a longer one carries between words. Tokens
that the query lacks leave V alone, so a pair costs about a nanosecond per token.

F is computed from the length as `rouge.rouge_l` computes it, in float64 and the same order of operations: equal bits.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from selfinstruct.novelty.compiled import COMPILED, kernel
from selfinstruct.novelty.rouge import rouge_l
from selfinstruct.records import Neighbour

Tokens: TypeAlias = npt.NDArray[np.uint32]
Ordinals: TypeAlias = npt.NDArray[np.uint32]

UNKNOWN = 0
"""The number of a token that no stored text has."""


class TokenStore:
    """The tokens of numbered texts, as integers in growing arrays, and the exact score of a query with any of them.

    About 4 bytes per token and 8 per text, beside a dictionary of the vocabulary.
    """

    def __init__(self) -> None:
        self.tokens: Tokens = np.empty(1024, np.uint32)
        self.starts: npt.NDArray[np.int64] = np.zeros(1024, np.int64)  # text i is tokens[starts[i] : starts[i + 1]]
        self._count = 0
        self._numbers: dict[str, int] = {}
        self._slots: npt.NDArray[np.int32] = np.zeros(1024, np.int32)  # by token; zeros between calls

    def __len__(self) -> int:
        return self._count

    @property
    def vocabulary(self) -> int:
        """One more than the highest number of a token."""
        return len(self._numbers) + 1

    @property
    def nbytes(self) -> int:
        """Bytes in use, without the dictionary of the vocabulary."""
        return int(4 * self.starts[self._count] + 8 * self._count + self._slots.nbytes)

    @property
    def vocabulary_nbytes(self) -> int:
        """Bytes of the dictionary of the vocabulary: itself, its words and their numbers."""
        return sum(map(sys.getsizeof, (self._numbers, *self._numbers, *self._numbers.values())))

    def learn(self, words: Sequence[str]) -> Tokens:
        """The numbers of the words; new words get new ones."""
        numbers = self._numbers
        tokens = np.array([numbers.setdefault(word, len(numbers) + 1) for word in words], np.uint32)
        self._slots = grown(self._slots, self.vocabulary)
        return tokens

    def look_up(self, words: Sequence[str]) -> Tokens:
        """The numbers of the words, `UNKNOWN` for a word that was never learned: it matches no text."""
        get = self._numbers.get
        return np.array([get(word, UNKNOWN) for word in words], np.uint32)

    def append(self, tokens: Tokens) -> None:
        """Hold a text under the next number."""
        start = self.starts[self._count]
        end = start + len(tokens)
        self.tokens = grown(self.tokens, end)
        self.starts = grown(self.starts, self._count + 2)
        self.tokens[start:end] = tokens
        self._count += 1
        self.starts[self._count] = end

    def nearest(self, query: Tokens, shortlist: Ordinals, floor: float) -> Neighbour | None:
        """The text of the shortlist with the highest F above `floor`, ties to the lowest ordinal."""
        if COMPILED:
            ordinal, best = _nearest(query, shortlist, self.tokens, self.starts, self._slots, floor)
        else:
            ordinal, best = self._nearest_plain(query, shortlist, floor)
        return None if ordinal < 0 else Neighbour(int(ordinal), float(best))

    def _nearest_plain(self, query: Tokens, shortlist: Ordinals, floor: float) -> tuple[int, float]:
        ordinal, best = -1, floor
        words = [int(token) or -1 for token in query]  # -1: unknown tokens match nothing
        for other in sorted(int(each) for each in shortlist):
            score = rouge_l(words, self.tokens[self.starts[other] : self.starts[other + 1]].tolist())
            if score > best:
                ordinal, best = other, score
        return ordinal, best


def grown(array: npt.NDArray[Any], length: int) -> npt.NDArray[Any]:
    """The array, or a longer copy with zeros behind if it is shorter than `length`.

    Grows by at least a quarter; the system gives memory to what is written only.
    """
    if len(array) >= length:
        return array
    longer = np.zeros(max(length, len(array) * 5 // 4), array.dtype)
    longer[: len(array)] = array
    return longer


@kernel
def _nearest(
    query: Tokens,
    shortlist: Ordinals,
    tokens: Tokens,
    starts: npt.NDArray[np.int64],
    slots: npt.NDArray[np.int32],
    floor: float,
) -> tuple[int, float]:
    """The ordinal and F of the highest F above `floor`, or (-1, floor). `slots` is scratch, zero before and after."""
    m = len(query)
    words = (m + 63) // 64
    used = 0
    for token in query:
        if token != UNKNOWN and slots[token] == 0:
            used += 1
            slots[token] = used
    masks = np.zeros((used + 1, words), np.uint64)  # row slots[token]: the positions of the token in the query
    for i in range(m):
        if query[i] != UNKNOWN:
            masks[slots[query[i]], i >> 6] |= np.uint64(1) << np.uint64(i & 63)
    ordinal, best = -1, floor
    column = masks[:, 0].copy() if words == 1 else np.empty(0, np.uint64)
    state = np.empty(words, np.uint64)
    for at in range(len(shortlist)):
        other = int(shortlist[at])
        start, end = starts[other], starts[other + 1]
        n = end - start
        if _score(min(m, n), m, n) < best:  # the highest F that these lengths allow; F grows with the length
            continue
        if words == 1:
            common = _common_in_word(column, tokens[start:end], slots)
        else:
            common = _common(masks, tokens[start:end], slots, state)
        score = _score(common, m, n)
        if score > best or (score == best and other < ordinal):
            ordinal, best = other, score
    for token in query:
        slots[token] = 0
    return ordinal, best


@kernel
def _common_in_word(masks: npt.NDArray[np.uint64], other: Tokens, slots: npt.NDArray[np.int32]) -> int:
    ones = ~np.uint64(0)
    v = ones
    for j in range(len(other)):
        slot = slots[other[j]]
        if slot:
            u = v & masks[slot]
            v = (v + u) | (v - u)
    return _count_ones(~v)


@kernel
def _common(
    masks: npt.NDArray[np.uint64], other: Tokens, slots: npt.NDArray[np.int32], state: npt.NDArray[np.uint64]
) -> int:
    state[:] = ~np.uint64(0)
    for j in range(len(other)):
        slot = slots[other[j]]
        if slot == 0:
            continue
        carry = np.uint64(0)
        for w in range(len(state)):
            v = state[w]
            u = v & masks[slot, w]
            total = v + u
            overflow = total < v
            carried = total + carry
            overflow = overflow or carried < total
            carry = np.uint64(1) if overflow else np.uint64(0)
            state[w] = carried | (v - u)
    common = 0
    for w in range(len(state)):
        common += _count_ones(~state[w])
    return common


@kernel
def _count_ones(word: np.uint64) -> int:
    word -= (word >> np.uint64(1)) & np.uint64(0x5555555555555555)
    word = (word & np.uint64(0x3333333333333333)) + ((word >> np.uint64(2)) & np.uint64(0x3333333333333333))
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return int((word * np.uint64(0x0101010101010101)) >> np.uint64(56))


@kernel
def _score(common: int, m: int, n: int) -> float:
    if common == 0:
        return 0.0
    precision, recall = common / m, common / n
    return 2 * precision * recall / (precision + recall)
