"""A report from beginning to end: read the run once, compute, render."""

from __future__ import annotations

from pathlib import Path

from selfinstruct.errors import InputError
from selfinstruct.records import Table
from selfinstruct.report.figures import Figures, make_figures, verb_figures
from selfinstruct.report.gather import gather, identity, tokeniser_of
from selfinstruct.report.overlap import Overlap
from selfinstruct.report.page import render
from selfinstruct.report.review import ReviewFigures, read_answers, summarise
from selfinstruct.report.settings import FigureSettings
from selfinstruct.report.verbs import open_tagger
from selfinstruct.storage.lineage import known_ids
from selfinstruct.storage.store import RunStore
from selfinstruct.version import __version__


def make_report(store: RunStore, settings: FigureSettings, name: str) -> tuple[Figures, str]:
    """A run's figures and its page in HTML. The page calls the run by `name`.

    Raises:
        InputError: a package or a model is not installed, or the review sheet is not of this run.
        CorruptError: a file of the run is damaged or missing.
    """
    find, method = open_tagger(settings.tagger, settings.spacy_model)
    review = _review(settings.review, store) if settings.review else None
    tokeniser = tokeniser_of(store)
    overlap = Overlap(tokeniser)
    gathered = gather(store, settings, overlap.add)
    verbs = verb_figures([find(text) for text in gathered.verb_texts], method)
    nearest = overlap.nearest(gathered.overlap_ordinals, gathered.seeds)
    figures = make_figures(name, gathered, verbs, nearest, review)
    return figures, render(figures, gathered, settings, tokeniser, __version__)


def _review(path: Path, store: RunStore) -> list[ReviewFigures]:
    """The figures of a filled-in sheet. InputError if it answers for instances that the run does not have."""
    answers = read_answers(path, identity(store))
    strangers = sorted(answers.keys() - known_ids(store, Table.INSTANCES, answers))
    if strangers:
        raise InputError(f"{path}: this run has no instance {', '.join(map(repr, strangers[:3]))}")
    return summarise(answers.values())
