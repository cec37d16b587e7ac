"""Telling a statement, which asks for nothing, from a task. English only: texts in other languages are no statements.

A guess, and a conservative one. Many a task is told as a story in which the wish is one word, or is left out where a
form stands for it ("A limerick about cats."). So only such sentences count as open like statements: a pronoun or "this"
at the beginning, or an article and a verb that is no part of a relative clause.
"""

from __future__ import annotations

import re

_QUESTION = re.compile(r"[?\uff1f\u061f\u037e]")

_WISH = re.compile(
    r"\b(?:advi[cs]e|answer|appreciate|asked|asks?|can you|correct|could you|curious|describe|explain|find|finish|fix"
    r"|give[ns]?|guess|have to|help|how|let'?s|list|looking for|must|needs?|output|please|provide[ds]?|question"
    r"|required|returns?|should|suggest\w*|supposed to|task|tell|trying to|wants?|what|when|where|whether|which|who"
    r"|whom|whose|why|wish|wonder\w*|would like|write|your job)\b|'d (?:like|love)\b",
    re.IGNORECASE,
)
"""Words by which a text may ask for something. A statement has none."""

_STATEMENT = re.compile(
    r"[\W_]*(?:"
    r"(?:i|we|he|she|it|they|my|our|his|her|its|their|this|that|these|those|there)\b"
    r"|(?:the|an?)\b(?:(?!\b(?:that|as|if)\b)[^,;])*?\b(?:is|are|was|were|has|have|had|will|isn't|aren't|wasn't)\b"
    r")",
    re.IGNORECASE,
)
_SENTENCES = re.compile(r"[.!;:\n]+")


def asks_nothing(text: str) -> bool:
    """Whether a text is nothing but statements."""
    text = text.strip().replace("\u2019", "'")
    if text.endswith(":") or _QUESTION.search(text) or _WISH.search(text):
        return False  # what ends in a colon is to be gone on with
    sentences = [each for each in _SENTENCES.split(text) if any(map(str.isalnum, each))]
    return bool(sentences) and all(map(_STATEMENT.match, sentences))
