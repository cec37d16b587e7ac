"""`selfinstruct repair`: cut a damaged run back to what is good, and keep what went."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from tyro.conf import Positional

from jobs.command_line import run
from jobs.commands import Command, Outcome
from jobs.panel import track
from selfinstruct.errors import CorruptError, printable
from selfinstruct.settings import option
from selfinstruct.wording import counted


@dataclass(frozen=True)
class RepairSettings:
    """Cut a run back to what is good, after which `generate` goes on. What goes is kept beside the run.

    No driver may be at work on the run meanwhile.

    Args:
        run: Folder of the run, local or s3://, gs://, az://.
        to_round: The last round that stays, in all tables (default: all files stay that nothing damaged goes into).
        dry_run: Only say what would go.
    """

    run: Positional[str]
    to_round: int | None = option(None, least=0)
    dry_run: bool = False


COMMAND = Command(
    "repair",
    RepairSettings,
    examples=(
        "selfinstruct repair runs/first --dry_run",
        "selfinstruct repair runs/first --to_round 12",
    ),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Repair a run; returns the exit code."""
    return run(COMMAND, repair, argv)


def repair(settings: RepairSettings) -> Outcome:
    """Name the files that go, move them, and verify the rest."""
    from selfinstruct.storage.repair import doomed, remove
    from selfinstruct.storage.store import RunStore
    from selfinstruct.storage.verify import verify

    store = RunStore(settings.run)
    names, place = doomed(store, settings.to_round), None
    for name in names:
        print(printable(name))
    if not names:
        print(f"{settings.run}: nothing to be removed")
    elif settings.dry_run:
        print(f"{settings.run}: {counted(len(names), 'file')} would be removed")
        return Outcome({"removed": 0, "would_be_removed": names})
    else:
        store.blobs.check_writable()
        place = remove(store.blobs, names)
        print(
            f"{settings.run}: {counted(len(names), 'file')} removed, kept in {place}; the same generate command goes on"
        )
    problems = verify(store, track)
    if problems:
        raise CorruptError(*problems, f"{settings.run}: that is left; give a lower --to_round, or none")
    return Outcome({"removed": len(names), "files": names, "kept_in": place})


if __name__ == "__main__":
    sys.exit(main())
