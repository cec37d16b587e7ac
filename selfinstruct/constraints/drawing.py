"""Which constraints an instruction gets: a pure function of keyed draws, its text and the shipped wordings."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import regex

from selfinstruct.constraints.checking import KINDS, Constraint
from selfinstruct.draws import Draws
from selfinstruct.novelty.rouge import tokenise
from selfinstruct.novelty.words import TABLES
from selfinstruct.settings import digest_of

_ALGORITHM = 1
"""Gets the next number when other constraints are drawn, or a kind comes to mean something else."""


@dataclass(frozen=True, slots=True)
class Wordings:
    """What constraints are made from (`wordings.toml`)."""

    words: Sequence[str]
    begins: Sequence[str]
    ends: Sequence[str]
    wordings: Mapping[str, Sequence[str]]  # by kind


@cache
def wordings() -> Wordings:
    """The shipped ones."""
    return Wordings(**_data())


@cache
def _data() -> Mapping[str, Any]:
    return tomllib.loads(Path(__file__).with_name("wordings.toml").read_text(encoding="utf-8"))


def digest() -> str:
    """Of all that decides, beside a run's options, what is drawn and what holds: a fact of runs with constraints."""
    return digest_of([_ALGORITHM, dict(_data()), TABLES])


def drawn(draws: Draws, text: str, *, two: bool) -> tuple[Constraint, ...]:
    """A constraint for an instruction, or two that can hold together.

    Args:
        text: The instruction. Its own words are neither demanded nor forbidden, and where its letters have no case none
            is asked for.
    """
    kinds = [kind for kind in KINDS if kind not in _CASES or _CASED.search(text)]
    first = kinds[draws.below(len(kinds))]
    chosen = [first]
    if two:
        others = [kind for kind in kinds if together(first, kind)]
        chosen.append(others[draws.below(len(others))])
    taken = set(tokenise(text, "unicode"))
    free = draws.sample([word for word in wordings().words if word not in taken], 2 * MOST_WORDS)
    return tuple(_made(kind, draws, free[at * MOST_WORDS : (at + 1) * MOST_WORDS]) for at, kind in enumerate(chosen))


def constrained(text: str, constraints: Sequence[Constraint]) -> str:
    """An instruction with its constraints after it, on the same line."""
    if not constraints:
        return text
    whole = text.rstrip()
    stop = "" if _PUNCTUATED.search(whole) else "."
    return f"{whole}{stop} {' '.join(each.wording for each in constraints)}"


_CASES = ("upper", "lower")
_CASED = regex.compile(r"[\p{Ll}\p{Lu}\p{Lt}]")
_PUNCTUATED = regex.compile(r"\p{P}\Z")

MOST_WORDS = 3
"""Words that a constraint demands or forbids."""

_APART = [
    {"words", "sentences"},
    {"sentences", "bullets"},
    {"upper", "lower"},
    *({"json", other} for other in ("words", "sentences", "bullets", "upper", "begins", "ends")),
]
"""Families of kinds that cannot always hold together, or of which nobody could say what they mean together."""


def together(one: str, other: str) -> bool:
    """Whether two kinds can hold together, whatever their arguments."""
    families = {kind.partition("_")[0] for kind in (one, other)}
    return len(families) == 2 and families not in _APART


def _made(kind: str, draws: Draws, free: Sequence[str]) -> Constraint:
    """A constraint of a kind.

    Args:
        free: Words that it may take; no other constraint of the instruction has them.
    """
    choices = wordings().wordings[kind]
    arguments = _arguments(kind, draws, free)
    return Constraint(kind, arguments, choices[draws.below(len(choices))].format_map(_filling(arguments)))


def _arguments(kind: str, draws: Draws, free: Sequence[str]) -> Mapping[str, Any]:
    match kind:
        case "words_between":
            least = 20 + 10 * draws.below(9)
            return {"least": least, "most": least + 20 + 10 * draws.below(9)}
        case "sentences_between":
            least = 2 + draws.below(4)
            return {"least": least, "most": least + 1 + draws.below(4)}
        case "sentences_around":  # a tenth of less than ten is nothing
            return {"count": 10 * (1 + draws.below(2))}
        case "keywords" | "without":
            return {"words": list(free[: 1 + draws.below(MOST_WORDS)])}
        case "bullets":
            return {"count": 2 + draws.below(6)}
        case "begins" | "ends":
            phrases = wordings().begins if kind == "begins" else wordings().ends
            return {"phrase": phrases[draws.below(len(phrases))]}
        case "json" | "upper" | "lower":
            return {}
    return {"count": 20 + 5 * draws.below(37) if kind.startswith("words") else 2 + draws.below(7)}


def _filling(arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a wording's braces are filled with."""
    words = [f'"{word}"' for word in arguments.get("words", [])]
    return {**arguments, "all": _listed(words, "and"), "any": _listed(words, "or")}


def _listed(words: Sequence[str], last: str) -> str:
    *before, final = words or [""]
    return f"{', '.join(before)} {last} {final}" if before else final
