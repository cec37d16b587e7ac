"""Who of a round is admitted by what it is about: as if its texts came one by one, each held against all before it."""

from __future__ import annotations

from selfinstruct.semantic.index import Meanings


class Admission:
    """A round's texts in canonical order, and which of them were admitted.

    All cosines were computed where the texts were asked about; this only follows who is there.

    Args:
        size: Texts in the committed pool; admitted texts get the ordinals from here on.
        asked: The round's texts, with what is near to each in the committed pool and among them.
        limit: The cosine above which a text is not admitted (None: all are).
    """

    def __init__(self, size: int, asked: Meanings, limit: float | None) -> None:
        self._size, self._limit = size, limit
        self._nearer = [(each.starts.tolist(), each.places.tolist(), each.cosines.tolist()) for each in asked.nearer]
        self._cells, self._ordinals, self._cosines = (
            each.tolist() for each in (asked.cells, asked.ordinals, asked.cosines)
        )
        self._admitted: dict[int, int] = {}  # ordinals by places in the round

    def passes(self, at: int) -> bool:
        """Whether the text at a place, later than all that were asked about, may be admitted; if so, it is."""
        if self._limit is not None and self.nearest(at)[1] > self._limit:
            return False
        self._admitted[at] = self._size + len(self._admitted)
        return True

    def cell(self, at: int) -> int:
        """The cell of the text at a place."""
        cell: int = self._cells[at]
        return cell

    def nearest(self, at: int) -> tuple[int, float]:
        """The ordinal of the text nearest to the one at a place, of the pool and of those admitted before it, and the
        cosine with it; the lowest of equally near ones, -1 and `NOTHING` where there is none."""
        ordinal, most = self._ordinals[at], self._cosines[at]
        row, part = divmod(at, len(self._nearer))
        starts, places, cosines = self._nearer[part]
        for each in range(starts[row], starts[row + 1]):
            if cosines[each] <= most:
                break
            if places[each] in self._admitted:
                return self._admitted[places[each]], cosines[each]
        return ordinal, most
