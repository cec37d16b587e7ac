"""Templates with slots, and families of tasks made of them.

A template holds slots such as `{dish}`: a row is drawn from the table `dish` of `words.py`, and stays drawn for
every later use in the same task. `{dish.1}` is the second column of that row, `{dish2}` another row of the same
table, `{Dish}` the text with a capital, `{a animal}` the text with its indefinite article.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Protocol, TypeAlias

from selfinstruct.records import Instance
from selfinstruct.tiny.words import Row, tables

CASES = 3
"""The most instances that a task is given; a task without input has one."""

_SLOT = re.compile(r"\{(a )?([A-Za-z_]+)(\d?)(?:\.(\d))?\}")


class Source(Protocol):
    """A source of random numbers (`draws.Draws` is one)."""

    def below(self, n: int) -> int:
        """A uniform integer in [0, n)."""


Chosen: TypeAlias = dict[str, int]
"""The rows drawn so far, by slot."""


@dataclass(frozen=True, slots=True)
class _Slot:
    """A place of a template that a table fills."""

    key: str
    table: str
    values: tuple[str, ...]  # the table's rows as this slot renders them
    rivals: tuple[str, ...]  # slots of the same table, which must get other rows
    starts: Mapping[str, tuple[int, ...]]  # rows by the first letters of their text, the longest text first
    head: int  # how many letters that is

    def draw(self, chosen: Chosen, source: Source) -> int:
        row = source.below(len(self.values))
        while any(chosen.get(rival) == row for rival in self.rivals):
            row = source.below(len(self.values))
        chosen[self.key] = row
        return row


class Template:
    """A text with slots."""

    __slots__ = ("_parts", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        parts: list[str | _Slot] = []
        at = 0
        for found in _SLOT.finditer(text):
            if found.start() > at:
                parts.append(text[at : found.start()])
            parts.append(_slot(found[1] is not None, found[2], found[3], int(found[4] or 0)))
            at = found.end()
        if at < len(text):
            parts.append(text[at:])
        self._parts = tuple(parts)

    def fill(self, chosen: Chosen, source: Source) -> str:
        """The text with rows drawn for the slots that `chosen` does not hold yet; adds them to `chosen`."""
        pieces = []
        for part in self._parts:
            if isinstance(part, str):
                pieces.append(part)
            else:
                row = chosen.get(part.key)
                pieces.append(part.values[part.draw(chosen, source) if row is None else row])
        return "".join(pieces)

    def match(self, text: str) -> Chosen | None:
        """The rows with which `fill` gives this very text, or None."""
        chosen: Chosen = {}
        return chosen if self._match(text, 0, 0, chosen) else None

    def _match(self, text: str, at: int, number: int, chosen: Chosen) -> bool:
        if number == len(self._parts):
            return at == len(text)
        part = self._parts[number]
        if isinstance(part, str):
            return text.startswith(part, at) and self._match(text, at + len(part), number + 1, chosen)
        bound = chosen.get(part.key)
        for row in part.starts.get(text[at : at + part.head], ()) if bound is None else (bound,):
            value = part.values[row]
            if text.startswith(value, at):
                chosen[part.key] = row
                if self._match(text, at + len(value), number + 1, chosen):
                    return True
                if bound is None:
                    del chosen[part.key]
        return False

    def openings(self) -> set[str]:
        """Every first pair of words that `fill` can give."""
        texts = {""}
        for part in self._parts:
            texts = {text + more for text in texts for more in ([part] if isinstance(part, str) else part.values)}
            texts = {opening(text) + " " if text.count(" ") >= 2 else text for text in texts}
            if all(text.count(" ") >= 2 for text in texts):
                break
        return {opening(text) for text in texts}


Maker: TypeAlias = Callable[[Mapping[str, Row], Source], tuple[str, str]]
"""Makes an input and an output of the instruction's rows, by slot, and of draws."""


@dataclass(frozen=True, slots=True)
class Family:
    """Tasks of one sort: the ways to ask, and the ways to make an instance."""

    name: str
    is_classification: bool
    asks: tuple[Template, ...]
    cases: tuple[tuple[Template, Template] | Maker, ...]  # for classification, one for each label and way to show it
    has_input: bool

    def instances(self, chosen: Chosen, source: Source, most: int = CASES) -> tuple[Instance, ...]:
        """Instances for an instruction whose slots hold `chosen`: 1 to `most` of different inputs, or one without."""
        wanted = 1 + source.below(most) if self.has_input else 1
        first = source.below(len(self.cases))
        made: dict[str, Instance] = {}
        for number in range(wanted):
            # neighbouring cases of a classification family have different labels
            case = self.cases[(first + number) % len(self.cases)]
            if isinstance(case, tuple):
                rows = dict(chosen)
                instance = Instance(case[0].fill(rows, source), case[1].fill(rows, source))
            else:
                instance = Instance(*case({key: _row(key, at) for key, at in chosen.items()}, source))
            made.setdefault(instance.input, instance)
        return tuple(made.values())


@dataclass(frozen=True, slots=True)
class Task:
    """A sampled task."""

    family: str
    instruction: str
    is_classification: bool
    instances: tuple[Instance, ...]


def sample_from(family: Family, source: Source) -> Task:
    """A task of the given family."""
    chosen: Chosen = {}
    instruction = family.asks[source.below(len(family.asks))].fill(chosen, source)
    return Task(family.name, instruction, family.is_classification, family.instances(chosen, source))


def opening(text: str) -> str:
    """The first two words of a text."""
    second = text.find(" ", text.find(" ") + 1)
    return text if second < 0 else text[:second]


def _row(key: str, at: int) -> Row:
    return tables()[key.rstrip("0123456789")][at]


@cache
def _slot(article: bool, name: str, number: str, column: int) -> _Slot:
    table = name[0].lower() + name[1:]
    values = tuple(row[column] for row in tables()[table])
    if article:
        values = tuple(("an " if value[0].lower() in "aeiou" else "a ") + value for value in values)
    if name[0].isupper():
        values = tuple(value[0].upper() + value[1:] for value in values)
    rivals = tuple(table + other for other in ("", "2", "3", "4", "5") if other != number)
    head = min(4, *map(len, values))
    starts: dict[str, list[int]] = {}
    for at, value in sorted(enumerate(values), key=lambda item: -len(item[1])):
        starts.setdefault(value[:head], []).append(at)
    frozen = {key: tuple(rows) for key, rows in starts.items()}
    return _Slot(table + number, table, values, rivals, frozen, head)
