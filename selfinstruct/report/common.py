"""What two texts have in common in order, so that a reader sees why one was rejected for the other."""

from __future__ import annotations

from collections.abc import Sequence

from rapidfuzz.distance import LCSseq

from selfinstruct.novelty.rouge import TOKEN

Piece = tuple[str, bool]
"""A stretch of text, and whether its words are part of the longest common subsequence."""


def mark_common(text: str, other: str, tokeniser: str) -> tuple[list[Piece], list[Piece]]:
    """Both texts in pieces that join to the texts again. Tokens are those of ROUGE-L (`rouge.tokenise`)."""
    a, b = _spans(text, tokeniser), _spans(other, tokeniser)
    words, other_words = _words(text, a), _words(other, b)
    in_a: set[int] = set()
    in_b: set[int] = set()
    for block in LCSseq.opcodes(words, other_words):
        if block.tag == "equal":
            in_a.update(range(block.src_start, block.src_end))
            in_b.update(range(block.dest_start, block.dest_end))
    return _pieces(text, a, in_a), _pieces(other, b, in_b)


def _spans(text: str, tokeniser: str) -> list[tuple[int, int]]:
    return [match.span() for match in TOKEN[tokeniser].finditer(text.lower())] if _keeps_length(text) else []


def _keeps_length(text: str) -> bool:
    """Whether positions in the lower-cased text are those in the text; a few letters become two."""
    return len(text.lower()) == len(text)


def _words(text: str, spans: Sequence[tuple[int, int]]) -> list[str]:
    lower = text.lower()
    return [lower[start:end] for start, end in spans]


def _pieces(text: str, spans: Sequence[tuple[int, int]], common: set[int]) -> list[Piece]:
    """Neighbouring common words are one piece, with what stands between them."""
    pieces: list[Piece] = []
    at = 0
    for position, (start, end) in enumerate(spans):
        joined = position - 1 in common and position in common
        if start > at:
            pieces.append((text[at:start], joined))
        pieces.append((text[start:end], position in common))
        at = end
    pieces.append((text[at:], False))
    merged: list[Piece] = []
    for piece, is_common in pieces:
        if merged and merged[-1][1] == is_common:
            merged[-1] = (merged[-1][0] + piece, is_common)
        elif piece:
            merged.append((piece, is_common))
    return merged
