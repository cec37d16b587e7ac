"""JSON in a model's answer: found among prose, repaired, and the whole parts of what was cut."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from selfinstruct.records import Instance, mended
from selfinstruct.steps.readers.loose_json import values_at

_SAID = re.compile(r"""\bclassification["'”]?\s*[:=]\s*["'“]?(true|yes|false|no)\b""", re.IGNORECASE)
_TEXT_KEYS = ("instruction", "task", "text", "prompt", "question", "query", "description", "content", "title")
"""Where an object that stands for a task has its text."""

_TASK_KEY = re.compile(r"(?:task|instruction|prompt|item)?[ _-]?\d{0,3}", re.IGNORECASE)
_INPUT_KEYS = ("input", "context", "question")
_OUTPUT_KEYS = ("output", "response", "answer", "completion", "label")
"""The keys of an instance, the schema's first."""

_ESCAPE = re.compile(r'\\(?:(["\\/])|u[0-9a-fA-F]{4}|([a-zA-Z]+)|(.))', re.DOTALL)
_COMMANDS = re.compile(
    "nabla|neq|newline|nexists|nleq|nmid|not|notin|rangle|rceil|rfloor|rho|right|rightarrow|rm|root|tanh|tbinom|text"
    "|textbf|textit|tfrac|therefore|theta|tilde|times|triangle|underline|union|upsilon|uparrow"
)
"""LaTeX that begins like an escape which texts do hold: a line break, a tab, a character's number."""

_SHORT = ("ne", "neg", "ni", "nu", "tan", "tau", "to", "top")
"""The same, where a short word after a line break or a tab is as likely: `i = 0`, `e.g.`"""

_MOST_REPAIRS = 16
"""Values of one answer that are tried to be repaired, so that a hostile answer costs no more than a long one."""


def proposals(values: Iterable[Any], key: str | None = None, cut: bool = False) -> list[str]:
    """The texts of a list, bare or within an object: of the first that has some.

    Args:
        key: The schema's name for the list, besides which no other counts. With it, tasks are also found in what only
            resembles the schema: deeper lists, numbered members, an object for each.
        cut: The answer was cut, so the list may not have come yet: one by another name does not count.
    """
    given = [_unpacked(value) if key else value for value in values]
    lists = [each for value in given for each in (_all_lists(value) if key else _lists(value))]
    named = [items for name, items in lists if key and name == key]
    for items in named or [items for name, items in lists if not cut or name is None]:
        texts = [text for item in items if (text := _task(item, loose=key is not None)).strip()]
        if texts:
            return texts
    members = [text for value in given if isinstance(value, dict) for text in _members(value)] if key else []
    return [text for text in members if text.strip()]


def _lists(value: Any) -> Iterator[tuple[str | None, list[Any]]]:
    if isinstance(value, list):
        yield None, value
    elif isinstance(value, dict):
        yield from ((name, items) for name, items in value.items() if isinstance(items, list))


def _all_lists(value: Any, name: str | None = None) -> Iterator[tuple[str | None, list[Any]]]:
    """Every list with its key in small letters; an object whose members are numbered counts as one."""
    if isinstance(value, list):
        yield name, value
    elif isinstance(value, dict):
        if name is not None and all(map(_TASK_KEY.fullmatch, value)):
            yield name, list(value.values())
        for key, each in value.items():
            yield from _all_lists(_unpacked(each), key.lower())


def _members(value: dict[str, Any]) -> list[str]:
    """The tasks under numbered keys, or the one that the object is."""
    numbered = [each for key, each in value.items() if _TASK_KEY.fullmatch(key) and isinstance(each, str)]
    return [as_text(each) for each in numbered] or [_task(value)]


def _task(item: Any, loose: bool = False) -> str:
    """An item of a list of tasks: a text, or an object with one under a name that means it; else its longest."""
    if loose and isinstance(item, list) and len(item) == 1:
        item = item[0]
    if isinstance(item, dict):
        texts = {key.lower() if loose else key: each for key, each in item.items() if isinstance(each, str)}
        longest = max(texts.values(), key=len, default="") if loose else ""
        item = next((texts[key] for key in _TEXT_KEYS if key in texts), longest)
    return as_text(item) if isinstance(item, str) else ""


def _unpacked(value: Any) -> Any:
    """What a text holds that is JSON itself."""
    if not (isinstance(value, str) and value.strip()[:1] in ("[", "{")):
        return value
    return next(_values(value, 1), value)


def instances(values: Iterable[Any], loose: bool = False) -> list[Instance]:
    """Every object with an output, wherever it stands, so that of an answer that was cut the whole ones remain.

    Args:
        loose: Whatever the case of its keys, and by other names for an output where there is an input, too.
    """
    found, remaining = [], [_unpacked(each) if loose else each for each in values]
    while remaining:
        match remaining.pop(0):
            case {"output": output, **others}:
                found.append(Instance(as_text(others.get("input")), as_text(output)))
            case dict() as fields if loose and (other := _named_otherwise(fields)):
                found.append(other)
            case dict() as fields:
                remaining[:0] = map(_unpacked, fields.values()) if loose else fields.values()
            case list() as items:
                remaining[:0] = items
    return found


def _named_otherwise(fields: dict[str, Any]) -> Instance | None:
    """An instance by other keys than the schema's."""
    named = {key.lower(): value for key, value in fields.items()}
    given = next((key for key in _INPUT_KEYS if key in named), None)
    output = next((key for key in _OUTPUT_KEYS if key in named and (given or key == "output")), None)
    return Instance(as_text(named[given] if given else None), as_text(named[output])) if output else None


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
    """The same, of what is not all as JSON wants it (`loose_json`), be it a text within a text.

    A backslash before a letter that is no escape, or that begins a command of LaTeX, is meant as one.
    """
    return _values(_with_escapes(_once(text)), _MOST_REPAIRS)


def _once(text: str) -> str:
    """JSON that was written as a text of JSON."""
    if text.lstrip().startswith('"'):
        try:
            inner, _ = json.JSONDecoder(strict=False).raw_decode(text.lstrip())
        except ValueError:
            return text
        return inner if inner.lstrip().startswith(("{", "[")) else text
    return text


def _with_escapes(text: str) -> str:
    """The text with two backslashes where one stands before what is no escape.

    Some short commands are as likely a line break and a word: they count where there is LaTeX around.
    """
    tells = any(_is_command(escape) for escape in _ESCAPE.finditer(text))

    def meant(escape: re.Match[str]) -> str:
        within = tells or text.count("$", 0, escape.start()) % 2 == 1
        return "\\" + escape[0] if _is_command(escape) or (within and escape[2] in _SHORT) else escape[0]

    return _ESCAPE.sub(meant, text)


def _is_command(escape: re.Match[str]) -> bool:
    """Whether this is no escape of JSON, for sure."""
    word = escape[2] or ""
    if not word:
        return bool(escape[3]) and escape[3] != "'"
    return word[0] not in "bfnrt" or (word[0] in "bf" and len(word) > 1) or bool(_COMMANDS.fullmatch(word))


def _values(text: str, repairs: int) -> Iterator[Any]:
    decoder = json.JSONDecoder(strict=False)
    end = 0
    for opening in re.finditer(r"[\[{]", text):
        if opening.start() < end:
            continue
        try:
            value, end = decoder.raw_decode(text, opening.start())
            found = [value]
        except RecursionError:  # nothing that is meant is nested so deep, and each bracket of it would be tried again
            return
        except ValueError:
            if not repairs:
                continue
            repairs -= 1
            try:
                found, end = values_at(text, opening.start())
            except ValueError:
                continue
        yield from found


def as_text(value: Any) -> str:
    """A JSON value where a text is wanted, without line breaks at its ends; what no file can hold is replaced."""
    if value is None:
        return ""
    try:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    except RecursionError:  # nested as deep as could just be read
        return ""
    return mended(text).strip("\r\n")
