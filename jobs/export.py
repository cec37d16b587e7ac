"""`selfinstruct export`: a run as a dataset folder that other tools open."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tyro.conf import Positional

from jobs.command_line import run
from jobs.commands import Command, Outcome
from jobs.panel import track
from selfinstruct.export.settings import DatasetSettings
from selfinstruct.wording import counted


@dataclass(frozen=True, kw_only=True)
class ExportSettings(DatasetSettings):
    """Write a run as a dataset for the Hugging Face hub, TRL, LLaMA-Factory and axolotl.

    Values for several models are given as NAME=VALUE each; a plain value is that of all models.

    Args:
        run: Folder of the run.
        out: Folder of the dataset; an earlier export of the same run is replaced.
        push_to_hub: Upload the folder to this dataset repository, owner/name; token and endpoint are huggingface_hub's.
        private: Make the repository private, if it is created.
    """

    run: Positional[str]
    out: Path
    push_to_hub: str | None = None
    private: bool = False


COMMAND = Command(
    "export",
    ExportSettings,
    shown={
        "which rows": ("only", "check", "origins", "samples", "validation", "decontaminate"),
        "licences": ("license", "model_license", "seeds_license"),
        "the hub": ("push_to_hub", "private"),
    },
    examples=(
        "selfinstruct export runs/first --out tasks",
        'selfinstruct export runs/first --out tasks --only "checks.all == yes" --push_to_hub owner/tasks --private',
    ),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Export; returns the exit code."""
    return run(COMMAND, export_run, argv)


def export_run(settings: ExportSettings) -> Outcome:
    """Write the folder, and upload it if told to."""
    from selfinstruct.export.dataset import export
    from selfinstruct.export.hub import check_name, push
    from selfinstruct.storage.store import open_run

    if settings.push_to_hub is not None:
        check_name(settings.push_to_hub)
    exported = export(open_run(settings.run), settings.out, settings, name=settings.push_to_hub, track=track)
    print(
        f"{settings.out}: " + ", ".join(f"{counted(rows, 'row')} for {split}" for split, rows in exported.rows.items())
    )
    if exported.pairs:
        pairs = ", ".join(f"{counted(rows, 'pair')} for {split}" for split, rows in exported.pairs.rows.items())
        print(f"{settings.out}: {pairs}; instructions without one: {exported.pairs.without:,}")
    pushed = None
    if settings.push_to_hub is not None:
        pushed = push(exported.folder, settings.push_to_hub, settings.private)
        print(pushed)
    return Outcome({"out": settings.out, "rows": exported.rows, "pairs": exported.pairs, "pushed": pushed})


if __name__ == "__main__":
    sys.exit(main())
