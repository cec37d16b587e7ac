"""`selfinstruct dedup`: the run's screen and novelty check over instruction sets that exist already."""

from __future__ import annotations

import dataclasses
import io
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tyro.conf import Positional

from cluster.settings import RaySettings
from jobs.command_line import run
from selfinstruct.errors import InputError
from selfinstruct.novelty.index import NoveltySettings
from selfinstruct.sources.seeds import SEED_TASKS, load_seeds
from selfinstruct.steps.plugins import INSTANCE, load_plugins
from selfinstruct.steps.screen import Screen, ScreenSettings

if TYPE_CHECKING:
    from selfinstruct.novelty.dedup import Verdict

VERDICTS = "verdicts.parquet"


@dataclass(frozen=True)
class DedupSettings:
    """Say of each text of existing instruction sets whether it is new among the seeds and everything before it.

    Args:
        files: Instruction sets (.jsonl, .json, .parquet), local or remote, in this order.
        out: Folder for verdicts.parquet: id, text, accepted, reason, nearest_id, rouge_l, in input order.
        field: The key under which a row has its text.
        seeds: File of seed tasks with which the pool begins; none begins with an empty pool.
        screen: Apply the heuristic filters too; --limits are theirs.
        shards: Ray actors that hold the index; 0 keeps it in this process.
    """

    files: Positional[tuple[str, ...]]
    out: str
    field: str = "instruction"
    seeds: str = str(SEED_TASKS)
    screen: bool = True
    shards: int = 0
    novelty: NoveltySettings = dataclasses.field(default_factory=NoveltySettings)
    limits: ScreenSettings = dataclasses.field(default_factory=ScreenSettings)
    ray: RaySettings = dataclasses.field(default_factory=RaySettings)


def main(argv: Sequence[str] | None = None) -> int:
    """Deduplicate; returns the exit code."""
    return run("dedup", DedupSettings, dedup, argv)


def dedup(settings: DedupSettings) -> int:
    """Check all texts in order and write the verdicts."""
    from cluster.indexing import indexing
    from selfinstruct.novelty.dedup import judge, with_ids
    from selfinstruct.sources.texts import read_rows
    from selfinstruct.storage.blobs import open_blobs

    if not settings.files:
        raise InputError("dedup: name at least one file")
    if others := [each.name for each in load_plugins(settings.limits.plugin) if each.texts == INSTANCE]:
        raise InputError(f"--limits.plugin: there are no instances to ask {', '.join(others)} about; leave it out")
    blobs = open_blobs(settings.out)
    if VERDICTS in blobs.names(""):
        raise InputError(f"{settings.out}/{VERDICTS}: is there already; take another --out")
    blobs.check_writable()
    seeds = [] if settings.seeds == "none" else load_seeds(Path(settings.seeds))
    rows = read_rows(settings.files, settings.field, [settings.field])
    texts = ((row.id, str(row.values[settings.field])) for row in rows)
    screen = Screen(settings.limits, any_script=settings.novelty.any_script) if settings.screen else None
    with indexing(settings.novelty, settings.shards, settings.ray) as index:
        verdicts = list(judge(texts, with_ids(seeds), index, settings.novelty, screen))
    if not blobs.put(VERDICTS, _parquet(verdicts)):
        raise InputError(f"{settings.out}/{VERDICTS}: was written by another process; take another --out")
    reasons = Counter(str(verdict.reason or "accepted") for verdict in verdicts)
    print(f"{len(verdicts)} texts: " + ", ".join(f"{count} {reason}" for reason, count in reasons.most_common()))
    print(f"verdicts are in {settings.out}/{VERDICTS}")
    return 0


def _parquet(verdicts: Sequence[Verdict]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {"accepted": pa.bool_(), "rouge_l": pa.float64()}
    names = ["id", "text", "accepted", "reason", "nearest_id", "rouge_l"]
    columns = [pa.array([getattr(each, name) for each in verdicts], types.get(name, pa.string())) for name in names]
    sink = io.BytesIO()
    pq.write_table(pa.table(dict(zip(names, columns, strict=True))), sink, compression="zstd")
    return sink.getvalue()


if __name__ == "__main__":
    sys.exit(main())
