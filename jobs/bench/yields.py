"""`selfinstruct bench yield`: what ways to ask bring at equal tokens, of a real model (`side_by_side`) or, here, in
made-up worlds, where every topic is known.

In each world every policy writes as many tokens as `paper` does for a million candidates. The best fixed mix is
searched with hindsight, under the controller's own floors: on a grid, then around its best point.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from itertools import combinations, pairwise, permutations, repeat
from multiprocessing import get_context
from pathlib import Path
from statistics import geometric_mean
from typing import TYPE_CHECKING, Any

from jobs import commands
from jobs.bench.arms import ArmSettings
from jobs.command_line import run
from selfinstruct.errors import InputError
from selfinstruct.settings import option

if TYPE_CHECKING:
    from jobs.bench.simulated import Policy, Simulation
    from jobs.bench.worlds import World

GRID = 2
"""Parts into which the grid divides what the floors leave; around its best point they are halved."""

EARLY = 50_000
"""Candidates at which the rate of new topics is compared with that of the last tenth."""

TRUTHS = ("topics", "usable")
"""Distinct topics of accepted rows; those of them with a row that is right."""

Mixed = tuple[int, ...]  # parts of what the floors leave, by strategy


@dataclass(frozen=True, kw_only=True)
class YieldBenchSettings(ArmSettings):
    """Measure what ways to ask bring: with --model, or with --simulated, whose options are the last ones.

    Args:
        simulated: In made-up worlds.
        worlds: How many worlds.
        candidates: Candidates of `paper`, whose tokens every policy writes.
        processes: Worlds at a time, each in a process of about 1 GiB.
        tuning: Take the worlds that are for tuning instead of those that were committed first.
    """

    simulated: bool = False
    worlds: int = option(10, least=1, most=10)
    candidates: int = option(1_000_000, least=1_000)
    processes: int = option(1, least=1, most=64)
    tuning: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a policy came to in a world.

    Attributes:
        topics: Distinct topics of accepted rows, within the tokens.
        usable: Those with a row that is right.
        a_million_candidates: Distinct topics of so many.
        early, late: New topics for each candidate: around the first 50,000, and in the last tenth.
        acceptance: Share of the candidates that was accepted in the last tenth.
        lexical, semantic: Precision and recall of the novelty check and of the yardstick, in telling known topics.
        shares: Of the requests in the last round.
    """

    policy: str
    topics: float
    usable: float
    topics_a_million_tokens: float
    usable_a_million_tokens: float
    a_million_candidates: float
    early: float
    late: float
    acceptance: float
    lexical: tuple[float, float]
    semantic: tuple[float, float]
    shares: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class InWorld:
    """All policies in a world, and the best fixed mix for either truth with what it came to."""

    world: str
    tokens: int
    outcomes: Sequence[Outcome]
    best: Mapping[str, tuple[Mapping[str, float], float]]


COMMAND = commands.Command(
    "bench yield",
    YieldBenchSettings,
    shown={
        "a real model": ("model", "engine", "seeds", "tokens", "work"),
        "made-up worlds": ("simulated", "worlds", "candidates", "processes", "tuning"),
        "what is written": ("out",),
    },
)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure; returns the exit code."""
    return run(COMMAND, bench, argv)


def bench(settings: YieldBenchSettings) -> commands.Outcome:
    """Go on with a real model's arms, or run every policy in every world."""
    if (settings.model is None) != settings.simulated:
        raise InputError("bench yield: give either --model M or --simulated")
    if settings.simulated:
        return _simulate(settings)
    from jobs.bench import side_by_side

    return commands.Outcome(side_by_side.bench(settings))


def _simulate(settings: YieldBenchSettings) -> commands.Outcome:
    """Run every policy in every world, print, and write."""
    from jobs.bench.machine import machine
    from jobs.bench.worlds import drawn, read_worlds
    from selfinstruct.storage.files import write_file

    worlds = (drawn("tuning") if settings.tuning else read_worlds())[: settings.worlds]
    found = []
    with ProcessPoolExecutor(settings.processes, get_context("spawn")) as pool:
        for each in pool.map(in_world, worlds, repeat(settings.candidates)):
            found.append(each)
            print("\n".join(table(each)), flush=True)
    summary = summed(found)
    print("\n".join(told(summary)))
    figures = {
        "settings": {name: getattr(settings, name) for name in ("worlds", "candidates", "processes", "tuning")},
        "machine": machine(),
        "summary": summary,
        "worlds": [asdict(each) for each in found],
    }
    if settings.out:
        write_file(Path(settings.out) / "yield-simulated.json", json.dumps(figures, indent=1) + "\n")
    return commands.Outcome(figures)


