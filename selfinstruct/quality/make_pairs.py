"""`python -m selfinstruct.quality.make_pairs FILE`: the shipped sheet of pairs, made from what is committed.

Pairs whose truth is known by how they are made, so that a sheet is there to read and to test with: one wish of the
grammar in two wordings, or a seed task with other words for its verb (the same); one wording with another thing in one
of its slots or all, or two different seed tasks (not the same). The verdicts are the author's, and so is the mixture:
what share of each band asks for the same is that of this sheet. A gate's cosine is set by a sheet of the run's own
pairs.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

from selfinstruct.draws import Draws
from selfinstruct.quality.pairs import Pair, paired_cosines, sheet, stratified
from selfinstruct.records import By
from selfinstruct.semantic.make_cells import shipped_seeds
from selfinstruct.semantic.table import shipped_table
from selfinstruct.storage.files import write_file
from selfinstruct.tiny.families import families

NUMBER = 200
TURNS = 12  # pairs of each way to make one

WISHES = {
    "refusal": (0, 1, 2),
    "apology": (0, 1),
    "complaint": (0, 1),
    "notice": (0, 1),
    "story": (0, 2),
    "poem": (0, 2),
    "slogan": (0, 2),
    "job_advert": (0, 1),
    "application": (0, 1),
    "checklist": (0, 1),
    "present": (0, 1),
    "capital": (0, 1),
}
"""Families of the grammar, and those of their wordings that fill the same slots and, as the author reads them, ask for
the same: their places."""

VERBS = {
    "Write": "Compose",
    "Give": "Provide",
    "Suggest": "Recommend",
    "Describe": "Give a description of",
    "List": "Name",
    "Explain": "Make clear",
    "Create": "Make",
    "Find": "Look for",
    "Translate": "Render",
    "Classify": "Sort",
    "Rewrite": "Rephrase",
    "Summarize": "Sum up",
}
"""Words at the beginning of a seed task, and others for them."""


def made_pairs() -> list[Pair]:
    """The pairs of the sheet, in random order."""
    table = shipped_table()
    pairs = [pair for pair in (*_alike(), *_unlike()) if pair.first != pair.second]
    order = Draws("pairs", "order").sample(range(len(pairs)), len(pairs))
    pairs = [pairs[at] for at in order]
    firsts, seconds = (table.embed([getattr(each, side) for each in pairs]) for side in ("first", "second"))
    chosen = [pairs[at] for at in stratified(paired_cosines(firsts, seconds).tolist(), NUMBER)]
    return Draws("pairs", "sheet").sample(chosen, NUMBER)


def _alike() -> Iterator[Pair]:
    by_name = {family.name: family for family in families()}
    for name, places in WISHES.items():
        asks = by_name[name].asks
        for one, other in combinations((asks[place] for place in places), 2):
            draws = Draws("pairs", "alike", one.text, other.text)
            for _ in range(TURNS):
                chosen: dict[str, int] = {}
                first = one.fill(chosen, draws)
                yield Pair(first, other.fill(chosen, draws), True, By.AUTHOR)
    for text in shipped_seeds():
        verb, _, rest = text.partition(" ")
        if verb in VERBS:
            yield Pair(text, f"{VERBS[verb]} {rest}", True, By.AUTHOR)
            yield Pair(text, f"Please {VERBS[verb].lower()} {rest}", True, By.AUTHOR)


def _unlike() -> Iterator[Pair]:
    for family in families():
        for ask in family.asks:
            draws = Draws("pairs", "unlike", ask.text)
            chosen: dict[str, int] = {}
            first = ask.fill(chosen, draws)
            moved = sorted(chosen)[draws.below(len(chosen))] if chosen else ""
            again = {slot: row for slot, row in chosen.items() if slot != moved}
            yield Pair(first, ask.fill(again, draws), False, By.AUTHOR)
            yield Pair(first, ask.fill({}, draws), False, By.AUTHOR)
    seeds = shipped_seeds()
    for at, text in enumerate(seeds):
        draws = Draws("pairs", "seeds", text)
        yield Pair(text, seeds[(at + 1 + draws.below(len(seeds) - 1)) % len(seeds)], False, By.AUTHOR)


def main(out: str) -> None:
    """Write the file."""
    write_file(Path(out), sheet(made_pairs()))


if __name__ == "__main__":
    main(sys.argv[1])
