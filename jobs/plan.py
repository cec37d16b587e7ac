"""`selfinstruct plan`: what a run will still take, from its rounds so far.

The first rounds of a run serve as the trial: the tables for a small target are the beginning of those for a large one,
so nothing is lost. Acceptance is fitted and played to the target (`selfinstruct.run.forecast`); tokens, time, memory
and disk follow from what the rounds so far took per request and per accepted instruction.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from tyro.conf import Positional

from jobs.command_line import run
from jobs.commands import Command, Outcome
from selfinstruct.errors import InputError
from selfinstruct.records import Table
from selfinstruct.settings import Facts, option
from selfinstruct.wording import counted

if TYPE_CHECKING:
    from selfinstruct.quality.diversity import Diversity
    from selfinstruct.quality.estimate import Usable
    from selfinstruct.quality.findings import Findings
    from selfinstruct.run.forecast import Estimate, Forecast
    from selfinstruct.storage.store import RunStore

BYTES_A_TEXT = {"minhash": 1100, "prefix": 160}
"""Bytes of an index at a million texts (docs/bench/novelty-million.json), rounded up."""

VECTOR_BYTES_A_TEXT = 270
"""What measuring adds to them (docs/bench/semantic.json), rounded up."""

DRIVER_BYTES_A_TEXT = 300
"""The driver keeps the pool's texts and ids (docs/scale.md)."""


@dataclass(frozen=True)
class PlanSettings:
    """Say what a run will still take, from its rounds so far.

    Args:
        run: Folder of the run; a few hundred accepted instructions are a good start.
        target: Accepted instructions to reach.
        replicas: Replicas that will work on it.
        price: Money per replica and hour.
    """

    run: Positional[str]
    target: int = option(least=1)
    replicas: int = option(1, least=1)
    price: float | None = option(None, least=0)


@dataclass(frozen=True, slots=True)
class Spent:
    """What the rounds so far took, in sums."""

    requests: int  # propose requests
    candidates: int
    accepted: int
    propose_tokens: int  # written
    label_tokens: int  # written
    prompt_tokens: int  # read, by both
    disk_bytes: int
    replica_seconds: float  # 0 when unknown
    timed_tokens: int  # written in those seconds


