"""Made-up tasks over a wide vocabulary, for runs far larger than the grammar could feed.

An instruction belongs to a concept: concept c is drawn with probability about 1 / (c ln N) from N = 10 ** diversity,
its words are a hash of c, and a few of them are replaced each time. Common concepts come back as near-duplicates and
rare ones are new, so acceptance falls as it does in real runs: after m candidates it is about

    1 - ln(m / ln N) / ln N

which for the default N = 10 ** 12 is 0.73 at 50 thousand candidates and 0.60 at 1.5 million. Words are drawn by Zipf's
law, instructions have 16 words on average and at most 60.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Protocol

from selfinstruct.records import Instance

REPLACED = 12
"""One word in this many is replaced when a concept is put into words."""

_OPENINGS = ("Explain", "Describe", "List", "Compare", "Summarise", "Name", "Rewrite", "Find", "Plan", "Suggest")
_ONSETS = (
    "b",
    "c",
    "d",
    "f",
    "g",
    "k",
    "l",
    "m",
    "n",
    "p",
    "r",
    "s",
    "t",
    "v",
    "br",
    "dr",
    "fl",
    "gr",
    "pl",
    "st",
    "tr",
)
_VOWELS = ("a", "e", "i", "o", "u", "ai", "ea", "oo")


def expected_acceptance(candidates: int, diversity: float) -> float:
    """The share of candidates that is new once so many were seen, by the formula above."""
    log_concepts = diversity * math.log(10)
    return max(0.0, 1 - math.log(max(1.0, candidates / log_concepts)) / log_concepts)


class Source(Protocol):
    """A stream of draws."""

    def below(self, n: int) -> int:
        """A uniform integer in [0, n)."""

    def fraction(self) -> float:
        """A uniform number in [0, 1)."""


class _Hash:
    """A cheap stream of draws under an integer key (splitmix64)."""

    __slots__ = ("_state",)

    def __init__(self, key: int) -> None:
        self._state = key

    def fraction(self) -> float:
        self._state = (self._state + 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
        word = self._state
        word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
        word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
        return (word ^ (word >> 31)) / 2**64


class WideTasks:
    """Draws tasks.

    Args:
        words: Size of the vocabulary.
        diversity: Decimal logarithm of the number of concepts.
    """

    def __init__(self, words: int, diversity: float) -> None:
        self._words = vocabulary(words)
        self._log_words = math.log(words)
        self._log_concepts = diversity * math.log(10)

    def instruction(self, source: Source) -> str:
        """An instruction: a concept's words, some of them replaced."""
        concept = _Hash(int(math.exp(source.fraction() * self._log_concepts)))
        length = min(59, 4 + int(-11.5 * math.log(1 - concept.fraction())))
        words = [_OPENINGS[int(concept.fraction() * len(_OPENINGS))]]
        words += [self._word(concept.fraction()) for _ in range(length)]
        for _ in range(round(length / REPLACED)):
            words[1 + source.below(length)] = self._word(source.fraction())
        return " ".join(words) + "."

    def is_classification(self, instruction: str) -> bool:
        """A property of the text: about one in four."""
        return sum(instruction.encode()) % 4 == 0

    def instances(self, source: Source) -> list[Instance]:
        """One to three instances, one task in two without input."""
        if source.below(2):
            return [Instance("", self._sentence(source))]
        return [Instance(self._sentence(source), self._sentence(source)) for _ in range(1 + source.below(3))]

    def _sentence(self, source: Source) -> str:
        return " ".join(self._word(source.fraction()) for _ in range(3 + source.below(20)))

    def _word(self, fraction: float) -> str:
        """By Zipf's law: the k-th word with probability about 1 / (k ln words)."""
        return self._words[int(math.exp(fraction * self._log_words)) - 1]


@cache
def vocabulary(size: int) -> tuple[str, ...]:
    """So many different made-up words, the short ones first."""
    syllables = [onset + vowel for onset in _ONSETS for vowel in _VOWELS]
    words = []
    for number in range(size):
        text, rest = "", number
        while True:
            rest, digit = divmod(rest, len(syllables))
            text = syllables[digit] + text
            if rest == 0:
                break
            rest -= 1
        words.append(text)
    return tuple(words)
