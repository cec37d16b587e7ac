"""`selfinstruct merge`: several runs as one."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

from tyro.conf import Positional

from jobs.command_line import run
from jobs.commands import Command, Outcome
from jobs.counting import counts
from jobs.panel import track
from selfinstruct.errors import InputError
from selfinstruct.novelty.index import NoveltySettings
from selfinstruct.wording import counted


@dataclass(frozen=True)
class MergeSettings:
    """Put the complete rounds of several runs together; of instructions similar across them the first one stays.

    The first are seed tasks, then imported ones, then those of the runs in their order.

    `generate --out` carries the new run on, with any model and prompts.

    Args:
        runs: Folders of the runs, in this order.
        out: Folder of the new run, local or s3://, gs://, az://.
    """

    runs: Positional[tuple[str, ...]]
    out: str
    novelty: NoveltySettings = field(default_factory=NoveltySettings)


COMMAND = Command(
    "merge",
    MergeSettings,
    examples=(
        "selfinstruct merge runs/first runs/second --out runs/both",
        "selfinstruct merge runs/first runs/second --out runs/both --novelty.threshold 0.6",
    ),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Merge; returns the exit code."""
    return run(COMMAND, merge_runs, argv)


def merge_runs(settings: MergeSettings) -> Outcome:
    """Write the new run."""
    from selfinstruct.records import Table
    from selfinstruct.reuse.merge import merge
    from selfinstruct.storage.history import check_labelled
    from selfinstruct.storage.store import RunStore, open_run

    sources = [open_run(url) for url in settings.runs]
    if len({source.blobs.url for source in sources}) < max(2, len(sources)):
        raise InputError("merge: name at least two runs, each of them once")
    if unfinished := [source.blobs.url for source in sources if not source.rounds(Table.INSTANCES)]:
        raise InputError(*(f"{url}: has no complete round; let it begin first" for url in unfinished))
    for source in sources:
        check_labelled(source)
    out = RunStore(settings.out)
    out.blobs.check_writable()
    merge(sources, out, settings.novelty, track)
    totals = out.totals()
    before = sum(source.totals()[Table.CANDIDATES]["accepted"] for source in sources)
    print(
        f"{settings.out}: {totals[Table.CANDIDATES]['accepted']:,} of {counted(before, 'accepted instruction')},"
        f" {counted(totals[Table.INSTANCES]['instances.accepted'], 'instance')}"
    )
    return Outcome({"run": settings.out, "before": before, **counts(out)})


if __name__ == "__main__":
    sys.exit(main())
