"""`selfinstruct report`: a run as one HTML page, and its figures as JSON."""

from __future__ import annotations

import dataclasses
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tyro.conf import Positional

from jobs.command_line import run
from selfinstruct.errors import InputError

if TYPE_CHECKING:
    from selfinstruct.report.review import ReviewFigures
    from selfinstruct.storage.store import RunStore


@dataclass(frozen=True)
class ReportSettings:
    """Make one HTML page of a run: figures beside the paper's, rows to browse, a quality review to fill in.

    Args:
        run: Folder of the run.
        out: The page to write; one that is there is replaced.
        json: Write the figures to this file, too.
        review: A filled-in review sheet (.json or .csv, as the page saves it) to read back.
        seed: Seed of what is drawn by lot.
        rows: Accepted instructions to browse.
        rejected: Rejected rows to browse, of each reason (of similar ones three times as many).
        review_rows: Instances on the review sheet.
        verb_rows: Instructions whose verb and object are looked for.
        overlap_rows: Instructions whose nearest texts are looked for, each in the whole pool.
        tagger: What finds verbs and objects: textblob (its built-in lexicon) or spacy (to be installed, with a model).
        spacy_model: Name or folder of the spaCy model.
    """

    run: Positional[str]
    out: Path = Path("report.html")
    json: Path | None = None
    review: Path | None = None
    seed: int = 0
    rows: int = 100
    rejected: int = 20
    review_rows: int = 200
    verb_rows: int = 20_000
    overlap_rows: int = 500
    tagger: Literal["textblob", "spacy"] = "textblob"
    spacy_model: str = "en_core_web_sm"


def main(argv: Sequence[str] | None = None) -> int:
    """Make a report; returns the exit code."""
    return run("report", ReportSettings, report, argv)


def report(settings: ReportSettings) -> int:
    """Read the run once, compute, write."""
    import json

    from selfinstruct.records import Table
    from selfinstruct.report.figures import make_figures, verb_figures
    from selfinstruct.report.gather import DrawSettings, gather
    from selfinstruct.report.overlap import Overlap
    from selfinstruct.report.page import render
    from selfinstruct.report.verbs import open_tagger
    from selfinstruct.storage.store import open_run
    from selfinstruct.version import __version__

    _check(settings)
    find, method = open_tagger(settings.tagger, settings.spacy_model)
    store = open_run(settings.run)
    review = _review(settings.review, store) if settings.review else None
    begun = store.metadata(Table.CANDIDATES, 0)
    tokeniser = str(begun.notes.get("facts", {}).get("novelty.tokeniser", "rouge"))
    overlap = Overlap(tokeniser)
    draws = DrawSettings(
        seed=settings.seed,
        rows=settings.rows,
        rejected=settings.rejected,
        review=settings.review_rows,
        verbs=settings.verb_rows,
        overlap=settings.overlap_rows,
    )
    gathered = gather(store, draws, overlap.add)
    verbs = verb_figures([find(text) for text in gathered.verb_texts], method)
    nearest = overlap.nearest(gathered.overlap_ordinals, gathered.seeds)
    figures = make_figures(settings.run.rstrip("/"), gathered, verbs, nearest, review)
    _write(settings.out, render(figures, gathered, draws, tokeniser, __version__))
    print(f"{settings.out}: {figures.accepted:,} instructions, {figures.instances:,} instances")
    if settings.json:
        _write(settings.json, json.dumps(dataclasses.asdict(figures), indent=1, ensure_ascii=False) + "\n")
        print(f"{settings.json}: the figures")
    for each in review or ():
        if each.share is not None and each.low is not None and each.high is not None:
            share = f"{each.share:.0%} yes ({each.low:.0%} to {each.high:.0%})"
            print(f"  {each.question} {share} of {each.answered}; the paper {each.paper:.0%}")
    return 0


def _check(settings: ReportSettings) -> None:
    counts = ("rows", "rejected", "review_rows", "verb_rows", "overlap_rows")
    problems = [
        f"--{key}: is {getattr(settings, key)}, must be at least 0" for key in counts if getattr(settings, key) < 0
    ]
    for key, path in (("out", settings.out), ("json", settings.json)):
        if path is not None and (path.is_dir() or not path.absolute().parent.is_dir()):
            problems.append(f"--{key}: {path} must be a file in a folder that is there")
    if problems:
        raise InputError(*problems)


def _review(path: Path, store: RunStore) -> list[ReviewFigures]:
    """The figures of a filled-in sheet. InputError for answers about instances that the run does not have."""
    from selfinstruct.records import Table
    from selfinstruct.report.gather import identity
    from selfinstruct.report.review import read_answers, summarise
    from selfinstruct.storage.lineage import known_ids

    answers = read_answers(path, identity(store))
    strangers = sorted(answers.keys() - known_ids(store, Table.INSTANCES, answers))
    if strangers:
        raise InputError(f"{path}: this run has no instance {', '.join(map(repr, strangers[:3]))}")
    return summarise(answers.values())


def _write(path: Path, text: str) -> None:
    """Replace a file at once, so that nobody sees half of it."""
    handle, name = tempfile.mkstemp(dir=path.absolute().parent, prefix=".report-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(name, 0o666 & ~umask)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


if __name__ == "__main__":
    sys.exit(main())
