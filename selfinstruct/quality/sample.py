"""Which rows people and judges look at: drawn by keyed hash, so that anybody draws the same ones again.

There are two ways. A *share* (`draws.in_share`) takes a row for its id alone, so it keeps what it has when the run
grows. A *count* takes equal parts of all strata and moves when the run grows; but for one run and seed a smaller count
is always part of a larger one, so that the rows for people are among the rows for the judge.

A stratum is one kind of task (classification or not) in one tenth of the run.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from selfinstruct.draws import rank_of

TENTHS = 10

_KINDS = {True: "classification", False: "other", None: "unknown"}


def stratum_of(is_classification: bool | None, position: int, rows: int) -> str:
    """The stratum of the row at a position (from 0) among all `rows` of a run; names sort in the order of the run."""
    return f"{_KINDS[is_classification]}/{position * TENTHS // rows}"


def draw(ids: Sequence[str], strata: Sequence[str], count: int, seed: int) -> list[str]:
    """The ids of `count` rows (all, if there are fewer), each stratum by its size, in the order of `ids`.

    `strata` names the stratum of each id. Rows of a stratum come in the order of their hashes. Which stratum is next is
    decided as seats are given to parties (Webster, Sainte-Laguë), so that count + 1 takes all that count took.
    """
    members: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for at, (id, stratum) in enumerate(zip(ids, strata, strict=True)):
        members[stratum].append((rank_of(id, seed), at))
    queue = [
        ((rank + 0.5) / len(rows), hash, at)
        for rows in members.values()
        for rank, (hash, at) in enumerate(sorted(rows))
    ]
    return [ids[at] for at in sorted(at for _, _, at in sorted(queue)[:count])]
