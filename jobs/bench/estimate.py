"""`selfinstruct bench estimate`: how often the intervals of quality hold, on made-up verdicts whose truth is known.

People are right always; a judge says yes to some of the right rows and no to some of the wrong ones. For each share of
right rows, number of rows by people, and judge, many samples are drawn. Beside ours stands the textbook's PPI++:
the same correction, always applied, with a normal interval.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.command_line import run
from jobs.commands import Command, Outcome
from selfinstruct.settings import option

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from selfinstruct.quality.intervals import Array, Pairs

JUDGES = {
    "sharp": (0.97, 0.97),
    "good": (0.9, 0.9),
    "lenient": (0.95, 0.5),
    "bad": (0.6, 0.6),
    "random": (0.5, 0.5),
    "always yes": (1.0, 0.0),
    "contrary": (0.2, 0.2),
}
"""Shares of the right rows that get the judge's yes, and of the wrong ones that get its no."""

PEOPLE = (60, 200)
JUDGED = 2_000
"""Rows by people and by the judge, the former among the latter."""

SHARES = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
"""True shares of right rows."""

SHOWN = (0.05, 0.25, 0.5, 0.95)
"""Those whose widths the table has."""


@dataclass(frozen=True)
class EstimateBenchSettings:
    """Measure the intervals of quality.

    Args:
        out: Folder for estimate.json; without it there is the table only.
        samples: Samples for each line.
        seed: Of the samples.
    """

    out: str | None = None
    samples: int = option(20_000, least=100)
    seed: int = option(0, least=0)


@dataclass(frozen=True, slots=True)
class Held:
    """How one kind of judge fares. Widths are means, relative to people alone on the same samples."""

    judge: str
    people: int
    share: float
    holds: float  # share of samples whose interval holds the true share
    width: float
    alone_holds: float  # people alone
    textbook_holds: float
    textbook_width: float
    useless: float  # share of samples that find the judge useless


COMMAND = Command("bench estimate", EstimateBenchSettings)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure; returns the exit code."""
    return run(COMMAND, bench, argv)


def bench(settings: EstimateBenchSettings) -> Outcome:
    """Measure, print a table, and write JSON."""
    from jobs.bench.machine import machine

    lines = list(simulate(settings.samples, settings.seed))
    print("\n".join(table(lines)))
    figures = {
        "settings": dataclasses.asdict(settings),
        "machine": machine(),
        "judged": JUDGED,
        "judges": JUDGES,
        "lines": [dataclasses.asdict(each) for each in lines],
    }
    if settings.out is not None:
        folder = Path(settings.out)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "estimate.json").write_text(json.dumps(figures, indent=1) + "\n")
    return Outcome(figures)


def table(lines: Sequence[Held]) -> list[str]:
    """For each judge and number of people's rows the lowest coverage over all shares, and some widths; in Markdown."""
    head = [f"width at {share:.0%}" for share in SHOWN]
    rows = [
        "| judge: yes to right, no to wrong rows | rows by people | holds | textbook | " + " | ".join(head) + " |",
        "|---" + "|--:" * (3 + len(SHOWN)) + "|",
    ]
    for judge, (recall, refusal) in JUDGES.items():
        for people in PEOPLE:
            of = {each.share: each for each in lines if (each.judge, each.people) == (judge, people)}
            holds, textbook = (
                min(values) for values in zip(*((each.holds, each.textbook_holds) for each in of.values()), strict=True)
            )
            widths = " | ".join(f"{of[share].width:.2f}" for share in SHOWN)
            rows.append(f"| {judge}: {recall}, {refusal} | {people} | {holds:.1%} | {textbook:.1%} | {widths} |")
    return rows


def simulate(samples: int, seed: int) -> Iterator[Held]:
    """A line for each judge, number of people's rows and true share."""
    import numpy as np

    from selfinstruct.quality.intervals import Pairs

    for number, (judge, (recall, refusal)) in enumerate(JUDGES.items()):
        for people in PEOPLE:
            for share in SHARES:
                draws = np.random.default_rng((seed, number, people, round(1e6 * share)))
                cells = [share * recall, share * (1 - recall), (1 - share) * (1 - refusal), (1 - share) * refusal]
                pairs = draws.multinomial(people, cells, samples)
                others = draws.binomial(JUDGED - people, cells[0] + cells[2], samples)
                yield _held(judge, share, Pairs(*np.moveaxis(pairs, -1, 0).astype(float)), others)


def _held(judge: str, share: float, pairs: Pairs, others: npt.NDArray[np.int64]) -> Held:
    import numpy as np

    from selfinstruct.quality.intervals import corrected, is_useless, score_interval

    judge_share = (pairs.judge + others) / JUDGED
    ours = corrected(pairs, judge_share, np.asarray(JUDGED, float))
    alone = score_interval(pairs.people / pairs.rows, pairs.rows)
    textbook = _textbook(pairs, judge_share)
    width = _width(*alone)
    return Held(
        judge,
        int(pairs.rows[0]),
        share,
        holds=_holds(ours.low, ours.high, share),
        width=_width(ours.low, ours.high) / width,
        alone_holds=_holds(*alone, share),
        textbook_holds=_holds(*textbook, share),
        textbook_width=_width(*textbook) / width,
        useless=float(is_useless(pairs).mean()),
    )


def _textbook(pairs: Pairs, judge_share: Array) -> tuple[Array, Array]:
    """PPI++ as it is published: the weight that makes the variance least, and the normal interval."""
    import numpy as np

    from selfinstruct.quality.intervals import Z

    people, judge = pairs.people / pairs.rows, pairs.judge / pairs.rows
    covariance = pairs.yes_yes / pairs.rows - people * judge
    variance = judge * (1 - judge)
    weight = np.divide(covariance, variance, out=np.zeros_like(variance), where=variance > 0)
    rest = people * (1 - people) - 2 * weight * covariance + weight**2 * variance
    error = np.sqrt(rest / pairs.rows + weight**2 * judge_share * (1 - judge_share) / JUDGED)
    share = people + weight * (judge_share - judge)
    return share - Z * error, share + Z * error


def _holds(low: Array, high: Array, share: float) -> float:
    return float(((low <= share) & (share <= high)).mean())


def _width(low: Array, high: Array) -> float:
    return float((high - low).mean())


if __name__ == "__main__":
    sys.exit(main())
