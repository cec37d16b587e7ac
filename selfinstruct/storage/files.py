"""Writing a local file that is no part of a run: a report, figures, ratings."""

from __future__ import annotations

import os
from pathlib import Path

from selfinstruct.errors import InputError
from selfinstruct.places import local


def write_file(path: Path, data: str) -> None:
    """Write a local file whole or not at all, in place of one that was there.

    Raises:
        InputError: it cannot be written.
    """
    path = local(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(data, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise InputError(f"{path}: cannot be written ({error.strerror or error}); name another file") from error
