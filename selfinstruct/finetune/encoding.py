"""Examples as token ids, and labels that hold the completion alone.

A prompt is encoded as engines encode it (`engines.encoding`): its text by itself, special tokens only where the model's
chat template puts them. The completion is encoded by itself too and ends with the end-of-text token, or with what ends
the assistant's turn. Prompt and completion of a chat model are the conversation as its template renders it. A label is
the token at its place, or IGNORED throughout the prompt, so no prompt token is ever a target.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selfinstruct.engines.encoding import encode_template, encode_text, leading_tokens, turn_end
from selfinstruct.engines.ends import known_ends, named_ends
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
        ends: Its end tokens; the first one ends a completion. Without any, a chat template's end of a turn will do.
        max_length: Most tokens of prompt and completion.
        chat: By the tokenizer's chat template instead of the mixture of templates.
        seed: Of the templates.

    Raises:
        InputError: no completion fits, there is no end token, or the tokenizer has no chat template, or one that cannot
            be followed.
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
    front, end = leading_tokens(tokenizer), _first(tokenizer, ends)

    def write(example: Example) -> tuple[Ids, Ids]:
        prompt, completion = render(example.instruction, example.input, example.output, seed)
        return front + encode_text(tokenizer, prompt), [*encode_text(tokenizer, completion), *end]

    return write


def _in_chat(tokenizer: Any, ends: Sequence[int]) -> _Writer:
    """What stands around task and answer is cut out of a conversation as the template renders it.

    The prompt is as much of it as the model is given before it answers. What it is given beyond that, an open thought
    that no rendered answer has, is left out: nobody learns to answer in a thought.
    """
    task = {"role": "user", "content": _TASK}
    whole = [task, {"role": "assistant", "content": _ANSWER}]
    prompting, conversation = render_chats(tokenizer, [Chat([task], prompting=True), Chat(whole)])
    if prompting.count(_TASK) != 1 or conversation.count(_TASK) != 1 or conversation.count(_ANSWER) != 1:
        raise template_failure(tokenizer, "its chat template does not show each message once")
    before, _, rest = conversation.partition(_TASK)
    between, _, after = rest.partition(_ANSWER)
    head = encode_template(tokenizer, before)
    middle, opening = _parted(tokenizer, prompting.partition(_TASK)[2], between)
    foot = _up_to_end(tokenizer, after, ends)

    def write(example: Example) -> tuple[Ids, Ids]:
        text = f"{example.instruction}\n\n{example.input}" if example.input else example.instruction
        answer = encode_text(tokenizer, example.output)
        return [*head, *encode_text(tokenizer, text), *middle], [*opening, *answer, *foot]

    return write


def _parted(tokenizer: Any, given: str, between: str) -> tuple[Ids, Ids]:
    """What stands between task and answer: as much of it as a model is given, and what is left for it to write."""
    shared = between[: _agreeing(given, between)]
    if shared in (given, between):
        return encode_template(tokenizer, shared), encode_template(tokenizer, between.removeprefix(shared))
    ids = encode_template(tokenizer, between)
    common = _agreeing(encode_template(tokenizer, given), ids)  # no token is cut in two
    return ids[:common], ids[common:]


def _agreeing(one: Sequence[object], other: Sequence[object]) -> int:
    """How many signs or tokens both begin with."""
    differ = (at for at, (mine, yours) in enumerate(zip(one, other, strict=False)) if mine != yours)
    return next(differ, min(len(one), len(other)))


def _up_to_end(tokenizer: Any, after: str, ends: Sequence[int]) -> Ids:
    """What ends the assistant's turn: up to the first end token, which is added where the template has none."""
    foot = encode_template(tokenizer, after)
    known = ends or [token for token in [turn_end(tokenizer, after)] if token is not None]
    at = next((position for position, token in enumerate(foot) if token in known), None)
    return [*foot, *_first(tokenizer, known)] if at is None else foot[: at + 1]


def _first(tokenizer: Any, ends: Sequence[int]) -> Sequence[int]:
    """The first end token, to be put after a text. InputError if there is none."""
    if not ends:
        raise InputError(f"--model: {tokenizer.name_or_path}: has no end-of-text token; set eos_token in its tokenizer")
    return ends[:1]


def end_tokens(folder: Path, tokenizer: Any) -> list[int]:
    """The tokens that end a text: those that are named, the tokenizer's first; else those known to end one."""
    return named_ends(folder, tokenizer) or known_ends(tokenizer)