def policies() -> list[Policy]:
    """Those that stand side by side, the paper's first."""
    from jobs.bench.simulated import Policy
    from jobs.bench.worlds import STRATEGIES

    paper, spread = {"paper": 1.0}, {"spread": 1.0}
    return [
        Policy("paper 6+2", paper),
        Policy("paper 0+8", paper, seeds=0),
        Policy("spread 2+6", spread),
        Policy("slots on half", paper, slots=0.5),
        Policy("spread, slots", spread, slots=0.5),
        Policy("spread, slots, gate", spread, slots=0.5, gate=True),
        *(Policy(name, {name: 1.0}) for name in ("query", "evolve", "document")),
        Policy("uniform mix", dict.fromkeys(STRATEGIES, 1 / len(STRATEGIES))),
        Policy("controller", None),
        Policy("controller, check", None, checked=True),
    ]


def in_world(world: World, candidates: int) -> InWorld:
    """Every policy in a world."""
    from jobs.bench.simulated import Simulation

    tokens = candidates * world.tokens["paper"]
    ran = ((policy, Simulation(world, policy).until(candidates, tokens)) for policy in policies())
    outcomes = [_outcome(policy, each, candidates, tokens) for policy, each in ran]
    return InWorld(world.name, tokens, outcomes, best_mixes(world, tokens))


def best_mixes(world: World, tokens: int) -> dict[str, tuple[Mapping[str, float], float]]:
    """For each truth the fixed mix under the floors that comes to most, and to how much."""
    from jobs.bench.simulated import Policy, Simulation
    from jobs.bench.worlds import STRATEGIES

    tried: dict[Mixed, dict[str, float]] = {}

    def try_(mixed: Mixed) -> None:
        if mixed not in tried:
            done = Simulation(world, Policy("fixed", _shares(mixed))).until(tokens=tokens)
            tried[mixed] = {truth: _at(done, truth, "tokens", tokens) for truth in TRUTHS}

    def best(truth: str) -> Mixed:
        return max(tried, key=lambda mixed: tried[mixed][truth])

    for mixed in _grid(len(STRATEGIES)):
        try_(mixed)
    for around in [best(truth) for truth in TRUTHS]:
        for mixed in _around(around):
            try_(mixed)
    return {truth: (_shares(best(truth)), tried[best(truth)][truth]) for truth in TRUTHS}


def _grid(number: int) -> Iterator[Mixed]:
    """All ways to give so many strategies the parts, in halves of a part."""
    for bars in combinations(range(GRID + number - 1), number - 1):
        ends = (-1, *bars, GRID + number - 1)
        yield tuple(2 * (after - before - 1) for before, after in pairwise(ends))


def _around(mixed: Mixed) -> Iterator[Mixed]:
    """Mixes that give half a part of one strategy to another."""
    for giver, taker in permutations(range(len(mixed)), 2):
        if mixed[giver]:
            yield tuple(each - (at == giver) + (at == taker) for at, each in enumerate(mixed))


def _shares(mixed: Mixed) -> dict[str, float]:
    from jobs.bench.worlds import STRATEGIES
    from selfinstruct.steps.strategies.control import FLOOR

    rest = 1 - len(STRATEGIES) * FLOOR
    return {name: float(FLOOR + rest * part / (2 * GRID)) for name, part in zip(STRATEGIES, mixed, strict=True)}


def _at(done: Simulation, what: str, by: str, count: float) -> float:
    """A sum when another one was so high."""
    import numpy as np

    return float(np.interp(count, getattr(done.counts, by), getattr(done.counts, what)))


