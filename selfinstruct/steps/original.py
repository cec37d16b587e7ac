"""How the original release reads its completions, where it differs from `propose` and `instantiate`.

Used for rounds that were imported from it: an answer is read as the one who asked for it read it, so that the same
instances are kept. The rules, in words: a numbered line begins the next instruction; `Example`, wherever it stands and
with or without a number, begins the next instance; of an instance the first `Output:` parts input and output, and a
second one, or an `Input:`, ends the output; a text with neither `Example` nor `Output:` gives nothing; the label of a
classification instance is the rest of the line after `Class label:`, and all lines after it are the input.
"""

from __future__ import annotations

import re

from selfinstruct.records import Instance, Kind

_ITEM = re.compile(r"\n\d+\s?\. ")
_EXAMPLE = re.compile(r"Example\s?\d*\.?")
_OUTPUT = re.compile(r"Output\s*\d*\s*:")
_INPUT = re.compile(r"Input\s*\d*\s*:")
_CLASS_LABEL = "Class label:"


def parse_proposals(text: str) -> list[str]:
    """The instructions in a completion. The release made all letters but the first small; here they stay."""
    pieces = (" ".join(piece.split()) for piece in _ITEM.split(text))
    return [piece[0].upper() + piece[1:] for piece in pieces if piece]


def is_classification(text: str) -> bool:
    """Whether an answer to the classification question is a yes."""
    return text.strip() in ("Yes", "yes", "YES")


def parse_instances(kind: Kind, text: str) -> list[Instance]:
    """The instances in a completion, unfiltered and in order."""
    return _output_first(text) if kind is Kind.OUTPUT_FIRST else _input_first(text.strip())


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
