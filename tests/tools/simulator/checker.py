"""What must hold of a run's files after any schedule."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pyarrow as pa

from selfinstruct.draws import seed_of
from selfinstruct.novelty.rouge import rouge_l, tokenise
from selfinstruct.records import (
    CHECKS,
    Candidate,
    CheckRow,
    Finish,
    InstanceRow,
    Judgement,
    Kind,
    Label,
    Proposal,
    Reason,
    RoundFile,
    Table,
    round_name,
)
from selfinstruct.run.settings import RunSettings
from selfinstruct.semantic.vectors import cosines
from selfinstruct.steps.checks import Judge
from selfinstruct.storage.blobs import Blobs
from selfinstruct.storage.checks import check_sets
from selfinstruct.storage.store import RunStore, decode, encode, name_of
from selfinstruct.storage.tables import content_digest, to_arrow
from selfinstruct.storage.verify import verify
from tests.tools.simulator.mixes import check_mixes
from tests.tools.simulator.parts import JUDGED, encoder


class Memory:
    """Files in a dictionary, to be looked at."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.url = "memory"
        self.files = dict(files)

    def check_writable(self) -> None: ...

    def put(self, name: str, data: bytes, *, patient: bool = True) -> bool:
        if name in self.files:
            return False
        self.files[name] = data
        return True

    def get(self, name: str) -> bytes:
        return self.files[name]

    def open(self, name: str) -> Any:
        return pa.BufferReader(self.files[name])

    def exists(self, name: str) -> bool:
        return name in self.files

    def names(self, folder: str) -> list[str]:
        found = (name.removeprefix(f"{folder}/") for name in self.files if name.startswith(f"{folder}/"))
        return sorted(name for name in found if name[0] != ".")

    def remove(self, name: str) -> None:
        self.files.pop(name, None)

    def sweep(self, folder: str) -> None: ...


SAID = {"yes": Judgement.YES, "no": Judgement.NO}
"""What a judge's words mean; others are no judgement."""

Contents = Mapping[str, str]
"""File -> digest of its rows, which `verify` has held against the rows."""


def check(blobs: Blobs, settings: RunSettings, expected: Contents | None, judge: Judge | None = None) -> Contents:
    """AssertionError, saying what is wrong, unless the run is whole, honest and (if known) what it ought to be.

    Args:
        judge: Of a run that has a check, and plans by it.
    """
    store = RunStore(blobs)
    assert verify(store) == [], verify(store)
    decoded = {
        (table, number): decode(blobs.get(name_of(table, number)), table, number)
        for table in Table
        for number in store.rounds(table)
    }
    files = {key: file for key, (_, file) in decoded.items()}
    for table in Table:
        rows = [row for (of, _), file in files.items() if of is table for row in file.rows]
        ids = Counter(row.request_id if isinstance(row, Proposal | Label) else row.id for row in rows)
        assert ids, f"nothing is left of {table}"
        assert max(ids.values()) == 1, f"{table} has an id more than once"
    pool: list[Candidate] = []
    sizes = []
    for number in store.rounds(Table.CANDIDATES):
        pool += [row for row in files[Table.CANDIDATES, number].rows if isinstance(row, Candidate) and row.accepted]
        sizes.append(len(pool))
    _check_accounts(files, settings, sizes)
    proposals = [row for (_, _), file in sorted(files.items()) for row in file.rows if isinstance(row, Proposal)]
    parents = {row.request_id: row.demonstrations[0] for row in proposals if row.strategy == "evolve"}
    _check_pairs(pool, settings, parents)
    _check_documents(proposals, settings)
    _check_copies(files, settings)
    if settings.strategies.auto:
        check_mixes(store, files, settings)
    accepted = sizes[-1] - sizes[0]
    before = sizes[-2] - sizes[0] if len(sizes) > 1 else 0
    assert before < settings.target <= accepted, f"{accepted} are accepted, {before} before the last round"
    contents = {name_of(*key): metadata.content for key, (metadata, _) in decoded.items()}
    if judge:
        contents |= _check_judgements(store, files, settings, judge)
    assert expected in (None, contents), "not the run that it is without failures"
    return contents


