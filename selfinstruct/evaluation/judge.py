"""A model as a rater: it sees what people see of each response, and names one of the four levels.

An answer that does not begin with a level is unparsable: it is counted, but gives no rating. Decoding is greedy; the
prompt is `judge.txt`, or the user's own with the same placeholders. Whether such a judge is worth anything shows in its
agreement with people, which `selfinstruct rate read` puts next to theirs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from selfinstruct.errors import InputError
from selfinstruct.evaluation.predictions import Prediction
from selfinstruct.evaluation.questions import fill
from selfinstruct.evaluation.ratings import Ratings
from selfinstruct.sources.files import read_text

PROMPT = Path(__file__).with_name("judge.txt")
PLACEHOLDERS = ("{instruction}", "{input}", "{target}", "{response}")
NONE = "(none)"

_LEVEL = re.compile(
    r"""\W* (?: (?:the\s+)? (?:grade|rating|level|answer) (?:\s+is)? \W+ )?  # "Grade:", "The answer is"
    ([A-D]) (?! \w | \s*/ | \s+or\b ) (?! (?<=a) [ ]+ [a-z] )              # not "B or C"; "A" may be an article
    """,
    re.VERBOSE | re.IGNORECASE,
)


def read_judge_prompt(path: Path) -> str:
    """The text of a judge's prompt, without white space at its end.

    Raises:
        InputError: it cannot be read, or lacks a placeholder.
    """
    text = read_text(str(path)).rstrip()
    missing = [placeholder for placeholder in PLACEHOLDERS if placeholder not in text]
    if missing:
        raise InputError(f"--prompt: {path} must hold {', '.join(missing)}")
    return text


def judge_text(template: str, prediction: Prediction) -> str:
    """The prompt about one response."""
    return fill(
        template,
        instruction=prediction.instruction.strip(),
        input=prediction.input.strip() or NONE,
        target="\n".join(prediction.targets).strip() or NONE,
        response=prediction.response.strip() or NONE,
    )


def parse_level(text: str) -> str | None:
    """The level that an answer begins with; None where there is none."""
    found = _LEVEL.match(text)
    if not found:
        return None
    letter = found[1]
    alone = not text[found.end() :].strip(" .)*\n")
    return letter.upper() if letter.isupper() or alone else None  # a small letter only where it is all


def judged(judge: str, answers: Mapping[str, str]) -> Ratings:
    """A judge's answers, by the id of the response, as ratings."""
    levels = {id: parse_level(text) for id, text in answers.items()}
    return Ratings(
        judge,
        is_model=True,
        levels={id: level for id, level in levels.items() if level},
        unparsable=sum(level is None for level in levels.values()),
    )


def different(predictions: Sequence[Prediction]) -> list[Prediction]:
    """Each response to a task once, however many models gave it."""
    return list({each.id: each for each in predictions}.values())
