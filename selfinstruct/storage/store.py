"""A run on disk: four tables, one Parquet file per table and round, each committed once and never changed.

The name of a file is the transaction (`blobs.Blobs.put`): `candidates/000012.parquet` is there, whole, or it is not.
Two drivers may therefore work on one run without a lock. Whoever loses a `proposals` file learns that another one
holds the run (HeldError); whoever loses a file of another table takes what is there and goes on.

Each file's footer says, under the key `selfinstruct`, what it is (`Metadata`): who wrote it, under which fingerprint,
the SHA-256 of the file before it in its table and of the file it was made from, and counts, cumulative ones too, so
that a whole run is summed by reading four footers. Files thus form chains, which `verify.py` follows.

"The same data" means equal schema, rows, order and bits (`content` in the metadata, `verify.digest` over a run), not
equal files: writers, library versions and Parquet's encodings may differ. Nothing here depends on the time.

A file that cannot be read, or is not what its name says, is a CorruptError that names it. One of an older version is
read as if its rows had None in the columns that were added since; one of a newer version is a NewerError.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import platform
import re
import secrets
import socket
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from selfinstruct.errors import CorruptError, FailureError, HeldError, InputError, NewerError, SelfInstructError
from selfinstruct.places import local_path
from selfinstruct.records import RoundFile, Table, round_name
from selfinstruct.settings import Facts, fingerprint_of
from selfinstruct.storage.accounts import tally
from selfinstruct.storage.blobs import Blobs, open_blobs
from selfinstruct.storage.tables import (
    SCHEMAS,
    NewerRowsError,
    check_columns,
    content_digest,
    to_arrow,
    to_rows,
    with_columns,
)
from selfinstruct.version import __version__

FORMAT = 1
KEY = b"selfinstruct"
PENDING = "pending"
"""The folder beside the tables for answers of rounds under way (`segments.py`); a run is whole without it."""

UPGRADE = "a newer version of selfinstruct wrote it, upgrade to go on"
TRIES = 5  # puts of one file that is said to exist, and yet is not there when it is read
FIRST = {Table.PROPOSALS: 1, Table.CANDIDATES: 0, Table.LABELS: 1, Table.INSTANCES: 0}
NAME = re.compile(r"([0-9]{6})\.parquet")


@dataclass(frozen=True, slots=True)
class Writer:
    """The process that wrote a file."""

    id: str
    host: str
    pid: int

    def __str__(self) -> str:
        return f"driver {self.id[:8]} (host {self.host}, process {self.pid})"


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a file says about itself. Digests are SHA-256 in hex."""

    format: int
    table: Table
    round: int
    writer: Writer
    fingerprint: str
    previous: str | None  # of the bytes of the file before it in its table; None for the first
    source: str | None  # of the bytes of the file it was made from (`source_of`); None for round 0
    content: str  # of its own rows (`tables.content_digest`)
    counts: Mapping[str, int]  # `accounts.tally` of this file
    total: Mapping[str, int]  # the same, summed over the table up to this file
    notes: Mapping[str, Any]
    versions: Mapping[str, str]  # recorded, never compared

    @property
    def facts(self) -> Facts:
        """What the run's data depends on, of the file that a run begins with. CorruptError if it says nothing."""
        if "facts" not in self.notes:
            raise CorruptError(f"{name_of(self.table, self.round)}: does not say with which options the run was begun")
        facts: Facts = self.notes["facts"]
        return facts

    def to_json(self) -> bytes:
        return json.dumps(asdict(self), sort_keys=True).encode()

    @classmethod
    def from_json(cls, data: bytes) -> Metadata:
        """The inverse of `to_json`.

        Raises:
            NewerRowsError: a newer version wrote it.
            ValueError, TypeError or KeyError: nobody did.
        """
        value = json.loads(data)
        if not isinstance(value, dict) or type(value["format"]) is not int:
            raise ValueError("its metadata is none")
        if value["format"] > FORMAT:
            raise NewerRowsError(f"format {value['format']}; this version reads {FORMAT}")
        if unknown := value.keys() - {field.name for field in fields(cls)}:
            raise NewerRowsError(
                f"its metadata has keys that this version does not know ({', '.join(sorted(unknown))})"
            )
        if value["format"] != FORMAT:
            raise ValueError(f"format {value['format']}, which never was")
        metadata = cls(**{**value, "table": Table(value["table"]), "writer": Writer(**value["writer"])})
        if wrong := next(metadata._wrong(), None):
            raise ValueError(f"its metadata has a {wrong!r} that is none")
        return metadata

    def _wrong(self) -> Iterator[str]:
        """The keys whose values are of another kind than this program writes."""
        texts = {"fingerprint": self.fingerprint, "content": self.content}
        texts |= {key: text for key in ("previous", "source") if (text := getattr(self, key)) is not None}
        yield from (key for key, text in texts.items() if not isinstance(text, str))
        for key, counts in (("counts", self.counts), ("total", self.total)):
            if not isinstance(counts, dict) or not all(type(count) is int for count in counts.values()):
                yield key
        if not isinstance(self.notes, dict) or not isinstance(self.versions, dict):
            yield "notes" if isinstance(self.versions, dict) else "versions"
            return
        if not all(isinstance(each, str) for each in (*self.versions.values(), self.writer.id, self.writer.host)):
            yield "versions"
        if not isinstance(facts := self.notes.get("facts", {}), dict):
            yield "facts"
        elif facts and (self.table, self.round) == (Table.CANDIDATES, 0) and fingerprint_of(facts) != self.fingerprint:
            yield "fingerprint"
        if any(type(self.notes.get(key, 0)) is not int for key in ("least", "most")):
            yield "least"


