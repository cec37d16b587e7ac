"""Several runs as one: their rounds one after the other, and of what is similar across them only the first.

Round 0 has the seed tasks of all runs, then what they imported. The first run's rounds keep their numbers, those of the
second follow, and so on; ids change with them. What a run itself had rejected stays rejected. What it had accepted goes
through the novelty check again, against everything before it; labels stay, and so do the instances of what is accepted.
Seed tasks with one text are one seed task.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from selfinstruct.novelty.check import admit, make_index
from selfinstruct.novelty.index import NoveltySettings
from selfinstruct.pool import Pool
from selfinstruct.protocols import Track, unseen
from selfinstruct.records import (
    Candidate,
    InstanceRow,
    Label,
    Origin,
    Proposal,
    Reason,
    RoundFile,
    Row,
    Table,
    round_name,
)
from selfinstruct.run.facts import ORIGIN, TABLES, check_facts, filled, word_facts
from selfinstruct.settings import Facts, facts_of, fingerprint_of
from selfinstruct.storage.history import complete_rounds, dialect_of, facts_by_round, is_of_makers
from selfinstruct.storage.store import RunStore


def merge(sources: Sequence[RunStore], out: RunStore, novelty: NoveltySettings, track: Track = unseen) -> None:
    """Write the complete rounds of all sources as one run; a second call goes on after a first that was killed.

    Raises:
        InputError: `out` is a run that was begun otherwise.
        CorruptError: a file of a source is missing or torn.
    """
    facts = merged_facts(sources, novelty)
    fingerprint = fingerprint_of(facts)
    if out.rounds(Table.CANDIDATES):
        check_facts(out, facts)
        fingerprint = out.metadata(Table.CANDIDATES, 0).fingerprint
    merged = _Merged(out, novelty, fingerprint)
    names = merged.begin(sources, facts)
    for source, rename in zip(sources, names, strict=True):
        merged.append(source, rename, track)


def merged_facts(sources: Sequence[RunStore], novelty: NoveltySettings) -> Facts:
    """What all sources agree in, and the settings of the check. The rest, models and prompts with it, is left open."""
    begun = [source.metadata(Table.CANDIDATES, 0) for source in sources]
    first, *others = (filled(metadata.facts) for metadata in begun)
    agreed = {
        key: value
        for key, value in first.items()
        if key != TABLES
        and not is_of_makers(key)
        and not key.startswith("semantic.")
        and all(each.get(key) == value for each in others)
    }
    rounds = [len(complete_rounds(source)) for source in sources]
    ids = [[metadata.writer.id, count] for metadata, count in zip(begun, rounds, strict=True)]
    origin = {"command": "merge", "source": ids, "rounds": sum(rounds)}
    return {**agreed, **facts_of(novelty, "novelty."), **word_facts(novelty), ORIGIN: origin}


class _Merged:
    """The new run as far as it is written."""

    def __init__(self, out: RunStore, novelty: NoveltySettings, fingerprint: str) -> None:
        self._out = out
        self._novelty = novelty
        self._fingerprint = fingerprint
        self._pool = Pool()
        self._index = make_index(novelty)

    def begin(self, sources: Sequence[RunStore], facts: Facts) -> list[Callable[[str], str]]:
        """Round 0: everyone's seed tasks, then everyone's imported ones. Returns how each source's ids change."""
        seeds: dict[str, Candidate] = {}
        imported: list[Candidate] = []
        instances: dict[str, list[InstanceRow]] = {}
        names: list[Callable[[str], str]] = []
        offset = 0
        for at, source in enumerate(sources):
            given = cast(Sequence[Candidate], source.read(Table.CANDIDATES, 0).rows)
            own = {row.id: _seed(row, seeds) for row in given if row.origin is Origin.SEED}
            rename = _renamer(own, at, offset)
            names.append(rename)
            offset += len(complete_rounds(source))
            imported += [_renamed(row, rename, 0) for row in given if row.origin is Origin.IMPORTED]
            known = set(instances)
            for instance in cast(Sequence[InstanceRow], source.read(Table.INSTANCES, 0).rows):
                moved = _renamed(instance, rename, 0)
                if moved.instruction_id not in known:
                    instances.setdefault(moved.instruction_id, []).append(moved)
        rows = [*seeds.values(), *self._judged(imported, pool=list(seeds.values()))]
        self._put(Table.CANDIDATES, 0, rows, {"facts": facts})
        self._grow(rows)
        given_instances = (instance for row in rows for instance in instances.get(row.id, []))
        self._put(Table.INSTANCES, 0, _kept(given_instances, rows))
        return names

    def append(self, source: RunStore, rename: Callable[[str], str], track: Track) -> None:
        """The rounds of a source, after those that are there."""
        facts = dict(facts_by_round(source))
        for number in track("merging", complete_rounds(source)):
            at = self._pool.rounds
            proposals = source.read(Table.PROPOSALS, number)
            notes = {**proposals.notes, "dialect": dialect_of(source, proposals)}
            if number == 1:
                notes["facts"] = facts.get(1, facts[0])
            self._put(Table.PROPOSALS, at, _moved(proposals.rows, rename, at), notes)
            candidates = cast(list[Candidate], _moved(source.read(Table.CANDIDATES, number).rows, rename, at))
            judged = self._judged(candidates)
            self._put(Table.CANDIDATES, at, judged)
            labels = source.read(Table.LABELS, number)
            self._put(Table.LABELS, at, _moved(labels.rows, rename, at), labels.notes)
            found = source.read(Table.INSTANCES, number)
            instances = cast(list[InstanceRow], _moved(found.rows, rename, at))
            self._put(Table.INSTANCES, at, _kept(instances, judged), found.notes)
            self._grow(judged)

    def _judged(self, rows: Sequence[Candidate], pool: Sequence[Candidate] = ()) -> list[Candidate]:
        """The rows, the accepted ones with the verdicts that they have here. `pool` goes before, in the same round."""
        size = len(self._pool) + len(pool)
        self._index.insert(len(self._pool), [row.text for row in pool])
        texts = [row.text for row in rows if row.accepted]
        verdicts = iter(admit(self._novelty, size, texts, self._index.nearest(size, texts)))
        admitted = [row.id for row in pool]
        judged = []
        for row in (replace(each, cell=None, nearest_cosine=None) for each in rows):  # a merged run measures nothing
            if row.accepted:
                new, nearest = next(verdicts)
                reason = None if new else Reason.SIMILAR
                row = replace(row, accepted=new, reason=reason, nearest_id=None, rouge_l=None)
                if nearest is not None:
                    inside = nearest.ordinal - len(self._pool)
                    id = admitted[inside] if inside >= 0 else self._pool.id(nearest.ordinal)
                    row = replace(row, nearest_id=id, rouge_l=nearest.rouge_l)
                if new:
                    admitted.append(row.id)
            judged.append(row)
        return judged

    def _grow(self, rows: Sequence[Candidate]) -> None:
        accepted = [row for row in rows if row.accepted]
        self._index.insert(len(self._pool), [row.text for row in accepted])
        self._pool.extend(accepted)

    def _put(self, table: Table, number: int, rows: Iterable[Row], notes: Mapping[str, Any] | None = None) -> None:
        if number not in self._out.rounds(table):  # an earlier life of this merge may have written it
            self._out.commit(RoundFile(table, number, tuple(rows), notes or {}), self._fingerprint)


