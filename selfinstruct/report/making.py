"""A report from beginning to end: read the run once, compute, render."""

from __future__ import annotations

from selfinstruct.quality.diversity import diversity_if_possible
from selfinstruct.quality.findings import find
from selfinstruct.quality.only import only_where
from selfinstruct.quality.reference import read_reference
from selfinstruct.quality.sheets import read_sheet, summarise
from selfinstruct.report.figures import Figures, make_figures, verb_figures
from selfinstruct.report.gather import gather, tokeniser_of
from selfinstruct.report.overlap import Overlap
from selfinstruct.report.page import render
from selfinstruct.report.settings import FigureSettings
from selfinstruct.report.verbs import open_tagger
from selfinstruct.storage.store import RunStore
from selfinstruct.version import __version__


def make_report(store: RunStore, settings: FigureSettings, name: str) -> tuple[Figures, str]:
    """A run's figures and its page in HTML. The page calls the run by `name`.

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
    gathered = gather(store, settings, overlap.add, only)
    verbs = verb_figures([tagged(text) for text in gathered.verb_texts], method)
    nearest = overlap.nearest(gathered.overlap_ordinals, gathered.seeds)
    figures = make_figures(name, gathered, verbs, nearest, review, find(store, settings.check, only), diversity)
    return figures, render(figures, gathered, settings, tokeniser, __version__)