def name_of(table: Table, number: int) -> str:
    """`candidates/000012.parquet`."""
    return f"{table}/{round_name(number)}.parquet"


def source_of(table: Table, number: int) -> tuple[Table, int] | None:
    """The file that a file was made from; its proposals follow from the candidates of the round before."""
    if number == 0:
        return None
    return {
        Table.PROPOSALS: (Table.CANDIDATES, number - 1),
        Table.CANDIDATES: (Table.PROPOSALS, number),
        Table.LABELS: (Table.CANDIDATES, number),
        Table.INSTANCES: (Table.LABELS, number),
    }[table]


def open_run(url: str) -> RunStore:
    """A run that is there. InputError if there is none, CorruptError if its first file is missing."""
    store = RunStore(url)
    if not store.rounds(Table.CANDIDATES):
        if any(map(store.rounds, Table)):
            raise CorruptError(
                f"{url}/{name_of(Table.CANDIDATES, 0)}: missing, and other files of a run are there; put it back, or"
                " have `selfinstruct repair` look at what is left"
            )
        if _holds_other_things(url):
            raise InputError(f"{url}: is no run, and holds other things; name a run's folder")
        raise InputError(f"{url}: there is no run; `selfinstruct generate --out {url}` begins one")
    return store


def _holds_other_things(url: str) -> bool:
    """Whether a local place is a file, or a folder in which nothing is a run's."""
    path = local_path(url)
    if path is None or not path.is_dir():
        return path is not None and path.exists()
    names = {each.name for each in path.iterdir()}
    return bool(names) and not names & {*Table, "pending", "progress.json"}