def _seed(row: Candidate, seeds: dict[str, Candidate]) -> str:
    """The id under which a seed task is in the new run; a new text joins `seeds`, under an id that is free."""
    if row.text not in seeds:
        taken = {seed.id for seed in seeds.values()}
        free = (row.id if not again else f"{row.id}~{again}" for again in range(len(taken) + 1))
        seeds[row.text] = replace(row, id=next(id for id in free if id not in taken))
    return seeds[row.text].id


def _renamer(seeds: Mapping[str, str], position: int, offset: int) -> Callable[[str], str]:
    """How the ids of the source at a position change, whose rounds come `offset` later. Ids may have a tail."""

    def rename(id: str) -> str:
        head, _, rest = id.partition("/")
        if head.isdigit():
            return f"{round_name(int(head) + offset)}/{rest}"
        if head == Origin.IMPORTED:
            return f"{head}/{position}:{rest}"
        if head == Origin.SEED and id not in seeds:  # an instance of one
            task, _, tail = id.rpartition("/")
            return f"{seeds[task]}/{tail}"
        return seeds.get(id, id)

    return rename


def _kept(instances: Iterable[InstanceRow], instructions: Iterable[Candidate]) -> list[InstanceRow]:
    """The instances of accepted instructions, with their origin, which older files do not have."""
    origins = {row.id: row.origin for row in instructions if row.accepted}
    return [replace(row, origin=origins[row.instruction_id]) for row in instances if row.instruction_id in origins]


def _moved(rows: Iterable[Row], rename: Callable[[str], str], number: int) -> list[Row]:
    return [_renamed(row, rename, number) for row in rows]


def _renamed(row: Any, rename: Callable[[str], str], number: int) -> Any:
    """A row of any table with all its ids changed, as one of round `number`."""
    match row:
        case Proposal():
            shown = tuple(map(rename, row.demonstrations))
            return replace(row, request_id=rename(row.request_id), round=number, demonstrations=shown)
        case Candidate():
            request = rename(row.request_id) if row.request_id else None
            nearest = rename(row.nearest_id) if row.nearest_id else None
            return replace(row, id=rename(row.id), round=number, request_id=request, nearest_id=nearest)
        case Label():
            return replace(
                row,
                request_id=rename(row.request_id),
                round=number,
                instruction_id=rename(row.instruction_id),
            )
        case _:
            return replace(row, id=rename(row.id), round=number, instruction_id=rename(row.instruction_id))
