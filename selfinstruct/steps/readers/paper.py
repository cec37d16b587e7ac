"""The paper's rules for reading an answer (sections 2.2.1 to 2.2.3), of a base model and of a chat model alike.

In words: a number at a line's start begins the next instruction, and of a base model what precedes the first number
goes on with the open item; `Example` at a line's start begins the next instance, whose input ends at `Output:`;
`Class label:` begins the next instance of a classification task, the rest of its line being the output and all else
the input. An answer that was cut by length proposes nothing, and loses its last instance.
"""

from __future__ import annotations

import re
from collections.abc import Collection

import selfinstruct.steps.readers.json_answers as json_answers
from selfinstruct.records import Instance, Kind, Reason
from selfinstruct.steps.readers.read import Proposed, Verdict, last_dropped, whole
from selfinstruct.steps.readers.thoughts import spoken

_ITEM = re.compile(r"\n[^\S\n]*\d+\s?\.\s")
_LEADING_ITEM = re.compile(r"\A\s*\d+\s?\.\s")
_EXAMPLE = re.compile(r"(?:^|\n)[ \t]*Example(?:[ \t]*\d+\b[.:]?|[ \t]*[.:]|[ \t]*(?=\n|$))")
_OUTPUT = re.compile(r"\bOutput[ \t]*\d*[ \t]*:")
_INPUT = re.compile(r"\bInput[ \t]*\d*[ \t]*:")
_CLASS_LABEL = re.compile(r"Class label[ \t]*\d*[ \t]*:")


class PaperReader:
    """Reads what a model wrote.

    Args:
        chat: The model is a chat model: it may think first, and begins a list of its own.
        structured: The kinds of request whose answers were asked for as JSON. Where none is found, they are read as
            all others are.
    """

    def __init__(self, chat: bool = False, structured: Collection[Kind] = ()) -> None:
        self._chat = chat
        self._structured = structured

    def proposals(self, text: str, opened: int, cut: bool) -> list[Proposed]:
        """The instructions: JSON, or the items of a list, whatever their numbers."""
        if cut:
            return []
        answer = self._answer(text) or ""
        found = json_answers.proposals(json_answers.values(answer)) if Kind.PROPOSE in self._structured else []
        return [(clean, None) for piece in found or self._items(answer) if (clean := folded(piece))]

    def classification(self, text: str) -> bool | None:
        """A yes in one of three cases; anything else is no, as in the released code."""
        return (self._answer(text) or "").strip().rstrip(".") in ("Yes", "yes", "YES")

    def instances(self, kind: Kind, text: str, cut: bool) -> list[Verdict]:
        """The instances: JSON, or the form that `kind` asks for; with `Kind.INSTANTIATE` the one that is there."""
        answer = self._answer(text) or ""
        found = json_answers.instances(json_answers.values(answer)) if kind in self._structured else []
        if not found:
            if kind is Kind.INSTANTIATE:
                kind = Kind.OUTPUT_FIRST if _CLASS_LABEL.search(answer) else Kind.INPUT_FIRST
            found = _output_first(answer) if kind is Kind.OUTPUT_FIRST else _input_first(answer)
        stripped = [Instance(each.input.strip(), each.output.strip()) for each in found]
        return last_dropped(stripped) if cut else whole(stripped)

    def told(self, text: str) -> bool | None:
        """A JSON answer says it under "classification", and any other by beginning with a label."""
        answer = self._answer(text) or ""
        if Kind.INSTANTIATE in self._structured and json_answers.instances(json_answers.values(answer)):
            return bool(json_answers.classification(answer))
        return _CLASS_LABEL.search(answer) is not None

    def silence(self, text: str, cut: bool) -> Reason:
        """A model that was still thinking had no room for its answer."""
        return Reason.NOTHING_PARSED if self._answer(text) is not None else Reason.CUT_BY_LENGTH

    def _answer(self, text: str) -> str | None:
        """What of a completion is the answer; None where it ended before its answer began."""
        return spoken(text) if self._chat else text

    def _items(self, answer: str) -> list[str]:
        """What stands before a chat model's first number is a preamble."""
        if self._chat:
            return _ITEM.split("\n" + answer)[1:]
        first, *rest = _ITEM.split(answer)
        return [_LEADING_ITEM.sub("", first, count=1), *rest]


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
