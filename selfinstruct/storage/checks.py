"""Checks of a run's accepted instances: `checks/<name>.json` and `checks/<name>/000012.parquet`, beside its tables.

A check is a stage like those of the run: it reads `instances/000012.parquet` and writes one file, whole or not at all,
never changed. Any number of them stand side by side, each under a digest of what its judgements depend on (who judges,
the questions, the prompt, the share): models' checks, and people's sheets. The same facts give the same name, so a
check that was interrupted goes on where it was.

Each file's footer names the file that it was made from by its digest. A run that was cut back and went on otherwise
has other files: a judgement never passes to a row that it was not made for.
"""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from selfinstruct.errors import CorruptError, InputError
from selfinstruct.records import CHECKS, By, CheckRow, Table, round_name
from selfinstruct.settings import Facts, digest_of
from selfinstruct.storage.store import NAME, RunStore, name_of, one_line
from selfinstruct.storage.tables import check_columns, content_digest, to_arrow, to_rows

FORMAT = 1
KEY = b"selfinstruct.check"
DIGITS = 12
"""Of a check's name: the beginning of its digest."""

_FACTS = re.compile(r"([0-9a-f]{12})\.json")


class CheckSet:
    """One check of one run.

    Args:
        store: The run.
        facts: What the judgements depend on; JSON values, `questions` (a list of key and text) and `by` among them.
    """

    def __init__(self, store: RunStore, facts: Facts) -> None:
        self.store = store
        self.facts: Facts = json.loads(json.dumps(facts))  # in the form in which they are read again
        self.name = digest_of(self.facts)[:DIGITS]

    @property
    def questions(self) -> tuple[str, ...]:
        """The keys of the questions, in the order of each row's judgements."""
        return tuple(key for key, _ in self.facts["questions"])

    @property
    def by_model(self) -> bool:
        """Whether a model judges."""
        return bool(self.facts["by"] == By.MODEL)

    @property
    def label(self) -> str:
        """Who judges how much, in a few words."""
        who = self.facts.get("model") or self.facts["by"]
        share = self.facts.get("share", 1)
        return f"{who}, {share:.3g} of the rows" if share < 1 else str(who)

    def begin(self) -> None:
        """Say that there is such a check, before its first file."""
        data = json.dumps(self.facts, indent=2).encode()
        self.store.blobs.put(f"{CHECKS}/{self.name}.json", data)
        self.sweep()

    def sweep(self) -> None:
        """Remove what killed processes left half-written."""
        for folder in (CHECKS, f"{CHECKS}/{self.name}"):
            self.store.blobs.sweep(folder)

    def file(self, number: int) -> str:
        """The name of a round's file."""
        return f"{CHECKS}/{self.name}/{round_name(number)}.parquet"

    def rounds(self) -> list[int]:
        """The rounds that are judged, in order; they need not follow each other."""
        names = self.store.blobs.names(f"{CHECKS}/{self.name}")
        return [int(match[1]) for match in map(NAME.fullmatch, names) if match]

    def commit(self, number: int, rows: Sequence[CheckRow]) -> tuple[CheckRow, ...]:
        """Write a round's file; returns what is committed: if another process was first, what that one wrote."""
        table = to_arrow(CHECKS, rows)
        counts = Counter(
            f"{key}.{each}" for row in rows for key, each in zip(self.questions, row.judgements, strict=True)
        )
        footer = {
            "format": FORMAT,
            "check": self.name,
            "round": number,
            "source": self.store.digest_of_file(Table.INSTANCES, number),
            "content": content_digest(table),
            "counts": {"rows": len(rows), **counts},
        }
        sink = io.BytesIO()
        with pq.ParquetWriter(sink, table.schema, compression="zstd", write_page_checksum=True) as writer:
            writer.write_table(table)
            writer.add_key_value_metadata({KEY: json.dumps(footer, sort_keys=True).encode()})
        if self.store.blobs.put(self.file(number), sink.getvalue()):
            return tuple(rows)
        return self.read(number)

    def read(self, number: int) -> tuple[CheckRow, ...]:
        """A round's rows.

        Raises:
            CorruptError: the file is torn, altered, or not of this check and these instances.
        """
        problems, rows = self._decode(number)
        if problems:
            raise CorruptError(
                f"{self.store.blobs.url}/{self.file(number)}: {problems[0]}; `selfinstruct repair` mends it"
            )
        return rows

    def problems(self) -> Iterator[str]:
        """All that is wrong with the files, one line each, beginning with the file's name."""
        for number in self.rounds():
            yield from (f"{self.file(number)}: {problem}" for problem in self._decode(number)[0])

    def _decode(self, number: int) -> tuple[list[str], tuple[CheckRow, ...]]:
        """What is wrong with a file, and its rows."""
        try:
            data = self.store.blobs.get(self.file(number))  # a store that fails is no damage
        except KeyError:
            return ["is missing"], ()
        try:
            with pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True) as file:
                footer = _footer(file)
                check_columns(CHECKS, file.schema_arrow)
                table = file.read().replace_schema_metadata(None)
            rows: Any = to_rows(CHECKS, table)
        except Exception as error:  # damaged bytes make pyarrow raise nearly anything
            return [f"torn, altered or foreign: {one_line(error)}"], ()
        if (footer["check"], footer["round"]) != (self.name, number):
            return [f"it says that it is of check {footer['check']} and round {footer['round']}"], ()
        if content_digest(table) != footer["content"]:
            return ["its rows are not those that were written"], ()
        if footer["source"] != self._source(number):
            return [f"made from another {name_of(Table.INSTANCES, number)} than the one that is there"], ()
        return [], rows

    def _source(self, number: int) -> str | None:
        try:
            return self.store.digest_of_file(Table.INSTANCES, number)  # read once, however many checks there are
        except CorruptError:
            return None


