"""The one reader of YAML: config files, recipes, and the values of options of the form name=value.

Options are plain values, so what is read is little: mappings, lists, texts, numbers, truth values, null. PyYAML's
parser gives the events. Values are made of them here, under limits, since its loaders keep the last of doubled keys,
follow aliases without end, make objects of tags, and read numbers as YAML 1.1 has them (010 is 8, 1:30 is 90).
Numbers and null are those of YAML 1.2. A number that only some readers of YAML take for one is refused; whether yes,
no, on and off are truth values the kind of the option decides (`options.py`), and where nobody knows it they are
refused, too.
"""

from __future__ import annotations

import codecs
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from selfinstruct.errors import InputError
from selfinstruct.sources.files import read_local
from selfinstruct.sources.limits import text_problem

MOST_BYTES = 128 * 1024
"""Of a file. Two thousand file names find room; the parser takes about a second for it."""

MOST_LEVELS = 32
"""Of lists and mappings within each other. A JSON schema in a request's body has a dozen."""

MOST_IN_KEY = 100
"""Characters of a key. Each value knows its dotted key, so that long ones around many values would fill the memory."""

MOST_DIGITS = 40
"""Of a whole number; a seed of 128 bits has 39."""

MOST_SHOWN = 40
"""Characters of a key or a value in a message."""

Content: TypeAlias = "bool | int | float | str | list[Node] | dict[str, Node] | None"

Place: TypeAlias = Callable[[int], str]
"""How a line (from 1 on) is called in messages."""

_NULLS = {"", "~", "null", "Null", "NULL"}
_TRUTH = {"true": True, "false": False, "yes": True, "no": False, "on": True, "off": False}
_WORDS = {form(word): value for word, value in _TRUTH.items() for form in (str.lower, str.capitalize, str.upper)}
_WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]*(_[0-9]+)*)")
_NUMBER = re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?")
_NO_NUMBER = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_ODD = re.compile(r"[-+]?(0[0-9_]+|0[xXoObB][0-9a-fA-F_]+|[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?)")
"""Octal, hexadecimal, binary and to the base of 60: to each reader of YAML a number, another number, or a text."""


@dataclass(frozen=True, slots=True)
class Node:
    """A value and where it stands."""

    value: Content
    place: str  # of its key if it has one, as run.yaml:3
    key: str = ""  # dotted, from the outermost mapping on
    written: str = ""  # of a scalar: its text, whatever it is read as

    @property
    def plain(self) -> Any:
        """The value as JSON has it, for where nobody knows what kind it should be of.

        Raises:
            InputError: it holds yes, no, on or off without quotes.
        """
        if isinstance(self.value, dict):
            return {key: node.plain for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain for node in self.value]
        if isinstance(self.value, bool) and self.written.lower() not in ("true", "false"):
            raise self.refused(f"is {self.written}; write true or false, or put it in quotes if it is a text")
        return self.value

    def refused(self, problem: str) -> InputError:
        """The error that says where this value is and what is wrong with it."""
        return _refused(self.place, self.key, problem)


def read_yaml(path: Path) -> Node:
    """The value of a YAML file; null if it is empty.

    Raises:
        InputError: it cannot be read, or is not the plain YAML that is wanted here; one line with the file's.
    """
    data = read_local(path, MOST_BYTES)
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise InputError(f"{path}: is UTF-16; save it as UTF-8")
    try:
        text = data.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}:{line}: is not UTF-8; save it as UTF-8") from error
    return parse_yaml(text, lambda line: f"{path}:{line}")


def parse_yaml(text: str, place: Place, key: str = "") -> Node:
    """The value of a YAML text, which is that of a key if one is named; null if it is empty.

    Raises:
        InputError: as `read_yaml`.
    """
    events = _events(text, place, key)
    next(events)  # the stream begins
    if isinstance(next(events), yaml.StreamEndEvent):
        return Node(None, place(1), key)
    node = _Composer(events, place).compose(next(events), _Spot(key))
    next(events)  # the document ends
    if not isinstance(more := next(events), yaml.StreamEndEvent):
        raise _refused(place(_line(more)), key, "has a second document from here on; put all in one")
    return node


def _refused(place: str, key: str, problem: str) -> InputError:
    return InputError(f"{place}: {shortened(key)!r} {problem}" if key else f"{place}: {problem}")


def shortened(text: str) -> str:
    """A text from outside, for a message."""
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}..."


def _events(text: str, place: Place, key: str) -> Iterator[Any]:
    """PyYAML's events. Whatever its scanner and parser raise becomes one line."""
    line = 1
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            line = _line(event)
            yield event
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise _refused(place(line), key, f"holds the character U+{ord(text[error.position]):04X}; remove it") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else line
        raise _refused(place(line), key, f"is not YAML: {_said(error)}") from error
    except (ValueError, OverflowError) as error:  # the parser does not check the numbers of escapes and of %YAML
        raise _refused(place(line), key, "is not YAML: a number out of range in an escape or in %YAML") from error


