"""Whether a text keeps a constraint: one small pure function for each kind."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import regex

from selfinstruct.constraints.counting import sentence_count, word_count
from selfinstruct.errors import InputError
from selfinstruct.novelty.rouge import tokenise
from selfinstruct.novelty.words import fold

Arguments: TypeAlias = Mapping[str, Any]
"""What a kind is told: `count`, `least` and `most`, `words`, or `phrase`."""


@dataclass(frozen=True, slots=True)
class Constraint:
    """One demand on an answer.

    Attributes:
        kind: Its name, as `words_at_most`.
        arguments: What the kind is told, as JSON values: `{"count": 40}`.
        wording: How it stands in the instruction; nothing depends on it.
    """

    kind: str
    arguments: Arguments
    wording: str = ""


def holds(constraint: Constraint, text: str) -> bool:
    """Whether a text keeps a constraint. It may be in any script; the same text always gives the same answer.

    >>> holds(Constraint("words_at_most", {"count": 3}), "Quite short, this.")
    True
    >>> holds(Constraint("keywords", {"words": ["river"]}), "A brook.")
    False

    With `read` it turns the column `constraint` of an exported dataset into a reward of 0 or 1:

    >>> column = '[{"kind": "bullets", "arguments": {"count": 2}, "wording": "Use two bullet points."}]'
    >>> float(all(holds(each, "- One\\n- Two") for each in read(column)))
    1.0

    Raises:
        InputError: this version does not know the kind, or the arguments are not those of the kind.
    """
    check = _CHECKS.get(constraint.kind)
    if check is None:
        raise InputError(f"constraint: there is no kind {constraint.kind!r}; a newer selfinstruct may know it")
    try:
        return check(constraint.arguments, text)
    except (KeyError, TypeError) as error:
        raise InputError(
            f"constraint: {constraint.arguments!r} are no arguments of {constraint.kind} ({error})"
        ) from None


def read(column: str | None) -> tuple[Constraint, ...]:
    """The constraints in a cell of the column `constraint`, which is JSON; none where the row has none.

    Raises:
        InputError: the text is something else.
    """
    if not column:
        return ()
    try:
        return tuple(Constraint(each["kind"], each["arguments"], each["wording"]) for each in json.loads(column))
    except (ValueError, TypeError, KeyError):
        raise InputError(f"constraint: must be a list of kind, arguments and wording, and is {column[:80]!r}") from None


def written(constraints: Sequence[Constraint]) -> str | None:
    """The inverse of `read`."""
    values = [{"kind": each.kind, "arguments": each.arguments, "wording": each.wording} for each in constraints]
    return json.dumps(values, ensure_ascii=False) if values else None


def _exactly(arguments: Arguments) -> tuple[float, float]:
    return arguments["count"], arguments["count"]


def _at_most(arguments: Arguments) -> tuple[float, float]:
    return 1, arguments["count"]  # nothing at all is no answer


def _at_least(arguments: Arguments) -> tuple[float, float]:
    return arguments["count"], math.inf


def _between(arguments: Arguments) -> tuple[float, float]:
    return arguments["least"], arguments["most"]


def _around(arguments: Arguments) -> tuple[float, float]:
    """A tenth more or less."""
    return -(-9 * arguments["count"] // 10), 11 * arguments["count"] // 10


def _within(bounds: Callable[[Arguments], tuple[float, float]], count: Callable[[str], int]) -> _Check:
    def check(arguments: Arguments, text: str) -> bool:
        least, most = bounds(arguments)
        return least <= count(text) <= most

    return check


def _keywords(arguments: Arguments, text: str) -> bool:
    words = _spaced(text)
    return all(_spaced(each) in words for each in arguments["words"])


def _without(arguments: Arguments, text: str) -> bool:
    words = _spaced(text)
    return bool(words.strip()) and not any(_spaced(each) in words for each in arguments["words"])


def _spaced(text: str) -> str:
    """The words of a text as the run's tokeniser `unicode` finds them, with blanks around."""
    return f" {' '.join(tokenise(text, 'unicode'))} "


_BULLET = regex.compile(
    r"^[^\S\n]*+(?:[-*+\u2013\u2014][^\S\n]++|[\u2022\u2023\u25aa\u25cf\u25e6\u00b7\u30fb][^\S\n]*+)(?=\S)",
    regex.MULTILINE,
)


def _bullets(arguments: Arguments, text: str) -> bool:
    return len(_BULLET.findall(text)) == int(arguments["count"])


_FENCE = regex.compile(r"\s*```(?:json)?[^\S\n]*\n(.*)\n[^\S\n]*```\s*", regex.DOTALL | regex.IGNORECASE)


def _json(arguments: Arguments, text: str) -> bool:
    """An object or an array and nothing else; one fence of Markdown around it does no harm."""
    fenced = _FENCE.fullmatch(text)
    try:  # numbers stay texts, whatever their length
        value = json.loads(fenced[1] if fenced else text, parse_constant=_refuse, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict | list)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


_SMALL, _CAPITAL = regex.compile(r"\p{Ll}"), regex.compile(r"[\p{Lu}\p{Lt}]")


def _upper(arguments: Arguments, text: str) -> bool:
    return bool(_CAPITAL.search(text)) and not _SMALL.search(text)


def _lower(arguments: Arguments, text: str) -> bool:
    return bool(_SMALL.search(text)) and not _CAPITAL.search(text)


def _begins(arguments: Arguments, text: str) -> bool:
    return _plain(text).startswith(_plain(arguments["phrase"]))


def _ends(arguments: Arguments, text: str) -> bool:
    return _plain(text).endswith(_plain(arguments["phrase"]))


def _plain(text: str) -> str:
    """Without the white space around it, in one form and case."""
    return " ".join(fold(text).split())


_Check: TypeAlias = Callable[[Arguments, str], bool]

_CHECKS: Mapping[str, _Check] = {
    **{
        f"{unit}_{bounds.__name__.removeprefix('_')}": _within(bounds, count)
        for unit, count in (("words", word_count), ("sentences", sentence_count))
        for bounds in (_exactly, _at_most, _at_least, _between, _around)
    },
    "keywords": _keywords,
    "without": _without,
    "bullets": _bullets,
    "json": _json,
    "upper": _upper,
    "lower": _lower,
    "begins": _begins,
    "ends": _ends,
}

KINDS = tuple(_CHECKS)
"""All kinds, in the order in which figures show them."""
