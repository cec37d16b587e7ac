"""How much of an answer is taken over word for word from the text that it was written from.

The share of the answer's words that lie in runs of `ngrams.FOUND` (6) or more words which the text has in the same
order, too. Words are those of the novelty check. A name, a date or a short term is no run, so it does not count; an
answer of fewer words has nothing copied.
"""

from __future__ import annotations

from fractions import Fraction

from selfinstruct.novelty.rouge import Tokeniser, tokenise
from selfinstruct.steps.ngrams import Runs


class Copies:
    """Finds what answers take over from a text."""

    def __init__(self, text: str, tokeniser: Tokeniser) -> None:
        self._runs = Runs([tokenise(text, tokeniser)])
        self._tokeniser = tokeniser

    def share(self, answer: str) -> float:
        """The share of an answer's words that is copied, in [0, 1]: one division of whole numbers."""
        copied, words = self._counted(answer)
        return copied / words if words else 0.0

    def above(self, limit: float, answer: str) -> bool:
        """Whether the share is above a limit, decided in whole numbers."""
        copied, words = self._counted(answer)
        return copied > Fraction(str(limit)) * words

    def _counted(self, answer: str) -> tuple[int, int]:
        words = tokenise(answer, self._tokeniser)
        return self._runs.shared(words), len(words)
