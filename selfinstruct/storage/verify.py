"""Is a run whole, and is it the same as another one? Both read every row of every file.

Each file is held against what it says about itself, and against what the files made after it say about it. What this
cannot see: a newest file that somebody replaced by another, well-formed one, metadata and all.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence

from selfinstruct.errors import CorruptError
from selfinstruct.protocols import Track, unseen
from selfinstruct.records import Candidate, InstanceRow, Label, Proposal, RoundFile, Row, Table, round_name
from selfinstruct.storage.accounts import tally
from selfinstruct.storage.checks import check_problems
from selfinstruct.storage.store import (
    FIRST,
    NAME,
    UPGRADE,
    Metadata,
    RunStore,
    decode,
    name_of,
    one_line,
    sha256,
    source_of,
)
from selfinstruct.storage.tables import NewerRowsError, content_digest

BEGINNING = (Table.CANDIDATES, 0)
"""The first file of a run; the instances that came with its tasks follow at once."""

MOST_MISSING = 100
"""Rounds that may be missing one after the other; a file after more of them is not of this run."""

INCOMPLETE = (
    "the run's beginning is incomplete, instances/000000.parquet is missing; the same command goes on, and"
    " `selfinstruct repair` takes it back"
)


def digest(store: RunStore, without: Collection[str] = (), track: Track = unseen) -> str:
    """SHA-256 (hex) over the content of all tables: equal for runs with the same data. CorruptError as of `read`.

    Args:
        without: Columns that are left out (`instances.origin`). Files have the columns of the version that wrote them:
            runs of two versions are compared without what the older one did not have.
    """
    total = hashlib.sha256()
    for table in Table:
        for number in track(f"reading {table}", store.rounds(table)):
            rows = store.read_table(table, number)
            kept = [name for name in rows.column_names if f"{table}.{name}" not in without]
            total.update(f"{name_of(table, number)} {content_digest(rows.select(kept))}\n".encode())
    return total.hexdigest()


def verify(store: RunStore, track: Track = unseen) -> list[str]:
    """All that is wrong with a run's files, one line each, beginning with the file's name; empty when it is whole.

    Finds missing, torn, altered, foreign and swapped files, counts that do not sum, rows that were lost or doubled
    between requests, candidates and instances, and checks of instances that are not those of the run. One round is held
    at a time.
    """
    return [*_Walk(store).problems(track), *check_problems(store)]


NEWER = "newer than this program: "
"""With this begins what is wrong with a file that nothing is wrong with."""


class _Walk:
    """One pass over a run, by rounds. `digests` and `totals` are those of the files seen so far."""

    def __init__(self, store: RunStore) -> None:
        self.blobs = store.blobs
        self.names = {table: self.blobs.names(table) for table in Table}
        found = {
            table: sorted(int(match[1]) for match in map(NAME.fullmatch, names) if match)
            for table, names in self.names.items()
        }
        self.present = {(table, number) for table in Table for number in _in_sequence(found[table], FIRST[table])}
        self.fingerprint: str | None = None
        self.digests: dict[tuple[Table, int], str] = {}
        self.totals: dict[Table, tuple[int, Counter[str]]] = {}

    def problems(self, track: Track) -> Iterator[str]:
        yield from self._foreign()
        if self.present == {BEGINNING}:
            yield f"{name_of(*BEGINNING)}: {INCOMPLETE}"
        needed = self._needed()
        for number in track("verifying", range(max((number for _, number in self.present), default=-1) + 1)):
            files = {}
            for table in Table:
                key = (table, number)
                if key in needed - self.present:
                    yield f"{name_of(*key)}: missing, later files follow from it"
                elif key in self.present:
                    files[table] = yield from self._file(*key)
            yield from _accounts({table: file for table, file in files.items() if file})

    def _foreign(self) -> Iterator[str]:
        for table, names in self.names.items():
            known = {f"{round_name(number)}.parquet" for of, number in self.present if of is table}
            for name in names:
                if name not in known:
                    far = (match := NAME.fullmatch(name)) and int(match[1]) >= FIRST[table]
                    why = f"more than {MOST_MISSING} rounds before it are missing" if far else "no round has this name"
                    yield f"{table}/{name}: foreign, {why}"

    def _needed(self) -> set[tuple[Table, int]]:
        """The files before the newest of each table, and those that a file was made from."""
        begun = {BEGINNING} if self.present else set()
        before = {(table, n) for table, newest in self.present for n in range(FIRST[table], newest)}
        return begun | before | {source for key in self.present if (source := source_of(*key))}

    def _file(self, table: Table, number: int) -> Generator[str, None, RoundFile | None]:
        """The problems of one file; returns its content if it can be read."""
        name = name_of(table, number)
        try:
            data = self.blobs.get(name)
        except KeyError:
            yield f"{name}: missing, it went away meanwhile"
            return None
        except CorruptError as error:
            yield f"{name}: torn, altered or foreign: {one_line(error)}"
            return None
        self.digests[table, number] = sha256(data)
        try:
            metadata, file = decode(data, table, number)
        except NewerRowsError as error:
            yield f"{name}: {NEWER}{error}; {UPGRADE}"
            return None
        except Exception as error:  # damaged bytes make pyarrow raise nearly anything
            yield f"{name}: torn, altered or foreign: {one_line(error)}"
            return None
        problems = [*self._links(metadata), *self._sums(metadata, file), *_own_ids(file)]
        yield from (f"{name}: {problem}" for problem in problems)
        return file

    def _links(self, metadata: Metadata) -> Iterator[str]:
        self.fingerprint = self.fingerprint or metadata.fingerprint
        if metadata.fingerprint != self.fingerprint:
            yield "foreign, its fingerprint is not that of the files before it"
        table, number = metadata.table, metadata.round
        before = (table, number - 1) if number > FIRST[table] else None
        for key, recorded in ((before, metadata.previous), (source_of(table, number), metadata.source)):
            if (recorded is None) != (key is None):
                yield "foreign, it does not say what it follows, or says so where nothing goes before"
            elif key and self.digests.get(key, recorded) != recorded:
                yield f"{name_of(*key)} was altered since: it is not the file that this one was made after"

    def _sums(self, metadata: Metadata, file: RoundFile) -> Iterator[str]:
        counts = tally(file)
        if counts != Counter(metadata.counts):
            yield "its counts are not those of its rows"
        at, total = self.totals.get(file.table, (FIRST[file.table] - 1, Counter()))
        if at == file.round - 1 and total + counts != Counter(metadata.total):
            yield "its total is not the sum of the counts up to it"
        self.totals[file.table] = (file.round, Counter(metadata.total))


def _in_sequence(numbers: Sequence[int], first: int) -> Iterator[int]:
    """The numbers from the first one on, up to where more are missing than a run can have lost."""
    end = first
    for number in numbers:
        if number - end > MOST_MISSING:
            return
        if number >= first:
            yield number
            end = number + 1


def _own_ids(file: RoundFile) -> Iterator[str]:
    if any(row.round != file.round for row in file.rows):
        yield "foreign, it has rows of another round"
    doubled = [id_ for id_, times in Counter(map(_id, file.rows)).items() if times > 1]
    if doubled:
        yield f"{len(doubled)} ids occur more than once, {doubled[0]} for one"


def _accounts(files: Mapping[Table, RoundFile]) -> Iterator[str]:
    """Within a round nothing is lost and nothing comes from nowhere, between those of its files that are there."""
    ids = {table: _outgoing(file) for table, file in files.items()}
    origins = {table: _incoming(file) for table, file in files.items()}
    for table, source, what in (
        (Table.CANDIDATES, Table.PROPOSALS, "requests"),
        (Table.INSTANCES, Table.CANDIDATES, "accepted instructions"),
    ):
        if table not in files or source not in files:
            continue
        name, other = name_of(table, files[table].round), name_of(source, files[source].round)
        yield from _difference(f"{name}: lacks {what} of {other}", ids[source] - origins[table])
        yield from _difference(f"{name}: has {what} that are not in {other}", origins[table] - ids[source])


def _difference(problem: str, ids: set[str | None]) -> Iterator[str]:
    if ids:
        yield f"{problem} ({len(ids)}: {min(map(str, ids))} for one)"


def _id(row: Row) -> str:
    return row.request_id if isinstance(row, Proposal | Label) else row.id


def _outgoing(file: RoundFile) -> set[str | None]:
    """Ids that the next table of the round must account for."""
    return {_id(row) for row in file.rows if isinstance(row, Proposal) or (isinstance(row, Candidate) and row.accepted)}


def _incoming(file: RoundFile) -> set[str | None]:
    """Ids of the table before that this one accounts for."""
    owed = {row.request_id for row in file.rows if isinstance(row, Candidate)}
    return owed | {row.instruction_id for row in file.rows if isinstance(row, InstanceRow)}
