"""The answers of a base model, which goes on with a prompt's list or form (paper, sections 2.2.1 to 2.2.3).

The rules, in words: a number at a line's start begins the next instruction, and what precedes the first number goes on
with the open item; `Example` at a line's start begins the next instance, whose input ends at `Output:`; `Class label:`
begins the next instance of a classification task, the rest of its line being the output and all else the input.
"""

from __future__ import annotations

import re
from collections.abc import Collection

import selfinstruct.steps.readers.json_answers as json_answers
from selfinstruct.records import Instance, Kind, Reason

_ITEM = re.compile(r"\n\s*\d+\s?\.\s")
_LEADING_ITEM = re.compile(r"\A\s*\d+\s?\.\s")
_EXAMPLE = re.compile(r"(?:^|\n)[ \t]*Example(?:[ \t]*\d+\b[.:]?|[ \t]*[.:]|[ \t]*(?=\n|$))")
_OUTPUT = re.compile(r"\bOutput[ \t]*\d*[ \t]*:")
_INPUT = re.compile(r"\bInput[ \t]*\d*[ \t]*:")
_CLASS_LABEL = re.compile(r"Class label[ \t]*\d*[ \t]*:")


class BaseReader:
    """Reads what a base model wrote.

    Args:
        structured: The kinds of request whose answers were asked for as JSON. Where none is found, they are read as
            all others are.
    """

    def __init__(self, structured: Collection[Kind] = ()) -> None:
        self._structured = structured

    def proposals(self, text: str) -> list[str]:
        """The instructions: JSON, or the items of a list."""
        answer = self._answer(text) or ""
        found = json_answers.proposals(answer) if Kind.PROPOSE in self._structured else []
        return [clean for piece in found or self._items(answer) if (clean := folded(piece))]

    def classification(self, text: str) -> bool | None:
        """Yes, or None: anything else counts as no, as in the released code."""
        return True if (self._answer(text) or "").strip().rstrip(".") in ("Yes", "yes", "YES") else None

    def instances(self, kind: Kind, text: str) -> list[Instance]:
        """The instances: JSON, or the form that `kind` asks for; with `Kind.INSTANTIATE` the one that is there."""
        answer = self._answer(text) or ""
        if kind in self._structured and (found := json_answers.instances(answer)):
            return found
        if kind is Kind.INSTANTIATE:
            kind = Kind.OUTPUT_FIRST if _CLASS_LABEL.search(answer) else Kind.INPUT_FIRST
        return _output_first(answer) if kind is Kind.OUTPUT_FIRST else _input_first(answer)

    def told(self, text: str) -> bool:
        """A JSON answer says it under "classification", and any other by beginning with a label."""
        answer = self._answer(text) or ""
        if Kind.INSTANTIATE in self._structured and json_answers.instances(answer):
            return json_answers.classification(answer)
        return _CLASS_LABEL.search(answer) is not None

    def silence(self, text: str) -> Reason:
        """A model that was still thinking had no room for its answer."""
        return Reason.CUT_BY_LENGTH if self._answer(text) is None else Reason.NOTHING_PARSED

    def _answer(self, text: str) -> str | None:
        """What of a completion is the answer; None where it ended before its answer began."""
        return text

    def _items(self, answer: str) -> list[str]:
        """The items of a list; the text before the first number goes on with the open one."""
        first, *rest = _ITEM.split(answer)
        return [_LEADING_ITEM.sub("", first, count=1), *rest]


def items_after_preamble(answer: str) -> list[str]:
    """The items of a list of its own; what stands before its first number is a preamble."""
    return _ITEM.split("\n" + answer)[1:]


def folded(text: str) -> str:
    """White space collapsed, the first letter made a capital."""
    text = " ".join(text.split())
    return text[:1].upper() + text[1:]


def _input_first(text: str) -> list[Instance]:
    """Before the first `Example` only a whole instance counts: the rest is a preamble."""
    before, *examples = _EXAMPLE.split(text)
    opening = [_example(before)] if _OUTPUT.search(before) else []
    return opening + [_example(piece) for piece in examples if piece.strip()]


def _example(piece: str) -> Instance:
    parts = _OUTPUT.split(piece, maxsplit=1)
    if len(parts) == 1:
        return Instance("", piece.strip())
    given, output = parts
    return Instance(_without_label(given.strip()), _INPUT.split(output, maxsplit=1)[0].strip())


def _without_label(given: str) -> str:
    """Drop a leading `Input:`; other field names say what the input is and stay."""
    label = _INPUT.match(given)
    return given[label.end() :].strip() if label else given


def _output_first(text: str) -> list[Instance]:
    instances = []
    for piece in _CLASS_LABEL.split(text)[1:]:
        output, _, given = piece.strip().partition("\n")
        instances.append(Instance(_without_label(given.strip()), output.strip()))
    return instances
