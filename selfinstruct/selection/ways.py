"""Ways to choose that ask nobody. Each gives ordinals of candidates, in the order in which they were chosen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from selfinstruct.draws import Draws
from selfinstruct.semantic.vectors import Vectors, from_mean, squares

NEAR = 0.9
"""Cosine from which a row is passed over for its likeness to one that is kept (DEITA, arXiv 2312.15685)."""


def by_draw(count: int, number: int, seed: int) -> list[int]:
    """So many of `count` candidates by keyed draw; those of a smaller number are the first of a larger one's."""
    return Draws("select", "random", seed).sample(range(count), number)


def by_k_centre(vectors: Vectors, number: int) -> list[int]:
    """Greedy k-centre (Gonzalez, 1985): always the candidate that is farthest from all that are chosen.

    The first is the one nearest to the mean; between equals the lowest ordinal decides. Distances are Euclid's between
    vectors of whole numbers, squared, and exact. So no candidate is farther from its nearest chosen one than twice what
    the best choice of this number could reach. O(number × candidates).
    """
    wide = vectors.astype(np.float32)
    lengths = squares(vectors).astype(np.float32)  # these and all below are whole numbers under 2^24
    distances = np.full(len(vectors), np.inf, np.float32)
    products = np.empty_like(distances)
    pick = int(from_mean(vectors).argmin())
    chosen: list[int] = []
    while True:
        chosen.append(pick)
        if len(chosen) == number:
            return chosen
        np.dot(wide, wide[pick], out=products)
        products *= -2
        products += lengths
        products += lengths[pick]
        np.minimum(distances, products, out=distances)
        distances[pick] = -1  # below a copy of it, which may be chosen
        pick = int(distances.argmax())


def by_quality(vectors: Vectors, order: Sequence[int], number: int) -> list[int]:
    """The first so many of `order` of which none is near to another; if they do not suffice, those passed over follow.

    O(number × candidates).
    """
    kept: list[int] = []
    passed: list[int] = []
    theirs = np.zeros((number, vectors.shape[1]), np.float32)  # of those that are kept; its dot products are exact
    lengths = squares(vectors).astype(np.float64)
    for ordinal in order:
        if len(kept) == number:
            return kept
        products = theirs[: len(kept)] @ vectors[ordinal].astype(np.float32)
        near = products >= NEAR * np.sqrt(lengths[kept] * lengths[ordinal])
        if (near & (products > 0)).any():
            passed.append(ordinal)
        else:
            theirs[len(kept)] = vectors[ordinal]
            kept.append(ordinal)
    return [*kept, *passed][:number]
