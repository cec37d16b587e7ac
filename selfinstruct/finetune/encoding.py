"""Examples as token ids, and labels that hold the completion alone.

A prompt is encoded as engines encode it (`engines.encoding`): its text by itself, special tokens only where the model's
chat template puts them. The completion is encoded by itself too and ends with the end-of-text token, or with what ends
the assistant's turn. A label is the token at its place, or IGNORED throughout the prompt, so no prompt token is ever a
target.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selfinstruct.engines.contents import GENERATION, read_object
from selfinstruct.engines.encoding import encode_template, encode_text, leading_tokens
from selfinstruct.engines.rendering import Chat, render_chats, template_failure
from selfinstruct.errors import InputError
from selfinstruct.finetune.examples import Example
from selfinstruct.finetune.templates import render

IGNORED = -100
"""The label of a token that is no target, as torch and transformers have it."""

_TASK, _ANSWER = "TASKq7Zk1vXw9TASK", "ANSWERq7Zk1vXw9ANSWER"  # letters and digits only, which no template alters

Ids = list[int]


@dataclass(frozen=True, slots=True)
class EncodedExample:
    """Token ids of prompt and completion, and as many labels."""

    input_ids: Ids
    labels: Ids


@dataclass(frozen=True, slots=True)
class EncodedSet:
    """The examples that can be learnt from, and the ids of those that were cut."""

    examples: Sequence[EncodedExample]
    cut: Sequence[str]  # completions that lost their end
    empty: Sequence[str]  # left out: nothing of their completion fits


def encode(
    examples: Sequence[Example], tokenizer: Any, ends: Sequence[int], max_length: int, chat: bool, seed: int
) -> EncodedSet:
    """Encode examples for training.

    Args:
        tokenizer: The base model's.
        ends: Its end tokens; the first one ends a completion.
        max_length: Most tokens of prompt and completion.
        chat: By the tokenizer's chat template instead of the mixture of templates.
        seed: Of the templates.

    Raises:
        InputError: no completion fits, or the tokenizer has no chat template, or one that cannot be followed.
    """
    write = _in_chat(tokenizer, ends) if chat else _in_templates(tokenizer, ends, seed)
    encoded: list[EncodedExample] = []
    cut: list[str] = []
    empty: list[str] = []
    for example in examples:
        prompt, completion = write(example)
        room = max_length - len(prompt)
        if room <= 0:
            empty.append(example.id)
            continue
        if len(completion) > room:
            cut.append(example.id)
        kept = completion[:room]
        encoded.append(EncodedExample(prompt + kept, [IGNORED] * len(prompt) + kept))
    if not encoded:
        raise InputError(f"--max_length: {max_length} tokens leave room for no completion at all; raise it")
    return EncodedSet(encoded, cut, empty)


_Writer = Callable[[Example], tuple[Ids, Ids]]


def _in_templates(tokenizer: Any, ends: Sequence[int], seed: int) -> _Writer:
    front = leading_tokens(tokenizer)

    def write(example: Example) -> tuple[Ids, Ids]:
        prompt, completion = render(example.instruction, example.input, example.output, seed)
        return front + encode_text(tokenizer, prompt), [*encode_text(tokenizer, completion), ends[0]]

    return write


def _in_chat(tokenizer: Any, ends: Sequence[int]) -> _Writer:
    task = {"role": "user", "content": _TASK}
    whole = [task, {"role": "assistant", "content": _ANSWER}]
    before, after = render_chats(tokenizer, [Chat([task], prompting=True), Chat(whole)])
    asked, answered = before.split(_TASK), after.split(_ANSWER)
    if len(asked) != 2 or len(answered) != 2:
        raise template_failure(tokenizer, "its chat template does not show each message once")
    head, middle = (encode_template(tokenizer, piece) for piece in asked)
    foot = _up_to_end(encode_template(tokenizer, answered[1]), ends)

    def write(example: Example) -> tuple[Ids, Ids]:
        text = f"{example.instruction}\n\n{example.input}" if example.input else example.instruction
        return [*head, *encode_text(tokenizer, text), *middle], [*encode_text(tokenizer, example.output), *foot]

    return write


def _up_to_end(foot: Ids, ends: Sequence[int]) -> Ids:
    """What ends the assistant's turn: up to the first end token, which is added where the template has none."""
    at = next((position for position, token in enumerate(foot) if token in ends), None)
    return [*foot, ends[0]] if at is None else foot[: at + 1]


def end_tokens(folder: Path, tokenizer: Any) -> list[int]:
    """The tokens that end a text: the tokenizer's, then the others that generation stops at. InputError if none."""
    path = folder / GENERATION
    stops = read_object(path, str(folder)).get("eos_token_id") if path.exists() else None
    known = [tokenizer.eos_token_id, *(stops if isinstance(stops, list) else [stops])]
    ends = list(dict.fromkeys(token for token in known if token is not None))
    if not ends:
        raise InputError(f"--model: {folder}: has no end-of-text token; set eos_token in its tokenizer")
    return ends
