"""JSON as models write it: quotation marks of any kind, or none around keys; comments, Python's words, commas too many
or too few; and of what was cut off, the parts that are whole.

Libraries that repair JSON close what was cut off, and so make up the end of a half-written answer.
"""

from __future__ import annotations

import json
import re
from typing import Any

DEEPEST = 60
"""Levels that an answer may have."""

_SPACE = re.compile(r"(?:[\s,\ufeff]+|//[^\n]*|\#[^\n]*|/\*.*?\*/|\.\.\.|…)*", re.DOTALL)
_WORDS = {"true": True, "false": False, "null": None, "none": None, "nan": None, "undefined": None}
_WORD = re.compile(r"(?:true|false|null|none|nan|undefined)\b", re.IGNORECASE)
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
_BARE_KEY = re.compile(r"[A-Za-z_][\w-]*(?=\s*[:=])")
_MARKS = {'"""': '"""', "'''": "'''", '"': '"', "'": "'", "“": "”", "‘": "’", "„": "“", "«": "»"}
_NEXT = rf"(?:[\"'“‘\[{{\]}}/\#…]|\.\.\.|(?:{_WORD.pattern}|{_NUMBER.pattern})\s{{0,99}}[,\]}}]|[A-Za-z_]\w*\s?:|\Z)"
_ENDS_KEY = re.compile(r"\s{0,99}[:=]")
_ENDS_VALUE = re.compile(
    rf"\s{{0,99}}(?:[\]}}]|,\s{{0,99}}{_NEXT}|//|\#|/\*|\Z|[\"'“]\w{{1,99}}[\"'”]\s?:)"
    r"|[ \t]{0,99}\n\s{0,99}[\"'“\[{]",
    re.IGNORECASE,
)
"""What follows a closing quotation mark; where it does not, the mark is one of the text's own."""

_FIELDS = ("input", "output")
"""Keys of an instance, whose values are no instances themselves."""


class _CutError(Exception):
    """The text ends within a value; has the parts of it that are whole."""

    def __init__(self, *parts: Any) -> None:
        super().__init__()
        self.parts = parts


def values_at(text: str, start: int) -> tuple[list[Any], int]:
    """The object or array that begins there, and where it ends; of one that is cut off, the parts that are whole.

    Raises:
        ValueError: it is none.
    """
    try:
        value, end = _value(text, start, 0)
    except _CutError as cut:
        return list(cut.parts), len(text)
    return [value], end


def _value(text: str, at: int, depth: int) -> tuple[Any, int]:
    if at >= len(text):
        raise _CutError
    if depth > DEEPEST:
        raise ValueError("nested too deeply")
    if text[at] == "[":
        return _array(text, at + 1, depth + 1)
    if text[at] == "{":
        return _object(text, at + 1, depth + 1)
    if word := _WORD.match(text, at):
        return _WORDS[word[0].lower()], word.end()
    if number := _NUMBER.match(text, at):
        return (int if number[0].lstrip("-").isdecimal() else float)(number[0]), number.end()
    return _text(text, at, _ENDS_VALUE)


def _array(text: str, at: int, depth: int) -> tuple[list[Any], int]:
    items: list[Any] = []
    while (at := _next(text, at)) < len(text):
        if text[at] in "]}":
            return items, at + (text[at] == "]")
        try:
            value, at = _value(text, at, depth)
        except _CutError as cut:
            raise _CutError(items, *cut.parts) from cut
        items.append(value)
    raise _CutError(items)


def _object(text: str, at: int, depth: int) -> tuple[dict[str, Any], int]:
    members: dict[str, Any] = {}
    while (at := _next(text, at)) < len(text):
        if text[at] in "]}":
            return members, at + (text[at] == "}")
        try:
            key, at = _key(text, at)
        except _CutError as cut:
            raise _CutError(*_within(members)) from cut
        try:
            members[key], at = _value(text, _next(text, at), depth)
        except _CutError as cut:
            last = {key: cut.parts[0]} if cut.parts and isinstance(cut.parts[0], list) else {}  # the value itself
            others = cut.parts[bool(last) :] if key not in _FIELDS else ()
            raise _CutError(*_within({**members, **last}), *others) from cut
    raise _CutError(*_within(members))


def _within(members: dict[str, Any]) -> list[dict[str, Any]]:
    """What is whole of an object that is cut off: each list or object in it, with its key."""
    return [{key: value} for key, value in members.items() if isinstance(value, list | dict) and key not in _FIELDS]


def _key(text: str, at: int) -> tuple[str, int]:
    """A key, and where what follows its colon begins."""
    bare = _BARE_KEY.match(text, at)
    key, at = (bare[0], bare.end()) if bare else _text(text, at, _ENDS_KEY)
    at = _next(text, at)
    if at < len(text) and text[at] not in ":=":
        raise ValueError(f"no colon at {at}")
    return key, at + 1


def _text(text: str, at: int, ends: re.Pattern[str]) -> tuple[str, int]:
    opening = next((mark for mark in _MARKS if text.startswith(mark, at)), None)
    if opening is None:
        raise ValueError(f"no value at {at}")
    closing, pieces = _MARKS[opening], list[str]()
    at += len(opening)
    while at < len(text):
        if text[at] == "\\":
            pair = text[at : at + 2]
            pieces.append("'" if pair == r"\'" else pair)
            at += 2
        elif text.startswith(closing, at) and (len(closing) > 1 or ends.match(text, at + 1)):
            return json.loads(f'"{"".join(pieces)}"', strict=False), at + len(closing)
        else:
            pieces.append(r"\"" if text[at] == '"' else text[at])
            at += 1
    raise _CutError


def _next(text: str, at: int) -> int:
    """Where the next thing begins that is no blank, comma or comment."""
    found = _SPACE.match(text, at)
    return found.end() if found else at
