"""What there is to choose from: the accepted instructions of a run, or the rows of a file.

Their order is the ordinal that decides between equals. A run has its own. A file's rows are taken in the order of their
texts, so that a file in another order gives the same choice.
"""

from __future__ import annotations

from dataclasses import dataclass

from selfinstruct.quality.only import Only
from selfinstruct.records import Origin, Table
from selfinstruct.sources.texts import read_rows, required_text
from selfinstruct.storage.store import RunStore


@dataclass(frozen=True, slots=True)
class Candidate:
    """An instruction of a run by its id (`000012/00345/03`), or a row of a file by file and number."""

    id: str
    text: str


def of_run(store: RunStore, only: Only | None = None) -> list[Candidate]:
    """The accepted instructions that the run's model wrote, in the run's order.

    Of a run with instances, those of which an accepted one passes; of one without, all.

    Args:
        only: Says which instances pass.

    Raises:
        InputError: as of `Only.ids`.
        CorruptError: a file is missing or torn.
    """
    labelled = [number for number in store.rounds(Table.INSTANCES) if number > 0]
    numbers = labelled if labelled or only else [number for number in store.rounds(Table.CANDIDATES) if number > 0]
    found: list[Candidate] = []
    for number in numbers:
        passing = _passing(store, number, only) if labelled else None
        rows = store.read_columns(Table.CANDIDATES, number, ["id", "origin", "text"], accepted_only=True).to_pylist()
        found += [
            Candidate(row["id"], row["text"])
            for row in rows
            if row["origin"] == Origin.MODEL and (passing is None or row["id"] in passing)
        ]
    return found


def _passing(store: RunStore, number: int, only: Only | None) -> set[str]:
    rows = store.read_columns(Table.INSTANCES, number, ["id", "instruction_id"], accepted_only=True).to_pylist()
    ids = only.ids(number) if only else {row["id"] for row in rows}
    return {row["instruction_id"] for row in rows if row["id"] in ids}


def of_file(url: str, field: str) -> list[Candidate]:
    """The texts under a key of a file's rows, in the order of texts.

    Raises:
        InputError: the file cannot be read, or rows lack the text.
    """
    rows = read_rows([url], field, [field])
    found = [(required_text(row.values, field), row.number) for row in rows]
    return [Candidate(f"{url}:{number}", text) for text, number in sorted(found)]
