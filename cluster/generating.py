"""A run from beginning to end, for the command and the Python face: on replicas, or in this process without Ray."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import closing, contextmanager

from cluster.actors import actors_of
from cluster.settings import GenerateSettings
from cluster.watch.progress import Progress
from selfinstruct.run import facts, single
from selfinstruct.run.inputs import Inputs
from selfinstruct.run.loop import prepare
from selfinstruct.run.rounds import Run
from selfinstruct.run.watches import Everybody, RunWatch
from selfinstruct.settings import Facts
from selfinstruct.storage.blobs import open_blobs
from selfinstruct.storage.store import RunStore


def as_begun(settings: GenerateSettings) -> tuple[GenerateSettings, list[str]]:
    """The settings by which the run goes on if it was begun before some of its options existed, with a line for each.

    Raises:
        InputError: the folder cannot be read.
    """
    return facts.as_begun(settings, RunStore(open_blobs(settings.out, patience=settings.wait_for_space)))


def open_store(settings: GenerateSettings, given: Facts) -> RunStore:
    """The run's files, writable, and begun with the same facts if they were begun.

    Raises:
        InputError: the folder cannot be written, or the run's options differ.
    """
    store = RunStore(open_blobs(settings.out, patience=settings.wait_for_space))
    prepare(store, given)
    return store


def generate(settings: GenerateSettings, inputs: Inputs, store: RunStore, watch: RunWatch) -> Run:
    """Take a run from where its files are to its end; returns it finished.

    Raises:
        SelfInstructError: see `selfinstruct.errors`; what is committed stays, the same command goes on.
    """
    with _rare_collections():
        if actors_of(settings).replicas == 0:
            with closing(Progress(store, settings.target)) as progress:
                told = Everybody(progress, watch)
                return single.generate(settings, inputs, store, told, settings.in_flight, settings.budget)
        from cluster import driver

        return driver.generate(settings, inputs, store, watch)


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Have Python look for cycles every 50,000 new objects, not every 700: a run makes rows by the million and hardly a
    cycle, and its driver would spend a sixth of its time looking."""
    usual = gc.get_threshold()
    gc.set_threshold(50_000)
    try:
        yield
    finally:
        gc.set_threshold(*usual)
