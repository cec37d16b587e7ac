"""What a server's answer says, in any of the dialects of OpenAI's protocol. Pure functions of JSON values.

A content may be a text, nothing, or a list of parts of which only the texts are the answer; thoughts stand in fields
and parts of their own. An error may come in place of a completion, whatever the HTTP status is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

LENGTHS = ("length", "max_tokens", "max_output_tokens", "model_length")
"""How servers say that an answer was cut."""

CIRCLES = ("repetition", "repetition_truncation")
"""How they say that they ended an answer that went in circles."""

FILTERED, ERROR = "content_filter", "error"
"""How they say that it is none."""

THOUGHTS = ("reasoning_content", "reasoning", "thinking")
"""Fields of a message that hold what a model thought."""

_STATUSES = {str(status) for status in range(400, 600)}

_MOST = 2**31
"""Tokens that no request has."""


class NoCompletionError(Exception):
    """An answer that is no completion; the text is the server's own words. `status` is what it names as if it were an
    HTTP status, if it does."""

    def __init__(self, problem: str, status: int | None = None) -> None:
        super().__init__(problem)
        self.status = status


@dataclass(frozen=True, slots=True)
class Said:
    """The first choice of a completion."""

    text: str
    reason: str  # why it ended, as the server says it, in small letters; empty where it does not
    words: str  # what it says in place of a text
    thought: str = ""  # what the model thought before, where the server tells


def said_in(answer: object) -> Said:
    """What a completion says.

    Raises:
        NoCompletionError: it is none.
    """
    choices = answer.get("choices") if isinstance(answer, dict) else None
    choice = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(choice, dict):
        raise _no_completion(answer)
    message = choice.get("message")
    if choice.get("error") or not (isinstance(message, dict) or "text" in choice):
        raise _no_completion(choice)
    content = message.get("content") if isinstance(message, dict) else choice["text"]
    if isinstance(content, (bool, int, float)):
        raise NoCompletionError(f"the answer's content is {content}, no text")
    reason = str(choice.get("finish_reason") or "").lower()
    parts = list(_parts(content))
    text = "".join(text for kind, text in parts if kind == "text")
    others = {**(message if isinstance(message, dict) else {}), **dict(parts)}
    return Said(text, reason, "" if text.strip() else _in_place(others, reason), _thought(others))


def _parts(content: object) -> Iterator[tuple[str, str]]:
    """The parts of a content as kind and text: text, refusal, or a field of thoughts."""
    for part in content if isinstance(content, list) else [content]:
        if isinstance(part, str):
            yield "text", part
        if not isinstance(part, dict):
            continue
        kind, text = part.get("type", "text"), part.get("text")
        text = text.get("value") if isinstance(text, dict) else text
        if kind in ("text", "output_text") and isinstance(text, str):
            yield "text", text
        elif kind == "refusal" and isinstance(part.get(kind), str):
            yield kind, part[kind]
        elif kind in THOUGHTS:
            yield kind, "".join(words for inner, words in _parts(part.get(kind)) if inner == "text") or str(part)


def _thought(message: Mapping[str, Any]) -> str:
    """The first field of thoughts that says any."""
    found = (message.get(field) for field in THOUGHTS)
    return next((text for text in found if isinstance(text, str) and text.strip()), "")


def _in_place(message: Mapping[str, Any], reason: str) -> str:
    """What a message without a text says instead; empty where that is nothing."""
    refusal = message.get("refusal")
    if isinstance(refusal, str) and refusal.strip():
        return f"the model refuses: {refusal}"
    for field in THOUGHTS:
        if isinstance(message.get(field), str) and message[field].strip():
            return f"no answer: all that the model wrote is in {field}"
    return f"no answer: finish_reason is {reason}" if reason not in ("", "stop", *LENGTHS) else ""


def _no_completion(answer: object) -> NoCompletionError:
    words, status = problem_in(answer)
    words = words if words.strip() else f"the answer holds no choice with a text: {json.dumps(answer)}"
    return NoCompletionError(f"{status}: {words}" if status else words, status)


def problem_in(answer: object) -> tuple[str, int | None]:
    """An error's message in a server's words, empty if there is none, and the HTTP status that it names, if it does."""
    if isinstance(answer, list) and answer:
        return problem_in(answer[0])
    if not isinstance(answer, dict):
        return "", None
    error = answer.get("error") or answer
    if not isinstance(error, dict):
        error = {"message": error}
    message = next((error[key] for key in ("message", "detail", "msg") if error.get(key)), "")
    codes = (str(each.get(key)) for each in (error, answer) for key in ("code", "status", "status_code"))
    status = next((int(code) for code in codes if code in _STATUSES), None)
    return message if isinstance(message, str) else json.dumps(message), status


def tokens_in(usage: object, key: str) -> int | None:
    """A count of tokens; None where there is none that can be."""
    count = usage.get(key) if isinstance(usage, dict) else None
    if isinstance(count, float) and count.is_integer():
        count = int(count)
    known = isinstance(count, int) and not isinstance(count, bool) and 0 <= count < _MOST
    return count if known else None
