"""Options in YAML files and in texts `name=value`: which there are, of what kind each is, and what is given."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from selfinstruct.errors import InputError
from selfinstruct.settings import NAMED, name_of, out_of_bounds
from selfinstruct.sources.yaml_files import Node, parse_yaml, shortened

_TAKES = {bool: "true or false", int: "one whole number", float: "one number", str: "a text", Path: "a text"}


@dataclasses.dataclass(frozen=True, slots=True)
class Kind:
    """What values an option takes: its field's type and metadata, of which the bounds are one."""

    type: Any
    metadata: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def kinds_of(settings: type, prefix: str = "") -> dict[str, Kind]:
    """The options of a (nested) settings dataclass, by dotted key."""
    hints = get_type_hints(settings, include_extras=True)
    kinds: dict[str, Kind] = {}
    for field in dataclasses.fields(settings):
        hint = hints[field.name]
        if dataclasses.is_dataclass(hint):
            kinds |= kinds_of(hint, f"{prefix}{field.name}.")  # type: ignore[arg-type]
        else:
            kinds[prefix + name_of(field)] = Kind(hint, field.metadata)
    return kinds


def holds_names(kind: Kind) -> bool:
    """Whether an option holds values by name (`settings.NamedValues`)."""
    return get_origin(kind.type) is Annotated and NAMED in get_args(kind.type)


def read_options(node: Node, kinds: Mapping[str, Kind], unknown: str = "is no option here") -> dict[str, Any]:
    """The options that a file gives: dotted key -> value, as the settings hold it. One that is null is not given.

    `rounds: {lag: 3}` and `rounds.lag: 3` are the same, and so are `sampling: {propose.top_p: 1}` and
    `sampling.propose.top_p: 1`, of an option that holds values by name.

    Args:
        kinds: The options that there may be (`kinds_of`).
        unknown: What is said of others.

    Raises:
        InputError: keys are unknown or there in both spellings, or values of the wrong kind; all of them are named.
    """
    found: dict[str, Node] = {}
    values: dict[str, Any] = {}
    problems: list[str] = []
    for each in _options(node, kinds):
        try:
            for part in _parts(each):
                if part.key in found:
                    raise part.refused(f"is there already, at {found[part.key].place}; leave one out")
                found[part.key] = part
            option = _holder(each.key, kinds)
            if option not in kinds:
                raise each.refused(unknown + _nearest(each.key, kinds))
            if name := each.key.removeprefix(option).removeprefix("."):
                values[option] = (*values.get(option, ()), f"{name}={json.dumps(each.plain)}")
            elif each.value is not None:
                value = read_value(each, kinds[option])
                values[option] = (*values.get(option, ()), *value) if holds_names(kinds[option]) else value
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(*problems)
    return values


def read_value(node: Node, kind: Kind) -> Any:
    """A value as the field of its option has it: one value alone is a list of one, where a list is wanted.

    Raises:
        InputError: it is of another kind, or out of the option's bounds.
    """
    value = _of_type(node, kind.type)
    for number in value if isinstance(value, tuple) else (value,):
        if wrong := out_of_bounds(kind.metadata, number):
            raise node.refused(wrong)
    return value


def named_values(option: str, given: Sequence[str]) -> dict[str, Any]:
    """What an option of the form `name=value name=value ...` says; values are read as YAML, so JSON will do.

    Raises:
        InputError: a piece has not this form, or a name is there twice.
    """
    values: dict[str, Any] = {}
    for piece in given:
        name, equals, text = piece.partition("=")
        if not equals or not name.strip():
            raise InputError(f"--{option}: {piece!r} is not of the form name=value, the value a YAML or JSON value")
        if name.strip() in values:
            raise InputError(f"--{option}: {name.strip()!r} is there twice; leave one out")
        values[name.strip()] = parse_yaml(text, lambda _: f"--{option}", name.strip()).plain
    return values


def _of_type(node: Node, kind: Any) -> Any:
    if get_origin(kind) is Annotated:
        kind, *marks = get_args(kind)
        if NAMED in marks and isinstance(node.value, dict):
            return tuple(f"{name}={json.dumps(each.plain)}" for name, each in node.value.items())
    if get_origin(kind) in (Union, UnionType):
        (kind,) = (each for each in get_args(kind) if each is not NoneType)
    if get_origin(kind) is tuple:
        nodes = node.value if isinstance(node.value, list) else [node]
        return tuple(_single(each, get_args(kind)[0]) for each in nodes)
    return _single(node, kind)


def _options(node: Node, kinds: Mapping[str, Kind]) -> Iterator[Node]:
    """The values below a group of options, or the whole file."""
    if node.value is None:
        return
    if not isinstance(node.value, dict):
        raise node.refused(f"must hold options as 'key: value', not {_shown(node)}")
    for each in node.value.values():
        if any(key.startswith(f"{each.key}.") for key in kinds):
            yield from _options(each, kinds)
        else:
            yield each


def _parts(node: Node) -> Iterator[Node]:
    """A value, and those that it holds by name."""
    yield node
    for inner in node.value.values() if isinstance(node.value, dict) else ():
        yield from _parts(inner)


def _holder(key: str, kinds: Mapping[str, Kind]) -> str:
    """The option that holds values by name and of which the key names one; the key itself if there is none."""
    return next((each for each in kinds if key.startswith(f"{each}.") and holds_names(kinds[each])), key)


def _nearest(key: str, kinds: Mapping[str, Kind]) -> str:
    """The option or group of options that may have been meant, as the end of a message."""
    groups = {".".join(known.split(".")[:-1]) for known in kinds} - {""}
    close = get_close_matches(key, [*kinds, *groups], n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _single(node: Node, kind: Any) -> Any:
    value = node.value
    if get_origin(kind) is Literal or issubclass(kind, Enum):
        choices = get_args(kind) or tuple(each.value for each in kind)
        if value in choices:
            return kind(value) if isinstance(kind, type) else value
        raise node.refused(f"takes one of {', '.join(choices)}, not {_shown(node)}")
    if kind is float and type(value) is int:
        return float(value)
    if kind in (str, Path) and type(value) in (str, int, float):
        return kind(value if isinstance(value, str) else node.written)
    if type(value) is kind:
        return value
    mend = "; put it in quotes" if kind in (str, Path) and isinstance(value, bool) else ""
    raise node.refused(f"takes {_TAKES[kind]}, not {_shown(node)}{mend}")


def _shown(node: Node) -> str:
    """What a value is, in a few words."""
    if isinstance(node.value, dict | list):
        return "a mapping" if isinstance(node.value, dict) else "a list"
    if isinstance(node.value, str):
        return f"the text {shortened(node.value)!r}"
    return json.dumps(node.value)