def _outcome(policy: Policy, done: Simulation, candidates: int, tokens: int) -> Outcome:
    def rate(what: str, first: float, end: float) -> float:
        return (_at(done, what, "candidates", end) - _at(done, what, "candidates", first)) / (end - first)

    topics, usable = (_at(done, truth, "tokens", tokens) for truth in TRUTHS)
    early = min(EARLY, candidates // 10)
    return Outcome(
        policy.name,
        topics,
        usable,
        topics / tokens * 1e6,
        usable / tokens * 1e6,
        _at(done, "topics", "candidates", candidates) / candidates * 1e6,
        rate("topics", 0.8 * early, 1.2 * early),
        rate("topics", 0.9 * candidates, candidates),
        rate("accepted", 0.9 * candidates, candidates),
        (done.lexical.precision, done.lexical.recall),
        (done.semantic.precision, done.semantic.recall),
        done.shares[-1],
    )


HEAD = (
    f"{'':<22}{'topics':>10}{'of paper':>10}{'usable':>10}{'of paper':>10}{'a M cand.':>11}{'late/early':>12}"
    f"{'accepts':>9}   words: precision, recall; yardstick: the same"
)


def table(found: InWorld) -> Iterator[str]:
    """A world's lines: topics within the tokens, topics of a million candidates, rates of new topics, gates."""
    paper = found.outcomes[0]
    yield f"\n{found.world}, {found.tokens:,} tokens\n{HEAD}"
    for each in found.outcomes:
        yield (
            f"{each.policy:<22}{each.topics:>10,.0f}{each.topics / paper.topics:>10.2f}{each.usable:>10,.0f}"
            f"{each.usable / paper.usable:>10.2f}{each.a_million_candidates:>11,.0f}{each.late / each.early:>12.2f}"
            f"{each.acceptance:>9.0%}" + "".join(f"{figure:>7.2f}" for figure in (*each.lexical, *each.semantic))
        )
    for truth, (shares, most) in found.best.items():
        told_ = ", ".join(f"{name} {share:.0%}" for name, share in shares.items())
        yield f"best fixed mix for {truth}: {most:,.0f} ({told_})"
    last = found.outcomes[-2].shares
    yield f"controller at the end: {', '.join(f'{name} {share:.0%}' for name, share in last.items())}"


def summed(found: Sequence[InWorld]) -> dict[str, Any]:
    """Over all worlds: each policy beside the paper's, and the controller beside the best fixed and the uniform mix."""
    names = [each.policy for each in found[0].outcomes]
    ratios = {name: _relative(found, name) for name in names}
    regret = {
        f"{name}, {truth}": {
            against: _spread([_of(each, name, truth) / other for each, other in zip(found, others, strict=True)])
            for against, others in {
                "best fixed mix": [each.best[truth][1] for each in found],
                "uniform mix": [_of(each, "uniform mix", truth) for each in found],
            }.items()
        }
        for name, truth in CONTROLLED
    }
    return {"relative to paper 6+2": ratios, "controller": regret, "holds": _holds(ratios, regret)}


CONTROLLED = (("controller", "topics"), ("controller, check", "usable"), ("controller", "usable"))
"""The controller goes by distinct rows, and with a check by those that are right: each truth is held to what it knows.
What is lost of the second truth without a check stands beside them."""


def _of(found: InWorld, policy: str, truth: str) -> float:
    value: float = getattr(next(each for each in found.outcomes if each.policy == policy), truth)
    return value


def _relative(found: Sequence[InWorld], name: str) -> dict[str, dict[str, float]]:
    mine = [next(each for each in world.outcomes if each.policy == name) for world in found]
    papers = [world.outcomes[0] for world in found]
    shown = {
        what: [getattr(a, what) / getattr(b, what) for a, b in zip(mine, papers, strict=True)] for what in COMPARED
    }
    return {what: _spread(values) for what, values in shown.items()} | {
        "late over early": _spread([each.late / each.early for each in mine])
    }


COMPARED = ("topics", "usable", "a_million_candidates")


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {"mean": round(geometric_mean(values), 4), "worst": round(min(values), 4), "best": round(max(values), 4)}


def _holds(ratios: Mapping[str, Any], regret: Mapping[str, Any]) -> dict[str, Sequence[str] | bool]:
    """The goals: which policies reach those of the mean of all worlds, and whether the controller reaches its own."""
    wide = [name for name, each in ratios.items() if each["a_million_candidates"]["mean"] >= 1.5]
    held_to = list(regret.values())[:2]
    return {
        "1.5 times the topics of 6+2 at a million candidates": wide,
        "and new topics in the last tenth half as often as at 50,000": [
            name for name in wide if ratios[name]["late over early"]["mean"] >= 0.5
        ],
        "controller within 10 % of the best fixed mix in every world": all(
            each["best fixed mix"]["worst"] >= 0.9 for each in held_to
        ),
        "controller never worse than the uniform mix by 5 %": all(
            each["uniform mix"]["worst"] >= 0.95 for each in held_to
        ),
    }


def told(summary: Mapping[str, Any]) -> Iterator[str]:
    """The summary's lines."""
    heads = "".join(f"{head:>22}" for head in ("topics", "usable", "a M candidates", "late/early"))
    yield f"\nover all worlds, relative to paper 6+2: mean (worst to best)\n{'':<22}{heads}"
    for name, figures in summary["relative to paper 6+2"].items():
        yield f"{name:<22}" + "".join(f"{_three(each):>22}" for each in figures.values())
    for name, against in summary["controller"].items():
        yield f"{name}: " + "; ".join(f"{_three(each)} of the {other}" for other, each in against.items())
    for goal, reached in summary["holds"].items():
        who = f" ({', '.join(reached)})" if isinstance(reached, list) and reached else ""
        yield f"{'holds' if reached else 'FAILS'}: {goal}{who}"


def _three(figures: Mapping[str, float]) -> str:
    return f"{figures['mean']:.2f} ({figures['worst']:.2f} to {figures['best']:.2f})"


if __name__ == "__main__":
    sys.exit(main())
