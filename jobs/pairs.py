"""`selfinstruct pairs`: pairs of instructions for people, and the cosine that follows from what they say."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tyro.conf import Positional

from jobs.command_line import run
from jobs.commands import Command, Outcome
from selfinstruct.errors import InputError
from selfinstruct.places import local
from selfinstruct.settings import SEEDS, option
from selfinstruct.wording import counted

SHIPPED = "shipped"


@dataclass(frozen=True)
class PairSettings:
    """Make a sheet of a run's pairs for people to fill in, or read one back.

    Args:
        source: Folder of a run, of whose instructions a sheet is made: each with the nearest one before it, of all
            bands of cosines alike. Or a sheet (.csv) that is filled in, or shipped for the one that comes with the
            project.
        out: The sheet to write.
        number: Pairs on it.
        seed: Of the draw.
    """

    source: Positional[str]
    out: Path = Path("pairs.csv")
    number: int = option(200, least=1)
    seed: int = option(0, least=SEEDS[0], most=SEEDS[1])


COMMAND = Command(
    "pairs",
    PairSettings,
    examples=(
        "selfinstruct pairs runs/first --out pairs.csv",
        "selfinstruct pairs pairs.csv",
    ),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Make a sheet or read one; returns the exit code."""
    return run(COMMAND, pairs, argv)


def pairs(settings: PairSettings) -> Outcome:
    """Do the one or the other."""
    from selfinstruct.quality import pairs as sheets
    from selfinstruct.semantic.table import shipped_table

    if settings.source == SHIPPED or settings.source.endswith(".csv"):
        path = sheets.SHIPPED if settings.source == SHIPPED else local(settings.source)
        read = sheets.read_pairs(path)
        bands = sheets.bands_of(read, shipped_table())
        by = ", ".join(sorted({each.by for each in read if each.same is not None and each.by}))
        print(f"{path}: {counted(len(read), 'pair')}" + (f", by {by}" if by else ""))
        print("\n".join(sheets.lines(bands)))
        told = [{**asdict(each), "share": each.share, "interval": each.interval} for each in bands]
        return Outcome({"pairs": len(read), "bands": told, "cosine": sheets.cosine_reached(bands)})
    return _make(settings)


def _make(settings: PairSettings) -> Outcome:
    from selfinstruct.quality import pairs as sheets
    from selfinstruct.semantic.table import shipped_table
    from selfinstruct.storage.files import write_file
    from selfinstruct.storage.store import open_run

    out = local(settings.out)
    if out.exists():
        raise InputError(f"--out: {out} is there already, and may be filled in; name another file")
    found = sheets.pairs_of(open_run(settings.source), shipped_table(), settings.number, settings.seed)
    if not found:
        raise InputError(f"{settings.source}: has fewer than two instructions; let generate go on for a while")
    write_file(out, sheets.sheet(found))
    print(f"{out}: {counted(len(found), 'pair')}; write yes under 'same' where both ask for the same thing, else no,")
    print(f"and who says so under 'by'; then `selfinstruct pairs {out}`")
    return Outcome({"pairs": len(found), "out": out})


if __name__ == "__main__":
    sys.exit(main())
