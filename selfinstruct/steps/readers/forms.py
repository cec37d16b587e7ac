"""Instances in the forms of the base prompts: `Example`, `Input:`, `Output:` and `Class label:`, as models write them.

A marker counts at a line's start alone; what still holds one where none belongs has leaked, and is not accepted.
"""

from __future__ import annotations

import re

from selfinstruct.records import Instance
from selfinstruct.steps.readers.marks import (
    ANY,
    EXAMPLE,
    INPUT,
    LABEL,
    NAMES,
    OUTPUT,
    TITLES,
    balanced,
    headings,
    may_hold,
    opened,
    plain,
    trimmed,
    unfenced,
    without_pleasantry,
    without_rule,
)

_NOTHING = (
    r"(?:no[ _-]?(?:(?:additional|specific|further|extra|other|external|particular) )?inputs?"
    r"(?: (?:is |are |was )?(?:needed|required|provided|given|necessary|available))?"
    r"|none(?: (?:is )?(?:needed|required|provided|given|necessary))?|n\.?/?a\b\.?"
    r"|not (?:applicable|needed|required|provided|given)|null|nil|empty)"
)
_NO_INPUT = re.compile(rf"\A[\s(<\[*_`\"'“]*{_NOTHING}(?:[\s(,.;:–-]+{_NOTHING})*[\s)>\]*_`\"'”.]*\Z", re.IGNORECASE)
_SIGNS_OF_NOTHING = ("-", "--", "–", "—", '""', "''", "“”", "``")
_NO_OUTPUT = re.compile(
    r"\A\s*(?:nooutput|<no[ _-]?output>|\(no[ _-]?output\)|\[no[ _-]?output\])[\s.]*\Z", re.IGNORECASE
)
_FIELD = re.compile(r"[ \t]+[*_]*[A-Z][\w ]{0,40}:")


def cleared(text: str) -> str:
    """An answer as one looks for markers in it: without fences around instances, and what is said after them."""
    return without_pleasantry(headings(opened(unfenced(text))))


def input_first(text: str) -> list[Instance]:
    """The instances of a text, each an input that ends at `Output:`; what stands before the first is a preamble."""
    before, *examples = _examples(text)
    if output := OUTPUT.search(before):
        opening = INPUT.search(before, 0, output.start())
        examples.insert(0, before[(opening or output).start() :])
    return [instance for example in examples if example.strip() for instance in _pairs(example)]


def _examples(text: str) -> list[str]:
    """What stands before the first example, and the examples. One without a marker in it is a part of the answer before
    it: `Example: ...` is a sentence as well."""
    pieces, start = [], 0
    examples = list(EXAMPLE.finditer(text)) if may_hold(text, *TITLES) else []
    ends = [*(each.start() for each in examples[1:]), len(text)]
    for example, end in zip(examples, ends, strict=False):
        own = text[example.end() : end]
        if OUTPUT.search(text, start, example.start()) and not (INPUT.search(own) or OUTPUT.search(own)):
            continue
        pieces.append(text[start : example.start()])
        start = example.end()
    return [*pieces[:1], *map(_untitled, [*pieces[1:], text[start:]])] if pieces else [text]


def _untitled(example: str) -> str:
    """An example without what its head says of it: `Example 2: A longer one`."""
    title, broken, rest = example.partition("\n")
    given = INPUT.match(rest.lstrip("\n")) if broken and title.strip() else None
    return rest if given else example


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
    """The instances of a text, each a label in the rest of its line, or in the next one, and then the input."""
    instances = []
    for piece in LABEL.split(text)[1:]:
        label, _, given = piece.lstrip("\n").partition("\n")
        end = min((each.start() for each in (EXAMPLE.search(given), OUTPUT.search(given)) if each), default=len(given))
        instances.append(Instance(_given(given[:end]), plain(balanced(label.strip()))))
    return instances


def has_label(text: str) -> bool:
    """Whether a text is in the form of classification tasks."""
    return LABEL.search(text) is not None


def leaks(*texts: str) -> bool:
    """Whether a marker of the forms stands in one of these texts, where it says that the answer was read wrongly."""
    return any(each.search(text) for text in texts if may_hold(text, *NAMES) for each in ANY)


def normal(instance: Instance) -> Instance:
    """The instance with words that stand for nothing in place of an input or an output left out."""
    nothing = _NO_INPUT.match(instance.input) or instance.input.strip() in _SIGNS_OF_NOTHING
    return Instance("" if nothing else instance.input, "" if _NO_OUTPUT.match(instance.output) else instance.output)


def unmarked(instance: Instance) -> Instance:
    """The instance without the markers that its texts begin with: in JSON they only say again what their keys say."""
    given, output = INPUT.match(instance.input), OUTPUT.match(instance.output)
    return Instance(
        trimmed(instance.input[given.end() :]) if given else instance.input,
        trimmed(instance.output[output.end() :]) if output else instance.output,
    )


def _given(text: str) -> str:
    """An input without its marker; other field names say what it is and stay."""
    text = trimmed(text)
    while label := INPUT.match(text):
        text = trimmed(text[label.end() :])
    text = trimmed(unfenced(balanced(without_rule(text).rstrip())))
    return text.lstrip() if _FIELD.match(text) else text


def _value(text: str) -> str:
    """An output without a second marker, or a fence that holds nothing but it."""
    text = trimmed(text)
    while again := OUTPUT.match(text):
        text = trimmed(text[again.end() :])
    return trimmed(unfenced(balanced(without_rule(text).rstrip())))
