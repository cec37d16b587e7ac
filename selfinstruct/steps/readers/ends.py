"""Texts by which models say that a turn or a text has ended, where a server leaves them in its answer."""

from __future__ import annotations

import re
from collections.abc import Sequence

ENDS = (
    "</s>",
    "<eos>",
    "[EOS]",
    "<eod>",
    "<eoa>",
    "<|eos|>",
    "<|eod|>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "<|im_end|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|eot|>",
    "<|eom|>",
    "<|return|>",
    "<end_of_turn>",
    "<turn|>",
    "<|end_of_turn|>",
    "<|END_OF_TURN_TOKEN|>",
    "<|END_RESPONSE|>",
    "<|endofturn|>",
    "<end_of_utterance>",
    "<|assistant_end|>",
    "<｜end▁of▁sentence｜>",
    "[|endofturn|]",
)
"""Each ends a text or the assistant's turn in every model that knows it."""

AT_THE_END = (*ENDS, "<|end|>", "<|assistant|>", "<|user|>", "[/INST]")
"""Besides, what may also part an answer's sections, or begin another turn: an end only where nothing follows."""

_BEGINNINGS = (
    "<|im_start|>",
    "<|start_header_id|>",
    "<|header_start|>",
    "<start_of_turn>",
    "<|turn>",
    "<|START_OF_TURN_TOKEN|>",
    "<|start_of_role|>",
    "<|system|>",
    "<|user|>",
    "<|assistant|>",
    "<｜User｜>",
    "<｜Assistant｜>",
    "[INST]",
    "<s>[INST]",
    "<s> [INST]",
)
"""How a turn begins."""

_ANOTHER_TURN = re.compile(
    rf"(?:{'|'.join(map(re.escape, (*ENDS, '<|end|>')))})\s*(?:{'|'.join(map(re.escape, _BEGINNINGS))})"
)


def without_end(text: str, ends: Sequence[str] = AT_THE_END) -> str:
    """The text without the ends, and the white space before them, that stand at its end.

    `</s>` also closes what HTML strikes out: where `<s>` is open it stays.
    """
    known, whole = tuple(ends), text
    while (bare := whole.rstrip()).endswith(known):
        end = next(end for end in ends if bare.endswith(end))
        cut = bare.removesuffix(end)
        if end == "</s>" and cut.count("<s>") > cut.count(end):
            break
        whole = cut.rstrip()
    return whole


def first_turn(text: str) -> str:
    """The text without its ends, and without another turn that a model went on with after one."""
    another = _ANOTHER_TURN.search(text)
    return without_end(text[: another.start()].rstrip() if another else text)