class RunStore:
    """One run's files, under a local folder or an object store's URL."""

    def __init__(self, place: str | Blobs, writer: str | None = None) -> None:
        self.blobs = open_blobs(place) if isinstance(place, str) else place
        self.writer = Writer(writer or secrets.token_hex(16), socket.gethostname(), os.getpid())
        self._digests: dict[tuple[Table, int], str] = {}  # of committed files, as they become known
        self._newest: dict[Table, Metadata] = {}

    def commit(self, file: RoundFile, fingerprint: str) -> RoundFile:
        """Write the next file of a table; returns the file as committed.

        If another driver was first, that one's file for candidates, labels and instances. HeldError for proposals.
        CorruptError if files that it follows are missing, or if the file there has another fingerprint.
        """
        name = name_of(file.table, file.round)
        rows = to_arrow(file.table, file.rows)
        metadata = self._describe(file, rows, fingerprint)
        data = encode(rows, metadata.to_json())
        for _ in range(TRIES):
            if self.blobs.put(name, data):
                self._remember(metadata, data)
                return file
            with contextlib.suppress(KeyError):
                return self._adopt(file, self.blobs.get(name), fingerprint)
        raise FailureError(f"{self.blobs.url}/{name}: the store says that it exists, but does not show it")

    def _describe(self, file: RoundFile, rows: Any, fingerprint: str) -> Metadata:
        first = file.round == FIRST[file.table]
        source = source_of(file.table, file.round)
        counts = tally(file)
        return Metadata(
            format=FORMAT,
            table=file.table,
            round=file.round,
            writer=self.writer,
            fingerprint=fingerprint,
            previous=None if first else self.digest_of_file(file.table, file.round - 1),
            source=self.digest_of_file(*source) if source else None,
            content=content_digest(rows),
            counts=dict(counts),
            total=dict(counts if first else counts + Counter(self._before(file).total)),
            notes=dict(file.notes),
            versions=_versions(),
        )

    def _adopt(self, file: RoundFile, data: bytes, fingerprint: str) -> RoundFile:
        """What is there under the name of `file`: our own (a put whose answer was lost), or another driver's."""
        name = name_of(file.table, file.round)
        with self._corrupt(name):
            metadata, there = decode(data, file.table, file.round)
        if metadata.fingerprint != fingerprint:
            raise self._error(name, f"{metadata.writer} wrote it with other options that alter data")
        if file.table is Table.PROPOSALS and metadata.writer.id != self.writer.id:
            raise HeldError(
                f"{self.blobs.url}/{name}: {metadata.writer} holds this run; let it go on, or end it and start again"
            )
        self._remember(metadata, data)
        return there

    def sweep(self) -> None:
        """Remove what killed drivers left half-written beside the run's files."""
        for folder in ("", *Table, PENDING):
            self.blobs.sweep(folder)

    def rounds(self, table: Table) -> range:
        """The committed rounds of a table; empty when there are none. CorruptError, naming the file, for a hole.

        A file that a listing does not show is asked for by its name before it counts as missing: a listing may be old.
        """
        found = {int(match[1]) for match in map(NAME.fullmatch, self.blobs.names(table)) if match}
        end = first = FIRST[table]
        while end in found or self.blobs.exists(name_of(table, end)):
            end += 1
        if found and min(found) < first:
            raise self._error(name_of(table, min(found)), "no such round")
        if found and max(found) >= end:
            raise self._error(name_of(table, end), "is missing")
        return range(first, end)

    def read(self, table: Table, number: int) -> RoundFile:
        """One file, with its rows and notes. CorruptError if it is missing or torn, or its rows were altered."""
        name = name_of(table, number)
        with self._corrupt(name):
            return decode(self.blobs.get(name), table, number)[1]

    def read_table(self, table: Table, number: int) -> pa.Table:
        """One file's rows as they lie there, with the columns that it has. CorruptError as of `read`."""
        name = name_of(table, number)
        with self._corrupt(name):
            return decode_table(self.blobs.get(name), table, number)[1]

    def read_accepted(self, table: Table, number: int) -> RoundFile:
        """A file of candidates or instances with its accepted rows only. Its digest is not checked."""
        rows = self.read_columns(table, number, SCHEMAS[table].names, accepted_only=True)
        return RoundFile(table, number, to_rows(table, rows))

    def read_columns(
        self, table: Table, number: int, columns: Sequence[str], *, accepted_only: bool = False
    ) -> pa.Table:
        """Some columns of one file as a `pa.Table`; only those are fetched. Columns of later than the file are null.

        `accepted_only` drops rejected rows (of candidates and instances). Pages are checked, the file's digest is not.
        """
        wanted = [*columns, *(["accepted"] if accepted_only and "accepted" not in columns else [])]
        with self._open(table, number) as file:
            _metadata_of(file, table, number)
            there = [name for name in wanted if name in file.schema_arrow.names]
            data = with_columns(table, file.read(columns=there), wanted)
        return data.filter(data["accepted"]).select(columns) if accepted_only else data.select(columns)

    def metadata(self, table: Table, number: int) -> Metadata:
        """What a file says about itself; reads its footer only."""
        with self._open(table, number) as file:
            return _metadata_of(file, table, number)

    def totals(self) -> dict[Table, Counter[str]]:
        """The cumulative counts of each table (keys: `accounts`), from one footer per table."""
        rounds = {table: self.rounds(table) for table in Table}
        return {
            table: Counter(self.metadata(table, numbers[-1]).total) if numbers else Counter()
            for table, numbers in rounds.items()
        }

    def _before(self, file: RoundFile) -> Metadata:
        newest = self._newest.get(file.table)
        if newest is None or newest.round != file.round - 1:
            return self.metadata(file.table, file.round - 1)
        return newest

    def _remember(self, metadata: Metadata, data: bytes) -> None:
        self._digests[metadata.table, metadata.round] = sha256(data)
        self._newest[metadata.table] = metadata

    def digest_of_file(self, table: Table, number: int) -> str:
        """Of the bytes of a committed file; read once, and only if this process did not write it."""
        if (table, number) not in self._digests:
            with self._corrupt(name_of(table, number)):
                self._digests[table, number] = sha256(self.blobs.get(name_of(table, number)))
        return self._digests[table, number]

    @contextlib.contextmanager
    def _open(self, table: Table, number: int) -> Iterator[Any]:
        name = name_of(table, number)
        with (
            self._corrupt(name),
            self.blobs.open(name) as source,
            pq.ParquetFile(source, page_checksum_verification=True, pre_buffer=True) as file,
        ):
            yield file

    @contextlib.contextmanager
    def _corrupt(self, name: str) -> Iterator[None]:
        """Damaged bytes make pyarrow raise nearly anything; all of it means that this file is not what was written."""
        try:
            yield
        except SelfInstructError:
            raise
        except NewerRowsError as error:
            raise NewerError(f"{self.blobs.url}/{name}: {error}; {UPGRADE}") from error
        except KeyError as error:
            raise self._error(name, "is missing" if error.args == (name,) else f"has no {error}") from None
        except Exception as error:
            raise self._error(name, one_line(error)) from error

    def _error(self, name: str, problem: str) -> CorruptError:
        return CorruptError(f"{self.blobs.url}/{name}: {problem}")


