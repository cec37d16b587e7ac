"""Instances in the forms of the base prompts: `Example`, `Input:`, `Output:` and `Class label:`, as models write them.

A marker counts at a line's start alone; what still holds one where none belongs has leaked, and is not accepted.
"""

from __future__ import annotations

import re

from selfinstruct.records import Instance
from selfinstruct.steps.readers.marks import EXAMPLE, INPUT, LABEL, OUTPUT, balanced, plain, trimmed, unfenced

_ANY = (EXAMPLE, INPUT, OUTPUT, LABEL)
_NO_INPUT = re.compile(
    r"\A[ \t(<\[]*(?:no[ _]?(?:further )?input(?: (?:is )?(?:needed|required))?|none|n/?a|not applicable|empty)"
    r"[ \t)>\].]*\Z",
    re.IGNORECASE,
)
_NO_OUTPUT = re.compile(r"\A[ \t(<\[]*no[ _]?output[ \t)>\].]*\Z", re.IGNORECASE)


def input_first(text: str) -> list[Instance]:
    """The instances of a text, each an input that ends at `Output:`; what stands before the first is a preamble."""
    before, *examples = EXAMPLE.split(text)
    if OUTPUT.search(before):
        opening = INPUT.search(before)
        examples.insert(0, before[opening.start() :] if opening else before)
    return [instance for example in examples if example.strip() for instance in _pairs(example)]


def _pairs(example: str) -> list[Instance]:
    """The pairs of an input and an output; an input after an output begins the next one."""
    outputs = list(OUTPUT.finditer(example))
    if not outputs:
        given = INPUT.match(example.lstrip("\n"))
        return [Instance(_given(example), "")] if given else [Instance("", _value(example))]
    pairs, start = [], 0
    for at, output in enumerate(outputs):
        end = outputs[at + 1].start() if at + 1 < len(outputs) else len(example)
        following = INPUT.search(example, output.end(), end)
        if output.start() >= start:
            answer = example[output.end() : following.start() if following else end]
            pairs.append(Instance(_given(example[start : output.start()]), _value(answer)))
        start = following.start() if following else len(example)
    return pairs


def output_first(text: str) -> list[Instance]:
    """The instances of a text, each a label in the rest of its line, and then the input."""
    instances = []
    for piece in LABEL.split(text)[1:]:
        label, _, given = piece.partition("\n")
        end = min((each.start() for each in (EXAMPLE.search(given), OUTPUT.search(given)) if each), default=len(given))
        instances.append(Instance(_given(given[:end]), plain(balanced(label.strip()))))
    return instances


def has_label(text: str) -> bool:
    """Whether a text is in the form of classification tasks."""
    return LABEL.search(text) is not None


def leaks(instance: Instance) -> bool:
    """Whether a marker of the forms stands in an input or output, where it says that the answer was read wrongly."""
    return any(each.search(text) for each in _ANY for text in (instance.input, instance.output))


def normal(instance: Instance) -> Instance:
    """The instance with words that stand for nothing in place of an input or an output left out."""
    given = "" if _NO_INPUT.match(instance.input) else instance.input
    return Instance(given, "" if _NO_OUTPUT.match(instance.output) else instance.output)


def _given(text: str) -> str:
    """An input without its marker; other field names say what it is and stay."""
    text = trimmed(text)
    label = INPUT.match(text)
    return trimmed(text[label.end() :] if label else text).rstrip()


def _value(text: str) -> str:
    """An output without a fence that holds nothing but it."""
    return trimmed(unfenced(balanced(trimmed(text).rstrip())))
