"""The cell of a vector: which of 1,024 frozen centres is nearest.

The centres (`cells.npy`, int8) belong to the shipped table and never change, so a text's cell is the same in every run
and on every machine, and needs no other texts. `make_cells.py` made them; they are committed, so nobody waits for it.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from selfinstruct.semantic.vectors import Vectors, dots, squares

FILE = Path(__file__).parent / "cells.npy"
CELLS = 1024


@cache
def centres() -> Vectors:
    """The frozen centres, a row each."""
    found: Vectors = np.load(FILE, allow_pickle=False)
    return found


def cells_of(vectors: Vectors) -> NDArray[np.int64]:
    """The cell of each vector of the shipped table."""
    return nearest(vectors, centres())


def nearest(vectors: Vectors, others: Vectors) -> NDArray[np.int64]:
    """Which of the others is nearest to each vector (Euclid); of equally near ones the first."""
    lengths = squares(others)
    found = np.empty(len(vectors), np.int64)
    for at in range(0, len(vectors), CELLS):
        found[at : at + CELLS] = (2 * dots(vectors[at : at + CELLS], others) - lengths).argmax(axis=1)
    return found
