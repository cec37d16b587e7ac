"""Asking whether an instruction is a classification task (paper, section 2.2.2)."""

from __future__ import annotations

from selfinstruct.prompts import PromptSet
from selfinstruct.records import Kind


def render_classify(instruction: str, prompts: PromptSet) -> str:
    """The suffix of the classification question."""
    return prompts[Kind.CLASSIFY].fill(instruction=instruction)


def read_classify(text: str, prompts: PromptSet) -> bool:
    """Whether a completion says yes."""
    return parse_classify(prompts.answer(text) or "")


def parse_classify(text: str) -> bool:
    """Whether the answer is yes. Anything else counts as no, as in the released code."""
    return text.strip().rstrip(".") in ("Yes", "yes", "YES")
