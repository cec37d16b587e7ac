"""How a report is made. No heavy imports, so that `--help` starts at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from selfinstruct.quality.settings import OnlySettings
from selfinstruct.settings import SEEDS, option


@dataclass(frozen=True, kw_only=True)
class FigureSettings(OnlySettings):
    """How many rows of a run are drawn by lot; counts and sums are over all rows.

    Args:
        review: A filled-in review sheet (.json or .csv, as the page saves it) to read back.
        seed: Seed of all that is drawn by lot.
        rows: Accepted instructions to browse.
        rejected: Rejected rows to browse for each reason (three times as many for `similar`).
        review_rows: Instances on the review sheet.
        verb_rows: Instructions in which the verb and its object are looked for.
        overlap_rows: Instructions whose nearest texts are looked for, each in the whole pool.
        tagger: What finds verbs and objects: textblob (its built-in lexicon) or spacy (needs to be installed).
        spacy_model: Name or folder of the spaCy model.
        reference: Texts (.jsonl, .json, .parquet) to which the run is held: how near does it come to each of them?
        decontaminate: Evaluation sets, with which the reference may have nothing in common.
    """

    review: Path | None = None
    seed: int = option(0, least=SEEDS[0], most=SEEDS[1])
    rows: int = option(100, least=0)
    rejected: int = option(20, least=0)
    review_rows: int = option(200, least=0)
    verb_rows: int = option(20_000, least=0)
    overlap_rows: int = option(500, least=0)
    tagger: Literal["textblob", "spacy"] = "textblob"
    spacy_model: str = "en_core_web_sm"
    reference: str | None = None
    decontaminate: tuple[str, ...] = ()

    def problems(self) -> Iterator[str]:
        """What is wrong with the options together."""
        if self.decontaminate and self.reference is None:
            yield "decontaminate: goes with --reference"