COMMAND = Command(
    "plan",
    PlanSettings,
    examples=(
        "selfinstruct plan runs/first --target 50000",
        "selfinstruct plan runs/first --target 50000 --replicas 8 --price 2.5 --json",
    ),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Print the plan; returns the exit code."""
    return run(COMMAND, plan, argv)


def plan(settings: PlanSettings) -> Outcome:
    """Fit, play, print."""
    from selfinstruct.quality.diversity import diversity_if_possible
    from selfinstruct.quality.findings import find
    from selfinstruct.run.bringing import brought_by, lines_of
    from selfinstruct.run.forecast import Curve, Sizes, Yield
    from selfinstruct.storage.store import open_run

    store = open_run(settings.run)
    spent, yields, facts, notes = read(store)
    if settings.target <= spent.accepted:
        raise InputError(f"--target: {settings.run} has {spent.accepted} accepted instructions already; name more")
    try:
        curve = Curve([Yield(*each) for each in yields])
    except ValueError as error:
        raise InputError(f"{settings.run}: {error}; let generate go on for a while") from error
    given = store.totals()[Table.CANDIDATES]
    sizes = Sizes(
        notes["least"],
        notes["most"],
        given["accepted.seed"] + given["accepted.imported"],
        spent.candidates / spent.requests,
    )
    forecast = curve.forecast(spent.accepted, settings.target, sizes)
    lines = dict(_lines(settings, spent, forecast, _shard_bytes(facts)))
    found = find(store)
    diversity, without = diversity_if_possible(store)
    brought = brought_by(store)
    print(
        f"{settings.run}: {spent.accepted:,} of {settings.target:,} accepted;"
        f" acceptance is {curve.rate(spent.accepted):.0%} now and falls to {forecast.final_rate.middle:.0%}\n"
    )
    print(f"{'still to come':<32}{'about':>16}   9 in 10 between")
    for name, (value, unit) in lines.items():
        print(f"{name:<32}{_number(value.middle):>16}   {_number(value.low)} and {_number(value.high)} {unit}".rstrip())
    for line in _usable_lines(found, settings, spent) if found else ():
        print(line)
    print(f"\n{_distinct(diversity, settings.target) if diversity else f'Diversity is not told: {without}'}")
    if brought:
        print("\nso far, by strategy:")
    for line in lines_of(brought):
        print(f"  {line}")
    if not spent.replica_seconds:
        print("\nHow long it takes is not known: this run has no timings.")
    figures: dict[str, Any] = {"accepted": spent.accepted, **{name: value for name, (value, _) in lines.items()}}
    usable, per = found.usable if found else None, settings.target / spent.accepted
    figures |= {"usable": _usable(usable, _priced(found, settings, spent), per)} if found and usable else {}
    figures |= {"diversity": _grown(diversity, settings.target)} if diversity else {}
    return Outcome(figures | ({"strategies": brought} if brought else {}))


def read(store: RunStore) -> tuple[Spent, list[tuple[int, int, int]], dict[str, Any], dict[str, Any]]:
    """What was spent, the yield of each round, the run's facts, and the notes of the newest round."""
    from selfinstruct.storage.timings import read_timings

    yields, pool, candidates = [], 0, 0
    rounds = store.rounds(Table.PROPOSALS)
    for number in [each for each in store.rounds(Table.CANDIDATES) if each > 0]:
        counts = Counter(store.metadata(Table.CANDIDATES, number).counts)
        tried = counts["accepted"] + sum(n for key, n in counts.items() if key.startswith("rejected."))
        yields.append((pool, tried, counts["accepted"]))
        pool += counts["accepted"]
        candidates += tried
    if not yields:
        raise InputError(f"{store.blobs.url}: no round is complete; let generate go on for a while")
    totals, timings = store.totals(), read_timings(store.blobs)
    proposals, labels = totals[Table.PROPOSALS], totals[Table.LABELS]
    spent = Spent(
        requests=proposals["requests"],
        candidates=candidates,
        accepted=pool,
        propose_tokens=proposals["tokens.completion"],
        label_tokens=labels["tokens.completion"],
        prompt_tokens=proposals["tokens.prompt"] + labels["tokens.prompt"],
        disk_bytes=_size(store),
        replica_seconds=sum(each.replica_seconds for each in timings),
        timed_tokens=sum(each.completion_tokens for each in timings),
    )
    return (
        spent,
        yields,
        dict(store.metadata(Table.CANDIDATES, 0).facts),
        dict(store.metadata(Table.PROPOSALS, rounds[-1]).notes),
    )


def _size(store: RunStore) -> int:
    """Bytes of all files of all tables."""
    size = 0
    for table in Table:
        for name in store.blobs.names(table):
            with store.blobs.open(f"{table}/{name}") as file:
                size += file.size()
    return size


def _shard_bytes(facts: Facts) -> int:
    """Of a text, in all that the shards hold."""
    words = BYTES_A_TEXT.get(facts.get("novelty.index", "minhash"), 1100)
    return words + (VECTOR_BYTES_A_TEXT if facts.get("semantic.measure") else 0)


def _lines(settings: PlanSettings, spent: Spent, forecast: Forecast, bytes_a_text: int) -> Any:
    """What is printed: name, estimate, unit."""
    from selfinstruct.run.forecast import Estimate

    def total(per_request: float, per_accepted: float) -> Estimate:
        """Requests vary with the draws; the instructions to be labelled hardly do."""
        rest = forecast.accepted.middle * per_accepted
        return Estimate(*(getattr(forecast.requests, each) * per_request + rest for each in ("middle", "low", "high")))

    written = total(spent.propose_tokens / spent.requests, spent.label_tokens / spent.accepted)
    share = spent.propose_tokens / max(1, spent.propose_tokens + spent.label_tokens)
    read_ = total(spent.prompt_tokens * share / spent.requests, spent.prompt_tokens * (1 - share) / spent.accepted)
    yield "rounds", (forecast.rounds, "")
    yield "propose requests", (forecast.requests, "")
    yield "candidates", (forecast.candidates, "")
    yield "tokens written", (written, "")
    yield "tokens read", (read_, "")
    if spent.replica_seconds:
        hours = written.times(spent.replica_seconds / spent.timed_tokens / 3600)
        yield "replica hours", (hours, "")
        yield f"hours with {counted(settings.replicas, 'replica')}", (hours.times(1 / settings.replicas), "")
        if settings.price is not None:
            yield "money", (hours.times(settings.price), "")
    gib = settings.target / 2**30
    yield "memory of all shards, GiB", (Estimate(*[gib * bytes_a_text] * 3), "")
    yield "memory of the driver, GiB", (Estimate(*[0.3 + gib * DRIVER_BYTES_A_TEXT] * 3), "")
    yield "disk at the target, GiB", (Estimate(*[gib * spent.disk_bytes / spent.accepted] * 3), "")


def _usable_lines(found: Findings, settings: PlanSettings, spent: Spent) -> Iterator[str]:
    """How many rows will be usable, as those say who judged, and what one takes."""
    if not (now := found.usable):
        return
    per, at = settings.target / spent.accepted, f"at {settings.target:,} accepted instructions"
    if now.by == "judge":
        yield f"\nThe judge says: about {per * now.rows:,.0f} rows are right in all {at}; no person has looked"
    else:
        yield f"\nUsable rows {at}: about {per * now.rows:,.0f} ({per * now.low:,.0f} to {per * now.high:,.0f})"
    yield f"So far: {found.cost}"
    if (priced := _priced(found, settings, spent)) and priced.span:
        yield f"In money, without what `selfinstruct check` took: {priced.span} each"
    yield from found.notes


def _distinct(diversity: Diversity, target: int) -> str:
    """How many rows are distinct so far, and about how many will be."""
    last, at = diversity.growth[-1], diversity.distinct_at(target)
    so_far = f"Distinct at a cosine of {diversity.cosine:g}: {last.value:,.0f} of the first {last.rows:,} instructions"
    if at is None:
        return f"{so_far}; more are needed to say how that goes on"
    return f"{so_far}; if they go on to grow so (to the power {diversity.exponent:.2f}), {at:,.0f} of {target:,}"


def _grown(diversity: Diversity, target: int) -> dict[str, Any]:
    """The same for JSON, with all figures."""
    more = {"exponent": diversity.exponent, "distinct_at_target": diversity.distinct_at(target)}
    return {**asdict(diversity), **more}


def _priced(found: Findings, settings: PlanSettings, spent: Spent) -> Usable | None:
    """What a usable row took in money; None without a price, or timings."""
    if settings.price is None or not spent.replica_seconds:
        return None
    return found.usable_at(spent.replica_seconds / 3600 * settings.price)


def _usable(now: Usable, priced: Usable | None, per: float) -> dict[str, Any]:
    """For JSON: rows at the target, which has `per` times the instructions, and tokens and money that one has taken."""
    return {
        "by": now.by,
        "rows": {"middle": per * now.rows, "low": per * now.low, "high": per * now.high},
        "tokens": {"middle": now.each, "low": now.each_low, "high": now.each_high},
        "money": {"middle": priced.each, "low": priced.each_low, "high": priced.each_high} if priced else None,
    }


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


if __name__ == "__main__":
    sys.exit(main())
