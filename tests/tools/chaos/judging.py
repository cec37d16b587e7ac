"""Whether a folder holds the whole run and nothing else, and how many answers are kept in it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from selfinstruct.errors import CorruptError
from selfinstruct.records import RoundFile, Table
from selfinstruct.settings import digest_of
from selfinstruct.storage.checks import check_sets
from selfinstruct.storage.store import RunStore
from selfinstruct.storage.verify import digest, verify


def content(store: RunStore) -> str:
    """What a run holds, its checks too."""
    judged = [
        f"{checks.file(number)} {digest_of([asdict(row) for row in checks.read(number)])}"
        for checks in check_sets(store)
        for number in checks.rounds()
    ]
    return "\n".join([digest(store), *judged])


def problems(folder: Path, expected: str) -> list[str]:
    """In what it differs from the run with this content, that nobody disturbed."""
    store = RunStore(str(folder))
    try:
        found = verify(store)
        if not found and content(store) != expected:
            found = ["not the run that it is without kills"]
    except CorruptError as error:
        found = [str(error)]
    left = [str(path) for path in folder.rglob(".*") if path.is_file()]
    return [*found, *(f"{path} is left in staging" for path in left)]


def kept(folder: Path) -> int:
    """Answers of the model that are in files."""
    store = RunStore(str(folder))

    def rows(table: Table) -> int:
        files: list[RoundFile] = [store.read(table, number) for number in store.rounds(table)]
        return sum(len(file.rows) for file in files)

    return rows(Table.PROPOSALS) + rows(Table.LABELS)
