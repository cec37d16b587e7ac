"""What a campaign of kills came to, and its report."""

from __future__ import annotations

import json
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jobs.bench.machine import machine

ENOUGH = 3
"""Failures after which a campaign ends: something is broken, and more of them would tell nothing new."""


@dataclass
class Outcome:
    """One campaign.

    Args:
        by_kind: Kills by what was killed, or when.
        failed: Runs and lives that did not come out as they must, with the reasons.
        lost: For each run, answers of the model that were given before (on Ray, that are in no file: asked again, or of
            rounds that were not wanted).
        recovery: Seconds from the start of a life after a kill until requests are made again.
    """

    name: str
    runs: int = 0
    by_kind: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)
    recovery: list[float] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def kills(self) -> int:
        return self.by_kind.total()

    def count(self, kind: str) -> None:
        self.by_kind[kind] += 1

    def judge(self, what: str, *problems: str) -> None:
        self.failed += [f"{what}: {problem}" for problem in problems]


def bound(failures: int, trials: int) -> float:
    """The upper end of the one-sided 95 % interval of Clopper and Pearson; about 3 / n when nothing failed."""
    from scipy.stats import beta

    return float(beta.ppf(0.95, failures + 1, trials - failures)) if failures < trials else 1.0


def summary(outcomes: Sequence[Outcome]) -> dict[str, object]:
    """The figures."""
    kills, failures = sum(each.kills for each in outcomes), sum(len(each.failed) for each in outcomes)
    return {
        "kills": kills,
        "runs": sum(each.runs for each in outcomes),
        "failures": failures,
        "bound_95": bound(min(failures, kills), kills),
        "campaigns": [
            {
                "name": each.name,
                "runs": each.runs,
                "kills": each.kills,
                "by_kind": dict(sorted(each.by_kind.items())),
                "failed": each.failed,
                "answers_lost_per_kill": round(sum(each.lost) / each.kills, 2) if each.lost and each.kills else None,
                "seconds_to_recover": _spread(each.recovery),
                "seconds": round(each.seconds),
            }
            for each in outcomes
        ],
    }


def _spread(values: Sequence[float]) -> dict[str, float] | None:
    if not values:
        return None
    ordered = sorted(values)
    return {
        "median": round(statistics.median(ordered), 2),
        "p95": round(ordered[int(0.95 * (len(ordered) - 1))], 2),
        "most": round(ordered[-1], 2),
    }


def write(outcomes: Sequence[Outcome], simulated: dict[str, tuple[int, int]], folder: Path) -> None:
    """`bench/chaos.json` and `chaos.md`."""
    figures = {
        **summary(outcomes),
        "simulated": {kind: {"runs": n, "failures": bad} for kind, (n, bad) in simulated.items()},
        "machine": machine(),
    }
    (folder / "bench").mkdir(parents=True, exist_ok=True)
    (folder / "bench/chaos.json").write_text(json.dumps(figures, indent=1) + "\n")
    (folder / "chaos.md").write_text(markdown(figures))


def headline(figures: Mapping[str, Any]) -> str:
    """Kills, failures, and the bound."""
    return (
        f"**{figures['kills']} kills in {figures['runs']} runs, {figures['failures']} failures**: with 95 % confidence"
        f" fewer than {100 * figures['bound_95']:.2f} % of kills do harm."
    )


def table(figures: Mapping[str, Any]) -> list[str]:
    """A line for each campaign."""
    heads = "campaign", "runs", "kills", "failures", "answers asked again per kill", "recover, s: median, 95 %, longest"
    lines = [f"| {' | '.join(heads)} |", "|---|--:|--:|--:|--:|--:|"]
    for each in figures["campaigns"]:
        lost, spread = each["answers_lost_per_kill"], each["seconds_to_recover"]
        cells = (
            each["name"],
            each["runs"],
            each["kills"],
            len(each["failed"]),
            "" if lost is None else f"{lost:.1f}",
            ", ".join(f"{value:.1f}" for value in spread.values()) if spread else "",
        )
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return lines


def markdown(figures: Mapping[str, Any]) -> str:
    """The report, from what is in the JSON file."""
    campaigns = figures["campaigns"]
    lines = [
        "# Killed and taken up again",
        "",
        "`make chaos` kills real processes with SIGKILL while a run is under way, gives the same command again, and",
        "compares: the files must be whole (`verify`), equal to those of a run that nobody disturbed",
        "(`verify --digest`), and nothing may be left half-written. A hung replica is stopped (SIGSTOP) instead; one",
        "that eats memory meets Ray's memory monitor. A node takes all its processes with it, the head node takes the",
        "driver, the shards and the cluster. All of these count as kills. In the last campaign Ray's fault injector",
        "also loses and repeats calls of Ray. This file is the report.",
        "",
        f"{headline(figures)} The bound is that of Clopper and Pearson.",
        "",
        *table(figures),
        "",
        "*Answers asked again* are completions that had been given before; on Ray, those that are in no file (also",
        "those of rounds that were not wanted in the end). Long rounds have 60 requests, and some hundred more about",
        "what comes of them. Their answers are written beside the run before the round is whole, here 16 at a time",
        "(by commands 512, or those of 15 seconds): a kill costs that and the requests in flight at most. Where",
        "nothing is kept, it costs all that the round had come to. *Recover* is the time from the start of the",
        "process until it makes requests again (one process: a fork with all code loaded), or until it writes its",
        "next file (on Ray, from the start of Python, so that the start of replicas is in it). The simulator ran on",
        "the same cores at the same time.",
        "",
        "| campaign | killed or harmed | times |",
        "|---|---|--:|",
        *(f"| {each['name']} | {kind} | {n} |" for each in campaigns for kind, n in each["by_kind"].items()),
        "",
        "The simulator (`tests/tools/simulator`) went through schedules of crashes and faults, with the same judge:",
        "",
        *(
            f"- {kind}: {each['runs']:,} runs, {each['failures']} failures"
            for kind, each in figures["simulated"].items()
        ),
        "",
        f"On {figures['machine']['processor']} ({figures['machine']['cores']} cores).",
        *(f"- FAILED {text}" for each in campaigns for text in each["failed"]),
    ]
    return "\n".join(lines) + "\n"
