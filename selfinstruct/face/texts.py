"""What needs no run: seed tasks from a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from selfinstruct.records import SeedTask
from selfinstruct.sources.seeds import load_seeds

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
