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


def nearest_cells(vectors: Vectors, number: int) -> NDArray[np.int16]:
    """The so many cells nearest to each vector of the shipped table, the nearest first: (n, number)."""
    lengths, places = squares(centres()).astype(np.int64), np.arange(CELLS)
    found = np.empty((len(vectors), number), np.int16)
    for at in range(0, len(vectors), CELLS):
        near = 2 * dots(vectors[at : at + CELLS], centres()).astype(np.int64) - lengths
        keys = places - CELLS * near  # no two are equal, so that the order does not depend on how is sorted
        keys = np.sort(np.partition(keys, number - 1, axis=1)[:, :number], axis=1)
        found[at : at + CELLS] = keys % CELLS
    return found


def nearest(vectors: Vectors, others: Vectors) -> NDArray[np.int64]:
    """Which of the others is nearest to each vector (Euclid); of equally near ones the first."""
    lengths = squares(others)
    found = np.empty(len(vectors), np.int64)
    for at in range(0, len(vectors), CELLS):
        found[at : at + CELLS] = (2 * dots(vectors[at : at + CELLS], others) - lengths).argmax(axis=1)
    return found
