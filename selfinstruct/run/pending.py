"""Carrying out what `keeping.Keeping` orders: segments are read when a life of a run begins, and written and removed by
the hands that write the run's own files."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Executor, Future

from selfinstruct.records import CHECKS, Completion, Request, Table
from selfinstruct.run.keeping import Keeping, Left, Order, Pace, Remove, Save
from selfinstruct.settings import Facts, fingerprint_of
from selfinstruct.storage.blobs import Blobs
from selfinstruct.storage.segments import names, read_segments, remove_segment, write_segment
from selfinstruct.storage.store import RunStore


class Pending:
    """The answers of rounds under way, in one life of a run.

    Args:
        judged: The newest round up to which the run's own check is committed.
        facts: Of this life. Segments written under others are left alone: a run that was made from stored answers may
            be carried on with another model until it has a round of its own.
        hands: Do one thing after the other.
    """

    def __init__(self, store: RunStore, facts: Facts, hands: Executor, pace: Pace, judged: int = 0) -> None:
        self._blobs = store.blobs
        self._fingerprint = fingerprint_of(facts)
        self._hands = hands
        committed = {table: store.rounds(table)[-1:] for table in (Table.PROPOSALS, Table.LABELS)}
        newest: dict[str, int] = {table: last[0] if last else 0 for table, last in committed.items()}
        newest[CHECKS] = judged
        segments = list(read_segments(self._blobs, self._fingerprint))
        self._keeping = Keeping(store.writer.id, segments, newest, pace)
        self._under_way: tuple[Order, Future[bool]] | None = None

    def asked(self, requests: Sequence[Request]) -> tuple[list[Request], list[Completion]]:
        """Of requests to be completed now, those to be asked, and the answers to the others."""
        return self._keeping.asked(requests)

    def came(self, completions: Sequence[Completion]) -> None:
        """Completions came in."""
        now = time.monotonic()
        for completion in completions:
            self._keeping.came(completion, now)

    def committed(self, table: str, number: int) -> None:
        """A file is in the store."""
        self._keeping.committed(table, number)

    def work(self) -> None:
        """See to what is under way, and have the next thing done."""
        if self._under_way and self._under_way[1].done():
            order, future = self._under_way
            self._report(order, future.result())
        if self._under_way is None and (next_order := self._keeping.order(time.monotonic())):
            self._under_way = next_order, self._hands.submit(_perform, next_order, self._blobs, self._fingerprint)

    def keep(self) -> Left:
        """Write what is in no segment yet; returns what is left to a later life."""
        self._settle()
        for segment in self._keeping.rest():
            self._keeping.saved(segment, write_segment(self._blobs, segment, self._fingerprint), time.monotonic())
        return self._keeping.left

    def forget(self) -> Left:
        """Remove all segments, those of other facts too: the run is done, and nothing is under way."""
        self._settle()
        for name in sorted({*self._keeping.names, *names(self._blobs)}):
            remove_segment(self._blobs, name)
        return Left()

    def _settle(self) -> None:
        """See to what is under way, however long that takes; what the hands have not begun is done here."""
        if self._under_way:
            order, future = self._under_way
            self._report(order, _perform(order, self._blobs, self._fingerprint) if future.cancel() else future.result())

    def _report(self, order: Order, done: bool) -> None:
        self._under_way = None
        match order:
            case Save(segment):
                self._keeping.saved(segment, done, time.monotonic())
            case Remove():
                self._keeping.removed()


def _perform(order: Order, blobs: Blobs, fingerprint: str) -> bool:
    match order:
        case Save(segment):
            return write_segment(blobs, segment, fingerprint)
        case Remove(name):
            remove_segment(blobs, name)
    return True
