"""Options given as Python values: by the same names, with groups as mappings, as they stand in a YAML file."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from enum import Enum
from typing import Any, TypeVar

from selfinstruct.errors import InputError
from selfinstruct.settings import problems_of, with_options
from selfinstruct.sources.options import Kind, kinds_of, read_options
from selfinstruct.sources.yaml_files import Node

T = TypeVar("T")


def settings_of(begun: T, given: Mapping[str, Any], call: str, under: Mapping[str, Any] | None = None) -> T:
    """A settings dataclass with what was given over it; None leaves an option as it is.

    Args:
        call: What messages call the place where the options are given.
        under: Options by dotted key that what is given wins over.

    Raises:
        InputError: an option is unknown, of another kind, or out of its bounds.
    """
    settings = with_options(begun, {**(under or {}), **read_arguments(given, kinds_of(type(begun)), call)})
    if problems := problems_of(settings):
        raise InputError(*problems)
    return settings


def read_arguments(given: Mapping[str, Any], kinds: Mapping[str, Kind], call: str) -> dict[str, Any]:
    """What was given as the fields of its options have it; None is not given. InputError as `settings_of`."""
    return read_options(_node(given, call), kinds)


def _node(value: Any, call: str, key: str = "") -> Node:
    match value:
        case Mapping():
            below = f"{key}." if key else ""
            return Node({str(name): _node(each, call, f"{below}{name}") for name, each in value.items()}, call, key)
        case list() | tuple():
            return Node([_node(each, call, key) for each in value], call, key)
        case os.PathLike():
            return _node(os.fspath(value), call, key)
        case Enum():
            return _node(value.value, call, key)
        case None | bool() | int() | float() | str():
            return Node(value, call, key, json.dumps(value) if isinstance(value, bool) else str(value))
    raise InputError(f"{call}: {key!r} cannot be of type {type(value).__name__}")
