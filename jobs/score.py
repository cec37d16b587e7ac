"""`selfinstruct score`: ROUGE and exact match of predictions that exist already."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tyro.conf import Positional

from jobs.command_line import run
from jobs.commands import Command, Outcome
from jobs.panel import track
from jobs.terminal import plain
from jobs.voice import log
from selfinstruct.novelty.rouge import Tokeniser

if TYPE_CHECKING:
    from selfinstruct.evaluation.scoring import Scores


@dataclass(frozen=True)
class ScoreSettings:
    """Score a file of predictions as the scorer of Super-NaturalInstructions does; each score is a mean times 100.

    Args:
        file: JSON lines (.jsonl; .json and .parquet, too), one object for each prediction.
        prediction: The field that holds the prediction, a text.
        reference: The field that holds the reference: a text, or a list of them of which the best counts.
        by: Score each group of rows with an equal value of this field, too.
        tokeniser: rouge (ASCII letters and digits, as that scorer) or unicode (words of any script; English words still
            by their stems).
    """

    file: Positional[str]
    prediction: str
    reference: str
    by: str | None = None
    tokeniser: Tokeniser = "rouge"


COMMAND = Command(
    "score",
    ScoreSettings,
    examples=(
        "selfinstruct score predictions.jsonl --prediction response --reference target",
        "selfinstruct score predictions.jsonl --prediction response --reference target --by task --json",
    ),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Score a file; returns the exit code."""
    return run(COMMAND, score, argv)


def score(settings: ScoreSettings) -> Outcome:
    """Print the scores."""
    from selfinstruct.evaluation.scoring import figures, grouped

    scored = _scores(settings)
    overall = figures([scores for _, scores in scored])
    groups = {name: figures(each) for name, each in grouped(scored).items()} if settings.by else {}
    names = ("number", "rougeL", "rouge1", "exact_match")
    width = max(map(len, ["all", *groups]))
    print(" " * width + "".join(f"{name:>13}" for name in names))
    for name, row in {**groups, "all": overall}.items():
        print(f"{plain(name):<{width}}{row['number']:>13}" + "".join(f"{row[key]:>13.4f}" for key in names[1:]))
    return Outcome({**overall, "groups": groups} if settings.by else overall)


def _scores(settings: ScoreSettings) -> list[tuple[str, Scores]]:
    """Each row's group and scores."""
    from selfinstruct.evaluation.scoring import Scorer
    from selfinstruct.novelty import letters
    from selfinstruct.sources.rows import Row, parsed
    from selfinstruct.sources.texts import required_text, text_or_texts

    def prediction(row: Row) -> tuple[str, str, list[str]]:
        text = required_text(row.values, settings.prediction, any_text=True)
        references = text_or_texts(row.values, settings.reference)
        if not references:
            raise ValueError(f"--reference {settings.reference!r} must be a text, or a list of texts")
        if settings.by and settings.by not in row.values:
            raise ValueError(f"there is no field {settings.by!r}; name another one with --by")
        return str(row.values[settings.by]) if settings.by else "", text, references

    columns = [settings.prediction, settings.reference, settings.by or settings.prediction]
    nothing = "holds no prediction"
    rows = list(parsed([settings.file], prediction, nothing, columns=columns, required=settings.prediction))
    texts = [text for _, said, references in rows for text in (said, *references)]
    for warning in letters.warnings({"the set": texts}, settings.tokeniser, "tokeniser"):
        log.warning(warning)
    scorer = Scorer(settings.tokeniser)
    return [(group, scorer(text, references)) for group, text, references in track("scoring", rows)]


if __name__ == "__main__":
    sys.exit(main())
