"""What an option says of itself, beside its default: its bounds, and whether it alters a run's data.

Every field of a settings dataclass counts as altering data unless it is declared otherwise: a forgotten mark then
refuses a resume that would have been fine, and never mixes two kinds of data in one run.
"""

from __future__ import annotations

import hashlib
import json
import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, field, fields, is_dataclass, replace
from typing import Annotated, Any, TypeAlias, TypeVar

from selfinstruct.errors import CorruptError

T = TypeVar("T")

Facts = Mapping[str, Any]
"""What a run's data depends on: dotted option or input -> JSON value."""


MOST = 2**31 - 1
"""Of every number that has a least value and is not told a greatest: seconds, tokens, rows and money stay below it,
and what counts in 64 bits can multiply it."""

MOST_ACTORS = 10_000
"""Replicas, shards or workers: no cluster that Ray is run on has more places for them."""

SEEDS = (-(2**63), 2**63 - 1)
"""The least and the greatest number that a draw takes as its seed."""

NAMED = "name=value"
NamedValues: TypeAlias = Annotated[tuple[str, ...], NAMED]
"""An option of texts `name=value` (`sources.options.named_values`); in a file it may be a mapping."""


def option(
    default: T = MISSING,  # type: ignore[assignment]
    *,
    least: float | None = None,
    most: float | None = None,
    above: float | None = None,
    below: float | None = None,
    alters_data: bool = True,
    before: Any = MISSING,
    on_command_line: bool = True,
    in_recipes: bool = False,
) -> T:
    """A dataclass field that is an option of a command.

    Args:
        default: Its value where none is given; without one, one must be given.
        least, most: Bounds that a number may reach, each number of a tuple too. None is within all bounds. Where a
            number has no upper one, it is `MOST`.
        above, below: Bounds that it may not reach.
        alters_data: Whether its value may change what a run writes.
        before: What a run begun before there was this option is taken to have been told: a run is carried on with
            this value, and refused with another. Every option added to a run's settings says it.
        on_command_line: Whether commands take it as an option. Others stand in recipes and config files alone.
        in_recipes: Whether recipes may hold it though it alters no data by itself: it names a file, say, and what that
            holds is a fact of its own. Those that alter data may stand there in any case.
    """
    if most is None and below is None and (least is not None or above is not None):
        most = MOST
    bounds = {"at least": least, "above": above, "at most": most, "below": below}
    told = {word: bound for word, bound in bounds.items() if bound is not None}
    metadata = {
        "bounds": told,
        "alters_data": alters_data,
        "before": before,
        "on_command_line": on_command_line,
        "in_recipes": in_recipes,
    }
    return field(default=default, metadata=metadata)


def group(settings: type[T], *, alters_data: bool = True, on_command_line: bool = True) -> T:
    """A dataclass field that holds options of a kind: a settings dataclass with its defaults.

    Args:
        on_command_line: Whether commands take them as options. Others stand in recipes and config files alone.
    """
    return field(default_factory=settings, metadata={"alters_data": alters_data, "on_command_line": on_command_line})


def name_of(field: Field[Any]) -> str:
    """An option's name: that of its field, without the mark behind one that is a word of Python (`as_`)."""
    return field.name.removesuffix("_")


def problems_of(settings: Any, prefix: str = "") -> list[str]:
    """One line for each option of a (nested) settings dataclass that is out of its bounds or no finite number.

    Options that depend on each other are told by a method `problems` of the dataclass, if it has one: it yields lines
    that begin with an option's name.
    """
    problems = []
    for each in fields(settings):
        value, key = getattr(settings, each.name), f"{prefix}{name_of(each)}"
        if is_dataclass(value):
            problems += problems_of(value, f"{key}.")
        else:
            numbers = value if isinstance(value, tuple) else (value,)
            problems += [f"--{key}: {wrong}" for number in numbers if (wrong := out_of_bounds(each.metadata, number))]
    own = getattr(settings, "problems", tuple)
    return problems + [f"--{prefix}{problem}" for problem in own()]


