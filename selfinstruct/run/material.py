"""What strategies make requests of beside seeds and pool, made ready before any work: values for slots, texts of the
user's, and the cells of instructions."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from selfinstruct.errors import InputError
from selfinstruct.prompts import PromptSet
from selfinstruct.run.settings import StepSettings
from selfinstruct.settings import Facts
from selfinstruct.sources.corpus import Columns, Corpus
from selfinstruct.sources.slots import read_slots
from selfinstruct.steps.strategies.document import Document, Documents
from selfinstruct.steps.strategies.listed import Paper, Spread
from selfinstruct.steps.strategies.mix import Mix
from selfinstruct.steps.strategies.planned import Strategy
from selfinstruct.steps.strategies.settings import TextFiles
from selfinstruct.steps.strategies.single import Evolve, Query
from selfinstruct.steps.strategies.slots import Slot, Slots


@dataclass(frozen=True, slots=True)
class Material:
    """What a run's recipe names.

    Attributes:
        cells: Says in which cell each of some texts lies.
        facts: Digests of it, by the names of the options.
    """

    slots: Slots = field(default_factory=Slots)
    documents: Documents | None = None
    cells: Callable[[Sequence[str]], Sequence[int]] | None = None
    facts: Facts = field(default_factory=dict)


def read_material(settings: StepSettings) -> Material:
    """Read what the settings name.

    Raises:
        InputError: something of it cannot be read.
    """
    values = read_slots(settings.slots)
    slots = {name: Slot(each.values, each.names, each.ends) for name, each in values.items()}
    facts: dict[str, str | int] = {f"slots.{name}": each.digest for name, each in values.items()}
    given, documents, cells = settings.documents, None, None
    if given.files:
        documents = corpus_of(given, settings.seed)
        facts |= {"documents": documents.digest, "documents.longest": given.longest, "documents.licence": given.licence}
    if settings.strategies.spread:
        cells, facts["cells"] = _cells()
    return Material(Slots(settings.seed, slots), documents, cells, facts)


def corpus_of(given: TextFiles, run_seed: int) -> Corpus:
    """The texts of a run, in its order. InputError: as of `Corpus`."""
    return Corpus(given.files, Columns(given.column, given.id, given.licence_column), run_seed)


def _cells() -> tuple[Callable[[Sequence[str]], Sequence[int]], str]:
    """What finds the cells of texts, and the digest of all that it depends on."""
    from selfinstruct.semantic.cells import cells_of, centres  # late: they bring numpy
    from selfinstruct.semantic.table import shipped_table

    try:
        table = shipped_table()
    except InputError as error:
        raise InputError(*(f"strategies.spread: {problem}" for problem in error.problems)) from None
    digest = hashlib.sha256(table.digest.encode() + centres().tobytes()).hexdigest()
    return lambda texts: cells_of(table.embed(texts)).tolist(), digest


def mix_of(settings: StepSettings, prompts: PromptSet, material: Material) -> Mix:
    """The strategies of a run."""
    seed, slots, shares = settings.seed, material.slots, settings.strategies.shares
    make: Mapping[str, Callable[[], Strategy]] = {
        "paper": lambda: Paper(settings.propose, seed, prompts, slots),
        "spread": lambda: Spread(settings.spread, seed, prompts, slots),
        "query": lambda: Query(seed),
        "evolve": lambda: Evolve(seed, prompts, slots),
    }
    return Mix(
        seed, shares, {name: make[name]() for name in shares if name in make}, _document(settings, prompts, material)
    )


def _document(settings: StepSettings, prompts: PromptSet, material: Material) -> Document | None:
    if material.documents is None:
        return None
    seed, slots = settings.seed, material.slots
    otherwise = Paper(settings.propose, seed, prompts, slots)
    return Document(settings.documents, seed, prompts, slots, material.documents, otherwise)
