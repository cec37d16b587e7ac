"""What a dataset's card tells of, as values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from selfinstruct.export.provenance import Licences
from selfinstruct.quality.constraints import Kept
from selfinstruct.records import Origin, Table
from selfinstruct.run.makers import Makers
from selfinstruct.settings import Facts


@dataclass(frozen=True, slots=True)
class Written:
    """What was written of a form and split.

    Attributes:
        schema: The columns, a `pa.Schema`.
        memory: Bytes of the rows in memory, as Arrow.
        files: Bytes of the files.
    """

    schema: Any
    rows: int
    memory: int
    files: int


@dataclass(frozen=True, slots=True)
class PairCounts:
    """Pairs for preference tuning by split, and how many instructions have none."""

    rows: Mapping[str, int]
    without: int


@dataclass(frozen=True, slots=True)
class Contents:
    """What a card tells of."""

    name: str  # the folder's, or the repository's as owner/name
    edition: str  # other data, other edition
    rows: Mapping[str, int]  # by split; splits without rows are left out
    written: Mapping[str, Mapping[str, Written]]  # by form and split
    origins: Sequence[Origin]
    languages: Sequence[str]  # codes of ISO 639; empty: nobody said
    makers: Sequence[Makers]
    licences: Licences
    facts: Facts
    totals: Mapping[Table, Counter[str]]
    finished_rounds: int
    seed: int
    validation: float
    quality: str  # what checks say of the run's rows, or that nobody looked
    contamination: Sequence[str]  # what was checked against what, and what was found; empty: nothing was checked
    documents: Mapping[str, int]  # rows that came of documents, by the documents' licence (empty: nobody said it)
    constraints: Sequence[Kept] = ()  # how often the run's constraints were kept; empty: there are none
    pairs: PairCounts | None = None
    rated: bool = False  # rows say which share of their instruction's rows passes the check
    thoughts: bool = False  # rows say what the model thought
    best: bool = False  # there is one row for each instruction

    @property
    def local(self) -> str:
        """The name as a path: a folder's beside which one stands, or the repository's."""
        return self.name if "/" in self.name else f"./{self.name}"

    @property
    def short(self) -> str:
        """The name without its owner."""
        return self.name.rpartition("/")[2]
