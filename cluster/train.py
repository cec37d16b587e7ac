"""Finetuning on Ray Train: one worker for each device, checkpoints on the run's storage, metrics to the driver.

The driver has no state of its own. A worker that dies is started again from the newest checkpoint; a driver that dies
is started again by the same command, and Ray Train finds that checkpoint under the same name on the same storage.
"""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol, TypeVar

import ray
import ray.train
from ray.train.torch import TorchTrainer

from cluster.connect import connected
from cluster.placement import resources_of
from cluster.settings import RaySettings
from selfinstruct.engines import EngineSettings
from selfinstruct.errors import FailureError, InputError, SelfInstructError
from selfinstruct.finetune.plan import Job, Plan

T = TypeVar("T")

TRAINING = "training"
"""Ray Train's name for a training, under the storage's path."""

WAIT = 0.2
"""Seconds between looks at the board."""


LOOK = "0.5"
"""Seconds between Ray Train's looks at the workers; a checkpoint counts from the next look on."""


class Watch(Protocol):
    """Is told in the driver how a training goes."""

    def begun(self, step: int) -> None:
        """Training begins at this step, or goes on from it."""

    def metrics(self, row: Mapping[str, Any]) -> None:
        """A row of metrics."""


@ray.remote(num_cpus=0)
class Board:
    """Where the first worker pins up what the driver should know."""

    def __init__(self) -> None:
        self._notes: list[Any] = []

    def pin(self, note: Any) -> None:
        """Add a note."""
        self._notes.append(note)

    def since(self, number: int) -> list[Any]:
        """The notes after the first `number`."""
        return self._notes[number:]


def fit(plan: Plan, storage: str, settings: RaySettings, retries: int, watch: Watch, into: Path) -> None:
    """Train, or go on with a training, and bring the tuned model's files to a local folder.

    Args:
        storage: Folder or URL that all workers reach, for checkpoints.
        retries: How many times workers may die.

    Raises:
        InputError: the model cannot be loaded, or the storage cannot be written.
        FailureError: workers die again and again.
    """
    logging.getLogger("ray.train").setLevel(logging.ERROR)
    os.environ.setdefault("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", LOOK)
    with connected(settings, plan.job.workers, show_logs=False):  # Ray Train logs a lot, and errors reach us anyway
        board = Board.remote()  # type: ignore[attr-defined]
        trainer = _trainer(plan, board, storage, settings, retries)
        result = _beside(trainer.fit)
        read = 0
        while True:
            done = result.done()  # before the last look, so that no note is missed
            notes = ray.get(board.since.remote(read))
            read += len(notes)
            for note in notes:
                _tell(note, watch)
            if done:
                break
            time.sleep(WAIT)
        error = result.exception()
        if error is not None:
            raise _explained(error, storage) from error
        result.result().checkpoint.to_directory(into)


def clean(storage: str) -> None:
    """Remove the checkpoints of a finished training."""
    from pyarrow import fs

    if "://" in storage:
        filesystem, path = fs.FileSystem.from_uri(storage)
        filesystem.delete_dir(f"{path}/{TRAINING}")
        return
    shutil.rmtree(Path(storage, TRAINING), ignore_errors=True)
    with suppress(OSError):  # others may use it
        Path(storage).rmdir()


def _trainer(plan: Plan, board: Any, storage: str, settings: RaySettings, retries: int) -> TorchTrainer:
    resources = resources_of(EngineSettings(), settings)
    table, order = ray.put(plan.table()), ray.put(plan.order)
    return TorchTrainer(
        _work,
        train_loop_config={"job": plan.job, "table": table, "order": order, "board": board},
        scaling_config=ray.train.ScalingConfig(
            num_workers=plan.job.workers,
            use_gpu=resources["num_gpus"] > 0,
            resources_per_worker={"CPU": resources["num_cpus"], "GPU": resources["num_gpus"]},
        ),
        run_config=ray.train.RunConfig(
            name=TRAINING,
            storage_path=storage,
            checkpoint_config=ray.train.CheckpointConfig(num_to_keep=1),
            failure_config=ray.train.FailureConfig(max_failures=retries),
        ),
    )


def _beside(function: Callable[[], T]) -> Future[T]:
    """Run it in a thread that nobody waits for: an interrupted driver disconnects, which ends it."""
    pool = ThreadPoolExecutor(1, thread_name_prefix="fit")
    try:
        return pool.submit(function)
    finally:
        pool.shutdown(wait=False)


def _tell(note: Any, watch: Watch) -> None:
    if isinstance(note, InputError):
        raise note
    if "begin" in note:
        watch.begun(note["begin"])
    else:
        watch.metrics(note)


def _explained(error: BaseException, storage: str) -> SelfInstructError:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return FailureError(
        f"training failed: {lines[-1] if lines else type(error).__name__}; checkpoints are in {storage},"
        " the same command goes on"
    )


# ---- in the workers


def _work(config: Mapping[str, Any]) -> None:
    """What every worker does."""
    import datasets

    from selfinstruct.finetune.training import train

    job: Job = config["job"]
    reporter = _Reporter(config["board"])
    rows = datasets.Dataset(ray.get(config["table"])).select(ray.get(config["order"]))
    checkpoint = ray.train.get_checkpoint()
    try:
        if checkpoint is None:
            train(job, rows, reporter, None)
            return
        with checkpoint.as_directory() as folder:
            if Path(folder, "trainer_state.json").exists():  # else it is the tuned model itself
                train(job, rows, reporter, Path(folder))
    except InputError as error:  # another try would not mend it
        ray.get(config["board"].pin.remote(error))


class _Reporter:
    """A `training.Reporter`: notes on the board, files to Ray Train's storage."""

    def __init__(self, board: Any) -> None:
        self._board = board
        self._first = ray.train.get_context().get_world_rank() == 0

    def metrics(self, row: Mapping[str, Any]) -> None:
        if self._first:
            ray.get(self._board.pin.remote(dict(row)))

    def saved(self, folder: Path, name: str) -> None:
        """Every worker adds its files, if it has any, to one checkpoint; all must call this."""
        files = folder.is_dir() and any(folder.iterdir())
        checkpoint = ray.train.Checkpoint.from_directory(folder) if files else None
        ray.train.report({"name": name}, checkpoint=checkpoint, checkpoint_dir_name=name)
        shutil.rmtree(folder, ignore_errors=True)
