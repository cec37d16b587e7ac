"""The grammar: how tasks of its families are sampled, and how their instructions are recognised again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

from selfinstruct.tiny.families import families
from selfinstruct.tiny.templates import Chosen, Family, Source, Task, Template, opening, sample_from


def sample(source: Source) -> Task:
    """A task of a random family."""
    return sample_from(families()[source.below(len(families()))], source)


def sample_instructions(source: Source, n: int) -> list[str]:
    """`n` instructions of different families, in random order; `n` is at most the number of families."""
    kinds = families()
    taken: set[int] = set()
    texts: list[str] = []
    while len(texts) < n:
        at = source.below(len(kinds))
        if at not in taken:
            taken.add(at)
            asks = kinds[at].asks
            texts.append(asks[source.below(len(asks))].fill({}, source))
    return texts


def recognise(instruction: str) -> tuple[Family, Chosen] | None:
    """The family that gives this very instruction, and the rows in its slots; None when there is none."""
    for family, ask in _by_opening().get(opening(instruction), ()):
        chosen = ask.match(instruction)
        if chosen is not None:
            return family, chosen
    return None


@cache
def _by_opening() -> Mapping[str, Sequence[tuple[Family, Template]]]:
    found: dict[str, list[tuple[Family, Template]]] = {}
    for family in families():
        for ask in family.asks:
            for words in ask.openings():
                found.setdefault(words, []).append((family, ask))
    return found
