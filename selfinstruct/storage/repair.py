"""Cutting a damaged run back to what is good, so that the same `generate` command goes on from there.

Files that nothing wrong follows from stay: when labels of round 5 are torn, labels and instances from round 5 on go,
and proposals and candidates, which were made without them, stay. What goes is kept aside, in a place beside the run's.
Answers of rounds under way (`segments`) stay: each knows its request, and is of no use to another one. All of them go
where the run is cut to a round, else those that cannot be read.
No driver may be at work meanwhile. Killed in between, the run is as good as before; the same command does the rest.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from selfinstruct.errors import CorruptError, InputError, NewerError
from selfinstruct.records import Table
from selfinstruct.storage.blobs import Blobs, open_blobs
from selfinstruct.storage.checks import doomed_checks
from selfinstruct.storage.segments import path_of, read_segments
from selfinstruct.storage.store import FIRST, NAME, PENDING, RunStore, name_of
from selfinstruct.storage.verify import BEGINNING, NEWER, verify

_FILE = re.compile(r"(\w+)/(\d{6})\.parquet")

Ends = Mapping[Table, int]
"""For each table the first round that goes; tables of which nothing goes are absent."""


def damaged_from(problems: list[str]) -> Ends:
    """Where the files end that what `verify` found can have nothing to do with.

    A file that is said to have been altered since another one was made after it is the one to be blamed.
    """
    ends: dict[Table, int] = {}
    for problem in problems:
        name, _, what = problem.partition(": ")
        match = _FILE.match(what) or _FILE.fullmatch(name)
        if match:
            table, number = Table(match[1]), int(match[2])
            ends[table] = min(number, ends.get(table, number))
    return ends


def with_followers(ends: Ends) -> Ends:
    """The ends of the tables when all goes that was made from what goes."""
    far = 10**6
    proposals, candidates = ends.get(Table.PROPOSALS, far), ends.get(Table.CANDIDATES, far)
    candidates = min(candidates, proposals)
    proposals = min(proposals, candidates + 1)
    labels = min(ends.get(Table.LABELS, far), max(1, candidates))
    instances = min(ends.get(Table.INSTANCES, far), labels if candidates else 0)
    found = zip(
        (Table.PROPOSALS, Table.CANDIDATES, Table.LABELS, Table.INSTANCES),
        (proposals, candidates, labels, instances),
        strict=True,
    )
    return {table: end for table, end in found if end < far}


def doomed(store: RunStore, to_round: int | None) -> list[str]:
    """The files that are to go, in the order in which they may: at no time does one stay that follows from one gone.

    Args:
        to_round: The last round that stays; without it, all stays that is good.

    Raises:
        InputError: there is no run.
        CorruptError: nothing of it is good.
        NewerError: files of it are of a newer version, and would be taken for damaged.
    """
    names = {table: store.blobs.names(table) for table in Table}
    if not any(names.values()):
        raise InputError(f"{store.blobs.url}: there is no run")
    if to_round is None:
        problems = verify(store)
        if newer := [problem for problem in problems if f": {NEWER}" in problem]:
            raise NewerError(f"{store.blobs.url}/{newer[0]}")
        ends = with_followers(damaged_from(problems))
        if _only_begun(names) and ends:
            ends = dict.fromkeys(Table, 0)  # what is left of a beginning is begun anew
    else:
        ends = {table: max(FIRST[table], to_round + 1) for table in Table}
    if ends.get(Table.CANDIDATES) == 0 and not _only_begun(names):
        raise CorruptError(f"{store.blobs.url}: nothing is good, not even round 0; begin a new run with another --out")
    foreign = [f"{table}/{name}" for table, found in names.items() for name in found if not NAME.fullmatch(name)]
    going = [
        (int(match[1]), table)
        for table, found in names.items()
        for match in map(NAME.fullmatch, found)
        if match and not FIRST[table] <= int(match[1]) < ends.get(table, 10**6)
    ]
    beside = [*_segments(store.blobs, to_round is not None), *doomed_checks(store, ends.get(Table.INSTANCES, 10**6))]
    return beside + foreign + [f"{table}/{number:06d}.parquet" for number, table in _sorted(going)]


def _segments(blobs: Blobs, everything: bool) -> list[str]:
    """What goes of the answers of rounds under way: all, or whatever is no segment."""
    good = set() if everything else {segment.name for segment in read_segments(blobs)}
    return [path_of(name) for name in blobs.names(PENDING) if name not in good]


def _only_begun(names: Mapping[Table, Sequence[str]]) -> bool:
    """Whether the first files of a run are all there is of it: they go, and the run can be begun anew."""
    first = {name_of(*BEGINNING), name_of(Table.INSTANCES, 0)}
    return {f"{table}/{name}" for table, found in names.items() for name in found} <= first


def _sorted(going: list[tuple[int, Table]]) -> list[tuple[int, Table]]:
    """Instances, then labels, newest first; then candidates and proposals, round by round."""
    stage = {Table.INSTANCES: 0, Table.LABELS: 1, Table.CANDIDATES: 2, Table.PROPOSALS: 2}
    return sorted(going, key=lambda each: (stage[each[1]], -each[0], each[1] is Table.PROPOSALS))


def remove(blobs: Blobs, names: list[str]) -> str:
    """Move files to a new place beside the run's; returns where they are now."""
    number = 1
    while any((aside := open_blobs(f"{blobs.url}-removed-{number}")).names(folder) for folder in (*Table, PENDING)):
        number += 1
    for name in names:
        aside.put(name, blobs.get(name))
        blobs.remove(name)
    return aside.url
