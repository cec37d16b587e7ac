"""How many different things some texts say: figures of their vectors.

Two texts count as one where their cosine is above a given one. Of greedy leaders the first text is one, and each that
is no copy of a leader; the cells and the Vendi score (Friedman and Dieng, arXiv 2210.02410) are numbers of equally
common kinds that would be as spread, whatever the cosine. They say how spread texts are, and nothing of their worth.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from selfinstruct.semantic.vectors import Vectors, cosines, lengths

FIRST = 500
"""Rows of the first step; each next has twice as many."""

_ROWS = 256


def steps(rows: int, most: int) -> list[int]:
    """500, 1,000, 2,000 ... and all rows, as far as there are, and at most so many."""
    most = min(rows, most)
    found = [FIRST << power for power in range(most.bit_length()) if FIRST << power < most]
    return [*found, most] if most else []


def leaders(vectors: Vectors, cosine: float) -> NDArray[np.int64]:
    """Which rows are greedy leaders, rising: those of the first n rows are the first of these."""
    kept = np.zeros(0, np.int64)
    for at in range(0, len(vectors), _ROWS):
        block = vectors[at : at + _ROWS]
        copies = (cosines(block, vectors[kept]) > cosine).any(axis=1)
        within = cosines(block, block) > cosine
        new: list[int] = []
        for row in np.flatnonzero(~copies):
            if not within[row, new].any():
                new.append(int(row))
        kept = np.concatenate([kept, np.array(new, np.int64) + at])
    return kept


def vendi(vectors: Vectors) -> float:
    """The Vendi score of cosines: the exponential of the entropy of the kernel's eigenvalues; 0 of no row.

    The kernel of n rows has the eigenvalues of a matrix as wide as a vector, so 2,000 rows take no time.
    """
    if not len(vectors):
        return 0.0
    directions = vectors / lengths(vectors)[:, None]
    values = np.linalg.eigvalsh(directions.T @ directions / len(vectors))
    return _effective(values[values > 1e-12].astype(np.float64))


def effective_cells(counts: NDArray[np.int64]) -> float:
    """How many equally full cells would be as spread; 0 of none."""
    filled = counts[counts > 0]
    return _effective(filled / filled.sum()) if len(filled) else 0.0


def reach(vectors: Vectors, reference: Vectors, at: Sequence[int]) -> list[float]:
    """The mean of the best cosines of reference texts to the first n rows, for each n (rising, above 0)."""
    best, found, begun = np.full(len(reference), -1.0), [], 0
    for end in at:
        for start in range(begun, end, _ROWS):
            best = np.maximum(best, cosines(reference, vectors[start : min(end, start + _ROWS)]).max(axis=1))
        found.append(float(best.mean()))
        begun = end
    return found


def _effective(shares: NDArray[np.float64]) -> float:
    return float(np.exp(-(shares * np.log(shares)).sum()))
