"""Prompts as token ids: ids(prefix) + ids(suffix) + ids(tail), each piece tokenised on its own.

So the constant pieces are encoded once per kind, and the whole does not depend on how a suffix begins. The
beginning-of-text token stands at the front if the tokenizer adds one. What reads as a special token in a plain piece
is text.

For a chat set the prompt is one user message, after the set's system message if it has one: the tokenizer's template is
rendered around a sentinel in the suffix's place, and what stands before and after it takes the place of prefix and
tail. These two are the template's and the prompt author's text, where special tokens are meant as such; the template
decides on the beginning-of-text token. A suffix, which holds generated text, never gives a special token. Where the
template refuses a system message, or leaves it out without a word, its text stands at the head of the user's message.

A query (`Kind.QUERY`) is what the template puts before a user's turn, and nothing else.
"""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from selfinstruct.engines.contents import blamed, tokenizer_file
from selfinstruct.engines.rendering import Chat, shown, template_failure, try_chats
from selfinstruct.errors import InputError
from selfinstruct.prompts import Prompt, PromptSet
from selfinstruct.records import Kind, Request

log = logging.getLogger(__name__)

SENTINEL = "SUFFIXq7Zk1vXw9SUFFIX"  # letters and digits only, which no template escapes or trims
_SYSTEM, _ANSWER = "SYSTEMq7Zk1vXw9SYSTEM", "ANSWERq7Zk1vXw9ANSWER"


@dataclass(frozen=True, slots=True)
class EncodedRequest:
    """A request, the ids of its whole prompt, and the most tokens that its completion may have."""

    request: Request
    ids: list[int]
    room: int


class PromptEncoder:
    """The constant pieces of each kind, encoded, and the encoding of suffixes.

    Args:
        tokenizer: A tokenizer of transformers.
        prompts: The prompt set.

    Attributes:
        turn_ends: The tokens with which the chat template ends an answer, and a user's turn if one is asked for, as far
            as it ends them with one.

    Raises:
        InputError: a chat set, and the tokenizer has no chat template or one that fails.
    """

    def __init__(self, tokenizer: Any, prompts: PromptSet) -> None:
        self._tokenizer = tokenizer
        self.turn_ends: list[int] = []
        self._room = {kind: prompts[kind].sampling.max_tokens for kind in prompts.kinds}
        self._frames: dict[Kind, tuple[list[int], list[int]]] = {}
        for each in prompts.sets:
            frames = self._chat(each) if each.chat else [self._plain(each[kind]) for kind in each.kinds]
            self._frames |= zip(each.kinds, frames, strict=True)

    def frame(self, kind: Kind) -> tuple[list[int], list[int]]:
        """The ids before and after the suffix."""
        return self._frames[kind]

    def encode(self, request: Request) -> EncodedRequest:
        """The request with its prompt: frame and suffix."""
        head, foot = self._frames[request.kind]
        return EncodedRequest(request, [*head, *self._text(request.suffix), *foot], self._room[request.kind])

    def _plain(self, prompt: Prompt) -> tuple[list[int], list[int]]:
        return leading_tokens(self._tokenizer) + self._text(prompt.prefix), self._text(prompt.tail)

    def _chat(self, prompts: PromptSet) -> list[tuple[list[int], list[int]]]:
        frames = []
        for kind, text in zip(prompts.kinds, self._rendered(prompts), strict=True):
            pieces = text.split(SENTINEL)
            if len(pieces) != 2:
                raise template_failure(self._tokenizer, "its chat template does not show the message once")
            if kind is Kind.QUERY:
                frames.append(self._query(prompts[kind].prefix or pieces[0], pieces[1]))
                continue
            head, foot = (encode_template(self._tokenizer, piece) for piece in pieces)
            frames.append((head, foot))
        return frames

    def _query(self, before: str, after: str) -> tuple[list[int], list[int]]:
        """What stands before a user's turn, its last token apart: an engine shares all that precedes a suffix."""
        if not (ids := encode_template(self._tokenizer, before)):
            raise template_failure(self._tokenizer, "its chat template puts nothing before a user's turn")
        self._ends_with(after)
        return ids[:-1], ids[-1:]

    def _ends_with(self, after: str) -> None:
        end = turn_end(self._tokenizer, after)
        self.turn_ends += [] if end is None else [end]

    def _rendered(self, prompts: PromptSet) -> list[str]:
        """Each kind's prompt in the chat template. With them it is seen how that ends an answer, and whether it shows a
        system message."""
        contents = [
            (SENTINEL if kind is Kind.QUERY else each.prefix + SENTINEL + each.tail, each.bare, kind is not Kind.QUERY)
            for kind in prompts.kinds
            for each in [prompts[kind]]
        ]
        asked = {"role": "user", "content": SENTINEL}
        answered, system, *texts = try_chats(
            self._tokenizer,
            [
                Chat([asked, {"role": "assistant", "content": _ANSWER}]),
                Chat([{"role": "system", "content": _SYSTEM}, asked], prompting=True),
                *(Chat(prompts.messages(text, bare=bare), asks) for text, bare, asks in contents),
                *(Chat(prompts.messages(text, folded=True, bare=bare), asks) for text, bare, asks in contents),
            ],
            prompts.template,
        )
        if isinstance(answered, str) and _ANSWER in answered:
            self._ends_with(answered.rpartition(_ANSWER)[2])
        plain, folded = texts[: len(contents)], texts[len(contents) :]
        refuses = any(isinstance(each, InputError) for each in plain)
        if prompts.system and (refuses or (isinstance(system, str) and _SYSTEM not in system)):
            plain = [shown(each) for each in folded]
            log.warning(
                "the model's chat template %s a system message: its text stands at the head of the user's message",
                "refuses" if refuses else "leaves out",
            )
        return [shown(each) for each in plain]

    def _text(self, text: str) -> list[int]:
        return encode_text(self._tokenizer, text)


def encode_text(tokenizer: Any, text: str) -> list[int]:
    """The ids of a plain text: nothing is put around it, and what reads as a special token in it is text.

    Raises:
        InputError: the tokenizer fails.
    """
    with _its_fault(tokenizer):
        return list(tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True, verbose=False))


def encode_template(tokenizer: Any, text: str) -> list[int]:
    """The ids of a piece of a rendered chat template, in which special tokens are meant as such.

    Raises:
        InputError: the tokenizer fails.
    """
    with _its_fault(tokenizer):
        return list(tokenizer.encode(text, add_special_tokens=False, verbose=False))


def turn_end(tokenizer: Any, foot: str) -> int | None:
    """The special token with which a chat template ends an answer, if it does so with one.

    Args:
        foot: What it puts after the answer.

    Raises:
        InputError: the tokenizer fails.
    """
    first = encode_template(tokenizer, foot.lstrip())[:1]
    special = {at for at, token in tokenizer.added_tokens_decoder.items() if token.special}
    return next((token for token in first if token in special and token != tokenizer.bos_token_id), None)


def leading_tokens(tokenizer: Any) -> list[int]:
    """The beginning-of-text token, if the tokenizer puts one before a plain text; it may add an end token, too."""
    bos = tokenizer.bos_token_id
    return [token for token in tokenizer.encode("")[:1] if token == bos]


def _its_fault(tokenizer: Any) -> AbstractContextManager[None]:
    folder = str(tokenizer.name_or_path)
    return blamed(folder or "the model", partial(tokenizer_file, Path(folder)), "cannot encode a text")
