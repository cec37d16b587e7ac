"""How completions are drawn: a prompt's sampling settings, and what is wrong with some that were given."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a completion is drawn. At temperature 0 decoding is greedy and `top_p` has no effect.

    The penalties are additive on the logits of tokens that the completion already holds: `presence_penalty` once,
    `frequency_penalty` for each occurrence.
    """

    temperature: float
    top_p: float
    frequency_penalty: float
    presence_penalty: float
    max_tokens: int
    stop: tuple[str, ...]


_WANTED: Mapping[str, tuple[tuple[type, ...], str]] = {
    "temperature": ((int, float), "a number"),
    "top_p": ((int, float), "a number"),
    "frequency_penalty": ((int, float), "a number"),
    "presence_penalty": ((int, float), "a number"),
    "max_tokens": ((int,), "a whole number"),
    "stop": ((list,), "a list of texts that are not empty"),
}
"""What each field is where people write it: in a prompt set's files, on the command line."""

_MOST = 1e9
"""No number of them is so large, and NaN and infinity are none."""


def sampling_of(values: Mapping[str, Any]) -> Sampling:
    """The settings that people wrote, of which `problems_of` says nothing."""
    numbers = {name: float(values[name]) for name, (kinds, _) in _WANTED.items() if float in kinds}
    return Sampling(**numbers, max_tokens=values["max_tokens"], stop=tuple(values["stop"]))


def values_of(sampling: Sampling) -> dict[str, Any]:
    """The inverse of `sampling_of`."""
    return {**asdict(sampling), "stop": list(sampling.stop)}


def problems_of(values: Mapping[str, Any], prefix: str) -> Iterator[str]:
    """What is wrong with settings as people write them, each problem beginning with the prefix and a field's name."""
    unfit = [name for name, (kinds, _) in _WANTED.items() if not _fits(values.get(name), kinds)]
    for name in unfit:
        yield f"{prefix}{name} {'must' if name in values else 'is missing; it must'} be {_WANTED[name][1]}"
    for name in values.keys() - _WANTED.keys():
        yield f"{prefix}{name} is unknown (known: {', '.join(_WANTED)})"
    if unfit:
        return
    if values["max_tokens"] < 1:
        yield f"{prefix}max_tokens must be at least 1"
    if values["temperature"] < 0:
        yield f"{prefix}temperature must be at least 0"
    if values["temperature"] > 0 and not 0 < values["top_p"] <= 1:
        yield f"{prefix}top_p must be above 0 and at most 1 when the temperature is above 0"


def _fits(value: Any, kinds: tuple[type, ...]) -> bool:
    if isinstance(value, list):
        return list in kinds and all(isinstance(text, str) and text for text in value)
    return type(value) in kinds and abs(value) < _MOST


def by_kind(changes: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Changes of settings by kind and field: given as `kind.field`, or those of a kind together. The later of two wins.

    One text alone is a list of one, where a list is wanted.
    """
    found: defaultdict[str, dict[str, Any]] = defaultdict(dict)
    for name, value in changes.items():
        kind, dot, field = name.partition(".")
        given = {field: value} if dot or not isinstance(value, dict) else value
        found[kind] |= {key: [each] if key == "stop" and isinstance(each, str) else each for key, each in given.items()}
    return found
