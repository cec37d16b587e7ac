"""ROUGE-L between instructions, with the verdicts of the `rouge_score` package (no stemming)."""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence

from rapidfuzz.distance import LCSseq

TOKEN = {
    "rouge": re.compile(r"[a-z0-9]+"),  # as `rouge_score`: runs of ASCII letters and digits, in lower case
    "unicode": re.compile(r"[^\W_]+"),  # words of any script
}
"""What a token of a text in lower case is, by the tokeniser's name."""


def tokenise(text: str, tokeniser: str) -> list[str]:
    """The text's tokens by one of the tokenisers `rouge` and `unicode`."""
    return TOKEN[tokeniser].findall(text.lower())


def rouge_l(a: Sequence[Hashable], b: Sequence[Hashable]) -> float:
    """F of the longest common subsequence, in float64 and in `rouge_score`'s order of operations.

    `2 L / (m + n)` would be the same number on paper, but rounds to other verdicts on exact ties.
    """
    common = LCSseq.similarity(a, b)
    if common == 0:
        return 0.0
    precision, recall = common / len(a), common / len(b)
    return 2 * precision * recall / (precision + recall)
