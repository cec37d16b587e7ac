"""Runs of words: how much of a text repeats itself, and how much of it stands in other texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

REPEATED = 6
"""Words of an n-gram that counts as a repetition: fewer come again in sound prose and in code."""

FOUND = 6
"""Words of an n-gram by which a text is looked for in others."""


def repeated_share(words: Sequence[str]) -> float:
    """The share of the words, in [0, 1), that lie in an n-gram of `REPEATED` words that came before.

    Gopher's filters (Rae et al. 2021, arXiv 2112.11446, table A1) have shares of this kind for web pages, of letters
    for each n from 5 to 10, with limits from 15 % down to 10 %; C4 (Raffel et al. 2020, section 2.2) drops what comes
    again as three sentences. An output is shorter than a page, and code or a song repeats with good reason: hence one
    n, of words, and a far higher limit.
    """
    if len(words) - len(set(words)) < REPEATED:  # each word of an n-gram that comes again has come before
        return 0.0
    seen: set[str] = set()
    repeats = []
    for at, gram in enumerate(_grams(words, REPEATED)):
        if gram in seen:
            repeats.append(at)
        seen.add(gram)
    return _covered(repeats, REPEATED) / len(words) if words else 0.0


class Runs:
    """Finds runs of words that stand in any of some texts."""

    def __init__(self, texts: Sequence[Sequence[str]]) -> None:
        self._grams = {gram for words in texts for gram in _grams(words, FOUND)}

    def shared(self, words: Sequence[str]) -> int:
        """How many of these words lie in a run of `FOUND` or more that the texts hold, too."""
        return _covered([at for at, gram in enumerate(_grams(words, FOUND)) if gram in self._grams], FOUND)

    def hold(self, words: Sequence[str], longest: int) -> bool:
        """Whether the texts hold a run of `longest` of these words, or all of them, if they are `FOUND` at least.

        A run is told by its n-grams, each of which must be somewhere in the texts.
        """
        needed = min(longest, len(words)) - FOUND + 1
        if needed < 1 or not self._grams:
            return False
        run = 0
        for gram in _grams(words, FOUND):
            run = run + 1 if gram in self._grams else 0
            if run >= needed:
                return True
        return False


def _covered(places: Sequence[int], n: int) -> int:
    """How many words lie in the n-grams at these places, which rise."""
    covered = end = 0
    for at in places:
        covered += at + n - max(end, at)
        end = at + n
    return covered


def _grams(words: Sequence[str], n: int) -> Iterator[str]:
    return (" ".join(words[at : at + n]) for at in range(len(words) - n + 1))
