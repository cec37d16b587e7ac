"""What a chat model says, and the thoughts that it wrote down before."""

from __future__ import annotations

import re

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

    The opening mark may be missing, since some chat templates put it at the prompt's end; but JSON may hold a mark.
    """
    return parted(text)[1]


def thinking(thought: str) -> str:
    """A thought as it stands before an answer, for whoever gets the two apart."""
    opening, closing = _MARKS[0]
    return f"{opening}\n{thought.strip()}\n{closing}\n\n"


def parted(text: str) -> tuple[str | None, str | None]:
    """The thoughts of a chat model, None where there are none, and its answer as `spoken` gives it."""
    text = text.lstrip()
    for at, (opening, closing) in enumerate(_MARKS):
        thought, closed, rest = text.rpartition(closing) if at != _BARE else text.partition(closing)
        if at == _BARE and not text.startswith(opening):
            continue
        if closed and (text.startswith(opening) or text[:1] not in ("{", "[")):
            return thought.removeprefix(opening).strip() or None, _unwrapped(rest)
        if text.startswith(opening) and at != _BARE:
            return text.removeprefix(opening).strip() or None, None
    return None, _unwrapped(text)


def _unwrapped(text: str) -> str:
    wrapped = _WRAPPER.match(text)
    return (wrapped.group(2) if wrapped else text).strip()
