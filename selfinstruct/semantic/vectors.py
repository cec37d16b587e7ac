"""Vectors of small whole numbers: how they are made from others, and how near two of them are.

A vector is its direction, `LENGTH` long, rounded to whole numbers: int8, a byte for each dimension. What is computed
of them is exact, so it is the same on every machine: a dot product of two is far below 2^24, up to which float32 holds
every whole number, so any order of a matrix product's sums gives the same one.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Vectors: TypeAlias = NDArray[np.int8]
"""Rows of whole numbers from -127 to 127. A row of zeros stands for a text that says nothing."""

LENGTH = 256
"""Of a vector that is not zero, but for rounding: a component is then about 16 in 256 dimensions, and off by 0.3."""

BITS = 26
"""Of whole numbers whose squares are summed in 64 bits: 2,048 of them at most."""

_LARGEST = 127
_BLOCK = 4096  # rows of a product at once


def rounded(directions: NDArray[np.int64]) -> Vectors:
    """Directions as vectors.

    Exact up to the last steps, which are single operations of IEEE 754 (square root, product, quotient, rounding to
    even) and so the same everywhere.

    Args:
        directions: Rows of whole numbers below 2^26 in size, of at most 2,048 dimensions.
    """
    squares = np.einsum("ij,ij->i", directions, directions)
    norms = np.sqrt(squares.astype(np.float64))
    norms[squares == 0] = 1.0
    scaled = np.rint(directions.astype(np.float64) * float(LENGTH) / norms[:, None])
    found: Vectors = np.clip(scaled, -_LARGEST, _LARGEST).astype(np.int8)
    return found


def whole(values: NDArray[Any]) -> NDArray[np.int64]:
    """Numbers as whole ones below 2^26, all times the same power of two: the largest that fits."""
    found = values.astype(np.float64)
    _, exponent = np.frexp(np.abs(found).max(initial=0.0))
    limit = 2**BITS - 1  # the largest may be rounded up to the power itself
    return np.clip(np.rint(np.ldexp(found, BITS - int(exponent))), -limit, limit).astype(np.int64)


def dots(these: Vectors, those: Vectors) -> NDArray[np.int32]:
    """The dot product of each of `these` (n, d) and each of `those` (m, d): (n, m), exact."""
    others = those.astype(np.float32).T
    found = np.empty((len(these), len(those)), np.int32)
    for at in range(0, len(these), _BLOCK):
        found[at : at + _BLOCK] = these[at : at + _BLOCK].astype(np.float32) @ others
    return found


def lengths(vectors: Vectors) -> NDArray[np.float64]:
    """The length of each row; 1 of a row of zeros, whose cosine with all others is then 0."""
    found = np.sqrt(squares(vectors).astype(np.float64))
    found[found == 0] = 1.0
    return found


def cosines(these: Vectors, those: Vectors) -> NDArray[np.float64]:
    """The cosine of each of `these` (n, d) and each of `those` (m, d): (n, m), the same bits on every machine.

    An exact dot product over the product of two lengths: single operations of IEEE 754, whichever of the two is first.
    """
    return dots(these, those) / np.multiply.outer(lengths(these), lengths(those))


def squares(vectors: Vectors) -> NDArray[np.int32]:
    """The squared length of each row, exact."""
    wide = vectors.astype(np.int32)
    found: NDArray[np.int32] = np.einsum("ij,ij->i", wide, wide)
    return found


def from_mean(vectors: Vectors) -> NDArray[np.int64]:
    """How far each row is from the mean of all, exact: the square times the number of rows, less what all have."""
    total = vectors.sum(axis=0, dtype=np.int64)
    found = len(vectors) * squares(vectors).astype(np.int64)
    for at in range(0, len(vectors), _BLOCK):
        found[at : at + _BLOCK] -= 2 * (vectors[at : at + _BLOCK].astype(np.int64) @ total)
    return found
