"""Pairs of instructions on which people say whether they ask for the same: by them the gate's cosine is set.

A sheet is CSV: `first`, `second`, `same` (yes, no or nothing) and `by`. Cosines do not stand in it, so that nobody is
led by them; they are computed again when it is read.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import nsmallest
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from selfinstruct.draws import rank_of
from selfinstruct.errors import InputError
from selfinstruct.quality.diversity import instructions
from selfinstruct.quality.intervals import wilson
from selfinstruct.semantic.index import VectorIndex
from selfinstruct.semantic.table import StaticTable
from selfinstruct.semantic.vectors import Vectors, lengths
from selfinstruct.sources.files import read_text
from selfinstruct.sources.rows import Problems
from selfinstruct.storage.store import RunStore

SHIPPED = Path(__file__).parent / "pairs.csv"
"""200 pairs of this project's own sentences; `make_pairs.py` has how they were made, and what they are good for."""

BANDS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
"""The lower ends of the bands of cosines; below is another one."""

SHARE = 0.9
"""Of the pairs that are to ask for the same from the gate's cosine on."""

COLUMNS = ("first", "second", "same", "by")
ASKED = 20_000
"""Instructions of a run whose nearest earlier one is looked for, at most, drawn by their ids."""

_SAID = {"yes": True, "y": True, "true": True, "1": True, "no": False, "n": False, "false": False, "0": False}


@dataclass(frozen=True, slots=True)
class Pair:
    """Two instructions, and whether they ask for the same; None: nobody said."""

    first: str
    second: str
    same: bool | None = None
    by: str = ""


@dataclass(frozen=True, slots=True)
class Band:
    """The pairs of a band of cosines, from `low` to the next one's."""

    low: float
    pairs: int
    answered: int
    same: int

    @property
    def share(self) -> float | None:
        """Of those that were answered, who ask for the same."""
        return self.same / self.answered if self.answered else None

    @property
    def interval(self) -> tuple[float, float]:
        """Its 95 % interval (Wilson)."""
        return wilson(self.same, self.answered)


def pairs_of(store: RunStore, table: StaticTable, number: int, seed: int) -> list[Pair]:
    """So many pairs of a run's instructions, each with the nearest before it, as equally many of each band as there
    are, in random order. Fewer where the run has fewer."""
    rows = list(instructions(store))
    index = VectorIndex(table)
    index.insert(0, [text for _, text in rows])
    drawn = nsmallest(ASKED, range(1, len(rows)), key=lambda at: rank_of(rows[at][0], seed))
    ordinals, found = index.before(np.array(drawn, np.int64))
    ranked = sorted(
        zip(drawn, ordinals.tolist(), found.tolist(), strict=True), key=lambda each: rank_of(rows[each[0]][0], seed)
    )
    chosen = stratified([cosine for *_, cosine in ranked], number)
    picked = sorted((ranked[at] for at in chosen), key=lambda each: rank_of(f"pair/{rows[each[0]][0]}", seed))
    return [Pair(rows[near][1], rows[at][1]) for at, near, _ in picked]


def stratified(found: Sequence[float], number: int) -> list[int]:
    """Which of some pairs are taken, by their cosines: the first of each band in turn."""
    bands: dict[int, list[int]] = {}
    for at, band in enumerate(band_of(np.array(found, np.float64)).tolist()):
        bands.setdefault(band, []).append(at)
    turns = max(map(len, bands.values()), default=0)
    in_turn = (bands[band][turn] for turn in range(turns) for band in sorted(bands) if turn < len(bands[band]))
    return [at for at, _ in zip(in_turn, range(number), strict=False)]


def band_of(found: NDArray[np.float64]) -> NDArray[np.int64]:
    """The band of each cosine: 0 below the first of `BANDS`."""
    return np.searchsorted(np.array(BANDS), found, side="right").astype(np.int64)


def sheet(pairs: Sequence[Pair]) -> str:
    """The sheet of pairs, as CSV."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    said = {True: "yes", False: "no", None: ""}
    writer.writerows((each.first, each.second, said[each.same], each.by) for each in pairs)
    return out.getvalue()


def read_pairs(path: Path) -> list[Pair]:
    """The pairs of a sheet.

    Raises:
        InputError: it cannot be read, lacks a column, or says something else than yes, no or nothing.
    """
    text = read_text(str(path))
    head = text.partition("\n")[0]
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=";" if head.count(";") > head.count(",") else ",")
    problems, pairs = Problems(), []
    try:
        if missing := [name for name in COLUMNS[:3] if name not in (reader.fieldnames or ())]:
            raise InputError(f"{path}:1: the column {missing[0]!r} is missing; there must be first, second, same")
        for row in reader:
            said = (row["same"] or "").strip().lower()
            if not row["first"] or not row["second"] or (said and said not in _SAID):
                problems.add(f"{path}:{reader.line_num}: must have two texts, and yes, no or nothing under 'same'")
            pairs.append(Pair(row["first"] or "", row["second"] or "", _SAID.get(said), row.get("by") or ""))
    except csv.Error as error:
        raise InputError(f"{path}:{reader.line_num}: is not CSV: {error}") from error
    problems.check()
    if not pairs:
        raise InputError(f"{path}: holds no pair")
    return pairs


def bands_of(pairs: Sequence[Pair], table: StaticTable) -> list[Band]:
    """The pairs by their cosines, rising; bands without a pair are there, too."""
    firsts, seconds = (table.embed([getattr(each, side) for each in pairs]) for side in ("first", "second"))
    bands = band_of(paired_cosines(firsts, seconds))
    found = []
    for band, low in enumerate((-1.0, *BANDS)):
        own = [pairs[at].same for at in np.flatnonzero(bands == band).tolist()]
        found.append(Band(low, len(own), sum(each is not None for each in own), sum(each is True for each in own)))
    return found


def paired_cosines(firsts: Vectors, seconds: Vectors) -> NDArray[np.float64]:
    """The cosine of each row with the other's."""
    products = np.einsum("ij,ij->i", firsts.astype(np.int64), seconds.astype(np.int64))
    return np.asarray(products / (lengths(firsts) * lengths(seconds)))


def cosine_reached(bands: Sequence[Band], share: float = SHARE) -> float | None:
    """The lowest end of a band from which on so large a share of each band asks for the same; None if there is none.

    It goes down from the highest band that anybody looked at, and ends at the first that falls short or is empty.
    """
    reached = None
    for band in reversed(bands):
        if band.share is None and reached is None:
            continue
        if band.share is None or band.share < share:
            break
        reached = band.low
    return reached


def lines(bands: Sequence[Band]) -> Iterator[str]:
    """The bands as a table, and what follows for the gate."""
    yield f"{'cosine':<14}{'pairs':>7}{'answered':>10}{'the same':>10}"
    for band in bands:
        name = "below 0.50" if band.low < 0 else f"{band.low:.2f} and up"
        low, high = band.interval
        share = "" if band.share is None else f"{band.share:>10.0%} ({low:.0%} to {high:.0%})"
        yield f"{name:<14}{band.pairs:>7}{band.answered:>10}{share}"
    reached = cosine_reached(bands)
    if reached is None:
        yield f"no cosine here from which on {SHARE:.0%} of the pairs ask for the same: let no gate drop by it"
    else:
        yield f"from {reached:g} on at least {SHARE:.0%} of the pairs of each band ask for the same (semantic.cosine)"
