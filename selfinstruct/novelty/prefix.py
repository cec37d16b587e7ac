"""The exact novelty index: an inverted index on the rare tokens of each text. It misses no duplicate.

**Elements.** A text of m tokens has m counted unigrams (token, k-th occurrence). Two texts of m and n tokens with
F > t have a common subsequence of at least T(m, n) = ceil(t (m + n) / 2) tokens, hence so many elements in common.
T is at most m and n, which bounds n; T grows with either length, so for a text alone the least T over admissible
partners, T(n), is that with the shortest one, of about n t / (2 - t) tokens.

**Prefixes.** Order all elements in any fixed way, here from rare to frequent. Let x and y, of m and n tokens, share
o >= T(m, n) elements, c_1 < ... < c_o, and take any T <= o and l >= 1. After c_j there are at least o - j elements
of x, so c_j is among its first m - o + j. Hence for j = min(l, o) all of c_1 ... c_j are among the first m - T + l
elements of x and among the first n - T + l of y: two texts that share T elements share min(l, T) in those prefixes.
(AllPairs has l = 1; AdaptJoin, Wang et al. 2012, a larger one. Here l = `COMMON`.) Stored texts of n tokens are listed
under their first n - T(n) + l elements. A question of m tokens looks up, for each length class, its first
m - T(m, n) + l elements, reads in each list only entries whose own position is below n - T(m, n) + l, and shortlists
what it meets min(l, T) times. Hash-free and exact; the score decides.

**Segments.** The index is a list of immutable segments, each over a range of ordinals with the frequencies found there
as its order, and a tail of texts that are scored one by one. When the tail is full it becomes a segment, together with
those before it that are not larger (a log-structured merge), so a text is listed again about log2(pool / tail) times.

**Answers** are those of brute force: the highest F above the threshold, ties to the lowest ordinal, or None. They do
not depend on the order of elements, on segments or on shards.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from selfinstruct.novelty.compiled import kernel
from selfinstruct.novelty.index import Entry, LocalIndex, NoveltySettings
from selfinstruct.novelty.lcs import Ordinals, Tokens, TokenStore, grown

COMMON = 2
"""Elements that two prefixes must share: more make prefixes longer and shortlists shorter."""

TAIL = 256
"""Texts that are scored one by one before they become a segment."""

POSITIONS = 32
"""Positions in a prefix are told apart below this; the last stands for itself and all later ones."""

LENGTHS = np.unique(np.concatenate([np.arange(17), (2 ** (4 + np.arange(1, 209) / 16)).astype(np.int64)]))
"""The shortest length of each class: single lengths to 23 or so, then sixteen classes an octave, to 130 thousand.

