"""How much of a file that people bring is taken in: all limits of the readers, each with its reason."""

from __future__ import annotations

import re
from collections.abc import Iterable

CHUNK = 2**20
"""Bytes that are read at once."""

MOST_CHARACTERS = 100_000
"""Of one text; more fits no model's prompt."""

MOST_ROW = 16 * 2**20
"""Bytes of one row with the blanks before it: a hundred texts of the length above, in letters of two bytes."""

MOST_DOCUMENT = 128 * 2**20
"""Bytes of a file that is one value, and so is held in memory whole: a task of natural-instructions, ratings, a review
sheet. Git hosts take no file above 100 MB."""

DEEPEST = 200
"""Levels of lists and objects within each other. Trees of conversations have some sixty; Python's own code gives up
at a thousand, wherever it happens to stand then."""

MOST_DIGITS = 640
"""Of a whole number: the time to read one grows with the square of its length, and Python can be told to refuse any
that is longer than this."""

UNPACKED_ANYWAY = 64 * 2**20
"""Bytes that may come out of a packed file, however small it is."""

MOST_UNPACKED = 200
"""Times the size of a packed file that may come out of it beyond that. Texts come to ten times, rows that are much
alike to fifty; what is made to fill a disk or a memory, to a thousand and more."""

ROWS_ANYWAY = 1_000_000
"""Rows that a Parquet file may declare, however small it is; beyond that each takes a byte of it at least."""

ROWS_AT_ONCE = 16
"""Rows of a Parquet file that are unpacked together: its encodings can repeat one long text at no cost."""

MOST_PROBLEMS = 20
"""Bad rows that are named."""

MOST_COUNTED = 10_000
"""Bad rows after which reading stops; up to then, those that are not named are counted."""

_MOST_KEYS, _LONGEST_KEY = 10, 40  # that a message names

_SURROGATE = re.compile("[\ud800-\udfff]")


def text_problem(text: str) -> str | None:
    """What keeps a text out of the tables, if anything does."""
    if problem := length_problem(text):
        return problem
    if "\0" in text:
        return "holds a NUL character"
    if _SURROGATE.search(text):
        return "holds half of a surrogate pair, which is no character"
    return None


def length_problem(text: str) -> str | None:
    """What is wrong with a text's length, if anything is."""
    if len(text) <= MOST_CHARACTERS:
        return None
    return f"has {len(text):,} characters; {MOST_CHARACTERS:,} is the most"


def listed(keys: Iterable[object]) -> str:
    """The keys that there are, as a message has them: the first few, on one line."""
    names = sorted(" ".join(str(key).split()) for key in keys)
    shown = [name if len(name) <= _LONGEST_KEY else f"{name[:_LONGEST_KEY]}..." for name in names[:_MOST_KEYS]]
    return ", ".join(shown + ["..."] * (len(names) > _MOST_KEYS))
