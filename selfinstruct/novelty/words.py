"""Words of any script: what the tokeniser `unicode` makes of a text that is not plain ASCII.

A word is a run of letters and digits with the marks that they carry, so vowel signs stay with their consonants. Han,
kana and the scripts of South East Asia are written without blanks between words; there each character counts, with its
marks. Before that a text is folded: characters that say nothing by themselves (joiners, variation selectors, soft
hyphens) go, compatibility forms become plain (NFKC), and letters lose their case (Unicode Standard, section 3.13).

Which characters are letters, marks and so on is told by the package `regex`, whose tables do not depend on Python's;
its version is a fact of a run (`TABLES`). Forms and case are Python's own. Unicode never changes them for a character
that it has, and `LATER` keeps out those that one Python has and another has not: they stay as they are.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

import regex

TABLES = f"regex {regex.__version__}"
"""Where the tables of scripts are from."""

_UNSPACED = (
    r"[[\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}\p{scx=Bopomofo}\p{Line_Break=Complex_Context}]&&[\p{L}\p{N}]]"
)
"""Letters of scripts without blanks; Complex_Context are Thai, Lao, Khmer, Burmese and their kin. Digits there form
numbers as elsewhere."""

_AM = r"(?<=\u0E4D)\u0E32|(?<=\u0ECD)\u0EB2"
"""The second half of the Thai and the Lao vowel sign AM, which NFKC takes apart."""

_CHARACTER = rf"{_UNSPACED}(?:\p{{M}}|{_AM})*+"

_WORD = regex.compile(
    rf"{_CHARACTER}|[[\p{{L}}\p{{N}}]--{_UNSPACED}][[\p{{L}}\p{{N}}\p{{M}}]--{_UNSPACED}]*+", regex.VERSION1
)
_UNSPACED_LETTER = regex.compile(_UNSPACED, regex.VERSION1)
_IGNORABLE = regex.compile(r"\p{Default_Ignorable_Code_Point}+")
_STRETCH = regex.compile(
    r"[\p{Hangul}\p{Default_Ignorable_Code_Point}]++\p{M}*+|.[\p{M}\p{Default_Ignorable_Code_Point}\uFF9E\uFF9F]*+",
    regex.DOTALL,
)
"""What is folded by itself where places in a text are wanted: a character with its marks (two of half-width kana are
none of Unicode's), or a run of Hangul, whose letters join."""

_PUNCTUATION = regex.compile(r"\p{Default_Ignorable_Code_Point}*+(?![¡¿⸘])[\p{P}\p{S}]")
"""At a text's beginning; marks that open a question or an exclamation are as good as a letter there."""

_MARKS = regex.compile(r"[\p{P}$+<=>^`|~]")

LATER = regex.compile(
    r"([\u0558\u058B\u058C\u05C8\u05C9\u0897\u1ACF-\u1AF0\u1C89\u209D-\u209F\uA7CB\uA7CC\uA7CE\uA7D2\uA7D4\uA7DA\uA7DC"
    r"\uA7DD\uA7E2\uA7F1\uAB6C\uAB6D\U000105C9\U000105D2\U000105DA\U000105E4\U000107BB-\U000107BF\U00010D50-\U00010D65"
    r"\U00010D69-\U00010D6D\U00010ECB-\U00010ECF\U00010EF0-\U00010EFF\U00011382-\U000113D0\U00011F41\U00011F42"
    r"\U0001611E-\U0001612F\U00016D63-\U00016D6A\U00016EA0-\U00016EB8\U0001B123-\U0001B126\U0001CCD6-\U0001CCF9"
    r"\U0001D127\U0001D128\U0001D250-\U0001D281\U0001D6A6\U0001DF40-\U0001DFFF\U0001E030-\U0001E06D\U0001E08F"
    r"\U0001E4EC-\U0001E4EF\U0001E5EE\U0001E5EF\U0001E6E3-\U0001E6F5]+)"
)
"""Characters from after Unicode 14, which Python 3.11 has, that have another form, a case or an order among marks."""


def fold(text: str) -> str:
    """The form in which texts are compared; folding it again changes nothing."""
    text = _IGNORABLE.sub("", text)
    return "".join(piece if at % 2 else _folded(piece) for at, piece in enumerate(LATER.split(text)))


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def words(text: str) -> list[str]:
    """The words of a text, folded."""
    found: list[str] = _WORD.findall(fold(text))
    return found


def places(text: str) -> Iterator[tuple[str, int, int]]:
    """Each word, and where it begins and ends in the text as it stands. Words of one character, `½` say, share it."""
    folded, starts, ends = [], [], []
    for stretch in _STRETCH.finditer(text):
        piece = fold(stretch.group())
        folded.append(piece)
        starts += [stretch.start()] * len(piece)
        ends += [stretch.end()] * len(piece)
    for word in _WORD.finditer("".join(folded)):
        yield word.group(), starts[word.start()], ends[word.end() - 1]


def count(text: str) -> int:
    """How many words blanks make of a text, each character of scripts without blanks being one."""
    pieces = fold(text).split()
    return sum(len(_WORD.findall(piece)) if _UNSPACED_LETTER.search(piece) else 1 for piece in pieces)


def bare(text: str) -> str:
    """The text folded, without punctuation and ASCII symbols, with one blank for each run of white space."""
    return " ".join(_MARKS.sub("", fold(text)).split())


def begins_with_punctuation(text: str) -> bool:
    """Whether a mark or symbol of any script comes before the first letter."""
    return _PUNCTUATION.match(text) is not None
