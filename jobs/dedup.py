"""`selfinstruct dedup`: the run's screen and novelty check over instruction sets that exist already."""

from __future__ import annotations

import dataclasses
import io
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from tyro.conf import Positional

from cluster.settings import RaySettings
from jobs.command_line import run
from selfinstruct.errors import InputError
from selfinstruct.novelty import NoveltySettings
from selfinstruct.records import Reason
from selfinstruct.screen import Screen, ScreenSettings
from selfinstruct.seeds import SEED_TASKS, load_seeds

if TYPE_CHECKING:
    from selfinstruct.protocols import NoveltyIndex
    from selfinstruct.texts import Row

BATCH = 20_000
"""Texts that are checked together. The verdicts do not depend on it."""

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


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one text. The nearest is the one with the highest ROUGE-L in the index's shortlist."""

    id: str
    text: str
    accepted: bool
    reason: Reason | None
    nearest_id: str | None
    rouge_l: float | None


def main(argv: Sequence[str] | None = None) -> int:
    """Deduplicate; returns the exit code."""
    return run("dedup", DedupSettings, dedup, argv)


def dedup(settings: DedupSettings) -> int:
    """Check all texts in order and write the verdicts."""
    from selfinstruct.blobs import open_blobs
    from selfinstruct.texts import read_rows

    if not settings.files:
        raise InputError("dedup: name at least one file")
    blobs = open_blobs(settings.out)
    if VERDICTS in blobs.names(""):
        raise InputError(f"{settings.out}/{VERDICTS}: is there already; take another --out")
    blobs.check_writable()
    seeds = {} if settings.seeds == "none" else {s.id: s.instruction for s in load_seeds(Path(settings.seeds))}
    rows = read_rows(settings.files, settings.field, [settings.field])
    with _index(settings) as index:
        verdicts = list(judge(settings, index, seeds, rows))
    if not blobs.put(VERDICTS, _parquet(verdicts)):
        raise InputError(f"{settings.out}/{VERDICTS}: was written by another process; take another --out")
    reasons = Counter(str(verdict.reason or "accepted") for verdict in verdicts)
    print(f"{len(verdicts)} texts: " + ", ".join(f"{count} {reason}" for reason, count in reasons.most_common()))
    print(f"verdicts are in {settings.out}/{VERDICTS}")
    return 0


def judge(
    settings: DedupSettings, index: NoveltyIndex, seeds: dict[str, str], rows: Iterator[Row]
) -> Iterator[Verdict]:
    """The verdicts in order; equal to checking and inserting one text after the other."""
    from selfinstruct.novelty import admit

    screen = Screen(settings.limits)
    ids = [f"seed/{id}" for id in seeds]  # of the pool, by ordinal
    index.insert(0, list(seeds.values()))
    while batch := list(islice(rows, BATCH)):
        texts = [str(row.values[settings.field]) for row in batch]
        reasons = [screen(" ".join(text.split())) if settings.screen else None for text in texts]
        survivors = [text for text, reason in zip(texts, reasons, strict=True) if reason is None]
        size = len(ids)
        outcomes = iter(admit(settings.novelty, size, survivors, index.nearest(size, survivors)))
        admitted = []
        for row, text, reason in zip(batch, texts, reasons, strict=True):
            if reason is not None:
                yield Verdict(row.id, text, False, reason, None, None)
                continue
            new, nearest = next(outcomes)
            nearest_id, score = (ids[nearest.ordinal], nearest.rouge_l) if nearest else (None, None)
            yield Verdict(row.id, text, new, None if new else Reason.SIMILAR, nearest_id, score)
            if new:
                ids.append(row.id)
                admitted.append(text)
        index.insert(size, admitted)


@contextmanager
def _index(settings: DedupSettings) -> Iterator[NoveltyIndex]:
    if settings.shards == 0:
        from selfinstruct.novelty import MinHashIndex

        yield MinHashIndex(settings.novelty)
        return
    from cluster.connect import connected
    from cluster.shards import ShardedIndex

    with connected(settings.ray, replicas=0):
        yield ShardedIndex(settings.novelty, settings.shards)


def _parquet(verdicts: Sequence[Verdict]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {"accepted": pa.bool_(), "rouge_l": pa.float64()}
    names = [field.name for field in dataclasses.fields(Verdict)]
    columns = [pa.array([getattr(each, name) for each in verdicts], types.get(name, pa.string())) for name in names]
    sink = io.BytesIO()
    pq.write_table(pa.table(dict(zip(names, columns, strict=True))), sink, compression="zstd")
    return sink.getvalue()


if __name__ == "__main__":
    sys.exit(main())