def _check_accounts(files: Mapping[tuple[Table, int], RoundFile], settings: RunSettings, sizes: list[int]) -> None:
    """Every request that the plan asks for is there, once, and so are two labels for each accepted instruction."""
    for (table, number), file in files.items():
        if table is Table.PROPOSALS:
            size = sizes[max(0, number - settings.rounds.lag)]
            count = min(max(size // 8, settings.rounds.least), settings.rounds.most)
            ids = [f"{round_name(number)}/{position:05d}" for position in range(count)]
            assert [row.request_id for row in file.rows] == ids, f"proposals of round {number} are not those planned"
        if table is Table.LABELS:
            of = _documents_of(files[Table.PROPOSALS, number])
            rows = [row for row in files[Table.CANDIDATES, number].rows if isinstance(row, Candidate) and row.accepted]
            accepted = [row.id for row in rows if row.request_id not in of]
            once = [row.id for row in rows if row.request_id in of]
            from_texts = [row.instruction_id for row in file.rows if row.kind is Kind.DOCUMENT_ANSWER]
            assert from_texts == once, f"answers from texts in round {number} are not those of its instructions"
            asked = [row.instruction_id for row in file.rows if row.kind is Kind.CLASSIFY]
            owed = [
                row.instruction_id for row in file.rows if row.kind is Kind.CLASSIFY and row.finish is not Finish.FAILED
            ]
            others = (Kind.CLASSIFY, Kind.DOCUMENT_ANSWER)
            answered = [row.instruction_id for row in file.rows if row.kind not in others]
            assert asked == accepted, f"labels of round {number} are not those of its instructions"
            assert answered == owed, f"labels of round {number} lack instances"


def _check_judgements(
    store: RunStore, files: Mapping[tuple[Table, int], RoundFile], settings: RunSettings, judge: Judge
) -> Contents:
    """Each accepted instance of the share is judged once, as the model said; plans show what passed. Each file's rows
    by its name."""
    (checks,) = check_sets(store)
    assert checks.rounds() == list(store.rounds(Table.INSTANCES))[1:], f"judged are the rounds {checks.rounds()}"
    proven: dict[str, int] = {}
    contents = {}
    for number in store.rounds(Table.INSTANCES):
        rows = checks.read(number) if number else ()
        accepted = [row for row in files[Table.INSTANCES, number].rows if isinstance(row, InstanceRow) and row.accepted]
        owed = [row.id for row in accepted if number and seed_of("sample", judge.seed, row.id) < judge.share * 2**63]
        assert [row.id for row in rows] == owed, f"judged in round {number} are not those of the share"
        good = {row.id: all(each is Judgement.YES for each in _said(row)) for row in rows}
        proven |= {row.instruction_id: number for row in accepted if good.get(row.id, True)}
        contents[checks.file(number)] = content_digest(to_arrow(CHECKS, rows))
    for (table, number), file in files.items():
        for row in file.rows if table is Table.PROPOSALS else ():
            shown = [id for id in row.demonstrations if not id.startswith("seed/")] if isinstance(row, Proposal) else []
            late = [id for id in shown if proven.get(id, number) > number - settings.feedback.lookback]
            assert not late, f"round {number} shows {late}, which had not passed"
    return contents


def _said(row: CheckRow) -> tuple[Judgement, ...]:
    """What the model's answer says, read here once more; the row must have the same."""
    if row.finish is Finish.FAILED:
        said: tuple[Judgement, ...] = (Judgement.NONE,) * len(row.judgements)
    else:
        lines = dict(line.split(": ", 1) for line in row.text.splitlines())
        said = tuple(SAID.get(lines[key], Judgement.UNREADABLE) for key in JUDGED)
    assert row.judgements == said, f"{row.id} was judged {said}, and its row has {row.judgements}"
    return said


def _check_documents(proposals: list[Proposal], settings: RunSettings) -> None:
    """Each document is given out once and none is skipped, as long as there are any."""
    given = [row.sources[0] for row in proposals if row.strategy == "document" and row.sources]
    fit = [f"document:text {number}" for number in range(9) if number != 4]
    assert given == fit[: len(given)], f"given out are {given}"
    assert {row.strategy for row in proposals} <= set(settings.strategies.shares), "a strategy without a share"


def _documents_of(file: RoundFile) -> dict[str, str]:
    """The number of each text that was shown, by the request."""
    shown = [row for row in file.rows if isinstance(row, Proposal) and row.strategy == "document"]
    return {row.request_id: row.sources[0].removeprefix("document:text ") for row in shown if row.sources}


def _check_copies(files: Mapping[tuple[Table, int], RoundFile], settings: RunSettings) -> None:
    """Each answer is from the text that its instruction came of, and the share that is copied is what brute force
    finds."""
    for (table, number), file in files.items():
        if table is not Table.INSTANCES or number == 0:
            continue
        of = _documents_of(files[Table.PROPOSALS, number])
        for row in file.rows:
            assert isinstance(row, InstanceRow)
            text = of.get(row.instruction_id.rpartition("/")[0])
            if text is None:
                assert row.copied is None, f"{row.id} is said to be copied"
                continue
            assert not row.output or text in row.output, f"{row.id} is not of text {text}: {row.output}"
            share = _copied(
                tokenise(row.output, "rouge"), tokenise(f"Of {text} things one is told here, and of no other.", "rouge")
            )
            assert row.copied == share, f"{row.id} has copied {share}, and says {row.copied}"
            above = share > settings.documents.copied
            assert row.reason is not Reason.COPIED or above, f"{row.id} was dropped"
            assert not (above and row.accepted), f"{row.id} was not dropped"


def _copied(words: list[str], text: list[str]) -> float:
    """The share of the words in runs of six or more that the text has, too: all runs are tried."""
    covered: set[int] = set()
    for start in range(len(words)):
        for end in range(start + 6, len(words) + 1):
            run = words[start:end]
            if any(text[at : at + len(run)] == run for at in range(len(text))):
                covered.update(range(start, end))
    return len(covered) / len(words) if words else 0.0


def _check_pairs(pool: list[Candidate], settings: RunSettings, parents: Mapping[str, str]) -> None:
    """Brute force: no generated instruction is similar to any that was there before it, a rewritten one's parent apart,
    which it may resemble, but not repeat."""
    near = cosines(*[encoder().embed([row.text for row in pool])] * 2)
    tokens = [tokenise(row.text, "rouge") for row in pool]
    seeds = sum(row.round == 0 for row in pool)
    for later in range(seeds, len(pool)):
        for earlier in range(later):
            score = rouge_l(tokens[earlier], tokens[later])
            own = parents.get(pool[later].request_id or "") == pool[earlier].id
            most = settings.evolve.similar if own else settings.novelty.threshold
            assert score <= most, f"{pool[earlier].id} and {pool[later].id} are similar ({score:.2f})"
        others = [at for at in range(later) if parents.get(pool[later].request_id or "") != pool[at].id]
        cosine, measured = near[later, others].max(), pool[later].nearest_cosine
        assert measured == (cosine if settings.semantic.measure else None), f"{pool[later].id} is {measured} near"
        assert not settings.semantic.gate or cosine <= settings.semantic.cosine, f"{pool[later].id} is a paraphrase"


def tamper(files: Mapping[str, bytes], draw: random.Random) -> tuple[str, dict[str, bytes]]:
    """The files with one of them damaged, and how: `verify` must find it."""
    damaged = dict(files)
    store = RunStore(Memory(files))
    table = draw.choice(list(Table))
    rounds = store.rounds(table)
    number = draw.choice(rounds[:-1])  # a newest file that is swapped or lost cannot be told from an earlier run
    name = name_of(table, number)
    how = draw.choice(["lost", "flipped", "torn", "swapped"])
    data = damaged.pop(name)
    if how == "flipped":
        at = draw.randrange(len(data))
        damaged[name] = data[:at] + bytes([data[at] ^ (1 << draw.randrange(8))]) + data[at + 1 :]
    elif how == "torn":
        damaged[name] = data[: draw.randrange(len(data))]
    elif how == "swapped":  # well-formed, with rows and metadata that fit each other
        metadata, file = decode(data, table, number)
        rows = to_arrow(table, file.rows)
        another = replace(metadata, content=content_digest(rows), versions={"python": "another"})
        damaged[name] = encode(rows, another.to_json())
    return f"{name} {how}", damaged
