"""`selfinstruct report`: a run as one HTML page, and its figures as JSON."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tyro.conf import Positional

from jobs.command_line import run
from jobs.commands import Command, Outcome
from jobs.panel import track
from selfinstruct.errors import InputError
from selfinstruct.report.settings import FigureSettings
from selfinstruct.wording import counted


@dataclass(frozen=True, kw_only=True)
class ReportSettings(FigureSettings):
    """Make one HTML page of a run: figures beside the paper's, rows to browse, a quality review to fill in.

    Args:
        run: Folder of the run.
        out: The page to write; an existing one is replaced.
    """

    run: Positional[str]
    out: Path = Path("report.html")


COMMAND = Command(
    "report",
    ReportSettings,
    shown={
        "the page": ("out", "rows", "rejected"),
        "what it holds": ("only", "check", "review", "reference", "decontaminate", "seed"),
    },
    examples=(
        "selfinstruct report runs/first --out report.html",
        'selfinstruct report runs/first --json=figures.json --only "checks.all == yes"',
    ),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Make a report; returns the exit code."""
    return run(COMMAND, report, argv)


def report(settings: ReportSettings) -> Outcome:
    """Make it and write it."""
    from selfinstruct.report.making import make_report
    from selfinstruct.storage.files import write_file
    from selfinstruct.storage.store import open_run

    _check(settings)
    figures, page = make_report(open_run(settings.run), settings, track)
    write_file(settings.out, page)
    chosen = f" for which {figures.chosen} holds" if figures.chosen is not None else ""
    print(
        f"{settings.out}: {counted(figures.accepted, 'instruction')}, {counted(figures.instances, 'instance')}{chosen}"
    )
    if figures.checks:
        for line in (f"right in all: {figures.checks.overall}", *figures.checks.remarks):
            print(f"  {line}")
    for line in figures.diversity.lines if figures.diversity else (f"diversity: {figures.no_diversity}",):
        print(f"  {line}")
    for each in figures.review or ():
        if each.share is not None and each.low is not None and each.high is not None:
            share = f"{each.share:.0%} yes ({each.low:.0%} to {each.high:.0%})"
            print(f"  {each.question} {share} of {each.answered}; the paper {each.paper:.0%}")
    return Outcome(dataclasses.asdict(figures))


def _check(settings: ReportSettings) -> None:
    if settings.out.is_dir() or not settings.out.absolute().parent.is_dir():
        raise InputError(f"--out: {settings.out} must be a file in an existing folder")


if __name__ == "__main__":
    sys.exit(main())
