"""`python -m selfinstruct.semantic.make_cells FILE`: the centres of the frozen cells, made from what is committed.

Centres of the table's own rows would be centres of words: most instructions would share a few of them. So made-up texts
are clustered, each the tokens of one of the shipped seed tasks and two to eight words of the table: k-means by exact
arithmetic, with keyed draws, so that the same file comes out everywhere.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from selfinstruct.draws import Draws
from selfinstruct.semantic.cells import CELLS, nearest
from selfinstruct.semantic.table import StaticTable, shipped_table
from selfinstruct.semantic.vectors import Vectors, rounded

SEEDS = Path(__file__).parent.parent / "sources" / "seed_tasks.jsonl"
TEXTS = 40_000
TURNS = 10
LEAST_WORDS, MOST_WORDS = 2, 8


def make_cells(
    table: StaticTable, seeds: Sequence[str], texts: int = TEXTS, cells: int = CELLS, turns: int = TURNS
) -> Vectors:
    """Centres of so many cells, from so many made-up texts."""
    vectors = table.embed(made_up(table, seeds, texts, "cells"))
    return k_means(vectors, vectors[Draws("cells", "first").sample(range(texts), cells)], turns)


def made_up(table: StaticTable, seeds: Sequence[str], number: int, key: str) -> list[str]:
    """So many texts, each of a seed task and a few words, drawn under a key."""
    words, draws = _words(table), Draws("made up", key)

    def text() -> str:
        more = LEAST_WORDS + draws.below(MOST_WORDS - LEAST_WORDS + 1)
        return " ".join([seeds[draws.below(len(seeds))], *(words[draws.below(len(words))] for _ in range(more))])

    return [text() for _ in range(number)]


def shipped_seeds() -> list[str]:
    """The instructions of the shipped seed tasks."""
    return [json.loads(line)["instruction"] for line in SEEDS.read_text(encoding="utf-8").splitlines()]


def k_means(vectors: Vectors, centres: Vectors, turns: int) -> Vectors:
    """Centres after so many turns; one that is nearest to nothing stays where it is."""
    for _ in range(turns):
        cells = nearest(vectors, centres)
        sums = np.zeros(centres.shape, np.int64)
        np.add.at(sums, cells, vectors.astype(np.int64))
        there = np.isin(np.arange(len(centres)), cells)
        centres = np.where(there[:, None], rounded(sums), centres)
    return centres


def _words(table: StaticTable) -> list[str]:
    """The table's words of ASCII letters, in the order of their tokens."""
    tokens = (table.tokenizer.id_to_token(id) or "" for id in range(len(table.rows)))
    words = [token[1:] for token in tokens if token.startswith("\u2581")]
    return [word for word in words if word.isascii() and word.isalpha() and len(word) > 2]


def main(out: str) -> None:
    """Write the file."""
    with Path(out).open("wb") as file:
        np.save(file, make_cells(shipped_table(), shipped_seeds()), allow_pickle=False)


if __name__ == "__main__":
    main(sys.argv[1])
