"""The instructions of a pool by their cells, as a plan may show them.

A pool that grows by its own demonstrations grows where it is dense already. Drawing a cell first, each as likely as any
other, and then one of its instructions gives each instruction a weight of one over the size of its cell.
"""

from __future__ import annotations

from collections.abc import Sequence

from selfinstruct.draws import Draws


class CellIndex:
    """Ordinals by cell. Making one takes some hundredths of a second for each million, once a round; a draw takes a few
    steps, however many there are.

    Args:
        cells_of: The cell of each ordinal of the pool.
        ordinals: Those that may be drawn.
    """

    def __init__(self, cells_of: Sequence[int], ordinals: Sequence[int]) -> None:
        import numpy as np

        if isinstance(ordinals, range):  # array() would make a number of Python's of each
            chosen = np.arange(ordinals.start, ordinals.stop)
        else:
            chosen = np.array(ordinals, np.int64)
        cells = np.array(cells_of, np.uint16)[chosen]
        self._ordinals = chosen[np.argsort(cells, kind="stable")]
        sizes = np.bincount(cells)
        self._sizes = sizes[sizes > 0].tolist()
        self._starts = (np.cumsum(sizes[sizes > 0]) - sizes[sizes > 0]).tolist()

    def draw(self, draws: Draws, count: int) -> list[int]:
        """So many ordinals, of different cells as far as there are so many; all of them if there are fewer."""
        shown: list[int] = []
        while len(shown) < min(count, len(self._ordinals)):
            for cell in draws.sample(range(len(self._sizes)), count - len(shown)):
                ordinal = int(self._ordinals[self._starts[cell] + draws.below(self._sizes[cell])])
                shown += [] if ordinal in shown else [ordinal]
        return shown
