"""What needs no run: seed tasks from a file, and the check of texts that exist already."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from selfinstruct.face.index import named
from selfinstruct.face.options import settings_of
from selfinstruct.novelty.dedup import Verdict
from selfinstruct.records import SeedTask
from selfinstruct.reuse.dedup import JudgeSettings, deduplicate
from selfinstruct.sources.seeds import SEED_TASKS, load_seeds

if TYPE_CHECKING:
    from os import PathLike


def read_seeds(path: str | PathLike[str]) -> list[SeedTask]:
    """The seed tasks of a file of JSON lines: our own form and the original release's alike.

    >>> import json
    >>> birds = {"instruction": "Name a bird.", "is_classification": False, "instances": [{"output": "A gull."}]}
    >>> with open("seeds.jsonl", "w") as file:
    ...     print(json.dumps(birds), file=file)
    >>> read_seeds("seeds.jsonl")[0].instances
    (Instance(input='', output='A gull.'),)

    Raises:
        InputError: the file cannot be read, holds no task, or has bad lines (all of them are named).
    """
    return load_seeds(Path(path))


def dedup(
    texts: Iterable[str],
    ids: Iterable[str] | None = None,
    *,
    seeds: str | PathLike[str] | None = SEED_TASKS,
    **options: Any,
) -> list[Verdict]:
    """A verdict on each text, as `selfinstruct dedup` gives it: screened, and compared with seed tasks and the others.

    >>> verdicts = dedup(["Sing.", "Name three birds of the sea.", "Name three birds of the sea now."], seeds=None)
    >>> [str(verdict.reason or "new") for verdict in verdicts]
    ['too_short', 'new', 'similar']
    >>> len([verdict for verdict in dedup(["Sing."], screen=False, novelty={"threshold": 0.5}) if verdict.accepted])
    1

    Args:
        ids: Names by which verdicts speak of the texts (default: their place, from 0 on); seed tasks are `seed/<id>`.
        seeds: File of seed tasks with which the pool begins, those of the project if it is left out; None begins with
            an empty pool.
        options: Those of the command: `screen`, `shards`, and the groups `novelty` and `limits` as mappings.

    Raises:
        InputError: an option is wrong, or the seeds cannot be read.
        FailureError: there is no cluster for the shards.
    """
    from cluster.indexing import indexing
    from cluster.settings import RaySettings

    settings = settings_of(JudgeSettings(), {"seeds": "none" if seeds is None else seeds, **options}, "dedup")
    with indexing(settings.novelty, settings.shards, RaySettings()) as index:
        return list(deduplicate(named(texts, ids), settings, index))
