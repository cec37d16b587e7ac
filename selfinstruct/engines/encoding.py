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
from dataclasses import dataclass
from typing import Any

from selfinstruct.errors import InputError
from selfinstruct.prompts import Prompt, PromptSet
from selfinstruct.records import Kind, Request

SENTINEL = "SUFFIXq7Zk1vXw9SUFFIX"  # letters and digits only, which no template escapes or trims
TODAY = (
    "{%- macro strftime_now(form) -%}{{ form | replace('%d', '01') | replace('%m', '01') | replace('%b', 'Jan')"
    " | replace('%B', 'January') | replace('%y', '24') | replace('%Y', '2024') }}{%- endmacro -%}"
)
"""Put before a template that asks for the date: a run's prompts must not change over night."""


@dataclass(frozen=True, slots=True)
class EncodedRequest:
    """A request and the ids of its whole prompt."""

    request: Request
    ids: list[int]


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
        self._system = [{"role": "system", "content": prompts.system}] if prompts.system else []
        self._variables = prompts.template
        frame = self._chat if prompts.chat else self._plain
        self._frames: Mapping[Kind, tuple[list[int], list[int]]] = {
            kind: frame(prompts[kind]) for kind in prompts.kinds
        }

    def frame(self, kind: Kind) -> tuple[list[int], list[int]]:
        """The ids before and after the suffix."""
        return self._frames[kind]

    def encode(self, request: Request) -> EncodedRequest:
        """The request with its prompt: frame and suffix."""
        head, foot = self._frames[request.kind]
        return EncodedRequest(request, [*head, *self._text(request.suffix), *foot])

    def _plain(self, prompt: Prompt) -> tuple[list[int], list[int]]:
        bos = self._tokenizer.bos_token_id
        front = [token for token in self._tokenizer.encode("")[:1] if token == bos]  # may add an end token, too
        return front + self._text(prompt.prefix), self._text(prompt.tail)

    def _chat(self, prompt: Prompt) -> tuple[list[int], list[int]]:
        pieces = self._render(prompt.prefix + SENTINEL + prompt.tail).split(SENTINEL)
        if len(pieces) != 2:
            raise InputError("--prompts: the model's chat template does not show the message once; take --prompts base")
        head, foot = (self._tokenizer.encode(piece, add_special_tokens=False, verbose=False) for piece in pieces)
        return head, foot

    def _render(self, message: str) -> str:
        from jinja2 import TemplateError

        if not self._tokenizer.chat_template:
            raise InputError(
                "--prompts: a chat set, but the model has no chat template; take --prompts base, or a chat model"
            )
        try:
            template = self._tokenizer.get_chat_template()
            text = self._tokenizer.apply_chat_template(
                [*self._system, {"role": "user", "content": message}],
                chat_template=TODAY + template if "strftime_now" in template else template,
                tokenize=False,
                add_generation_prompt=True,
                # the answers' formats and lengths leave no room for thoughts
                **{"enable_thinking": False, **self._variables},
            )
        except (TemplateError, ValueError) as error:
            raise InputError(f"--prompts: the model's chat template fails ({error}); take --prompts base") from error
        return str(text)

    def _text(self, text: str) -> list[int]:
        ids = self._tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True, verbose=False)
        return list(ids)
