"""`selfinstruct score`: ROUGE and exact match of predictions that exist already."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tyro.conf import Positional

from jobs.command_line import plain, run
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
        json: File for the scores.
    """

    file: Positional[str]
    prediction: str
    reference: str
    by: str | None = None
    tokeniser: Tokeniser = "rouge"
    json: Path | None = None


def main(argv: Sequence[str] | None = None) -> int:
    """Score a file; returns the exit code."""
    return run("score", ScoreSettings, score, argv)


def score(settings: ScoreSettings) -> int:
    """Print the scores, and write them if asked to."""
    import json

    from selfinstruct.evaluation.scoring import figures, grouped
    from selfinstruct.storage.files import write_file

    scored = _scores(settings)
    overall = figures([scores for _, scores in scored])
    groups = {name: figures(each) for name, each in grouped(scored).items()} if settings.by else {}
    names = ("number", "rougeL", "rouge1", "exact_match")
    width = max(map(len, ["all", *groups]))
    print(" " * width + "".join(f"{name:>13}" for name in names))
    for name, row in {**groups, "all": overall}.items():
        print(f"{plain(name):<{width}}{row['number']:>13}" + "".join(f"{row[key]:>13.4f}" for key in names[1:]))
    if settings.json:
        write_file(
            settings.json, json.dumps({**overall, "groups": groups} if settings.by else overall, indent=1) + "\n"
        )
    return 0


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
        print(f"warning: {warning}", file=sys.stderr)
    scorer = Scorer(settings.tokeniser)
    return [(group, scorer(text, references)) for group, text, references in rows]


if __name__ == "__main__":
    sys.exit(main())
