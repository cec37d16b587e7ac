"""Completions in the making: the tokens drawn so far, and when and with which text they end."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from selfinstruct.engines.encoding import EncodedRequest
from selfinstruct.engines.ends import spelt
from selfinstruct.engines.repetition import has_begun_to_repeat
from selfinstruct.engines.sampling import NOTHING
from selfinstruct.records import Completion, Finish
from selfinstruct.steps.readers.ends import without_end


class Ending:
    """When a completion ends, and the text it then has.

    Args:
        tokenizer: Decodes tokens.
        ends: The end tokens.
        stop: Strings that end a completion wherever its text holds one.
        loops: A completion that goes in circles ends, too (`repetition`).
    """

    def __init__(self, tokenizer: Any, ends: Collection[int], stop: tuple[str, ...], loops: bool = False) -> None:
        self._tokenizer = tokenizer
        self._ends = ends
        self._stop = stop
        self._loops = loops
        self._hidden = {at for at, token in tokenizer.added_tokens_decoder.items() if token.special}
        self._spelt = spelt(tokenizer, ends)
        # a byte takes one token at most; the token before them may lose its leading blank where a text begins
        self._window = 1 + max((len(text.encode()) for text in stop), default=0)
        self._last_signs = {text[-1] for text in stop}
        self._plain: dict[int, bool] = {}

    def reached(self, tokens: Sequence[int]) -> bool:
        """Whether the last of `tokens` ends the completion; the ones before did not.

        Decodes only the last few tokens where those show what the whole text would, and none where the last one
        cannot be the end of a stop string.
        """
        if tokens[-1] in self._ends:
            return True
        if self._cannot_stop(tokens[-1]):
            return False
        tail = tokens[-self._window :]
        text = self._decode(tail)
        sure = "\ufffd" not in text and self._hidden.isdisjoint(tail)  # no character cut in two, no token left out
        if sure and self._find(text) < 0:
            return False
        return self._find(self._decode(tokens)) >= 0

    def loops(self, tokens: Sequence[int]) -> bool:
        """Whether the completion ends here because it goes in circles."""
        return self._loops and has_begun_to_repeat(tokens)

    def cut(self, tokens: Sequence[int]) -> tuple[str, bool]:
        """The text before the first stop string or end token, and whether there was one.

        An end token that the model has spelt out sign by sign ends a text where nothing follows.
        """
        ended = tokens[-1] in self._ends
        text = self._decode(tokens[:-1] if ended else tokens)
        if (at := self._find(text)) >= 0:
            text, ended = text[:at], True
        whole = without_end(text, self._spelt)
        return whole, ended or whole != text

    def _cannot_stop(self, token: int) -> bool:
        """Whether a token's text is whole characters and none of them is the last of a stop string."""
        if token not in self._plain:
            text = self._decode([token])
            sure = "\ufffd" not in text and token not in self._hidden and " " not in self._last_signs
            self._plain[token] = sure and self._last_signs.isdisjoint(text)
        return self._plain[token]

    def _find(self, text: str) -> int:
        return min((at for at in map(text.find, self._stop) if at >= 0), default=-1)

    def _decode(self, tokens: Sequence[int]) -> str:
        return str(self._tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False))


@dataclass(slots=True, eq=False)
class Draft:
    """One completion in the making."""

    encoded: EncodedRequest
    ending: Ending
    tokens: list[int] = field(default_factory=list)
    ended: bool = False
    failed: bool = False
    looping: bool = False  # it has ended because it went in circles
    cached: int = 0  # tokens of the prompt that were computed once for all

    def extend(self, token: int) -> None:
        """Take a token, unless the completion has ended and its row only waits to leave."""
        if token == NOTHING and not self.ended:
            self.ended = self.failed = True
        elif not self.ended:
            self.tokens.append(token)
            reached = self.ending.reached(self.tokens)
            self.looping = not reached and self.ending.loops(self.tokens)
            self.ended = reached or self.looping or len(self.tokens) == self.encoded.room

    def completion(self) -> Completion:
        """What the request is answered with."""
        if self.failed:
            error = "the model gave NaN in place of numbers; --transformers.dtype bfloat16 or float32 reach further"
            return Completion(
                self.encoded.request.id, "", Finish.FAILED, len(self.encoded.ids), len(self.tokens), error
            )
        text, stopped = self.ending.cut(self.tokens)
        finish = Finish.STOP if stopped else Finish.REPETITION if self.looping else Finish.LENGTH
        tokens = len(self.encoded.ids), len(self.tokens)
        return Completion(self.encoded.request.id, text, finish, *tokens, cached_tokens=self.cached)
