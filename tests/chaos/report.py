"""What a campaign of kills came to, and its report."""

from __future__ import annotations

import json
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

ENOUGH = 3
"""Failures after which a campaign ends: something is broken, and more of them would tell nothing new."""


@dataclass
class Outcome:
    """One campaign.

    Args:
        by_kind: Kills by what was killed, or when.
        failed: Runs and lives that did not come out as they must, with the reasons.
        lost: For each run, answers of the model that are in no file: asked again, or of rounds that were not wanted.
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
    (folder / "bench").mkdir(parents=True, exist_ok=True)
    figures = {
        **summary(outcomes),
        "simulated": {kind: {"runs": n, "failures": bad} for kind, (n, bad) in simulated.items()},
    }
    (folder / "bench/chaos.json").write_text(json.dumps(figures, indent=1) + "\n")
    (folder / "chaos.md").write_text(_markdown(outcomes, figures, simulated))


def _markdown(outcomes: Sequence[Outcome], figures: dict[str, object], simulated: dict[str, tuple[int, int]]) -> str:
    lines = [
        "# Killed and taken up again",
        "",
        "`make chaos` kills real processes with SIGKILL while a run is under way, gives the same command again, and",
        "compares: the files must be whole (`verify`), equal to those of a run that nobody disturbed",
        "(`verify --digest`), and nothing may be left half-written. This file is its report.",
        "",
        f"**{figures['kills']} kills in {figures['runs']} runs, {figures['failures']} failures**: with 95 %",
        f"confidence, a kill does harm in less than {100 * float(str(figures['bound_95'])):.2f} % of cases",
        "(Clopper and Pearson).",
        "",
        "| campaign | killed or harmed | times |",
        "|---|---|--:|",
        *(f"| {each.name} | {kind} | {n} |" for each in outcomes for kind, n in sorted(each.by_kind.items())),
        "",
        "| campaign | runs | kills | failures | answers asked again per kill | seconds to recover: median, 95 %, all |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for each in outcomes:
        spread, lost = _spread(each.recovery), sum(each.lost) / each.kills if each.lost and each.kills else None
        lines.append(
            f"| {each.name} | {each.runs} | {each.kills} | {len(each.failed)} |"
            f" {'' if lost is None else f'{lost:.1f}'} | {', '.join(map(str, spread.values())) if spread else ''} |"
        )
    lines += [
        "",
        "*Answers asked again* are completions that were paid for and are in no file. *Recover* is the time from the",
        "start of the process until it makes requests again: for one process from a fork with all code loaded, on Ray",
        "from the start of Python, so that the start of Ray is in it.",
        "",
        "Before that, the simulator (`tests/simulator`) went through schedules of crashes and faults in one process:",
        "",
        *(f"- {kind}: {runs:,} runs, {bad} failures" for kind, (runs, bad) in simulated.items()),
        "",
    ]
    lines += [f"- FAILED {text}" for each in outcomes for text in each.failed]
    return "\n".join(lines).rstrip() + "\n"