def _footer(file: Any) -> dict[str, Any]:
    """What a file says about itself. ValueError if it is not of a check."""
    pairs = file.metadata.metadata or {}
    if KEY not in pairs:
        raise ValueError("no check wrote it")
    footer: dict[str, Any] = json.loads(pairs[KEY])
    if footer["format"] > FORMAT:
        raise ValueError(f"a newer version wrote it (format {footer['format']}); upgrade to read it")
    return footer


def check_sets(store: RunStore) -> list[CheckSet]:
    """All checks of a run, by name.

    Raises:
        CorruptError: what one of them says about itself cannot be read.
    """
    found = _found(store)
    for name, checks in found.items():
        if checks is None:
            raise CorruptError(f"{store.blobs.url}/{name}: {DAMAGED}; `selfinstruct repair` removes it")
    return [checks for checks in found.values() if checks]


DAMAGED = "is damaged, nobody knows what this check asked"


def check_problems(store: RunStore) -> Iterator[str]:
    """All that is wrong with a run's checks, one line each, beginning with the file's name."""
    for name, checks in _found(store).items():
        if checks is None:
            yield f"{name}: {DAMAGED}"
        else:
            yield from checks.problems()


def doomed_checks(store: RunStore, end: int) -> list[str]:
    """The files that are no good, or judge instances of the round `end` and later ones, which are to go."""
    bad = [problem.partition(": ")[0] for problem in check_problems(store)]
    sets = [checks for checks in _found(store).values() if checks]
    late = [checks.file(number) for checks in sets for number in checks.rounds() if number >= end]
    return list(dict.fromkeys([*bad, *late]))


def _found(store: RunStore) -> dict[str, CheckSet | None]:
    """The checks of a run by the file that says what they are; None where that is damaged."""
    found: dict[str, CheckSet | None] = {}
    for name in filter(_FACTS.fullmatch, store.blobs.names(CHECKS)):
        try:
            checks = CheckSet(store, json.loads(store.blobs.get(f"{CHECKS}/{name}")))
            sound = checks.name == name.removesuffix(".json") and checks.questions and checks.label
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
            sound = False
        found[f"{CHECKS}/{name}"] = checks if sound else None
    return found


def the_check(store: RunStore, wanted: str | None = None) -> CheckSet:
    """The check of a name, or of the beginning of one; without it, the only one that there is.

    Raises:
        InputError: there is none, or several.
    """
    found = [each for each in check_sets(store) if each.name.startswith(wanted or "")]
    if len(found) == 1:
        return found[0]
    url = store.blobs.url
    if not found and wanted:
        there = listed(check_sets(store)) or "none"
        raise InputError(f"--check: {url} has no check {wanted!r}; there are: {there}")
    if not found:
        raise InputError(f"{url}: nothing of it was checked yet; `selfinstruct check {url}` does")
    raise InputError(f"--check: {url} has several checks; name one of them: {listed(found)}")


def listed(sets: Sequence[CheckSet]) -> str:
    """Names and labels of some checks, in one line."""
    return ", ".join(f"{each.name} ({each.label})" for each in sets)
