"""All rows of a run in a random order that a key determines, and a part of them set aside, without holding them.

Each row's place is a hash of its id under the seed. Rows are spread over buckets by the first bits of the hash, then
one bucket after the other is sorted: the order is that of the hashes, whatever the number of buckets or rounds. A hash
of its instruction's id says which split a row belongs to: no instruction is in two splits, and a row stays in its split
while the run grows.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from selfinstruct.draws import key_of

BUCKET = 40_000
"""Rows in a bucket, on average: what is held at a time."""

TRAIN, VALIDATION = "train", "validation"


class Shuffled:
    """Rows on disk, by buckets.

    Args:
        folder: Where buckets are kept; it must be empty, and is left to the caller to remove.
        expected: About how many rows there will be.
        validation: Share of the instructions that are set aside, in [0, 1).
    """

    def __init__(self, folder: Path, expected: int, seed: int, validation: float) -> None:
        self.counts: Counter[str] = Counter()  # rows by split
        self._folder = folder
        self._buckets = max(1, -(-expected // BUCKET))
        self._place = key_of("shuffle", seed)
        self._split = key_of("split", seed)
        self._share = validation

    def spread(self, tables: Iterable[Any]) -> None:
        """Take in all rows; each table has the columns `id` and `instruction_id`."""
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        writers: dict[int, Any] = {}
        with ExitStack() as stack:
            for table in tables:
                hashes = _hashes(table["id"], self._place)
                # the upper half suffices to choose a bucket, and its product fits into 64 bits
                buckets = ((hashes >> np.uint64(32)) * np.uint64(self._buckets)) >> np.uint64(32)
                aside = _hashes(table["instruction_id"], self._split) < np.uint64(self._share * 2**64)
                self.counts[VALIDATION] += int(aside.sum())
                self.counts[TRAIN] += len(table) - int(aside.sum())
                table = table.append_column("_hash", pa.array(hashes)).append_column("_aside", pa.array(aside))
                for bucket in np.unique(buckets).tolist():
                    if bucket not in writers:
                        path = str(self._folder / f"{bucket:05d}.arrow")
                        sink = stack.enter_context(pa.OSFile(path, "wb"))
                        writers[bucket] = stack.enter_context(pa.ipc.new_stream(sink, table.schema, options=options))
                    writers[bucket].write_table(table.filter(pa.array(buckets == bucket)))

    def tables(self) -> Iterator[tuple[str, Any]]:
        """Split and rows of one bucket after the other, in the order of the hashes; buckets are removed."""
        for path in sorted(self._folder.glob("*.arrow")):
            with pa.memory_map(str(path)) as source:
                table = pa.ipc.open_stream(source).read_all()
            table = table.sort_by([("_hash", "ascending"), ("id", "ascending")])
            path.unlink()
            for split, chosen in ((TRAIN, False), (VALIDATION, True)):
                part = table.filter(pc.equal(table["_aside"], chosen)).drop_columns(["_hash", "_aside"])
                if len(part):
                    yield split, part


def _hashes(ids: Any, key: bytes) -> npt.NDArray[np.uint64]:
    blake2b = hashlib.blake2b
    digests = b"".join(blake2b(id.encode(), key=key, digest_size=8).digest() for id in ids.to_pylist())
    return np.frombuffer(digests, "<u8")