def _said(error: yaml.MarkedYAMLError) -> str:
    problem = " ".join(str(error.problem).split())
    if r"'\t'" in problem:
        return "a tab where blanks must be; indent with blanks"
    problem = problem if len(problem) < 4 * MOST_SHOWN else f"{problem[: 4 * MOST_SHOWN]}..."
    return f"{problem}; look at indentation, colons, brackets and quotes before it"


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


@dataclass(frozen=True, slots=True)
class _Spot:
    """Where composing is: the dotted key and its line, and how many lists and mappings are around."""

    key: str = ""
    line: int | None = None
    depth: int = 0

    def below(self, key: str, line: int) -> _Spot:
        """At a key of the mapping that is here."""
        return _Spot(f"{self.key}.{key}" if self.key else key, line, self.depth + 1)

    @property
    def item(self) -> _Spot:
        """At an item of the list that is here."""
        return _Spot(self.key, None, self.depth + 1)


@dataclass(frozen=True, slots=True)
class _Composer:
    """Makes values of events, the next of which follows the one that a method is given."""

    events: Iterator[Any]
    place: Place

    def compose(self, event: Any, spot: _Spot) -> Node:
        """The value that begins with this event."""
        place = self.place(spot.line or _line(event))
        if problem := _unwanted(event, spot.depth):
            raise _refused(place, spot.key, problem)
        if isinstance(event, yaml.ScalarEvent):
            try:
                return Node(_scalar(event), place, spot.key, event.value)
            except ValueError as error:
                raise _refused(place, spot.key, str(error)) from error
        content = self._list(spot) if isinstance(event, yaml.SequenceStartEvent) else self._mapping(spot)
        return Node(content, place, spot.key)

    def _list(self, spot: _Spot) -> list[Node]:
        nodes = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            nodes.append(self.compose(event, spot.item))
        return nodes

    def _mapping(self, spot: _Spot) -> dict[str, Node]:
        nodes: dict[str, Node] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            place = self.place(_line(event))
            try:
                key = _key(event)
            except ValueError as error:
                raise _refused(place, spot.key, f"has a key that {error}") from error
            below = spot.below(key, _line(event))
            if key in nodes:
                raise _refused(place, below.key, f"is there already, at {nodes[key].place}; leave one out")
            nodes[key] = self.compose(next(self.events), below)
        return nodes


def _key(event: Any) -> str:
    """A key of a mapping; ValueError says why it is refused."""
    if not isinstance(event, yaml.ScalarEvent) or event.tag or event.anchor or not event.value:
        raise ValueError("is no plain text; write key: value")
    if len(event.value) > MOST_IN_KEY:
        raise ValueError(f"has {len(event.value):,} characters; {MOST_IN_KEY} are the most")
    return _text(event.value)


def _unwanted(event: Any, depth: int) -> str | None:
    """Why no value may begin with this event, if so."""
    if isinstance(event, yaml.AliasEvent):
        return f"is the alias *{shortened(str(event.anchor))}; write the value itself"
    if event.anchor is not None:
        return f"has the anchor &{shortened(event.anchor)}; aliases are not read, leave it out"
    if event.tag is not None:
        tag = event.tag.replace("tag:yaml.org,2002:", "!!")
        return f"has the tag {shortened(tag)!r}; values are plain, leave it out"
    if depth > MOST_LEVELS:
        return f"is nested more than {MOST_LEVELS} levels deep; no option is"
    return None


def _scalar(event: Any) -> Content:
    """What a text is read as; ValueError says why it is refused."""
    text: str = event.value
    if event.style is not None:
        return _text(text)
    if text in _NULLS:
        return None
    if text in _WORDS:
        return _WORDS[text]
    if _WHOLE.fullmatch(text):
        return _whole(text)
    if _ODD.fullmatch(text):
        raise ValueError(
            f"is {shortened(text)}, which YAML's readers take differently; write plain digits, or use quotes"
        )
    if _NO_NUMBER.fullmatch(text) or (_NUMBER.fullmatch(text) and not math.isfinite(float(text))):
        raise ValueError(f"is {shortened(text)}, must be a finite number")
    return float(text) if _NUMBER.fullmatch(text) else _text(text)


def _whole(text: str) -> int:
    if len(text) > MOST_DIGITS:
        raise ValueError(f"is a number of {len(text):,} digits; {MOST_DIGITS} are the most")
    return int(text)


def _text(text: str) -> str:
    """A text as tables and file names can hold it. JSON escapes one character as two halves, which are joined."""
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
    if problem := text_problem(whole):
        raise ValueError(problem)
    return whole
