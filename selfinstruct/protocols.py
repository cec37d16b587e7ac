"""The seams of the system: an engine completes requests, an index finds the nearest text of the pool, and a track is
shown how far work is.

`cluster/` offers a `ReplicaPool` in place of an engine and a `ShardedIndex` in place of an index.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

from selfinstruct.records import Completion, Neighbour, Request

T = TypeVar("T")


class Engine(Protocol):
    """Completes requests, each exactly once, in any order."""

    def add(self, requests: Sequence[Request]) -> None:
        """Queue requests; returns at once."""

    def step(self) -> list[Completion]:
        """Do some work and return what is finished, perhaps nothing; an idle engine returns an empty list at once.

        A request that cannot be served becomes a completion with `Finish.FAILED`. Failures of the engine itself
        (its server, its device, its node) raise; the requests it held may then be added again elsewhere.
        """


class PoolIndex(Protocol):
    """The pool's texts, numbered from 0 in the order in which they were accepted (their ordinals)."""

    def insert(self, first: int, texts: Sequence[str]) -> None:
        """Hold `texts` under the ordinals `first, first + 1, ...`; doing so again changes nothing."""

    def nearest(self, size: int, texts: Sequence[str], without: Sequence[int | None] = ()) -> list[Neighbour | None]:
        """For each text its nearest among the first `size` of the pool, ties to the lowest ordinal.

        None where no text of the pool comes into question. `size` is how many texts the caller has inserted.

        Args:
            without: For each text the ordinal that it is not compared with, if there is one; none for no text.
        """


class Track(Protocol):
    """Looks on while work goes through items, as a bar on a terminal does."""

    def __call__(self, what: str, items: Iterable[T], total: int | None = None, /) -> Iterable[T]:
        """The items as they are. `what` names the work, as "reading"; `total` says how many there are."""


def unseen(what: str, items: Iterable[T], total: int | None = None, /) -> Iterable[T]:
    """A `Track` by which nobody looks on."""
    return items
