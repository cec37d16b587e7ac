"""Lists of values for slots of prompts: files of the user's, or lists that are shipped.

A file is a text with a value a line, JSON lines, or Parquet. Of rows the value is in the column of the slot's name, or
in `text`; a column `weight`, if there is one, says how often a value is drawn beside the others. All values are held in
memory: a million take some hundreds of megabytes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from selfinstruct.errors import InputError
from selfinstruct.sources.files import opened_text
from selfinstruct.sources.options import named_values
from selfinstruct.sources.rows import Row, is_readable, parsed

BUILTIN = "builtin"
SHIPPED: Mapping[str, str] = {"topic": "topics.txt", "task_type": "task_types.txt"}
"""The shipped lists by the slots that they are for."""

TAKEN = ("demonstrations", "number", "instruction", "operation", "document", "licence", "task", "draft")
"""Names that mean something else in prompts."""

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_UNITS = 1_000_000
"""In which weights are counted, so that sums of them are exact."""


@dataclass(frozen=True, slots=True)
class Values:
    """What a slot may be filled with.

    Attributes:
        names: What each value is called: its file and line or row, or its place in a shipped list.
        ends: Sums of the weights up to each, in millionths; none where all weigh the same.
        digest: Of values, names and weights.
    """

    values: Sequence[str]
    names: Sequence[str]
    ends: Sequence[int]
    digest: str


def read_slots(given: Sequence[str]) -> dict[str, Values]:
    """The values of slots, given as `name=file`.

    Raises:
        InputError: a name cannot be that of a slot, or a file cannot be read or has no value.
    """
    found = {}
    for name, source in named_values("slots", given).items():
        if not _NAME.fullmatch(name) or name in TAKEN:
            why = "means something else in prompts" if name in TAKEN else "is no name for a slot"
            raise InputError(f"slots.{name}: {why}; take small letters, digits and _, and another word")
        if not isinstance(source, str):
            raise InputError(f"slots.{name}: must be a file, or {BUILTIN}")
        found[name] = _shipped(name) if source == BUILTIN else _read(name, source)
    return found


def _read(name: str, url: str) -> Values:
    rows = _rows(name, url) if is_readable(url) else _lines(url)
    texts, names, weights = [], [], []
    for number, text, weight in rows:
        texts.append(text)
        names.append(f"{url.rpartition('/')[2]}:{number}")
        weights.append(weight)
    if not texts:
        raise InputError(f"slots.{name}: {url}: holds no value")
    if not any(weights):
        raise InputError(f"slots.{name}: {url}: all weights are 0")
    return _values(texts, names, [] if set(weights) == {_UNITS} else weights)


def _values(texts: Sequence[str], names: Sequence[str], weights: Sequence[int]) -> Values:
    digest = hashlib.sha256()
    for text in (*texts, *names, *map(str, weights)):
        data = text.encode()
        digest.update(len(data).to_bytes(8, "little") + data)
    return Values(texts, names, list(accumulate(weights)), digest.hexdigest())


def _lines(url: str) -> Iterator[tuple[int, str, int]]:
    """Number, text and weight of each line that is not empty."""
    with opened_text(url) as file:
        for number, line in enumerate(file, start=1):
            try:
                text = " ".join(line.decode().split())
            except UnicodeDecodeError as error:
                raise InputError(f"{url}:{number}: is not UTF-8; save it as UTF-8") from error
            if text:
                yield number, text, _UNITS


def _rows(name: str, url: str) -> Iterator[tuple[int, str, int]]:
    """The same of rows."""

    def read(row: Row) -> tuple[int, str, int]:
        text = row.values.get(name, row.values.get("text"))
        if not isinstance(text, str) or not text.strip():
            raise ValueError(f"must hold a text in {name!r} or 'text'")
        weight = row.values.get("weight", 1)
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight <= 1e9:
            raise ValueError(f"'weight' must be a number from 0 to 1,000,000,000, not {weight!r}")
        return row.number, " ".join(text.split()), round(weight * _UNITS)

    return parsed([url], read, None)


def _shipped(name: str) -> Values:
    if name not in SHIPPED:
        raise InputError(f"slots.{name}: there is no shipped list of that name (there are: {', '.join(SHIPPED)})")
    paths = list(_paths((Path(__file__).parent / SHIPPED[name]).read_text(encoding="utf-8")))
    return _values([" > ".join(path) for path in paths], [f"{BUILTIN}/{'/'.join(path)}" for path in paths], [])


def _paths(text: str) -> Iterator[tuple[str, ...]]:
    """The leaves of a shipped list with what is above them: `area`, below it `subject: leaf, leaf`; or plain lines."""
    area: tuple[str, ...] = ()
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        subject, colon, leaves = line.strip().partition(": ")
        if not line.startswith(" "):
            area = (subject,)
        for leaf in leaves.split(", ") if colon else ():
            yield (*(area if line.startswith(" ") else ()), subject, leaf)
