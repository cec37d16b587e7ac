"""The items of a numbered list, as models write it.

Only the next number opens an item: steps, years and decimals within one stay its text. Which number comes first the
prompt says to a base model; a chat model may begin where it likes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from selfinstruct.steps.readers.marks import balanced, plain, without_pleasantry

_NUMBER = re.compile(
    r"^[ \t]*(?:>[ \t]*){0,8}(?:\#{1,6}[ \t]*)?(?:[-*+•][ \t]+)?(?:\*\*|__|\*)?"
    r"(?:(?:task|instruction|no\.?|nr\.?)[ \t]*)?"
    r"\(?(\d{1,4})(?:\*\*|__)?[ \t]?(?:[.)．）、。](?!\d)|[:：])(?:\*\*|__|\*)?[ \t]*",
    re.IGNORECASE | re.MULTILINE,
)
_BULLET = re.compile(r"^[ \t]*[-*+•·‣–][ \t]+", re.MULTILINE)
_PREFIX = re.compile(
    r"\A(?:\*\*|__)?(?:new )?(?:task|instruction)(?:[ \t]*\d+)?(?:\*\*|__)?[ \t]*[:：](?:\*\*|__)?[ \t]*", re.I
)


def continued(text: str, opened: int) -> list[str]:
    """The items of a list whose number `opened` stands at the end of the prompt."""
    first = _NUMBER.match(text)
    if first and int(first[1]) == opened:  # the number again
        text = text[first.end() :]
    return _cleaned([text[start:end] for start, end in _spans(text, 0, opened + 1)])


def listed(text: str, opened: int) -> list[str]:
    """The items of a list that has its first number, too; without numbers, those of a list of bullets."""
    numbers = list(_NUMBER.finditer(text))
    wanted = [each for each in numbers if int(each[1]) in (opened, 1)] or numbers
    if wanted:
        first = wanted[0]
        if all(each[1] == first[1] for each in numbers):  # Markdown counts by itself
            return _cleaned(_between(text, numbers))
        return _cleaned([text[start:end] for start, end in _spans(text, first.end(), int(first[1]) + 1)])
    return _cleaned(_between(text, list(_BULLET.finditer(text))))


def _between(text: str, openings: Sequence[re.Match[str]]) -> list[str]:
    """What follows each opening, up to the next."""
    ends = [*(each.start() for each in openings[1:]), len(text)]
    return [text[opening.end() : end] for opening, end in zip(openings, ends, strict=False)]


def _spans(text: str, start: int, expected: int) -> Iterator[tuple[int, int]]:
    """Where the items lie, the first of which begins at `start` and is followed by the number `expected`."""
    for number in _NUMBER.finditer(text, start):
        if int(number[1]) == expected:
            yield start, number.start()
            start, expected = number.end(), expected + 1
    yield start, len(text)


def _cleaned(items: list[str]) -> list[str]:
    """The items without what is around them; the last without a remark that follows the list."""
    if items:
        *others, last = items
        spread = any("\n\n" in each.strip() for each in others)
        items = [*others, without_pleasantry(last) if spread or not others else last.lstrip().split("\n\n")[0]]
    return [_clean(each) for each in items]


def _clean(item: str) -> str:
    text = plain(balanced(item.strip()))
    return plain(balanced(_PREFIX.sub("", text)))
