"""JSON in a model's answer: found among prose, and the whole parts of what was cut."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from selfinstruct.records import Instance, mended

_SAID = re.compile(r'"classification"\s*:\s*"?(true|yes|false|no)\b', re.IGNORECASE)


def proposals(text: str) -> list[str]:
    """The texts of the first list that has some, bare or within an object."""
    for value in json_values(text):
        for items in value.values() if isinstance(value, dict) else [value]:
            texts = [as_text(item) for item in items if isinstance(item, str)] if isinstance(items, list) else []
            if any(text.strip() for text in texts):
                return texts
    return []


def instances(text: str) -> list[Instance]:
    """Every object with an output, wherever it stands, so that of an answer that was cut the whole ones remain."""
    found, values = [], list(json_values(text))
    while values:
        match values.pop(0):
            case {"output": output, **others}:
                found.append(Instance(as_text(others.get("input")), as_text(output)))
            case dict() as fields:
                values[:0] = fields.values()
            case list() as items:
                values[:0] = items
    return found


def classification(text: str) -> bool:
    """Whether "classification" is said to be true, in an answer that may have been cut."""
    said = _SAID.search(text)
    return said is not None and said.group(1).lower() in ("true", "yes")


def json_values(text: str) -> Iterator[Any]:
    """The outermost JSON objects and arrays in a text, in order; prose and code fences around them are passed over.

    Of a value that is cut off, those within it that are whole.
    """
    decoder = json.JSONDecoder(strict=False)
    end = 0
    for opening in re.finditer(r"[\[{]", text):
        if opening.start() < end:
            continue
        try:
            value, end = decoder.raw_decode(text, opening.start())
        except (ValueError, RecursionError):
            continue
        yield value


def as_text(value: Any) -> str:
    """A JSON value where a text is wanted; what JSON can spell and no file can hold is replaced."""
    if value is None:
        return ""
    try:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    except RecursionError:  # nested as deep as could just be read
        return ""
    return mended(text).strip()
