"""JSON in a model's answer: found among prose, repaired, and the whole parts of what was cut."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from selfinstruct.records import Instance, mended

_SAID = re.compile(r'"classification"\s*:\s*"?(true|yes|false|no)\b', re.IGNORECASE)
_TEXT_KEYS = ("instruction", "task", "text", "prompt", "question", "description", "title")
"""Where an object that stands for a task has its text."""

_ESCAPE = re.compile(r'\\(?:(["\\/])|u[0-9a-fA-F]{4}|([a-zA-Z]+)|(.))', re.DOTALL)
_COMMANDS = frozenset(
    [
        "nabla",
        "ne",
        "neq",
        "neg",
        "newline",
        "nexists",
        "ni",
        "nleq",
        "nmid",
        "not",
        "notin",
        "nu",
        "rangle",
        "rceil",
        "rfloor",
        "rho",
        "right",
        "rightarrow",
        "rm",
        "root",
        "tan",
        "tanh",
        "tau",
        "tbinom",
        "text",
        "textbf",
        "textit",
        "tfrac",
        "therefore",
        "theta",
        "tilde",
        "times",
        "to",
        "top",
        "triangle",
        "underline",
        "union",
        "upsilon",
        "uparrow",
    ]
)
"""LaTeX that begins like an escape which texts do hold: a line break, a tab, a character's number."""

_MOST_REPAIRS = 16
"""Values of one answer that are tried to be repaired, so that a hostile answer costs no more than a long one."""


def proposals(values: Iterable[Any], key: str | None = None) -> list[str]:
    """The texts of a list, bare or within an object: of the one under `key`, or else of the first that has some."""
    lists = [each for value in values for each in _lists(value)]
    for items in [items for name, items in lists if name == key] + [items for _, items in lists]:
        texts = [text for item in items if (text := _task(item)).strip()]
        if texts:
            return texts
    return []


def _lists(value: Any) -> Iterator[tuple[str | None, list[Any]]]:
    if isinstance(value, list):
        yield None, value
    elif isinstance(value, dict):
        yield from ((name, items) for name, items in value.items() if isinstance(items, list))


def _task(item: Any) -> str:
    """An item of a list of tasks: a text, or an object with one under a name that means it."""
    if isinstance(item, dict):
        item = next((item[key] for key in _TEXT_KEYS if isinstance(item.get(key), str)), None)
    return as_text(item) if isinstance(item, str) else ""


def instances(values: Iterable[Any]) -> list[Instance]:
    """Every object with an output, wherever it stands, so that of an answer that was cut the whole ones remain."""
    found, remaining = [], list(values)
    while remaining:
        match remaining.pop(0):
            case {"output": output, **others}:
                found.append(Instance(as_text(others.get("input")), as_text(output)))
            case dict() as fields:
                remaining[:0] = fields.values()
            case list() as items:
                remaining[:0] = items
    return found


def classification(text: str) -> bool | None:
    """Whether "classification" is said to be true, in an answer that may have been cut; None if nothing is said."""
    said = _SAID.search(text)
    return said and said.group(1).lower() in ("true", "yes")


def values(text: str) -> Iterator[Any]:
    """The outermost JSON objects and arrays in a text, in order; prose and code fences around them are passed over.

    Of a value that is cut off, those within it that are whole.
    """
    return _values(text, repairs=0)


def repaired(text: str) -> Iterator[Any]:
    """The same, of texts whose escapes, commas and quotation marks are not all as JSON wants them.

    A backslash before a letter that is no escape, or that begins a command of LaTeX, is meant as one. (Libraries that
    repair JSON close what was cut off, and so make up the end of a half-written answer.)
    """
    return _values(_ESCAPE.sub(_meant, text), _MOST_REPAIRS)


def _meant(escape: re.Match[str]) -> str:
    word = escape[2]
    if escape[3] or (word and (word[0] not in "bfnrt" or (word[0] in "bf" and len(word) > 1) or _is_command(word))):
        return "\\" + escape[0]
    return escape[0]


def _is_command(word: str) -> bool:
    return word in _COMMANDS


def _values(text: str, repairs: int) -> Iterator[Any]:
    decoder = json.JSONDecoder(strict=False)
    end = 0
    for opening in re.finditer(r"[\[{]", text):
        if opening.start() < end:
            continue
        try:
            value, end = decoder.raw_decode(text, opening.start())
        except RecursionError:  # nothing that is meant is nested so deep, and each bracket of it would be tried again
            return
        except ValueError:
            if not repairs:
                continue
            repairs -= 1
            try:
                sound, whole_end = _sound(text, opening.start())
                value = decoder.decode(sound)
            except (ValueError, RecursionError):
                continue
            end = whole_end
        yield value


def _sound(text: str, start: int) -> tuple[str, int]:
    """The value that begins at `start`, without commas before closing brackets and with the quotation marks within its
    texts escaped, and where it ends. ValueError if it does not.

    A quotation mark closes a text if what follows is what may follow a text.
    """
    pieces: list[str] = []
    depth, at, within = 0, start, False
    while at < len(text):
        char = text[at]
        if within:
            if char == "\\":
                pieces.append(text[at : at + 2])
                at += 2
                continue
            if char == '"':
                within = _FOLLOWS.match(text, at + 1) is None
                char = '\\"' if within else char
        elif char == '"':
            within = True
        elif char in "[{":
            depth += 1
        elif char in "]}":
            depth -= 1
        elif char == "," and _CLOSES.match(text, at + 1):
            char = ""
        pieces.append(char)
        at += 1
        if depth == 0 and not within:
            return "".join(pieces), at
    raise ValueError("the value is cut off")


_FOLLOWS = re.compile(r"\s*(?:[,:\]}]|\Z)")
_CLOSES = re.compile(r"\s*[\]}]")


def as_text(value: Any) -> str:
    """A JSON value where a text is wanted, without line breaks at its ends; what no file can hold is replaced."""
    if value is None:
        return ""
    try:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    except RecursionError:  # nested as deep as could just be read
        return ""
    return mended(text).strip("\r\n")
