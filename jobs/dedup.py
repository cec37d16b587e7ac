"""`selfinstruct dedup`: the run's screen and novelty check over instruction sets that exist already."""

from __future__ import annotations

import io
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tyro.conf import Positional

from cluster.settings import RaySettings
from jobs.command_line import run
from jobs.commands import Command, Outcome
from jobs.panel import track
from jobs.voice import log
from selfinstruct.errors import InputError
from selfinstruct.reuse.dedup import JudgeSettings, deduplicate
from selfinstruct.settings import group
from selfinstruct.wording import counted

if TYPE_CHECKING:
    from selfinstruct.novelty.dedup import Verdict

VERDICTS = "verdicts.parquet"


@dataclass(frozen=True, kw_only=True)
class DedupSettings(JudgeSettings):
    """Say of each text of existing instruction sets whether it is new among the seeds and everything before it.

    Args:
        files: Instruction sets (.jsonl, .json, .parquet), local or remote, in this order.
        out: Folder for verdicts.parquet: id, text, accepted, reason, nearest_id, rouge_l, in input order.
        field: The key under which a row has its text.
    """

    files: Positional[tuple[str, ...]]
    out: str
    field: str = "instruction"
    ray: RaySettings = group(RaySettings)


COMMAND = Command(
    "dedup",
    DedupSettings,
    shown={
        "what is judged": ("field", "seeds", "screen"),
        "what is too similar": ("novelty.threshold", "novelty.index", "novelty.tokeniser"),
        "where it works": ("shards", "ray.address"),
    },
    examples=(
        "selfinstruct dedup alpaca.json --out verdicts --seeds none",
        "selfinstruct dedup a.jsonl b.parquet --out verdicts --novelty.threshold 0.6 --shards 4",
    ),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Deduplicate; returns the exit code."""
    return run(COMMAND, dedup, argv)


def dedup(settings: DedupSettings) -> Outcome:
    """Check all texts in order and write the verdicts."""
    from cluster.indexing import indexing
    from selfinstruct.novelty import letters
    from selfinstruct.sources.texts import read_rows
    from selfinstruct.storage.blobs import open_blobs

    if not settings.files:
        raise InputError("dedup: name at least one file")
    blobs = open_blobs(settings.out)
    if VERDICTS in blobs.names(""):
        raise InputError(f"{settings.out}/{VERDICTS}: is there already; take another --out")
    rows = read_rows(settings.files, settings.field, [settings.field])
    texts = [(row.id, str(row.values[settings.field])) for row in rows]
    with indexing(settings.novelty, settings.shards, settings.ray) as index:
        judged = deduplicate(texts, settings, index)
        blobs.check_writable()
        verdicts = list(track("judging", judged, len(texts)))
    read = {"the set": (verdict.text for verdict in verdicts)}
    for warning in letters.warnings(read, settings.novelty.tokeniser, "novelty.tokeniser"):
        log.warning(warning)
    if not blobs.put(VERDICTS, _parquet(verdicts)):
        raise InputError(f"{settings.out}/{VERDICTS}: was written by another process; take another --out")
    reasons = Counter(str(verdict.reason or "accepted") for verdict in verdicts)
    print(
        f"{counted(len(verdicts), 'text')}: "
        + ", ".join(f"{count:,} {reason}" for reason, count in reasons.most_common())
    )
    print(f"verdicts are in {settings.out}/{VERDICTS}")
    return Outcome({"texts": len(verdicts), "verdicts": reasons, "out": f"{settings.out}/{VERDICTS}"})


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
