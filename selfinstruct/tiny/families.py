"""The grammar's families of tasks: for each the ways to ask and how to make its instances.

Their texts are data (`data/families.json`); what a template cannot say is made by a function here. The outputs are
modest on purpose: copies, look-ups, fixed sentences with slots, labels by a cue and small sums are what a model of
two million parameters can learn.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from selfinstruct.tiny.templates import Family, Maker, Source, Template
from selfinstruct.tiny.words import DATA, Row, tables

Rows = Mapping[str, Row]

_COUNTS = {"two": 2, "three": 3, "four": 4, "five": 5}
_HOURS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


@cache
def families() -> Sequence[Family]:
    """All families, about a quarter of them classification."""
    return read_families(DATA / "families.json")


def read_families(file: Path) -> Sequence[Family]:
    """The families of a file, which are of four forms:

    - `outputs`: no input, and one of these outputs.
    - `cases`: pairs of an input and an output.
    - `shown` and `labels`: classification. Each label has texts that call for it, shown in place of `{}`.
    - `has_input` alone: the function under the family's name in `MAKERS` makes the instances.
    """
    entries: list[dict[str, Any]] = json.loads(file.read_bytes())
    return tuple(map(_family, entries))


def _family(entry: Mapping[str, Any]) -> Family:
    name, asks = entry["name"], tuple(map(Template, entry["asks"]))
    match entry:
        case {"outputs": outputs}:
            return Family(name, False, asks, _pairs(("", output) for output in outputs), has_input=False)
        case {"cases": cases}:
            return Family(name, False, asks, _pairs(cases), has_input=True)
        case {"shown": shown, "labels": labels}:
            return Family(name, True, asks, _pairs(_labelled(shown, labels)), has_input=True)
    return Family(name, False, asks, (MAKERS[name],), entry["has_input"])


def _pairs(texts: Iterable[tuple[str, str]]) -> tuple[tuple[Template, Template], ...]:
    return tuple((Template(given), Template(output)) for given, output in texts)


def _labelled(shown: str, labels: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, str]]:
    """Texts and their labels; neighbours have different ones."""
    for turn in range(max(map(len, labels.values()))):
        for label, texts in labels.items():
            yield shown.replace("{}", texts[turn % len(texts)]), label


def _between(source: Source, low: int, high: int) -> int:
    return low + source.below(high - low + 1)


def _some(source: Source, table: str, n: int) -> list[str]:
    """`n` different texts of a table's first column."""
    rows, cells = tables()[table], list[str]()
    while len(cells) < n:
        cell = rows[source.below(len(rows))][0]
        if cell not in cells:
            cells.append(cell)
    return cells


def _list_items(rows: Rows, source: Source) -> tuple[str, str]:
    items = rows["listing"][1 : 1 + _COUNTS[rows["few"][0]]]
    return "", "\n".join(f"{n}. {item[0].upper()}{item[1:]}" for n, item in enumerate(items, start=1))


def _change(rows: Rows, source: Source) -> tuple[str, str]:
    count, price = int(rows["digit"][0]), int(rows["digit2"][0])
    total = count * price
    return "", f"{count} times {price} is {total}, so the change is 50 - {total} = {50 - total} euros."


def _shared(rows: Rows, source: Source) -> tuple[str, str]:
    people, each = int(rows["digit"][0]), int(rows["ten"][0])
    return "", f"Together they have {people} times {each}, which is {people * each} {rows['thing'][0]}."


def _left(rows: Rows, source: Source) -> tuple[str, str]:
    first, gone = int(rows["ten"][0]), int(rows["small"][0])
    return "", f"{first} - {gone} = {first - gone}, so {first - gone} {rows['thing'][0]} are left."


def _arrival(rows: Rows, source: Source) -> tuple[str, str]:
    hour = {"noon": 12}.get(rows["hour"][0]) or _HOURS.index(rows["hour"][0]) + 1
    arrival = _HOURS[(hour + int(rows["digit"][0]) - 1) % 12]
    return "", f"It arrives {rows['digit'][0]} hours after {rows['hour'][0]}, at {arrival} o'clock."


def _fence(rows: Rows, source: Source) -> tuple[str, str]:
    long, wide = int(rows["ten"][0]), int(rows["small"][0])
    return "", f"Two sides of {long} m and two of {wide} m make {2 * (long + wide)} m."


def _saving(rows: Rows, source: Source) -> tuple[str, str]:
    each, weeks = int(rows["ten"][0]), int(rows["digit"][0])
    return "", f"In {weeks} weeks that is {weeks} times {each}, or {each * weeks} euros."


def _ages(rows: Rows, source: Source) -> tuple[str, str]:
    age, older = int(rows["ten"][0]), int(rows["small"][0])
    return "", f"{age} + {older} = {age + older}, so {rows['name2'][0]} is {age + older} years old."


def _converted(field: str, unit: str, other: str, factor: int) -> Maker:
    def convert(rows: Rows, source: Source) -> tuple[str, str]:
        n = _between(source, 2, 20)
        return f"{field}: {n} {unit}", f"{n * factor} {other}"

    return convert


def _sorted_numbers(rows: Rows, source: Source) -> tuple[str, str]:
    numbers = {_between(source, 1, 99) for _ in range(4)}
    shuffled = sorted(numbers, key=lambda n: n * 37 % 101)
    return "Numbers: " + ", ".join(map(str, shuffled)), ", ".join(map(str, sorted(numbers)))


def _sorted_words(rows: Rows, source: Source) -> tuple[str, str]:
    words = _some(source, "fruit", _between(source, 3, 4))
    return "Words: " + ", ".join(words), ", ".join(sorted(words))


def _doubled(rows: Rows, source: Source) -> tuple[str, str]:
    words = _some(source, "object", 3)
    return f"List: {words[0]}, {words[1]}, {words[0]}, {words[2]}", ", ".join(words)


def _backwards(rows: Rows, source: Source) -> tuple[str, str]:
    words = _some(source, "object", 3)
    return "List: " + ", ".join(words), ", ".join(reversed(words))


def _counted(rows: Rows, source: Source) -> tuple[str, str]:
    words = _some(source, "object", _between(source, 2, 5))
    return "List: " + ", ".join(words), str(len(words))


def _sequence(rows: Rows, source: Source) -> tuple[str, str]:
    step, first = _between(source, 2, 5), _between(source, 1, 9)
    return "Sequence: " + ", ".join(str(first + step * n) for n in range(4)), str(first + step * 4)


MAKERS: Mapping[str, Maker] = {
    "list": _list_items,
    "change": _change,
    "together": _shared,
    "left_over": _left,
    "arrival": _arrival,
    "fence": _fence,
    "saving": _saving,
    "ages": _ages,
    "metres": _converted("Length", "metres", "centimetres", 100),
    "minutes": _converted("Time", "minutes", "seconds", 60),
    "kilograms": _converted("Weight", "kilograms", "grams", 1000),
    "sort_numbers": _sorted_numbers,
    "sequence": _sequence,
    "sort_words": _sorted_words,
    "duplicates": _doubled,
    "backwards": _backwards,
    "how_many": _counted,
}
"""What makes the instances of a family, by its name."""
