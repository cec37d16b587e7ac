"""Words and sentences of a text in any script."""

from __future__ import annotations

import regex

from selfinstruct.novelty.rouge import count_words

_SAYS = regex.compile(r"[\p{L}\p{N}]")
_LETTER = regex.compile(r"\p{L}")

_END = regex.compile(
    r"""[.!?\u2026]++[\p{Pe}\p{Pf}"']*+(?=\s|\Z)   # a full stop as in English: only before white space
      | [\p{SB=STerm}--[!?]]++[\p{Pe}\p{Pf}"']*+   # those of other scripts: wherever they stand
      | [\n\r\v\f\x85\u2028\u2029]""",
    regex.VERSION1 | regex.VERBOSE,
)


def word_count(text: str) -> int:
    """What blanks divide, each character of scripts without blanks being one word; marks alone are none."""
    return count_words(" ".join(piece for piece in text.split() if _SAYS.search(piece)), "unicode")


def sentence_count(text: str) -> int:
    """The pieces with a letter between the ends of sentences.

    A sentence ends with its line, with `.`, `!`, `?` or an ellipsis before white space (closing quotes and brackets may
    stand between), and with any other mark that Unicode has for it (`。`, `।`, `۔`, ...) whatever follows. So an
    abbreviation in the middle ends one, too, and a number in front of a list's item is none.
    """
    return sum(_LETTER.search(piece) is not None for piece in _END.split(text))
