"""What two texts have in common in order, so that a reader sees why one was rejected for the other."""

from __future__ import annotations

from collections.abc import Sequence

from rapidfuzz.distance import LCSseq

from selfinstruct.novelty.rouge import Tokeniser, token_places

Piece = tuple[str, bool]
"""A stretch of text, and whether its words are part of the longest common subsequence."""


def mark_common(text: str, other: str, tokeniser: Tokeniser) -> tuple[list[Piece], list[Piece]]:
    """Both texts in pieces that join to the texts again. Tokens are those of ROUGE-L (`rouge.tokenise`)."""
    a, b = token_places(text, tokeniser), token_places(other, tokeniser)
    in_a: set[int] = set()
    in_b: set[int] = set()
    for block in LCSseq.opcodes([word for word, *_ in a], [word for word, *_ in b]):
        if block.tag == "equal":
            in_a.update(range(block.src_start, block.src_end))
            in_b.update(range(block.dest_start, block.dest_end))
    return _pieces(text, [place for _, *place in a], in_a), _pieces(other, [place for _, *place in b], in_b)


def _pieces(text: str, places: Sequence[Sequence[int]], common: set[int]) -> list[Piece]:
    """Neighbouring common words are one piece, with what stands between them."""
    pieces: list[Piece] = []
    at = 0
    for position, (start, end) in enumerate(places):
        joined = position - 1 in common and position in common
        if start > at:
            pieces.append((text[at:start], joined))
        pieces.append((text[max(at, start) : end], position in common))  # words of one character share its place
        at = end
    pieces.append((text[at:], False))
    merged: list[Piece] = []
    for piece, is_common in pieces:
        if merged and merged[-1][1] == is_common:
            merged[-1] = (merged[-1][0] + piece, is_common)
        elif piece:
            merged.append((piece, is_common))
    return merged
