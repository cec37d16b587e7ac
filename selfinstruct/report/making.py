"""A report from beginning to end: read the run once, compute, render."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from selfinstruct.protocols import Track, unseen
from selfinstruct.quality.diversity import diversity_if_possible, measured
from selfinstruct.quality.findings import find
from selfinstruct.quality.only import only_where
from selfinstruct.quality.reference import read_reference
from selfinstruct.quality.sheets import read_sheet, summarise
from selfinstruct.report.figures import Figures, make_figures, verb_figures
from selfinstruct.report.gather import gather, tokeniser_of
from selfinstruct.report.made import made
from selfinstruct.report.overlap import Overlap
from selfinstruct.report.page import render
from selfinstruct.report.settings import FigureSettings
from selfinstruct.report.verbs import open_tagger
from selfinstruct.storage.store import RunStore
from selfinstruct.version import __version__


def make_report(store: RunStore, settings: FigureSettings, track: Track = unseen) -> tuple[Figures, str]:
    """A run's figures and its page in HTML. The page calls the run by the name of its folder.

    Raises:
        InputError: a package or a model is not installed, the review sheet is not of this run, the reference set is an
            evaluation set, or rows cannot be chosen as `only` and `check` say.
        CorruptError: a file of the run is damaged or missing.
    """
    tagged, method = open_tagger(settings.tagger, settings.spacy_model)
    review = summarise(read_sheet(settings.review, store).values()) if settings.review else None
    reference = read_reference(settings.reference, settings.decontaminate, store) if settings.reference else None
    diversity = diversity_if_possible(store, reference)
    tokeniser = tokeniser_of(store)
    overlap = Overlap(tokeniser)
    only = only_where(settings.only, store, settings.check)
    gathered = gather(store, settings, overlap.add, only, track)
    verbs = verb_figures([tagged(text) for text in track("finding verbs", gathered.verb_texts)], method)
    nearest = overlap.nearest(track("finding the nearest", gathered.overlap_ordinals), gathered.seeds)
    name, found = _name(store.blobs.url), find(store, settings.check, only)
    figures = make_figures(name, made(store), gathered, verbs, nearest, review, found, diversity, measured(store))
    return figures, render(figures, gathered, settings, tokeniser, __version__)


def _name(url: str) -> str:
    """What a run is called: its folder's name, wherever that lies."""
    return PurePosixPath(url).name if "://" in url else Path(url).resolve().name
