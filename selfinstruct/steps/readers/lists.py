"""The items of a numbered list, as models write it.

Only the next number opens an item, written as the first one was: steps, years and decimals within an item stay its
text, and so does a list that is indented deeper. Which number comes first the prompt says to a base model; a chat model
may begin where it likes.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

from selfinstruct.steps.readers.marks import BLANK, balanced, plain, without_fence_of, without_remark, without_rule

_WORD = (
    r"(?:(?:task|instruction|question|prompt|item|no\.?|nr\.?|q|aufgabe|tâche|tarea|tarefa|задание|задача|任务|任務|问题"
    rf"|指令|题目|タスク|問題|課題|작업|과제|第){BLANK}*[\#№]?{BLANK}*)"
)
_EM = r"(?:\*{1,3}|_{1,3}|`)?"
_HEADING = rf"(?:\#{{1,6}}{BLANK}*)"
_START = rf"^({BLANK}*)(?:>{BLANK}*){{0,8}}(?:[-*+•]{BLANK}+)?(?:\[[ xX]?\]{BLANK}+)?"
_DIGITS = rf"{_HEADING}?{_EM}{_WORD}?{_EM}[(（\[【]?(\d{{1,4}})[题題번号]?{_EM}{BLANK}?"
_FORMS = (
    rf"{_DIGITS}\\?[.)．）、。\]】]{{1,2}}(?![\d.])(?:[-–—:：](?={BLANK}))?{_EM}",  # `9.`
    rf"{_DIGITS}[:：](?!\d){_EM}",  # `Task 9:`
    rf"{_DIGITS}[-–—/](?={BLANK})",  # `9 -`
    rf"(?:{_HEADING}{_EM}{_WORD}?|\*\*{_WORD}?|{_WORD})(\d{{1,4}}){_EM}(?={BLANK}*$)",  # `### Task 9` alone in its line
    rf"(?:\#|\*\*)(\d{{1,4}})(?:\*\*)?(?={BLANK})",  # `#9`
    rf"{_EM}([①-⑳]|🔟|(?:\d\uFE0F?\u20E3){{1,3}})\.?{_EM}",
)
_NUMBER = re.compile(rf"{_START}(?:{'|'.join(_FORMS)}){BLANK}*", re.IGNORECASE | re.MULTILINE)
_LINED = (2, 3)
"""The forms (groups of the pattern) that go on with a base prompt's `9.`"""

_BULLET = re.compile(
    rf"^({BLANK}*)(?:[-*+•·‣–—●◦○▪■➢➤→✅▸►✔]\uFE0F?{BLANK}+|[・●•]){BLANK}*(?:\[[ xX]?\]{BLANK}+)?", re.MULTILINE
)
_PREFIX = re.compile(
    r"\A[-–•][ \t]+|\A(?:\*\*|__)?\[?(?:new )?(?:task|instruction|prompt|任务|指令)(?:[ \t]*\d+)?(?:\*\*|__)?"
    r"(?:\][ \t]*[:：]?|[ \t]*[:：]|[ \t]+[-–—](?=[ \t]))(?:\*\*|__)?[ \t]*",
    re.IGNORECASE,
)
_TITLE = re.compile(r"\A(\*\*|__)([^*_\n]{1,60}?)([:：]?)\1([:：]?)[ \t]*(?=\S)")
_HALF_TITLE = re.compile(r"\A([^*\n]{1,60})(?:(?<=[:：])\*\*|\*\*(?=[:：]|[ \t]*\n))([:：]?)")
_QUOTED = re.compile(r"(?<=[\"”]),\Z")
_GROUP = re.compile(r"\s*\n(?:\s*\n[ \t]*(?:\*\*|__)[^*_\n]+(?:\*\*|__)[:：]?|[ \t]*\#{1,6}[ \t].*)[ \t]*\Z")
"""The heading of the items that follow."""

_GOES_ON = re.compile(r"[ \t]*(?:```|~~~|>|\||[-*•][ \t]|\d{1,2}[.)][ \t]|[\"“'])")
_NESTED = 2
"""Columns by which the numbers of a list within an item are indented, at least."""


def continued(text: str, opened: int) -> list[str]:
    """The items of a list whose number `opened` stands at the end of the prompt."""
    first = _NUMBER.match(text.lstrip("\r\n"))
    if first and _value(first) == opened:  # the number again
        text = text.lstrip("\r\n")[first.end() :]
    numbers = [each for each in _NUMBER.finditer(text) if each.lastindex in _LINED]
    return _cleaned(_items(text, 0, numbers, opened + 1))


