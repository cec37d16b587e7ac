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

from collections.abc import Mapping, Sequence
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
        self._system = [{"role": "system", "content": prompts.system}] if prompts.system else []
        self._variables = prompts.template
        frame = self._chat if prompts.chat else self._plain
        self._room = {kind: prompts[kind].sampling.max_tokens for kind in prompts.kinds}
        self._frames: Mapping[Kind, tuple[list[int], list[int]]] = {
            kind: frame(prompts[kind]) for kind in prompts.kinds
        }

    def frame(self, kind: Kind) -> tuple[list[int], list[int]]:
        """The ids before and after the suffix."""
        return self._frames[kind]

    def encode(self, request: Request) -> EncodedRequest:
        """The request with its prompt: frame and suffix."""
        head, foot = self._frames[request.kind]
        return EncodedRequest(request, [*head, *self._text(request.suffix), *foot], self._room[request.kind])

    def _plain(self, prompt: Prompt) -> tuple[list[int], list[int]]:
        return leading_tokens(self._tokenizer) + self._text(prompt.prefix), self._text(prompt.tail)

    def _chat(self, prompt: Prompt) -> tuple[list[int], list[int]]:
        message = {"role": "user", "content": prompt.prefix + SENTINEL + prompt.tail}
        messages = [*self._system, message]
        pieces = render_chat(self._tokenizer, messages, self._variables, add_generation_prompt=True).split(SENTINEL)
        if len(pieces) != 2:
            raise InputError("--prompts: the model's chat template does not show the message once; take --prompts base")
        head, foot = (self._tokenizer.encode(piece, add_special_tokens=False, verbose=False) for piece in pieces)
        return head, foot

    def _text(self, text: str) -> list[int]:
        return encode_text(self._tokenizer, text)


def encode_text(tokenizer: Any, text: str) -> list[int]:
    """The ids of a plain text: nothing is put around it, and what reads as a special token in it is text."""
    ids = tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True, verbose=False)
    return list(ids)


def leading_tokens(tokenizer: Any) -> list[int]:
    """The beginning-of-text token, if the tokenizer puts one before a plain text; it may add an end token, too."""
    bos = tokenizer.bos_token_id
    return [token for token in tokenizer.encode("")[:1] if token == bos]


def render_chat(
    tokenizer: Any,
    messages: Sequence[Mapping[str, str]],
    variables: Mapping[str, Any] | None = None,
    *,
    add_generation_prompt: bool = False,
) -> str:
    """A conversation in the tokenizer's chat template, the same on every day, with variables of the template.

    Raises:
        InputError: it has no chat template, or the template fails.
    """
    from jinja2 import TemplateError

    if not tokenizer.chat_template:
        raise InputError(
            "--prompts, --chat: the model has no chat template; take --prompts base and no --chat, or a chat model"
        )
    try:
        template = tokenizer.get_chat_template()
        text = tokenizer.apply_chat_template(
            messages,
            chat_template=TODAY + template if "strftime_now" in template else template,
            tokenize=False,
            add_generation_prompt=add_generation_prompt,
            # the answers' formats and lengths leave no room for thoughts
            **{"enable_thinking": False, **(variables or {})},
        )
    except (TemplateError, ValueError) as error:
        raise InputError(
            f"--prompts, --chat: the model's chat template fails ({error}); take --prompts base and no --chat"
        ) from error
    return str(text)
