"""Groups of candidates that are unlike each other, as SelectLLM has them (arXiv 2401.16553).

There the candidates are clustered and each group takes one of every cluster. Clusters of k-means differ in size, so
that groups run short of some. Here clusters are of equal size: the row farthest from the mean and those nearest to it
are the first, of what remains the second is taken likewise, and so on. All arithmetic is exact.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from selfinstruct.draws import Draws
from selfinstruct.errors import InputError
from selfinstruct.semantic.vectors import Vectors, dots, from_mean, squares

MOST = 60
"""Candidates of a group, which a model must read in one prompt."""

Ordinals = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Group:
    """Candidates of which some are to be named."""

    number: int
    members: tuple[int, ...]  # ordinals, in the order in which they are shown
    picks: int


def groups(vectors: Vectors, number: int, size: int, seed: int) -> list[Group]:
    """All candidates in groups of about `size`, with `number` picks in all.

    Sizes of groups differ by one at most, and so do their picks, of which each has at least one: groups are larger than
    `size` where picks are few. A group has one member of each cluster.

    Raises:
        InputError: groups would be too large.
    """
    count = len(vectors)
    total = min(number, -(-count // size))
    if -(-count // total) > MOST:
        raise InputError(
            f"--number: {number:,} of {count:,} candidates makes groups of {-(-count // total)}, and more than {MOST}"
            " are too many to read at once; choose more, or have fewer candidates (--only)"
        )
    members: list[list[int]] = [[] for _ in range(total)]
    for at, cluster in enumerate(clusters(vectors, total)):
        dealt = Draws("select", "deal", seed, at).sample(cluster.tolist(), len(cluster))
        for group, ordinal in zip(members, dealt, strict=False):
            group.append(ordinal)
    least, more = divmod(number, total)
    return [
        Group(at, tuple(Draws("select", "show", seed, at).sample(group, len(group))), least + (at < more))
        for at, group in enumerate(members)
    ]


def clusters(vectors: Vectors, size: int) -> list[Ordinals]:
    """Ordinals in clusters of `size`; the last one has what is left. O(clusters × candidates)."""
    remaining = np.arange(len(vectors))
    found: list[Ordinals] = []
    while len(remaining) > size:
        rows = vectors[remaining]
        outermost = rows[from_mean(rows).argmax()]
        nearest = np.argsort(squares(rows) - 2 * dots(rows, outermost[None])[:, 0], kind="stable")[:size]
        found.append(remaining[nearest])
        remaining = np.delete(remaining, nearest)
    return [*found, remaining]
