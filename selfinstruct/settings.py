"""How an option says whether it alters a run's data.

Every field of a settings dataclass counts as altering data unless it is declared with `unaltering`: a forgotten mark
then refuses a resume that would have been fine, and never mixes two kinds of data in one run.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from selfinstruct.errors import InputError

T = TypeVar("T")

Facts = Mapping[str, Any]
"""What a run's data depends on: dotted option or input -> JSON value."""


def unaltering(default: T) -> T:
    """A dataclass field whose value never changes what a run writes."""
    return dataclasses.field(default=default, metadata={"alters_data": False})


def facts_of(settings: Any, prefix: str = "") -> dict[str, Any]:
    """The options of a (nested) settings dataclass that alter data, by dotted key."""
    facts: dict[str, Any] = {}
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if not field.metadata.get("alters_data", True):
            continue
        if dataclasses.is_dataclass(value):
            facts |= facts_of(value, f"{prefix}{field.name}.")
        else:
            facts[prefix + field.name] = list(value) if isinstance(value, tuple) else value
    return facts


def with_facts(settings: T, facts: Facts, prefix: str = "") -> T:
    """The settings with the values that the facts have for them: the inverse of `facts_of`."""
    values: dict[str, Any] = {}
    for field in dataclasses.fields(settings):  # type: ignore[arg-type]
        value, key = getattr(settings, field.name), prefix + field.name
        if dataclasses.is_dataclass(value):
            values[field.name] = with_facts(value, facts, f"{key}.")
        elif key in facts:
            values[field.name] = tuple(facts[key]) if isinstance(value, tuple) else facts[key]
    return dataclasses.replace(settings, **values)  # type: ignore[type-var]


def digest_of(value: object) -> str:
    """SHA-256 (hex) of a JSON value: how large inputs stand among the facts."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def fingerprint(facts: Facts) -> str:
    """The digest under which files of one run recognise each other."""
    return digest_of(facts)


def differences(ours: Facts, theirs: Facts) -> list[str]:
    """One line per fact that differs, `theirs` being what the run was begun with."""
    return [
        f"{key}: the run has {theirs.get(key)!r}, this command {ours.get(key)!r}"
        for key in sorted({*ours, *theirs})
        if ours.get(key) != theirs.get(key)
    ]


def named_values(option: str, given: Sequence[str]) -> dict[str, Any]:
    """What an option of the form `name=value name=value ...` says; values are read as YAML, so JSON will do.

    Raises:
        InputError: a piece has not this form.
    """
    import yaml

    values = {}
    for piece in given:
        name, equals, text = piece.partition("=")
        try:
            values[name.strip()] = yaml.safe_load(text)
        except yaml.YAMLError:
            equals = ""
        if not equals or not name.strip():
            raise InputError(f"--{option}: {piece!r} is not of the form name=value, the value a YAML or JSON value")
    return values
