"""A check in numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from selfinstruct.quality.judging import overall
from selfinstruct.quality.rubric import ALL
from selfinstruct.records import Judgement
from selfinstruct.storage.checks import CheckSet


@dataclass(frozen=True, slots=True)
class Tally:
    """How often each question, and all of them together, were answered in which way."""

    rows: int
    by_question: Mapping[str, Mapping[Judgement, int]]
    tokens: int  # of prompts and answers


def tally(checks: CheckSet) -> Tally:
    """Count a check's judgements. CorruptError as of `CheckSet.read`."""
    rows = tokens = 0
    counts: dict[str, Counter[Judgement]] = {key: Counter() for key in (*checks.questions, ALL)}
    for number in checks.rounds():
        for row in checks.read(number):
            rows += 1
            tokens += row.prompt_tokens + row.completion_tokens
            for key, said in zip(checks.questions, row.judgements, strict=True):
                counts[key][Judgement(said)] += 1
            counts[ALL][overall(row.judgements)] += 1
    return Tally(rows, {key: {each: said[each] for each in Judgement} for key, said in counts.items()}, tokens)
