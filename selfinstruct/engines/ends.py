"""The tokens at which a model's answer ends.

Named are those of the tokenizer and of the generation configuration. Many chat models end their turns with another one
all the same: with what their chat template puts there (`encoding`), or with one of the tokens that end a turn in every
model that has them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from selfinstruct.engines.checkpoint import Located
from selfinstruct.engines.contents import CONFIG, GENERATION, read_object
from selfinstruct.steps.readers.ends import ENDS

log = logging.getLogger(__name__)


def named_ends(folder: Path, tokenizer: Any) -> list[int]:
    """The tokens that the tokenizer and the folder's generation configuration name, the tokenizer's first.

    Raises:
        InputError: the configuration cannot be read.
    """
    config = read_object(folder / (GENERATION if (folder / GENERATION).exists() else CONFIG), str(folder))
    nested = config.get("text_config")
    stops = config.get("eos_token_id", nested.get("eos_token_id") if isinstance(nested, dict) else None)
    named = [tokenizer.eos_token_id, *(stops if isinstance(stops, list) else [stops])]
    return list(dict.fromkeys(token for token in named if isinstance(token, int)))


def known_ends(tokenizer: Any) -> list[int]:
    """The tokenizer's special tokens that end a turn or a text in any model that has them."""
    return [at for at, token in tokenizer.added_tokens_decoder.items() if token.special and token.content in ENDS]


def end_tokens(at: Located, tokenizer: Any, turn_ends: Sequence[int]) -> list[int]:
    """All tokens at which an answer ends, the named ones first. Of a model that names none the user is told at once.

    Args:
        turn_ends: The tokens with which the chat template ends turns that are asked for.

    Raises:
        InputError: the configuration cannot be read.
    """
    named = [*named_ends(at.folder, tokenizer), *turn_ends]
    known = known_ends(tokenizer)
    if not named:
        taken = ", ".join(spelt(tokenizer, known))
        log.warning(
            "--model: %s: its tokenizer and generation configuration name no token that ends a text, and no chat"
            " template puts one after an answer: %s; set eos_token in tokenizer_config.json",
            at.model,
            f"{taken} is taken for one" if taken else "answers go on to a stop string or to max_tokens",
        )
    return list(dict.fromkeys([*named, *known]))


def spelt(tokenizer: Any, ends: Iterable[int]) -> tuple[str, ...]:
    """How those of the end tokens are spelt that are special: a model may have learnt them as text, sign by sign."""
    added = tokenizer.added_tokens_decoder
    return tuple(added[token].content for token in ends if token in added and added[token].special)