def listed(text: str, opened: int) -> list[str]:
    """The items of a list that has its first number, too; without numbers, those of a list of bullets."""
    numbers = list(_NUMBER.finditer(text))
    first = next((each for each in numbers if _value(each) in (opened, 1)), numbers[0] if numbers else None)
    if first is None:
        bullets = list(_BULLET.finditer(text))
        text = without_fence_of(text, bullets)
        return _cleaned(_between(text, [each for each in bullets if _width(each) < _width(bullets[0]) + _NESTED]))
    text = without_fence_of(text, [first])
    numbers = [each for each in _like(first, numbers) if each.end() <= len(text)]
    if all(_value(each) == _value(first) for each in numbers):  # Markdown counts by itself
        return _cleaned(_between(text, numbers))
    return _cleaned(_items(text, first.end(), numbers, _value(first) + 1))


def _like(first: re.Match[str], numbers: Sequence[re.Match[str]]) -> list[re.Match[str]]:
    """From the first number on, those that are written as it is and not indented deeper. What stands before an answer
    is lost: so there its own width is, too."""
    after = [each for each in numbers if each.lastindex == first.lastindex and each.start() > first.start()]
    following = [_width(each) for each in after if _value(each) == _value(first) + 1]
    level = min(following, default=0) if first.start() == 0 else _width(first)
    return [first, *(each for each in after if _width(each) < level + _NESTED)]


def unnumbered(items: Sequence[str]) -> list[str]:
    """Texts that are numbered one after the other, without their numbers; others as they are."""
    numbers = [_NUMBER.match(each) for each in items]
    values = [_value(each) for each in numbers if each]
    if len(items) < 2 or not values or values != list(range(values[0], values[0] + len(items))):
        return list(items)
    return [_clean(item[number.end() :]) for item, number in zip(items, numbers, strict=True) if number]


def _value(number: re.Match[str]) -> int:
    digits = number[number.lastindex or 0]
    if len(digits) == 1 and not digits.isdecimal():
        return 10 if digits == "🔟" else int(unicodedata.numeric(digits))
    return int("".join(each for each in digits if each.isdecimal()))


def _width(opening: re.Match[str]) -> int:
    """By how many columns it is indented."""
    return len(opening[1].expandtabs(4))


def _between(text: str, openings: Sequence[re.Match[str]]) -> list[str]:
    """What follows each opening, up to the next."""
    ends = [*(each.start() for each in openings[1:]), len(text)]
    return [text[opening.end() : end] for opening, end in zip(openings, ends, strict=False)]


def _items(text: str, start: int, numbers: Sequence[re.Match[str]], expected: int) -> list[str]:
    """The items of a list, the first of which begins at `start` and is followed by the number `expected`."""
    return [text[begin:end] for begin, end in _spans(len(text), start, numbers, expected)]


def _spans(size: int, start: int, numbers: Sequence[re.Match[str]], expected: int) -> Iterator[tuple[int, int]]:
    for number in numbers:
        if number.start() >= start and _value(number) == expected:
            yield start, number.start()
            start, expected = number.end(), expected + 1
    yield start, size


def _cleaned(items: list[str]) -> list[str]:
    """The items without what is around them; the last without a remark that follows the list."""
    if not items:
        return []
    *others, last = items
    others = [_alone(each) for each in others]
    spread = any("\n\n" in each.strip() for each in others)
    last = without_remark(last if spread or not others else _tight(last))
    return [_clean(each) for each in (*others, _alone(last))]


def _tight(item: str) -> str:
    """The last item of a list whose items have no blank lines: up to the first, unless it leads up to what follows."""
    first, _, rest = item.strip().partition("\n\n")
    return item if first.rstrip().endswith((":", "：")) or _GOES_ON.match(rest.lstrip("\n")) else first


def alone(text: str) -> str:
    """A text that is one item, without what is around it."""
    return _clean(_alone(text))


def _alone(item: str) -> str:
    """An item without the rule, and without the heading of the next ones, that follow it."""
    return without_rule(_GROUP.sub("", without_rule(item.rstrip())))


def _clean(item: str) -> str:
    text = plain(balanced(item.strip()))
    text = plain(balanced(_QUOTED.sub("", _PREFIX.sub("", text))))
    if text.count("**") % 2:  # begun before the number
        text = _HALF_TITLE.sub(r"\1\2", text)
    return _TITLE.sub(lambda title: f"{title[2]}{title[3]}{title[4]} ", text)
