"""Drawing rows by lot while they stream by: each row has a random key, the rows with the smallest keys are kept.

Keys depend on the seed, the sort of row and the round alone, so the same run gives the same draw, and a run that has
grown since keeps most of it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from selfinstruct.draws import key_of

_KEY = "lot"


class Lot:
    """Up to `most` rows of one sort, each row as likely as any other."""

    def __init__(self, seed: int, sort: str, most: int) -> None:
        self.offered = 0
        self._key = (seed, sort)
        self._most = most
        self._kept: Any = None  # a pa.Table with a column of keys
        self._limit = 2**64 - 1  # a row with a larger key is not among the smallest

    def offer(self, rows: Any, number: int) -> None:
        """Offer all rows of this sort in one round (a `pa.Table`)."""
        self.offered += len(rows)
        generator = np.random.Philox(key=np.frombuffer(key_of("report", *self._key, number)[:16], np.uint64))
        keys = generator.random_raw(len(rows))
        at = np.flatnonzero(keys <= np.uint64(self._limit))
        if self._most and len(at):
            drawn = rows.take(at).append_column(_KEY, pa.array(keys[at]))
            self._kept = drawn if self._kept is None else pa.concat_tables([self._kept, drawn])
            if len(self._kept) > 2 * self._most:
                self._prune()

    def rows(self) -> list[dict[str, Any]]:
        """The drawn rows in random order."""
        if self._kept is None:
            return []
        self._prune()
        return list(self._kept.drop_columns([_KEY]).to_pylist())

    def _prune(self) -> None:
        keys = self._kept[_KEY].to_numpy()
        order = np.argsort(keys, kind="stable")[: self._most]
        self._kept = self._kept.take(order)
        if len(order) == self._most:
            self._limit = int(keys[order[-1]])
