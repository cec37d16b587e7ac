"""The families length and keyword of CoDI-Eval (Chen et al. 2024, arXiv 2401.00690), from its files as released.

`length_lite.jsonl` has `instruction`, `mode` and `label`, the least and the most words; `keyword_lite.jsonl` has
`instruction`, `label`, a list of words (`a or b` stands for either), and perhaps `anti_label`, a word that must not be
there. As in the released evaluation a preamble that ends in a colon at a line's end is left out, and words of a length
are what white space divides. Keywords are compared there by spaCy's lemmas, and here by Porter stems, so `sat` is no
`sit`: figures of the family keyword come out lower than published ones. The other families, sentiment, topic, both and
toxicity, need classifiers or a hosted service and are left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from selfinstruct.errors import InputError
from selfinstruct.evaluation.questions import Question
from selfinstruct.records import mended
from selfinstruct.sources.rows import Row, parsed
from selfinstruct.sources.texts import required_text

KEYS = ("instruction", "mode", "label", "anti_label")

MODES = ("at most", "at least", "equal to", "around", "between")

_PREAMBLE = re.compile(r":\n\n?(.*)\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Length:
    """A length in words, ends included."""

    question: Question
    mode: str
    least: float
    most: float

    @property
    def told(self) -> str:
        """What is demanded, as JSON."""
        return json.dumps({"mode": self.mode, "label": [self.least, self.most]})

    def verdicts(self, answer: str) -> list[tuple[str, bool]]:
        """Of the family, and of its mode."""
        kept = self.least <= len(_text(answer).split()) <= self.most
        return [("codi length", kept), (f"codi length: {self.mode}", kept)]


@dataclass(frozen=True, slots=True)
class Keywords:
    """Words that must be there in any form, of each tuple one, and a word that must not."""

    question: Question
    words: tuple[tuple[str, ...], ...]
    without: str | None

    @property
    def told(self) -> str:
        """What is demanded, as JSON."""
        return json.dumps({"label": list(map(" or ".join, self.words)), "anti_label": self.without})

    def verdicts(self, answer: str) -> list[tuple[str, bool]]:
        """Of the family, and of its half with or without a forbidden word."""
        stems = _stems(_text(answer))
        kept = all(any(_stems(word) <= stems for word in either) for either in self.words)
        kept = kept and not (self.without and _stems(self.without) <= stems)
        return [("codi keyword", kept), (f"codi keyword: {'one forbidden' if self.without else 'plain'}", kept)]


def read_codi(paths: Sequence[Path]) -> list[Length | Keywords]:
    """The questions of released files, in their order.

    Raises:
        InputError: a file cannot be read, is there twice, or has rows of another form; the first 20 are named.
    """
    if len({path.name for path in paths}) < len(paths):
        raise InputError("--codi: two files have the same name; questions are called after their files")
    return list(parsed(map(str, paths), _question, "holds no instruction", columns=KEYS, required="instruction"))


def _question(row: Row) -> Length | Keywords:
    instruction, label = mended(required_text(row.values, "instruction")), row.values.get("label")
    name = f"{Path(row.url).name.partition('.')[0]}/{row.number:05d}"
    if not isinstance(label, list) or not label:
        raise ValueError("'label' must be a list of two numbers, or of words")
    if "mode" in row.values:
        mode = row.values["mode"]
        if mode not in MODES or len(label) != 2 or not all(_is_number(each) for each in label):
            raise ValueError(f"'mode' must be one of {', '.join(MODES)}, and 'label' the least and the most words")
        return Length(Question(name, name, "length", instruction, "", ()), mode, label[0], label[1])
    without = row.values.get("anti_label")
    if not all(isinstance(each, str) and each.strip() for each in [*label, *([] if without is None else [without])]):
        raise ValueError("'label' must be a list of words, and 'anti_label' a word")
    words = tuple(tuple(mended(each).split(" or ")) for each in label)
    return Keywords(Question(name, name, "keyword", instruction, "", ()), words, without and mended(without))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _text(answer: str) -> str:
    found = _PREAMBLE.search(answer)
    return (found[1] if found else answer).strip()


def _stems(text: str) -> set[str]:
    return set(_tokenizer().tokenize(text))


@cache
def _tokenizer() -> Any:
    from rouge_score.tokenizers import DefaultTokenizer

    return DefaultTokenizer(use_stemmer=True)
