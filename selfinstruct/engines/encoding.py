"""Prompts as token ids: ids(prefix) + ids(suffix) + ids(tail), each piece tokenised on its own.

So the constant pieces are encoded once per kind, and the whole does not depend on how a suffix begins. The
beginning-of-text token stands at the front if the tokenizer adds one. What reads as a special token in a plain piece
is text.

For a chat set the prompt is one user message, after the set's system message if it has one: the tokenizer's template is
rendered around a sentinel in the suffix's place, and what stands before and after it takes the place of prefix and
tail. These two are the template's and the prompt author's text, where special tokens are meant as such; the template
decides on the beginning-of-text token. A suffix, which holds generated text, never gives a special token.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from selfinstruct.engines.contents import blamed, tokenizer_file
from selfinstruct.engines.rendering import Chat, render_chats, template_failure
from selfinstruct.prompts import Prompt, PromptSet
from selfinstruct.records import Kind, Request

SENTINEL = "SUFFIXq7Zk1vXw9SUFFIX"  # letters and digits only, which no template escapes or trims


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

    Raises:
        InputError: a chat set, and the tokenizer has no chat template or one that fails.
    """

    def __init__(self, tokenizer: Any, prompts: PromptSet) -> None:
        self._tokenizer = tokenizer
        self._room = {kind: prompts[kind].sampling.max_tokens for kind in prompts.kinds}
        frames = self._chat(prompts) if prompts.chat else [self._plain(prompts[kind]) for kind in prompts.kinds]
        self._frames: Mapping[Kind, tuple[list[int], list[int]]] = dict(zip(prompts.kinds, frames, strict=True))

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
        system = [{"role": "system", "content": prompts.system}] if prompts.system else []
        chats = []
        for kind in prompts.kinds:
            content = prompts[kind].prefix + SENTINEL + prompts[kind].tail
            chats.append(Chat([*system, {"role": "user", "content": content}], prompting=True))
        frames = []
        for text in render_chats(self._tokenizer, chats, prompts.template):
            pieces = text.split(SENTINEL)
            if len(pieces) != 2:
                raise template_failure(self._tokenizer, "its chat template does not show the message once")
            head, foot = (encode_template(self._tokenizer, piece) for piece in pieces)
            frames.append((head, foot))
        return frames

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


def leading_tokens(tokenizer: Any) -> list[int]:
    """The beginning-of-text token, if the tokenizer puts one before a plain text; it may add an end token, too."""
    bos = tokenizer.bos_token_id
    return [token for token in tokenizer.encode("")[:1] if token == bos]


def _its_fault(tokenizer: Any) -> AbstractContextManager[None]:
    folder = str(tokenizer.name_or_path)
    return blamed(folder or "the model", partial(tokenizer_file, Path(folder)))
