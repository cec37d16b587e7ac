"""Who of a round is admitted by what it is about: as if its texts came one by one, each held against all before it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from selfinstruct.semantic.cells import CELLS
from selfinstruct.semantic.index import NOTHING, Meanings, is_whole
from selfinstruct.semantic.vectors import cosines

_ROWS = 256  # of a round, whose cosines are computed at once


class Admission:
    """A round's texts in canonical order, and which of them were admitted.

    Args:
        size: Texts in the committed pool; admitted texts get the ordinals from here on.
        asked: The round's texts, with the nearest of each in the committed pool.
        limit: The cosine above which a text is not admitted (None: all are).
    """

    def __init__(self, size: int, asked: Meanings, limit: float | None) -> None:
        self._size, self._asked, self._limit = size, asked, limit
        self._admitted = np.empty(len(asked), np.int64)  # places in the round, rising
        self._count = 0
        self._block: tuple[int, NDArray[np.float64]] = -1, np.empty((0, 0))

    def passes(self, at: int) -> bool:
        """Whether the text at a place, later than all that were asked about, may be admitted; if so, it is."""
        if self._limit is not None and self.nearest(at)[1] > self._limit:
            return False
        self._admitted[self._count] = at
        self._count += 1
        return True

    def cell(self, at: int) -> int:
        """The cell of the text at a place."""
        return int(self._asked.cells[at, 0])

    def nearest(self, at: int) -> tuple[int, float]:
        """The ordinal of the text nearest to the one at a place, of the pool and of those admitted before it, and the
        cosine with it; the lowest of equally near ones, -1 and `NOTHING` where there is none."""
        ordinal, cosine = int(self._asked.ordinals[at]), float(self._asked.cosines[at])
        places = np.arange(np.searchsorted(self._admitted[: self._count], at))
        if not is_whole(self._size):
            probed = np.zeros(CELLS, np.bool_)
            probed[self._asked.cells[at]] = True
            places = places[probed[self._asked.cells[self._admitted[places], 0]]]
        if len(places):
            near = self._cosines(at)[self._admitted[places]]
            best = int(near.argmax())
            if near[best] > cosine:
                ordinal, cosine = self._size + int(places[best]), float(near[best])
        return ordinal, cosine

    def _cosines(self, at: int) -> NDArray[np.float64]:
        """Of the text at a place with all before it, and a few behind."""
        first = at - at % _ROWS
        if self._block[0] != first:
            vectors = self._asked.vectors
            self._block = first, cosines(vectors[first : first + _ROWS], vectors[: first + _ROWS])
        found: NDArray[np.float64] = self._block[1][at - first]
        return found


def is_something(cosine: float) -> bool:
    """Whether there was a text to be near to."""
    return cosine != NOTHING
