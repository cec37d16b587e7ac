"""What each strategy of a run has brought, by its files: for the mix that follows it, and for those who look on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from selfinstruct.records import Candidate, CheckRow, Judgement, Proposal, Table
from selfinstruct.run.settings import RunSettings
from selfinstruct.semantic.settings import COSINE
from selfinstruct.steps.judging import overall
from selfinstruct.steps.strategies.control import WINDOW, Brought, shares_of, worth_of
from selfinstruct.steps.strategies.settings import MixSettings

if TYPE_CHECKING:
    from selfinstruct.storage.store import RunStore

MIX = "mix"
"""The note of a proposals file that says which shares the strategies had, and what each was worth."""

TOLD = 0.05
"""A share that has moved by less since it was last told is not told again."""


class Bringing:
    """Counts of committed rounds, and the mix that follows them: that of round r goes by the rounds from
    r - lookback - window + 1 to r - lookback. It is the recipe's own until there are any."""

    def __init__(self, settings: RunSettings) -> None:
        self._settings = settings
        self._strategies: dict[int, Mapping[str, str]] = {}  # of requests by id, of rounds that are not counted whole
        self._rounds: defaultdict[int, dict[str, Brought]] = defaultdict(dict)

    def looks_at(self, number: int, rounds: int) -> bool:
        """Whether plans of rounds from `rounds` on look at a round's counts."""
        return number > rounds - self._settings.feedback.lookback - WINDOW

    def asked(self, number: int, rows: Sequence[Proposal]) -> None:
        """The proposals of a round are committed."""
        self._strategies[number] = {row.request_id: row.strategy for row in rows}
        for row in rows:
            self._add(number, row.strategy, Brought(requests=1, tokens=row.completion_tokens))

    def accepted(self, number: int, rows: Sequence[Candidate]) -> None:
        """Its candidates are; these were accepted. A round whose proposals were not told is passed over."""
        strategies = self._strategies.get(number, {})
        for row in rows if strategies else ():
            distinct = _is_new(row.nearest_cosine, self._settings.semantic.cosine)
            self._add(number, strategies[cast(str, row.request_id)], Brought(accepted=1, distinct=distinct))
        if not self._settings.strategies.judged:
            self._strategies.pop(number, None)

    def judged(self, number: int, rows: Sequence[CheckRow]) -> None:
        """The run's own check of it is."""
        strategies = self._strategies.pop(number, {})
        for row in rows if strategies else ():
            if (said := overall(row.judgements)) is not Judgement.NONE:
                request, _, _ = row.id.rsplit("/", 2)  # of an instance of an instruction of a request
                self._add(number, strategies[request], Brought(judged=1, right=said is Judgement.YES))

    def mix(self, number: int) -> Mapping[str, float]:
        """The shares under which a round is planned."""
        brought = self._of(number)
        if not any(each.requests for each in brought.values()):
            return self._settings.strategies.shares
        return {name: float(share) for name, share in shares_of(brought).items()}

    def note(self, number: int) -> Mapping[str, Any]:
        """The same for the file, with the distinct rows (of a check that counts: right ones) of a thousand tokens."""
        brought = self._of(number)
        total = sum(brought.values(), Brought())
        known = brought if total.requests else {}
        worth = {name: round(float(1000 * worth_of(each, total)), 3) for name, each in known.items()}
        return {"shares": {name: round(share, 4) for name, share in self.mix(number).items()}, "worth": worth}

    def _of(self, number: int) -> dict[str, Brought]:
        end = number - self._settings.feedback.lookback
        rounds = [self._rounds.get(each, {}) for each in range(end - WINDOW + 1, end + 1)]
        names = self._settings.strategies.shares
        return {name: sum((each.get(name, Brought()) for each in rounds), Brought()) for name in names}

    def _add(self, number: int, name: str, more: Brought) -> None:
        counts = self._rounds[number]
        counts[name] = counts.get(name, Brought()) + more


def moved(before: Mapping[str, Any] | None, now: Mapping[str, Any]) -> str:
    """A line for the log on a mix (as in a note) and the one that was told before it; empty if it has hardly moved."""
    if before is None:
        return ""
    shares, earlier = now["shares"], before["shares"]
    change = {name: round(abs(share - earlier.get(name, 0)), 4) for name, share in shares.items()}
    changed = sorted((name for name in shares if change[name] >= TOLD), key=lambda name: (-change[name], name))
    told = [f"{name} {earlier.get(name, 0):.0%} -> {shares[name]:.0%} ({now['worth'][name]:.1f})" for name in changed]
    return f"mix: {', '.join(told)}; in brackets what 1,000 tokens of it have brought" if changed else ""


@dataclass(frozen=True, slots=True)
class Account:
    """What a strategy has brought in a whole run.

    Attributes:
        share: Of all requests.
        tokens: Written by the model.
        distinct: Accepted rows no nearer to the pool than the run's cosine; None where nobody measures that.
        cells: In which they lie; None as well.
    """

    share: float
    requests: int
    tokens: int
    accepted: int
    distinct: int | None
    cells: int | None


def brought_by(store: RunStore) -> dict[str, Account]:
    """What each strategy of a run has brought so far; empty where all requests are of one.

    It reads some columns of all proposals and candidates.
    """
    facts = store.metadata(Table.CANDIDATES, 0).facts
    if sum(bool(facts.get(f"strategies.{name}")) for name in MixSettings().names) < 2:
        return {}
    cosine, measures = facts.get("semantic.cosine", COSINE), facts.get("semantic.measure", False)
    brought: defaultdict[str, Brought] = defaultdict(Brought)
    cells: defaultdict[str, set[int | None]] = defaultdict(set)
    for number in [each for each in store.rounds(Table.CANDIDATES) if each > 0]:
        asked = store.read_columns(Table.PROPOSALS, number, ["request_id", "strategy", "completion_tokens"]).to_pylist()
        strategies = {row["request_id"]: row["strategy"] for row in asked}
        for row in asked:
            brought[row["strategy"]] += Brought(requests=1, tokens=row["completion_tokens"])
        columns = ["request_id", "cell", "nearest_cosine"]
        for row in store.read_columns(Table.CANDIDATES, number, columns, accepted_only=True).to_pylist():
            name = strategies[row["request_id"]]
            brought[name] += Brought(accepted=1, distinct=_is_new(row["nearest_cosine"], cosine))
            cells[name].add(row["cell"])
    requests = sum(each.requests for each in brought.values())
    return {
        name: Account(
            each.requests / requests,
            each.requests,
            each.tokens,
            each.accepted,
            each.distinct if measures else None,
            len(cells[name]) if measures else None,
        )
        for name, each in sorted(brought.items())
    }


def _is_new(cosine: float | None, limit: float) -> bool:
    return cosine is None or cosine <= limit


def lines_of(accounts: Mapping[str, Account]) -> Iterator[str]:
    """A line for each strategy."""
    for name, each in accounts.items():
        about = "" if each.distinct is None else f", {each.distinct:,} of them distinct, in {each.cells:,} cells"
        cost = f"; {each.tokens / each.accepted:,.0f} tokens written for each accepted" if each.accepted else ""
        yield f"{name}: {each.share:.0%} of the requests; {each.accepted:,} accepted{about}{cost}"
