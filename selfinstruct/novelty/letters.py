"""Whether the default tokeniser suits texts: it reads ASCII letters and digits alone."""

from __future__ import annotations

import string
from collections.abc import Iterable, Mapping

from selfinstruct.novelty.rouge import Tokeniser

_NO_LETTERS = bytes(set(range(128)) - set(string.ascii_letters.encode()))


def warnings(texts: Mapping[str, Iterable[str]], tokeniser: Tokeniser, option: str) -> list[str]:
    """A line for people if a tokeniser misses most letters of some texts.

    Args:
        texts: Texts by what people call them.
        option: The name of the option that takes another tokeniser.
    """
    if tokeniser == "unicode":
        return []
    missed = [name for name, each in texts.items() if mostly_other_letters(each)]
    if not missed:
        return []
    return [
        f"most letters of {' and of '.join(missed)} are not ASCII, and are no part of words here;"
        f" --{option} unicode reads words of any script"
    ]


def mostly_other_letters(texts: Iterable[str]) -> bool:
    """Whether more than half of the letters are not ASCII."""
    balance = 0
    for text in texts:
        if text.isascii():
            balance -= len(text.encode().translate(None, _NO_LETTERS))
        else:
            balance += sum(1 if char > "\x7f" else -1 for char in text if char.isalpha())
    return balance > 0
