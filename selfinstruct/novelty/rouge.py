"""ROUGE-L between instructions, with the verdicts of the `rouge_score` package (no stemming), and its tokens."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Sequence
from typing import Literal, TypeAlias

from rapidfuzz.distance import LCSseq

Tokeniser: TypeAlias = Literal["rouge", "unicode"]
"""rouge: runs of ASCII letters and digits in lower case, as `rouge_score`. unicode: words of any script (`words`); both
are the same in an ASCII text."""

_ASCII = re.compile(r"[a-z0-9]+")


def tokenise(text: str, tokeniser: Tokeniser) -> list[str]:
    """The text's tokens."""
    if tokeniser == "rouge" or text.isascii():
        return _ASCII.findall(text.lower())
    from selfinstruct.novelty import words  # late, here and below: only texts that need it pay for the tables

    return words.words(text)


def token_places(text: str, tokeniser: Tokeniser) -> list[tuple[str, int, int]]:
    """The tokens, each with where it begins and ends in the text."""
    if tokeniser == "rouge" or text.isascii():
        return list(_ascii_places(text))
    from selfinstruct.novelty import words

    return list(words.places(text))


def _ascii_places(text: str) -> Iterator[tuple[str, int, int]]:
    """Letter by letter, since a few letters become two in lower case."""
    lower = [char.lower() for char in text]
    at = [place for place, chars in enumerate(lower) for _ in chars]
    for match in _ASCII.finditer("".join(lower)):
        yield match.group(), at[match.start()], at[match.end() - 1] + 1


def count_words(text: str, tokeniser: Tokeniser) -> int:
    """How many words a text has for people: what blanks divide, and with `unicode` each character where there are no
    blanks between words."""
    if tokeniser == "rouge" or text.isascii():
        return len(text.split())
    from selfinstruct.novelty import words

    return words.count(text)


def rouge_l(a: Sequence[Hashable], b: Sequence[Hashable]) -> float:
    """F of the longest common subsequence, in float64 and in `rouge_score`'s order of operations.

    `2 L / (m + n)` would be the same number on paper, but rounds to other verdicts on exact ties.
    """
    common = LCSseq.similarity(a, b)
    if common == 0:
        return 0.0
    precision, recall = common / len(a), common / len(b)
    return 2 * precision * recall / (precision + recall)