_HOLDS: Mapping[str, Callable[[float, float], bool]] = {
    "at least": operator.ge,
    "above": operator.gt,
    "at most": operator.le,
    "below": operator.lt,
}


def out_of_bounds(metadata: Mapping[str, Any], value: object) -> str:
    """What is wrong with one value of an option, of whose field this is the metadata; empty if nothing is."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    if isinstance(value, float) and not math.isfinite(value):
        return f"is {value}, must be a finite number"
    bounds: Mapping[str, float] = metadata.get("bounds", {})
    if all(_HOLDS[word](value, bound) for word, bound in bounds.items()):
        return ""
    shown = str(value) if abs(value) < 10**20 else f"{value:.3e}" if abs(value) < 10**300 else "a huge number"
    told = [f"{word} {bound}" for word, bound in bounds.items() if bound != MOST or value > MOST]
    return f"is {shown}, must be {' and '.join(told)}"


def facts_of(settings: Any, prefix: str = "") -> dict[str, Any]:
    """The options of a (nested) settings dataclass that alter data, by dotted key."""
    facts: dict[str, Any] = {}
    for each in fields(settings):
        value = getattr(settings, each.name)
        if not each.metadata.get("alters_data", True):
            continue
        if is_dataclass(value):
            facts |= facts_of(value, f"{prefix}{each.name}.")
        else:
            facts[prefix + name_of(each)] = _fact(value)
    return facts


def facts_before(settings: Any, prefix: str = "") -> dict[str, Any]:
    """The options that were added later (`option`), with what older runs are taken to have for them, by dotted key."""
    facts: dict[str, Any] = {}
    for each in fields(settings):
        value, before = getattr(settings, each.name), each.metadata.get("before", MISSING)
        if is_dataclass(value):
            facts |= facts_before(value, f"{prefix}{each.name}.")
        elif before is not MISSING:
            facts[prefix + name_of(each)] = _fact(before)
    return facts


def _fact(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    return 0.0 if value == 0 and isinstance(value, float) else value  # -0.0 is another text, and the same number


def with_facts(settings: T, facts: Facts, prefix: str = "") -> T:
    """The settings with the values that a run's facts have for them: the inverse of `facts_of`.

    Raises:
        CorruptError: a fact is of another kind than its option.
    """
    known = facts_of(settings, prefix)
    for key in known.keys() & facts.keys():
        if not _alike(known[key], facts[key]):
            raise CorruptError(f"candidates/000000.parquet: its {key!r} is {facts[key]!r}, which no run has")
    return with_options(settings, {**facts_before(settings, prefix), **facts}, prefix)


def _alike(ours: Any, theirs: Any) -> bool:
    """Whether a fact can be a value of an option that has this one otherwise."""
    if isinstance(ours, bool) or isinstance(theirs, bool) or isinstance(ours, list):
        return type(ours) is type(theirs)
    if isinstance(ours, int | float):
        return isinstance(theirs, int | float) and math.isfinite(theirs)
    return ours is None or isinstance(theirs, str)


def with_options(settings: T, options: Mapping[str, Any], prefix: str = "") -> T:
    """The settings with other values for some options, by dotted key; keys that are no options have no effect."""
    values: dict[str, Any] = {}
    for each in fields(settings):  # type: ignore[arg-type]
        value, key = getattr(settings, each.name), prefix + name_of(each)
        if is_dataclass(value):
            values[each.name] = with_options(value, options, f"{key}.")
        elif key in options:
            values[each.name] = tuple(options[key]) if isinstance(value, tuple) else options[key]
    return replace(settings, **values)  # type: ignore[type-var]


def digest_of(value: object) -> str:
    """SHA-256 (hex) of a JSON value: how large inputs stand among the facts."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def fingerprint_of(facts: Facts) -> str:
    """The digest under which files of one run recognise each other."""
    return digest_of(facts)


def differences(ours: Facts, theirs: Facts) -> list[str]:
    """One line per fact that differs, `theirs` being what the run was begun with."""
    return [
        f"{key}: the run has {theirs.get(key)!r}, this command {ours.get(key)!r}"
        for key in sorted({*ours, *theirs})
        if ours.get(key) != theirs.get(key)
    ]
