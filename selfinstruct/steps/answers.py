"""What a model says, taken out of what it wrote: thoughts left out, JSON found among prose. Pure functions on texts.

The tables keep completions as they came; these functions stand before the parsers, so they can be improved and run
over a finished run's completions again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

_MARKS = (
    ("<think>", "</think>"),  # DeepSeek, Qwen and most others
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),  # EXAONE
    ("<reasoning>", "</reasoning>"),
    ("<seed:think>", "</seed:think>"),
    ("◁think▷", "◁/think▷"),  # Kimi
    ("[THINK]", "[/THINK]"),  # Mistral
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|channel|>analysis<|message|>", "<|channel|>final<|message|>"),  # gpt-oss with its special tokens ...
    ("analysis", "assistantfinal"),  # ... and without them
)
"""How models open and close their thoughts."""

_BARE = len(_MARKS) - 1
"""The last pair are plain words: an answer may begin with the first of them and be no thought."""

_WRAPPER = re.compile(r"\A\s*<(response|answer)>(.*?)(?:</\1>\s*)?\Z", re.DOTALL)


def spoken(text: str) -> str | None:
    """A chat model's answer without the thoughts before it; None where it was still thinking when it ended.

    The opening mark may be missing, since some chat templates put it at the prompt's end.
    """
    text = text.lstrip()
    for at, (opening, closing) in enumerate(_MARKS):
        _, closed, rest = text.rpartition(closing) if at != _BARE else text.partition(closing)
        if at == _BARE and not text.startswith(opening):
            continue
        if closed:
            return _unwrapped(rest)
        if text.startswith(opening) and at != _BARE:
            return None
    return _unwrapped(text)


def _unwrapped(text: str) -> str:
    wrapped = _WRAPPER.match(text)
    return (wrapped.group(2) if wrapped else text).strip()


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
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").strip()