What is longer falls into the last class, which has no upper bound.
"""


class PrefixIndex(LocalIndex):
    """A `protocols.PoolIndex` without false negatives; its answers are None or above the threshold.

    Holds up to 2 ** 27 texts.
    """

    def __init__(self, settings: NoveltySettings) -> None:
        super().__init__(settings)
        self._segments: list[_Segment] = []
        self._listed = 0  # texts in segments
        self._met: npt.NDArray[np.uint8] = np.zeros(TAIL, np.uint8)  # by place in a segment; zeros between questions
        self._found: Ordinals = np.empty(TAIL, np.uint32)

    @property
    def floor(self) -> float:
        """Partners at the threshold and below it may be missing from a shortlist."""
        return self._settings.threshold

    @property
    def nbytes(self) -> int:
        """Bytes in use by numbers, without the dictionary of the vocabulary."""
        lists = sum(array.nbytes for segment in self._segments for array in segment.lists)
        return lists + self._met.nbytes + self._found.nbytes + self._store.nbytes

    def shortlist(self, entry: Entry, size: int) -> Ordinals:
        """The ordinals below `size` whose score decides, each once, in any order."""
        count = 0
        for segment in self._segments:
            if segment.first < size:
                texts = self._settings.threshold, entry.tokens, self._store.starts, segment.first, size
                count = _probe(*texts, *segment.lists, self._met, self._found, count)
        tail = np.arange(self._listed, max(size, self._listed), dtype=np.uint32)
        return np.concatenate([self._found[:count], tail])

    def _sign(self, words: Sequence[str]) -> None:
        return None

    def _index(self, ordinal: int, entry: Entry) -> None:
        if len(self) - self._listed >= TAIL:
            self._merge()

    def _merge(self) -> None:
        """Turn the tail, and the segments before it that are not larger, into one segment."""
        first = self._listed
        while self._segments and self._listed - self._segments[-1].first <= len(self) - self._listed:
            first = self._segments.pop().first
            self._listed = first
        self._segments.append(_segment(first, len(self), self._store, self._settings.threshold))
        self._listed = len(self)
        self._met = grown(self._met, len(self) - first)
        self._found = grown(self._found, len(self))


class _Lists(NamedTuple):
    """The lists of a segment: first by token, in there by occurrence and length class, in there by position."""

    frequencies: npt.NDArray[np.uint32]  # of tokens, and so the order of elements
    groups: npt.NDArray[np.uint32]  # token -> its first group; one more at the end
    keys: npt.NDArray[np.uint16]  # group -> occurrence * 256 + length class
    starts: npt.NDArray[np.uint32]  # group -> its first entry; one more at the end
    entries: npt.NDArray[np.uint32]  # place in the segment * POSITIONS + position in the prefix


class _Segment(NamedTuple):
    first: int  # ordinal
    lists: _Lists


def _segment(first: int, end: int, store: TokenStore, threshold: float) -> _Segment:
    """List the texts `first` to `end`."""
    frequencies = np.bincount(store.tokens[store.starts[first] : store.starts[end]], minlength=store.vocabulary).astype(
        np.uint32
    )
    rows, bounds = _rows(first, end, store.tokens, store.starts, frequencies, threshold)
    entries = ((rows & np.uint64(0xFFFFFFFF)) * np.uint64(POSITIONS) + (rows >> np.uint64(32)) % POSITIONS).astype(
        np.uint32
    )
    return _Segment(first, _Lists(frequencies, *_groups(rows, bounds), entries))


@kernel
def _least(threshold: float, m: int, n: int) -> int:
    """T(m, n): no pair of these lengths with a shorter common subsequence has F above the threshold.

    The slack, far below the distance of two integers, is for the rounding of F.
    """
    return max(1, math.ceil(threshold * (m + n) / 2 - 1e-6))


@kernel
def _least_for(threshold: float, n: int) -> int:
    """T(n): the least T(m, n) of any m that is at least T(m, n)."""
    return _least(threshold, math.ceil(threshold * n / (2 - threshold) - 1e-6), n)


@kernel
def _elements(tokens: Tokens, frequencies: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint64]:
    """The counted unigrams of a text in the order of elements: 24 bits of frequency, 32 of token, 8 of occurrence.

    A further occurrence is taken to be a quarter as frequent. Occurrences from the 256th on share a number, which can
    only make more meetings.
    """
    ordered = np.sort(tokens)
    elements = np.empty(len(ordered), np.uint64)
    occurrence = 0
    for i in range(len(ordered)):
        token = ordered[i]
        occurrence = min(occurrence + 1, 255) if i > 0 and token == ordered[i - 1] else 0
        frequency = np.uint64(0)
        if token < len(frequencies):
            frequency = np.uint64(min(int(frequencies[token]), 0xFFFFFF) >> min(2 * occurrence, 24))
        elements[i] = frequency << np.uint64(40) | np.uint64(token) << np.uint64(8) | np.uint64(occurrence)
    elements.sort()
    return elements


@kernel
def _rows(
    first: int,
    end: int,
    tokens: Tokens,
    starts: npt.NDArray[np.int64],
    frequencies: npt.NDArray[np.uint32],
    threshold: float,
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
    """All entries by token, sorted by (occurrence, length class, position, place), and the first of each token."""
    fill = np.zeros(len(frequencies) + 1, np.int64)
    rows = np.empty(0, np.uint64)
    for write in range(2):  # first count, then write
        for ordinal in range(first, end):
            text = tokens[starts[ordinal] : starts[ordinal + 1]]
            n = len(text)
            if n == 0:
                continue
            elements = _elements(text, frequencies)
            length_class = np.searchsorted(LENGTHS, n, side="right") - 1
            for position in range(min(n, n - _least_for(threshold, n) + COMMON)):
                token = int(elements[position] >> np.uint64(8)) & 0xFFFFFFFF
                if write:
                    occurrence = int(elements[position]) & 255
                    group = occurrence * 256 + length_class
                    rows[fill[token]] = (group * POSITIONS + min(position, POSITIONS - 1)) << 32 | (ordinal - first)
                    fill[token] += 1
                else:
                    fill[token + 1] += 1
        if not write:
            fill = np.cumsum(fill)
            bounds = fill.copy()
            rows = np.empty(fill[-1], np.uint64)
    for token in range(len(frequencies)):
        rows[bounds[token] : bounds[token + 1]].sort()
    return rows, bounds


@kernel
def _groups(
    rows: npt.NDArray[np.uint64], bounds: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint16], npt.NDArray[np.uint32]]:
    """The groups of each token, their keys, and their first entries."""
    shift = np.uint64(37)  # 32 bits of place, 5 of position
    groups = np.zeros(len(bounds), np.uint32)
    keys = np.empty(0, np.uint16)
    starts = np.empty(0, np.uint32)
    for write in range(2):  # first count, then write
        count = 0
        for token in range(len(bounds) - 1):
            groups[token] = count
            for row in range(bounds[token], bounds[token + 1]):
                if row == bounds[token] or rows[row] >> shift != rows[row - 1] >> shift:
                    if write:
                        keys[count] = rows[row] >> shift
                        starts[count] = row
                    count += 1
        if not write:
            keys = np.empty(count, np.uint16)
            starts = np.empty(count + 1, np.uint32)
    groups[-1] = count
    starts[-1] = len(rows)
    return groups, keys, starts


@kernel
def _probe(
    threshold: float,
    query: Tokens,
    text_starts: npt.NDArray[np.int64],
    first: int,
    size: int,
    frequencies: npt.NDArray[np.uint32],
    groups: npt.NDArray[np.uint32],
    keys: npt.NDArray[np.uint16],
    starts: npt.NDArray[np.uint32],
    entries: npt.NDArray[np.uint32],
    met: npt.NDArray[np.uint8],
    found: Ordinals,
    count: int,
) -> int:
    """Write a segment's shortlist below `size` behind the first `count` of `found`; returns the new count."""
    m = len(query)
    reach, depth = _reaches(threshold, m)
    elements = _elements(query, frequencies)
    end = count
    for i in range(m):
        token = int(elements[i] >> np.uint64(8)) & 0xFFFFFFFF
        occurrence = int(elements[i]) & 255
        if token >= len(frequencies):
            continue
        for group in range(groups[token], groups[token + 1]):
            length_class = keys[group] & 255
            if keys[group] >> 8 != occurrence or i >= reach[length_class]:
                continue
            for at in range(starts[group], starts[group + 1]):
                if entries[at] % POSITIONS >= depth[length_class]:
                    break
                place = entries[at] // POSITIONS
                if met[place] == 0:
                    found[end] = place
                    end += 1
                met[place] = min(met[place] + 1, COMMON)
    short = _least_for(threshold, m) < COMMON  # partners may exist that share fewer elements
    kept = count
    for at in range(count, end):
        place = found[at]
        enough = met[place] == COMMON
        met[place] = 0
        ordinal = first + place
        if short and not enough:
            n = text_starts[ordinal + 1] - text_starts[ordinal]
            enough = _least(threshold, m, n) < COMMON
        if enough and ordinal < size:
            found[kept] = ordinal
            kept += 1
    return kept


@kernel
def _reaches(threshold: float, m: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """For each length class the prefix of a question of m tokens and that of its texts; 0 where no F is high enough."""
    reach = np.zeros(len(LENGTHS), np.int64)
    depth = np.full(len(LENGTHS), POSITIONS, np.int64)
    for c in range(len(LENGTHS)):
        least = _least(threshold, m, LENGTHS[c])
        last = c + 1 == len(LENGTHS)
        if least > m:
            break
        if last or LENGTHS[c + 1] - 1 >= least:
            reach[c] = m - least + COMMON
        if not last:
            longest = LENGTHS[c + 1] - 1
            depth[c] = longest - _least(threshold, m, longest) + COMMON
    return reach, depth
