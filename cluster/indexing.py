"""A novelty index for a while: shards on Ray, or one in this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cluster.settings import RaySettings
from selfinstruct.novelty.index import NoveltySettings
from selfinstruct.protocols import PoolIndex


@contextmanager
def indexing(novelty: NoveltySettings, shards: int, ray: RaySettings) -> Iterator[PoolIndex]:
    """An empty index of so many shards; none of them is one in this process, without Ray.

    Raises:
        FailureError: there is no such cluster.
    """
    if shards == 0:
        from selfinstruct.novelty.check import make_index

        yield make_index(novelty)
        return
    from cluster.connect import connected
    from cluster.shards import ShardedIndex

    with connected(ray, replicas=0):
        index = ShardedIndex(novelty, shards)
        try:
            yield index
        finally:
            index.close()
