"""What the keys of a row mean that people bring: one table for all that reads tasks. Pure functions of a row's values.

    instruction           instruction; where it lacks, question or prompt
    input                 input, context (Dolly), and a question beside an instruction
    output                output, response (Dolly, GPTeacher), completion, answer
    instances             a list of objects with inputs and outputs, as seed tasks have them
    messages              turns of `role` and `content` (OpenAI)
    conversation(s)       turns of `from` and `value` (ShareGPT)

Of a conversation the first turn of a user is the instruction, and the turn after it the output. Texts stay as they
are, but for line breaks at their ends.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from selfinstruct.records import Instance
from selfinstruct.sources.limits import length_problem, listed

INSTRUCTION = ("instruction", "question", "prompt")
INPUT = ("input", "context", "question")
OUTPUT = ("output", "response", "completion", "answer")
INSTANCES = "instances"
CONVERSATION = ("messages", "conversations", "conversation")

COLUMNS = tuple(dict.fromkeys((*INSTRUCTION, *INPUT, *OUTPUT, INSTANCES, *CONVERSATION)))
"""All of these keys; the columns that are read of Parquet files."""

_ROLE, _CONTENT = ("role", "from"), ("content", "value")
_USER, _ASSISTANT = ("user", "human", "prompter"), ("assistant", "gpt", "chatgpt", "bot", "model")

_LINE_BREAK = re.compile(r"[\r\n]")


@dataclass(frozen=True, slots=True)
class RowTask:
    """The task of one row. An output is empty where there is none; `left_out` counts turns of a conversation."""

    instruction: str
    instances: tuple[Instance, ...]
    left_out: int = 0


def task_of(values: Mapping[str, Any]) -> RowTask:
    """The task that a row holds.

    Raises:
        ValueError: there is no instruction under a key that is known, or a text is too long, or no text.
    """
    key = _instruction_key(values)
    instances = () if key is None else tuple(_instance(each, key) for each in _cases(values))
    conversation = next((key for key in CONVERSATION if isinstance(values.get(key), list) and values[key]), None)
    if conversation is not None and not any(instance.output for instance in instances):
        return _first_exchange(conversation, values[conversation])
    if key is None:
        raise ValueError(_no_instruction(values))
    return RowTask(trimmed(_text(values, key)), instances)


def text_of(value: Any) -> str:
    """A value as text: null and NaN are nothing, what is no text is written as JSON.

    Raises:
        ValueError: it holds bytes.
    """
    match value:
        case str():
            return value
        case bool() | int() | list() | tuple() | dict():
            return json.dumps(_without_nan(value), ensure_ascii=False, default=_written)
        case float() | None:
            return "" if value is None or value != value else json.dumps(value)
    return _written(value)


def trimmed(text: str) -> str:
    """A text without line breaks at its ends; nothing if it is blank."""
    return text.strip("\r\n") if text.strip() else ""


def with_lines(text: str) -> str:
    """An instruction with the lines that it has; one on a single line is folded."""
    return trimmed(text) if _LINE_BREAK.search(text.strip()) else folded(text)


def folded(text: str) -> str:
    """A text on one line, with single blanks."""
    return " ".join(text.split())


def _instruction_key(values: Mapping[str, Any]) -> str | None:
    """The first key with a text that is not blank, or else the first with a text."""
    texts = [key for key in INSTRUCTION if isinstance(values.get(key), str)]
    return next((key for key in texts if values[key].strip()), texts[0] if texts else None)


def _no_instruction(values: Mapping[str, Any]) -> str:
    if binary := [key for key in INSTRUCTION if isinstance(values.get(key), bytes)]:
        return f"{binary[0]!r} is binary; write it as text"
    keys = ", ".join((*INSTRUCTION, *CONVERSATION))
    return f"no text under 'instruction' or another of {keys} (there are: {listed(values)}); name the instruction so"


def _cases(values: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """What holds inputs and outputs: the row itself, or its list of them."""
    given = values.get(INSTANCES)
    if given is None or given != given:
        return [values]
    if not isinstance(given, list) or not all(isinstance(each, dict) for each in given):
        raise ValueError(f"{INSTANCES!r} must be a list of objects with 'input' and 'output'")
    return given


def _instance(values: Mapping[str, Any], instruction: str) -> Instance:
    """Its inputs are joined, since none repeats another; of its outputs the first that there is."""
    inputs = [text for key in INPUT if key != instruction and (text := trimmed(_text(values, key)))]
    output = next((text for key in OUTPUT if (text := trimmed(_text(values, key)))), "")
    return Instance("\n\n".join(dict.fromkeys(inputs)), output)


def _text(values: Mapping[str, Any], key: str) -> str:
    try:
        text = text_of(values.get(key))
    except ValueError as error:
        raise ValueError(f"{key!r} {error}") from error
    if problem := length_problem(text):
        raise ValueError(f"{key!r} {problem}")
    return text


def _first_exchange(key: str, given: Sequence[Any]) -> RowTask:
    """The first turn of a user and its answer; all others are left out."""
    turns = [each for each in given if isinstance(each, dict)]
    roles = [next((str(turn[name]).lower() for name in _ROLE if turn.get(name)), "") for turn in turns]
    first = next((at for at, role in enumerate(roles) if role in _USER), None)
    if first is None:
        raise ValueError(f"no turn of a user under {key!r} (there are: {listed(set(roles))}); name its role so")
    answered = roles[first + 1 : first + 2] and roles[first + 1] in _ASSISTANT
    output = _content(turns[first + 1], key) if answered else ""
    instruction = trimmed(_content(turns[first], key))
    return RowTask(instruction, (Instance("", trimmed(output)),), len(given) - (2 if answered else 1))


def _content(turn: Mapping[str, Any], key: str) -> str:
    """The text of a turn; of a list of parts, those that are texts."""
    content = next((turn[name] for name in _CONTENT if turn.get(name) is not None), None)
    return _text({key: text_in(content)}, key)


def text_in(content: Any) -> Any:
    """The content of a message; of a list of parts, the texts among them."""
    if not isinstance(content, list) or not all(isinstance(part, dict) for part in content):
        return content
    return "".join(part["text"] for part in content if isinstance(part.get("text"), str))


def _without_nan(value: Any) -> Any:
    """JSON has no NaN."""
    if isinstance(value, dict):
        return {str(key): _without_nan(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(each) for each in value]
    return None if value != value else value


def _written(value: Any) -> str:
    """What only Parquet has: dates and decimals."""
    if isinstance(value, bytes):
        raise ValueError("is binary; write it as text")
    return str(value)
