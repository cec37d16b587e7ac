"""Writing a local file that is no part of a run: a report, figures, ratings."""

from __future__ import annotations

import os
from pathlib import Path

from selfinstruct.errors import FULL, FailureError, InputError
from selfinstruct.places import local


def write_file(path: Path, data: str) -> None:
    """Write a local file whole or not at all, in place of one that was there.

    Raises:
        InputError: it cannot be written.
        FailureError: the disk is full.
    """
    path = local(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(data, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise unwritable(path, error) from error


def unwritable(path: Path, error: OSError) -> InputError | FailureError:
    """What there is to say of a file that the system did not write."""
    if error.errno in FULL:
        return FailureError(f"{path}: {error.strerror}; make space and run the same command again")
    return InputError(f"{path}: cannot be written ({error.strerror or error}); name another file")
