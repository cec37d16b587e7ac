"""The strategy `document`: a text of the user's, to which an instruction is to be found that it answers."""

from __future__ import annotations

from typing import Protocol

from selfinstruct.draws import seed_of
from selfinstruct.prompts import PromptSet
from selfinstruct.records import Kind, Request
from selfinstruct.steps.strategies.planned import PlannedRequest, PoolView, Strategy
from selfinstruct.steps.strategies.settings import DocumentSettings
from selfinstruct.steps.strategies.slots import Slots


class Named(Protocol):
    """A text and what it is called."""

    @property
    def name(self) -> str: ...

    @property
    def text(self) -> str: ...


class Documents(Protocol):
    """Texts by number, in the order in which they are given out."""

    def __len__(self) -> int: ...

    def __getitem__(self, number: int) -> Named | None: ...


class Document:
    """Request number n of this strategy gets document number n, so each document is used once.

    Where there is no document left, or its row holds no text, `otherwise` plans the request, and its name is there.
    """

    def __init__(
        self,
        settings: DocumentSettings,
        run_seed: int,
        prompts: PromptSet,
        slots: Slots,
        documents: Documents,
        otherwise: Strategy,
    ) -> None:
        self._settings = settings
        self._run_seed = run_seed
        self._prompt = prompts[Kind.DOCUMENT]
        self._slots = slots
        self._documents = documents
        self._otherwise = otherwise

    def plan(self, id: str, view: PoolView, number: int) -> PlannedRequest:
        """The propose request of this id, the run's `number`-th of this strategy (0 is the first)."""
        document = self._documents[number] if number < len(self._documents) else None
        if document is None:
            return self._otherwise.plan(id, view)
        values, sources = self._slots.drawn(id, self._prompt.slots)
        suffix = self._prompt.fill(document=beginning(document.text, self._settings.longest), **values)
        request = Request(id, Kind.DOCUMENT, suffix, seed_of("request", self._run_seed, id))
        licence = (f"licence:{self._settings.licence}",) if self._settings.licence else ()
        return PlannedRequest(request, Kind.DOCUMENT, (), (f"document:{document.name}", *licence, *sources))


def beginning(text: str, longest: int) -> str:
    """So many characters of a text at most, ended between two words."""
    if len(text) <= longest:
        return text
    cut = text[: longest + 1]
    return cut[: max(cut.rfind(" "), cut.rfind("\n"))].rstrip() or text[:longest]
