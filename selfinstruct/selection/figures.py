"""How a choice covers what there was, in a few numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from selfinstruct.selection.candidates import Candidate
from selfinstruct.semantic.vectors import LENGTH, Vectors, dots, squares

_BLOCK = 512  # rows beside all chosen ones at once


@dataclass(frozen=True, slots=True)
class Coverage:
    """Of a choice, over all candidates. Cosines and distances are those of vectors of length 1."""

    chosen: int
    radius: float  # distance of the candidate that is farthest from its nearest chosen one
    covered: float  # mean over the candidates: cosine to the nearest chosen one
    apart: float | None  # mean over the chosen: cosine to the nearest other one; None of a single one
    cells: int | None  # of the shipped table's 1,024; None with another encoder
    words: int  # of the chosen texts


def coverage(
    vectors: Vectors, chosen: Sequence[int], candidates: Sequence[Candidate], cells: Sequence[int] | None
) -> Coverage:
    """The figures of a choice.

    Args:
        chosen: Ordinals.
        cells: Of each candidate.
    """
    ordinals = np.array(sorted(chosen))
    theirs = vectors[ordinals]
    lengths, long = squares(theirs).astype(np.float64), squares(vectors).astype(np.float64)
    farthest, total, likest = 0.0, 0.0, np.empty(len(ordinals))
    for at in range(0, len(vectors), _BLOCK):
        products = dots(vectors[at : at + _BLOCK], theirs).astype(np.float64)
        own = long[at : at + _BLOCK, None]
        farthest = max(farthest, float((own + lengths - 2 * products).min(axis=1).max()))
        total += float((products / np.sqrt(np.maximum(own * lengths, 1))).max(axis=1).sum())
    for at in range(0, len(theirs), _BLOCK):
        products = dots(theirs[at : at + _BLOCK], theirs).astype(np.float64)
        cosines = products / np.sqrt(np.maximum(lengths[at : at + _BLOCK, None] * lengths, 1))
        cosines[np.arange(len(cosines)), np.arange(at, at + len(cosines))] = -1.0
        likest[at : at + _BLOCK] = cosines.max(axis=1)
    return Coverage(
        chosen=len(ordinals),
        radius=farthest**0.5 / LENGTH,
        covered=total / len(vectors),
        apart=float(likest.mean()) if len(ordinals) > 1 else None,
        cells=len({cells[each] for each in chosen}) if cells is not None else None,
        words=sum(len(candidates[each].text.split()) for each in chosen),
    )