def encode(rows: Any, metadata: bytes) -> bytes:
    """A Parquet file. The metadata goes into the footer alone, not into the Arrow schema that is kept beside it."""
    sink = io.BytesIO()
    with pq.ParquetWriter(sink, rows.schema, compression="zstd", write_page_checksum=True) as writer:
        writer.write_table(rows)
        writer.add_key_value_metadata({KEY: metadata})
    return sink.getvalue()


def decode(data: bytes, table: Table, number: int) -> tuple[Metadata, RoundFile]:
    """The bytes of one file.

    Raises:
        NewerRowsError: a newer version wrote them.
        ValueError, or whatever pyarrow raises: they are not those that were written.
    """
    metadata, rows = decode_table(data, table, number)
    return metadata, RoundFile(table, number, to_rows(table, rows), metadata.notes)


def decode_table(data: bytes, table: Table, number: int) -> tuple[Metadata, pa.Table]:
    """The same, the rows in Arrow's form, with the columns that the file has."""
    with pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True) as file:
        metadata = _metadata_of(file, table, number)
        rows = file.read().replace_schema_metadata(None)
    if content_digest(rows) != metadata.content:
        raise ValueError("its rows are not those that were written")
    return metadata, rows


def _metadata_of(file: Any, table: Table, number: int) -> Metadata:
    """The metadata of an open file. ValueError if it is none of this table and round; NewerRowsError if it is newer."""
    pairs = file.metadata.metadata or {}
    if KEY not in pairs:
        raise ValueError("it was not written by this program")
    metadata = Metadata.from_json(pairs[KEY])
    if (metadata.table, metadata.round) != (table, number):
        raise ValueError(f"it says that it is {name_of(metadata.table, metadata.round)}")
    check_columns(table, file.schema_arrow)
    return metadata


def _versions() -> dict[str, str]:
    return {"python": platform.python_version(), "pyarrow": pa.__version__, "selfinstruct": __version__}


def sha256(data: bytes) -> str:
    """Of a file's bytes, in hex: what `previous` and `source` name."""
    return hashlib.sha256(data).hexdigest()


def one_line(error: Exception) -> str:
    """The text of an error, which pyarrow may spread over several lines."""
    return " ".join(str(error).split()) or type(error).__name__
