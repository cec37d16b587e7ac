"""A model for a while, to be asked freely: replicas on Ray, or one in this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cluster.actors import has_cluster
from cluster.settings import RaySettings
from selfinstruct.engines import EngineSettings, traits
from selfinstruct.prompts import PromptSet
from selfinstruct.run.loop import Completer
from selfinstruct.run.single import open_completer


@contextmanager
def opened_completer(
    engine: EngineSettings, prompts: PromptSet, replicas: int | None, in_flight: int | None, ray: RaySettings
) -> Iterator[Completer]:
    """A completer of requests from `replicas` copies of the model; none of them is one in this process, without Ray.
    Where nobody says how many, it is one, and in this process if no model runs here.

    Raises:
        InputError: the engine cannot be opened with these settings.
        FailureError: there is no such cluster.
    """
    if replicas is None:
        replicas = 0 if traits(engine).light and not has_cluster(ray) else 1
    if replicas == 0:
        yield open_completer(engine, prompts, in_flight)
        return
    from cluster.connect import connected
    from cluster.replicas import replicate

    with connected(ray, replicas):
        pool = replicate(engine, prompts, replicas, in_flight, ray)
        try:
            yield pool
        finally:
            pool.close()
