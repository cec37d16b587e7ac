"""What the mix of a run's strategies must be, counted from its files once more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from selfinstruct.records import Candidate, Judgement, Proposal, RoundFile, Table
from selfinstruct.run.bringing import MIX
from selfinstruct.run.settings import RunSettings
from selfinstruct.steps.strategies.control import WINDOW, Brought, shares_of
from selfinstruct.steps.strategies.mix import Mix
from selfinstruct.storage.checks import check_sets
from selfinstruct.storage.store import RunStore

Files = Mapping[tuple[Table, int], RoundFile]


def check_mixes(store: RunStore, files: Files, settings: RunSettings) -> None:
    """AssertionError unless each round's mix is what the rounds up to its lookback say, and its requests are drawn by
    it."""
    for number in store.rounds(Table.PROPOSALS):
        newest = number - settings.feedback.lookback
        brought = dict.fromkeys(settings.strategies.shares, Brought())
        for seen in range(max(1, newest - WINDOW + 1), newest + 1):
            for name, more in _brought(store, files, settings, seen):
                brought[name] += more
        shares = shares_of(brought) if newest > 0 else settings.strategies.shares
        told = files[Table.PROPOSALS, number].notes[MIX]["shares"]
        assert told == {name: round(float(share), 4) for name, share in shares.items()}, f"round {number} has {told}"
        mix = Mix(settings.seed, {name: float(share) for name, share in shares.items()}, {})
        rows = [row for row in files[Table.PROPOSALS, number].rows if isinstance(row, Proposal)]
        drawn = {row.request_id: (mix.name_of(row.request_id), row.strategy) for row in rows}
        wrong = {id: each for id, each in drawn.items() if each[0] != each[1] and each != ("document", "paper")}
        assert not wrong, f"requests were made in another way than the mix says: {wrong}"


def _brought(store: RunStore, files: Files, settings: RunSettings, number: int) -> Iterator[tuple[str, Brought]]:
    """What a round's rows count for, one by one."""
    asked = [row for row in files[Table.PROPOSALS, number].rows if isinstance(row, Proposal)]
    strategies = {row.request_id: row.strategy for row in asked}
    for row in asked:
        yield row.strategy, Brought(requests=1, tokens=row.completion_tokens)
    for candidate in files[Table.CANDIDATES, number].rows:
        if isinstance(candidate, Candidate) and candidate.accepted:
            near = candidate.nearest_cosine
            distinct = near is None or near <= settings.semantic.cosine
            yield strategies[candidate.id[:12]], Brought(accepted=1, distinct=distinct)
    for checks in check_sets(store) if settings.strategies.judged else ():
        for judged in checks.read(number):
            said = set(judged.judgements)
            if said != {Judgement.NONE}:
                yield strategies[judged.id[:12]], Brought(judged=1, right=said == {Judgement.YES})
