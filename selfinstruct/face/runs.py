"""`open_run`: a run that is there, its rows as tables for other libraries, and what the commands make of it."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from selfinstruct.errors import InputError
from selfinstruct.export.settings import DatasetSettings
from selfinstruct.face.options import read_arguments, settings_of
from selfinstruct.records import Origin, Table, Task
from selfinstruct.report.settings import FigureSettings
from selfinstruct.sources.options import kinds_of

if TYPE_CHECKING:
    from os import PathLike

    from selfinstruct.report.figures import Figures

ORIGINS = (Origin.MODEL, Origin.IMPORTED)
"""Whose rows are meant where nothing else is said: seed tasks were there before."""


class StoredRun:
    """A run, finished or not. Each method reads its files as they are then.

    >>> run = open_run("runs/birds")
    >>> run
    StoredRun('runs/birds')
    >>> run.accepted().column_names[:4]
    ['instruction', 'input', 'output', 'is_classification']
    >>> [len(task.instances) > 0 for task in run.sample(2)]
    [True, True]
    >>> sorted(run.to_pandas()["origin"].unique())
    ['model']

    Attributes:
        url: Folder or URL.

    Raises:
        CorruptError: from every method, when a file is damaged or missing.
    """

    def __init__(self, url: str) -> None:
        from selfinstruct.storage import store

        self.url = url
        self._store = store.open_run(url)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    def accepted(self, origins: Iterable[str] = ORIGINS) -> Any:
        """The accepted instances of complete rounds as a `pyarrow.Table`, in the run's order.

        Columns: instruction, input, output, is_classification (null where nobody said), id, instruction_id, round,
        origin, demonstrations (ids), nearest_id and rouge_l (of accepted rows a lower bound).

        Args:
            origins: Rows of these: model, imported, seed.

        Raises:
            InputError: there is no such origin.
        """
        import pyarrow as pa

        from selfinstruct.export.rows import ACCEPTED

        return pa.concat_tables([ACCEPTED.empty_table(), *self._tables(origins)])

    def candidates(self) -> Any:
        """Every proposed instruction as a `pyarrow.Table`, accepted or with the reason why not; those given as well.

        >>> table = open_run("runs/birds").candidates()
        >>> table.num_rows > sum(table["accepted"].to_pylist())
        True
        """
        import pyarrow as pa

        from selfinstruct.storage.tables import SCHEMAS

        names = SCHEMAS[Table.CANDIDATES].names
        rounds = self._store.rounds(Table.CANDIDATES)
        return pa.concat_tables(self._store.read_columns(Table.CANDIDATES, number, names) for number in rounds)

    def sample(self, number: int = 3, seed: int = 0) -> list[Task]:
        """Random accepted tasks of the model with their accepted instances, as `selfinstruct sample` shows them."""
        from selfinstruct.storage.sample import sample_tasks

        return sample_tasks(self._store, number, seed)

    def report(self, path: str | PathLike[str], **options: Any) -> Figures:
        """Write the HTML page of `selfinstruct report`; returns its figures.

        >>> figures = open_run("runs/birds").report("birds.html", rows=10, verb_rows=0)
        >>> figures.accepted >= 20
        True

        Args:
            options: Those of the command: only, check, seed, rows, rejected, review, review_rows, verb_rows,
                overlap_rows, tagger, spacy_model.

        Raises:
            InputError: an option is wrong, a package is not installed, or the file cannot be written.
        """
        from selfinstruct.report.making import make_report
        from selfinstruct.storage.files import write_file

        settings = settings_of(FigureSettings(), options, "report")
        figures, page = make_report(self._store, settings)
        write_file(Path(path), page)
        return figures

    def export(self, path: str | PathLike[str], **options: Any) -> dict[str, int]:
        """Write the dataset folder of `selfinstruct export`; returns how many rows each split has.

        >>> splits = open_run("runs/birds").export("birds", validation=0.2)
        >>> sorted(splits)
        ['train', 'validation']

        Args:
            options: Those of the command: only, check, samples, thoughts, preference, origins, validation, seed,
                decontaminate, ngram, and what the card has to name: license, model_name, model_license, model_outputs,
                seeds_license, pool_license.

        Raises:
            InputError: an option is wrong, a licence is missing, or `path` is something else than an export.
            FailureError: the disk failed.
        """
        from selfinstruct.export.dataset import export

        return export(self._store, Path(path), settings_of(DatasetSettings(), options, "export")).rows

    def to_pandas(self, origins: Iterable[str] = ORIGINS) -> Any:
        """`accepted` as a `pandas.DataFrame`. InputError if pandas is not installed."""
        _need("pandas", "pandas")
        return self.accepted(origins).to_pandas()

    def to_dataset(self, origins: Iterable[str] = ORIGINS) -> Any:
        """`accepted` as a `datasets.Dataset` (Hugging Face). InputError if that is not installed.

        >>> open_run("runs/birds").to_dataset().select_columns(["instruction", "output"]).column_names
        ['instruction', 'output']
        """
        return _need("datasets", "datasets").Dataset(self.accepted(origins))

    def to_ray(self, origins: Iterable[str] = ORIGINS) -> Any:
        """`accepted` as a `ray.data.Dataset` with a block for each round, on the cluster that Ray is connected to.

        Raises:
            InputError: `ray.init()` was not called before, or the packages that Ray Data needs are not installed.
        """
        from cluster.datasets import dataset_of

        _need("pandas", "'ray[data]'")
        return dataset_of(self._tables(origins))

    def _tables(self, origins: Iterable[str]) -> list[Any]:
        """The accepted rows, a table for each round."""
        from selfinstruct.export.rows import accepted_rows

        given = {"origins": origins if isinstance(origins, str) else list(origins)}
        read = read_arguments(given, kinds_of(DatasetSettings), "StoredRun")
        return list(accepted_rows(self._store, read["origins"]))


def _need(module: str, package: str) -> Any:
    """A module that only some methods need. InputError if it is not installed."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise InputError(f"StoredRun: {module} is not installed; pip install {package}") from error


def open_run(out: str | PathLike[str]) -> StoredRun:
    """A run that is there, finished or not, in a local folder or under s3://, gs://, az://.

    >>> open_run("runs/none")
    Traceback (most recent call last):
    selfinstruct.errors.InputError: runs/none: there is no run; `selfinstruct generate --out runs/none` begins one

    Raises:
        InputError: there is no run.
    """
    return StoredRun(str(out))
