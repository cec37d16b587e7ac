"""`selfinstruct verify`: check that a run's files are whole and fit together."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tyro.conf import Positional

from jobs.command_line import run
from jobs.commands import Command, Outcome
from jobs.panel import track
from selfinstruct.errors import CorruptError, InputError
from selfinstruct.wording import counted

if TYPE_CHECKING:
    from selfinstruct.storage.store import RunStore


@dataclass(frozen=True)
class VerifySettings:
    """Find torn, altered, foreign and missing files of a run.

    Args:
        run: Folder of the run.
        digest: Print a digest of the run's content instead; equal content has an equal digest, wherever it was made.
        without: Columns to leave out of the digest (instances.origin ...): those that the older of two runs to be
            compared does not have.
    """

    run: Positional[str]
    digest: bool = False
    without: tuple[str, ...] = ()


COMMAND = Command(
    "verify",
    VerifySettings,
    examples=(
        "selfinstruct verify runs/first",
        "selfinstruct verify runs/first --digest",
    ),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Verify a run; returns the exit code."""
    return run(COMMAND, check, argv)


def check(settings: VerifySettings) -> Outcome:
    """Print "whole" or the digest; CorruptError with all problems otherwise."""
    from selfinstruct.storage.store import open_run
    from selfinstruct.storage.tables import SCHEMAS
    from selfinstruct.storage.verify import digest, verify

    if settings.without and not settings.digest:
        raise InputError("--without: goes with --digest")
    known = {f"{table}.{name}" for table, schema in SCHEMAS.items() for name in schema.names}
    if unknown := [name for name in settings.without if name not in known]:
        raise InputError(f"--without: there is no column {unknown[0]!r}; there are {', '.join(sorted(known))}")
    store = open_run(settings.run)
    problems = verify(store, track)
    if problems:
        raise CorruptError(*problems)
    found = digest(store, settings.without, track) if settings.digest else None
    print(found or f"{settings.run}: whole{_beside(store)}")
    return Outcome({"run": settings.run, "whole": True, "digest": found})


def _beside(store: RunStore) -> str:
    """What lies in `pending/`, in words: nothing that a run could be wrong for."""
    from selfinstruct.storage.segments import names, read_segments

    there, segments = len(names(store.blobs)), list(read_segments(store.blobs))
    answers = len({answer.completion.request_id for segment in segments for answer in segment.answers})
    unreadable = (
        f" ({there - len(segments)} of {counted(there, 'file')} cannot be read)" if len(segments) < there else ""
    )
    return f", and answers to {counted(answers, 'request')} of rounds under way{unreadable}" if there else ""


if __name__ == "__main__":
    sys.exit(main())
