"""What the keys of a row mean that people bring: one table for all that reads tasks. Pure functions of a row's values.

    instruction           instruction; where it lacks, question or prompt
    input                 input, context (Dolly), and a question beside an instruction
    output                output, response (Dolly, GPTeacher), completion, answer
    instances             a list of objects with inputs and outputs, as seed tasks have them
    messages              turns of `role` and `content` (OpenAI)
    conversation(s)       turns of `from` and `value` (ShareGPT), texts in turn (LIMA), pairs of `input` and `output`

Of a conversation the first turn of a user is the instruction, and the turn after it the output; a prompt may be one,
too, and its completion the turn after it (TRL). Texts stay as they are, but for line breaks at their ends.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from selfinstruct.records import Instance
from selfinstruct.sources.json_values import decoded
from selfinstruct.sources.limits import length_problem, listed

INSTRUCTION = ("instruction", "question", "prompt")
INPUT = ("input", "context", "question")
OUTPUT = ("output", "response", "completion", "answer")
INSTANCES = "instances"
CONVERSATION = ("messages", "conversations", "conversation")

COLUMNS = tuple(dict.fromkeys((*INSTRUCTION, *INPUT, *OUTPUT, INSTANCES, *CONVERSATION)))
"""All of these keys; the columns that are read of Parquet files."""

_ROLE, _CONTENT = ("role", "from", "author"), ("content", "value", "text")
_USER, _ASSISTANT = ("user", "human", "prompter"), ("assistant", "gpt", "chatgpt", "bot", "model")

_SIDES = (_USER, _ASSISTANT)

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
    turns = {key: _turns(values.get(key)) for key in CONVERSATION}
    if isinstance(values.get("prompt"), list):
        turns["prompt"] = [each for each in values["prompt"] if isinstance(each, dict)]
    conversation = next((key for key in turns if turns[key]), None)
    if conversation is not None and not any(instance.output for instance in instances):
        return _first_exchange(conversation, turns[conversation], _output(values))
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
    return Instance("\n\n".join(dict.fromkeys(inputs)), _output(values))


def _output(values: Mapping[str, Any]) -> str:
    """The first output that there is; a chat model's message, or the only one of a list, is what it says."""
    for key in OUTPUT:
        turn = _turn(values.get(key))
        if text := trimmed(_text(values, key) if turn is None else _content(turn, key)):
            return text
    return ""


def _turn(given: Any) -> Mapping[str, Any] | None:
    """The turn of a conversation that this is, alone or in a list; None if it is none."""
    only = given[0] if isinstance(given, list) and len(given) == 1 else given
    is_turn = isinstance(only, dict) and any(map(only.get, _ROLE[:2])) and any(map(only.get, _CONTENT[:2]))
    return only if is_turn else None


def _text(values: Mapping[str, Any], key: str) -> str:
    try:
        text = text_of(values.get(key))
    except ValueError as error:
        raise ValueError(f"{key!r} {error}") from error
    if problem := length_problem(text):
        raise ValueError(f"{key!r} {problem}")
    return text


def _turns(given: Any) -> Sequence[Any]:
    """The turns of a conversation, which may be written as a text of JSON; none where there is no conversation."""
    if isinstance(given, str) and given.lstrip().startswith("[{"):
        try:
            given = decoded(given)
        except ValueError:
            return ()
    if not isinstance(given, list):
        return ()
    if given and all(isinstance(each, str) for each in given):
        return [{"role": _SIDES[at % 2][0], "content": each} for at, each in enumerate(given)]
    pairs = [(each.get("input"), each.get("output")) for each in given if isinstance(each, dict)]
    if given and len(pairs) == len(given) and all(isinstance(text, str) for pair in pairs for text in pair):
        return [{"role": role[0], "content": text} for pair in pairs for role, text in zip(_SIDES, pair, strict=True)]
    return given


def _first_exchange(key: str, given: Sequence[Any], answer: str) -> RowTask:
    """The first turn of a user and its answer; all others are left out.

    Args:
        answer: What stands beside the conversation, which answers its last turn.
    """
    turns = [each for each in given if isinstance(each, dict)]
    roles = [next((str(turn[name]).lower() for name in _ROLE if turn.get(name)), "") for turn in turns]
    first = next((at for at, role in enumerate(roles) if role in _USER), None)
    if first is None:
        there = f"there are: {listed(set(roles))}" if any(roles) else f"turns have: {listed(_names(turns))}"
        raise ValueError(f"no turn of a user under {key!r} ({there}); name its role so")
    answered = roles[first + 1 : first + 2] and roles[first + 1] in _ASSISTANT
    output = _content(turns[first + 1], key) if answered else answer if first + 1 == len(turns) else ""
    instruction = trimmed(_content(turns[first], key))
    return RowTask(instruction, (Instance("", trimmed(output)),), len(given) - (2 if answered else 1))


def _names(turns: Sequence[Mapping[str, Any]]) -> set[str]:
    return {name for turn in turns for name in turn}


def _content(turn: Mapping[str, Any], key: str) -> str:
    """The text of a turn; of a list of parts, those that are texts."""
    content = next((turn[name] for name in _CONTENT if turn.get(name) is not None), None)
    return _text({key: text_in(content)}, key)


def text_in(content: Any) -> Any:
    """The content of a message; of a list of parts, or of a part alone, what is text."""
    parts = content if isinstance(content, list) else [content]
    if isinstance(content, str) or not all(isinstance(part, str) or _is_part(part) for part in parts):
        return content
    texts = (part if isinstance(part, str) else part.get("text") for part in parts)
    return "".join(text for text in texts if isinstance(text, str))


def _is_part(part: Any) -> bool:
    return isinstance(part, dict) and ("type" in part or "text" in part)


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
