"""The strategy `document`: a text of the user's, to which an instruction is to be found that it answers.

`sources` of such a request names the text, its licence, and its number, by which it is found again when the instruction
is answered from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from selfinstruct.draws import seed_of
from selfinstruct.prompts import PromptSet
from selfinstruct.records import Candidate, Kind, Proposal, Request
from selfinstruct.steps.strategies.planned import PlannedRequest, PoolView, Strategy
from selfinstruct.steps.strategies.settings import DocumentSettings
from selfinstruct.steps.strategies.slots import Slots


class Named(Protocol):
    """A text, what it is called, and its licence (empty: nobody said)."""

    @property
    def name(self) -> str: ...

    @property
    def text(self) -> str: ...

    @property
    def licence(self) -> str: ...


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
        told = document.licence or self._settings.licence
        licence = (f"{_LICENCE}{told}",) if told else ()
        named = (f"{_NAME}{document.name}", *licence, *sources, f"{_NUMBER}{number}")
        return PlannedRequest(request, Kind.DOCUMENT, (), named)


_NAME, _LICENCE, _NUMBER = "document:", "licence:", "number:"
"""What goes before the name, licence and number of a text in `sources`. No slot has such a name
(`sources.slots.TAKEN`)."""


def named_in(sources: Sequence[str] | None) -> tuple[str | None, str | None]:
    """Name and licence of the text that a row was made from, as far as its `sources` say them."""
    of = [next((each.removeprefix(mark) for each in sources or () if each.startswith(mark)), None) for mark in _TOLD]
    return of[0], of[1]


_TOLD = (_NAME, _LICENCE)


def numbers_of(proposals: Sequence[Proposal]) -> dict[str, int]:
    """The numbers of the texts that requests were made from, by the requests' ids."""
    return {
        row.request_id: int(each.removeprefix(_NUMBER))
        for row in proposals
        for each in row.sources or ()
        if row.strategy == Kind.DOCUMENT and each.startswith(_NUMBER)
    }


class RoundTexts:
    """What the requests of a round showed of texts; each is read again when it is first asked for.

    Args:
        numbers: Of the texts, by the requests' ids.
    """

    def __init__(self, settings: DocumentSettings, documents: Documents, numbers: Mapping[str, int]) -> None:
        self._settings = settings
        self._documents = documents
        self._numbers = numbers
        self._read: dict[str, str | None] = {}

    def __call__(self, instruction: Candidate) -> str | None:
        """The text that an instruction came from, as far as its prompt showed it; None of any other."""
        id = instruction.request_id
        if id is None or id not in self._numbers:
            return None
        if id not in self._read:
            document = self._documents[self._numbers[id]]
            self._read[id] = beginning(document.text, self._settings.longest) if document else None
        return self._read[id]


def beginning(text: str, longest: int) -> str:
    """So many characters of a text at most, ended between two words."""
    if len(text) <= longest:
        return text
    cut = text[: longest + 1]
    return cut[: max(cut.rfind(" "), cut.rfind("\n"))].rstrip() or text[:longest]
