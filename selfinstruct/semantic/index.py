"""The nearest text of a pool by what texts are about: vectors beside a lexical index, on a shard or in this process.

What is looked at is a pure function of the question and of the pool's size, so the answer is the same however the pool
is divided. Up to `EXACT` texts it is all of them; of more it is those in the `PROBED` cells nearest to the question,
which finds nearly all that is near (docs/diversity.md has figures), and of what is farther away a lower bound.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from selfinstruct.semantic.cells import CELLS, nearest_cells
from selfinstruct.semantic.encoders import Encoder
from selfinstruct.semantic.vectors import Vectors, cosines

EXACT = 1 << 16
"""Texts of the largest pool that is looked at whole."""

PROBED = 16
"""Cells that are looked into where the pool is larger."""

NUMBER = 1
"""Of this way to search; one that gives other answers gets the next."""

NOTHING = -2.0
"""Stands for the cosine where there is no text to be near to."""

_ROWS, _COLUMNS = 512, 4096  # of a product at once
_CHUNK = 20_000  # texts that are embedded at once


@dataclass(frozen=True, slots=True, eq=False)
class Nearer:
    """For some texts of a question, row by row, which ones before it in the question are nearer to it than any of a
    pool: the nearest first, of equally near ones the earlier."""

    starts: NDArray[np.int64]  # of the rows; one more stands at the end
    places: NDArray[np.int64]  # in the question
    cosines: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Meanings:
    """What some texts are about, and what is near to each: in a pool, and among themselves."""

    cells: NDArray[np.int16]
    ordinals: NDArray[np.int64]  # of the nearest in the pool, the lowest of equally near ones; -1 where there is none
    cosines: NDArray[np.float64]  # with it
    nearer: Sequence[Nearer]  # of n, the one at `part` has each n-th text from `part` on

    def __len__(self) -> int:
        return len(self.cells)


def nearest_of(parts: Iterable[Meanings]) -> Meanings:
    """One answer of those of the parts of a pool, in their order, to one question."""
    first, *others = parts
    ordinals, found = first.ordinals.copy(), first.cosines.copy()
    for other in others:
        _take(ordinals, found, other.ordinals, other.cosines)
    return Meanings(first.cells, ordinals, found, [each for part in (first, *others) for each in part.nearer])


def is_whole(size: int) -> bool:
    """Whether a pool of so many texts is looked at whole."""
    return size <= EXACT


def nearer_within(
    rows: NDArray[np.int64], vectors: Vectors, cells: NDArray[np.int16] | None, least: NDArray[np.float64]
) -> Nearer:
    """For these rows of a question what stands before each and is nearer than `least` says.

    Args:
        cells: Those nearest to each text: only what lies in one of them is looked at (None: all is).
    """
    found = [(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))]
    for at in range(0, len(rows), _ROWS):
        asked = rows[at : at + _ROWS]
        for start in range(0, int(asked[-1]), _COLUMNS):
            held = np.arange(start, min(int(asked[-1]), start + _COLUMNS))
            near = cosines(vectors[asked], vectors[held])
            ours, theirs = np.nonzero(near > least[asked][:, None])
            fit = held[theirs] < asked[ours]
            if cells is not None:
                fit &= (cells[asked[ours]] == cells[held[theirs], :1]).any(axis=1)
            ours, theirs = ours[fit], theirs[fit]
            found.append((at + ours, held[theirs], near[ours, theirs]))
    asking, places, near = (np.concatenate(each) for each in zip(*found, strict=True))
    order = np.lexsort((places, -near, asking))
    return Nearer(np.searchsorted(asking[order], np.arange(len(rows) + 1)), places[order], near[order])


class VectorIndex:
    """The vectors of numbered texts: 256 bytes each, and two for the cell."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._count = 0
        self._vectors: Vectors = np.zeros((0, encoder.embed([""]).shape[1]), np.int8)
        self._cells = np.zeros(0, np.int16)
        self._sorted: tuple[int, NDArray[np.int64], NDArray[np.int64]] | None = None

    def __len__(self) -> int:
        return self._count

    @property
    def nbytes(self) -> int:
        """Bytes in use."""
        order = 0 if self._sorted is None else self._sorted[1].nbytes
        return int(self._count * (self._vectors.shape[1] + self._cells.itemsize) + order)

    def insert(self, first: int, texts: Sequence[str]) -> None:
        """Hold `texts` as the ordinals from `first` on; what is held already is passed over.

        Raises:
            ValueError: `first` would leave a gap.
        """
        if first > self._count:
            raise ValueError(f"index holds {self._count} texts; inserting from {first} on would leave a gap")
        new = texts[self._count - first :]
        for at in range(0, len(new), _CHUNK):
            self._append(self._encoder.embed(new[at : at + _CHUNK]))

    def meanings(
        self,
        size: int,
        texts: Sequence[str],
        whole: bool,
        without: Sequence[int | None] = (),
        part: int = 0,
        parts: int = 1,
    ) -> Meanings:
        """What texts are about, and what is near: among the first `size` that are held to each of them, and among
        themselves to each n-th, n being the number of parts.

        Args:
            whole: `is_whole` of the pool, of which this may be a part.
            without: For each text the ordinal that it is not compared with, if there is one; nothing where no text has
                one.
            part, parts: Which part of the pool this is: each `parts`-th text from `part` on. The answer has ordinals of
                the whole.
        """
        vectors = self._encoder.embed(texts)
        cells = nearest_cells(vectors, PROBED)
        left_out = np.array([-1 if each is None else each for each in without], np.int64)
        ordinals, found = np.full(len(texts), -1, np.int64), np.full(len(texts), NOTHING)
        for rows, held in self._looked_at(size, cells, whole):
            near = cosines(vectors[rows], self._vectors[held])
            if without:
                near[held[None, :] == left_out[rows][:, None]] = NOTHING
            best = near.argmax(axis=1)  # the first, so the lowest ordinal
            ours, theirs = ordinals[rows], found[rows]
            _take(ours, theirs, held[best], near[np.arange(len(rows)), best])
            ordinals[rows], found[rows] = ours, theirs
        nearer = nearer_within(np.arange(part, len(texts), parts), vectors, None if whole else cells, found)
        return Meanings(cells[:, 0], np.where(ordinals < 0, -1, part + parts * ordinals), found, [nearer])

    def before(self, ordinals: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The nearest among the texts before each of these, which are held, in the order given, and the cosine with it.

        All are looked at; of equally near ones the lowest ordinal is found, -1 and `NOTHING` where there is none.
        """
        nearest, found = np.full(len(ordinals), -1, np.int64), np.full(len(ordinals), NOTHING)
        for at in range(0, len(ordinals), _ROWS):
            asked = ordinals[at : at + _ROWS]
            for start in range(0, int(asked.max()), _COLUMNS):
                held = np.arange(start, min(int(asked.max()), start + _COLUMNS))
                near = cosines(self._vectors[asked], self._vectors[held])
                near[held[None, :] >= asked[:, None]] = NOTHING
                best = near.argmax(axis=1)
                theirs = near[np.arange(len(asked)), best]
                _take(nearest[at : at + _ROWS], found[at : at + _ROWS], held[best], theirs)
        nearest[found == NOTHING] = -1
        return nearest, found

    def _looked_at(
        self, size: int, cells: NDArray[np.int16], whole: bool
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Which rows of the question are held against which texts, piece by piece."""
        pairs = [(np.arange(len(cells)), np.arange(size))] if whole else self._probes(size, cells)
        for rows, held in pairs:
            for at in range(0, len(rows), _ROWS):
                for start in range(0, len(held), _COLUMNS):
                    yield rows[at : at + _ROWS], held[start : start + _COLUMNS]

    def _probes(self, size: int, cells: NDArray[np.int16]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """By cell: the rows of the question that look into it, and the texts that it has."""
        order, ends = self._by_cell()
        asking = np.argsort(cells, axis=None, kind="stable")
        asked = np.searchsorted(cells.ravel()[asking], np.arange(CELLS + 1))
        for cell in np.flatnonzero(np.diff(asked)):
            held = order[ends[cell] : ends[cell + 1]]
            yield asking[asked[cell] : asked[cell + 1]] // PROBED, held[: np.searchsorted(held, size)]

    def _by_cell(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """All ordinals, cell by cell and rising in each, and where each cell begins."""
        if self._sorted is None or self._sorted[0] != self._count:
            cells = self._cells[: self._count]
            order = np.argsort(cells, kind="stable")
            self._sorted = self._count, order, np.searchsorted(cells[order], np.arange(CELLS + 1))
        return self._sorted[1:]

    def _append(self, vectors: Vectors) -> None:
        end = self._count + len(vectors)
        if end > len(self._vectors):  # the system gives memory to what is written only
            room = max(end, len(self._vectors) * 5 // 4)
            self._vectors = np.concatenate(
                [self._vectors, np.zeros((room - len(self._vectors), vectors.shape[1]), np.int8)]
            )
            self._cells = np.concatenate([self._cells, np.zeros(room - len(self._cells), np.int16)])
        self._vectors[self._count : end] = vectors
        self._cells[self._count : end] = nearest_cells(vectors, 1)[:, 0]
        self._count = end


def _take(
    ordinals: NDArray[np.int64],
    found: NDArray[np.float64],
    others: NDArray[np.int64],
    theirs: NDArray[np.float64],
) -> None:
    """Put in place of what was found what is nearer, or as near under a lower ordinal."""
    better = (theirs > found) | ((theirs == found) & (others >= 0) & (others < ordinals))
    ordinals[better], found[better] = others[better], theirs[better]
