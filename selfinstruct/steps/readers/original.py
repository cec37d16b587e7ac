"""How the original release reads its completions: bug for bug, so that the same instances are kept.

Used for rounds that were imported from it: an answer is read as the one who asked for it read it. The rules, in words:
a numbered line begins the next instruction; `Example`, wherever it stands and with or without a number, begins the next
instance; of an instance the first `Output:` parts input and output, and a second one, or an `Input:`, ends the output;
a text with neither `Example` nor `Output:` gives nothing; the label of a classification instance is the rest of the
line after `Class label:`, and all lines after it are the input.
"""

from __future__ import annotations

import re

from selfinstruct.records import Instance, Kind, Reason
from selfinstruct.steps.readers.read import Proposed, Verdict, last_dropped, whole

_ITEM = re.compile(r"\n\d+\s?\. ")
_EXAMPLE = re.compile(r"Example\s?\d*\.?")
_OUTPUT = re.compile(r"Output\s*\d*\s*:")
_INPUT = re.compile(r"Input\s*\d*\s*:")
_CLASS_LABEL = "Class label:"


class OriginalReader:
    """Reads what the original release stored."""

    def proposals(self, text: str, opened: int, cut: bool) -> list[Proposed]:
        """The release made all letters but the first small; here they stay. An answer that was cut gives nothing."""
        if cut:
            return []
        pieces = (" ".join(piece.split()) for piece in _ITEM.split(text))
        return [(piece[0].upper() + piece[1:], None) for piece in pieces if piece]

    def classification(self, text: str) -> bool | None:
        """A yes in one of three cases, with nothing after it; anything else is no."""
        return text.strip() in ("Yes", "yes", "YES")

    def instances(self, kind: Kind, text: str, cut: bool) -> list[Verdict]:
        """By the kind that was asked for."""
        found = _output_first(text) if kind is Kind.OUTPUT_FIRST else _input_first(text.strip())
        return last_dropped(found) if cut else whole(found)

    def told(self, text: str) -> bool | None:
        """The release always asks."""
        return False

    def silence(self, text: str, cut: bool) -> Reason:
        """There are no thoughts in its completions."""
        return Reason.NOTHING_PARSED


def _input_first(text: str) -> list[Instance]:
    if _EXAMPLE.search(text):
        return [_instance(piece.strip()) for piece in _EXAMPLE.split(text) if piece.strip()]
    return [_instance(text)] if _OUTPUT.search(text) else []


def _instance(text: str) -> Instance:
    first, *others = _OUTPUT.split(text)
    given, output = (first.strip(), others[0]) if others else ("", text)
    label = _INPUT.match(given)
    return Instance(given[label.end() :].strip() if label else given, _INPUT.split(output)[0].strip())


def _output_first(text: str) -> list[Instance]:
    instances = []
    for piece in text.split(_CLASS_LABEL)[1:]:
        output, _, given = piece.strip().partition("\n")
        instances.append(Instance(given.strip(), output.strip()))
    return instances
