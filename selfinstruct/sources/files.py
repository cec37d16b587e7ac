"""Reading small local files that people name: what is no file, or no end of one, is refused before it can hang."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from selfinstruct.errors import InputError

DESCRIPTORS = ("/dev/fd/", "/proc/")
"""Where the pipes of a shell's <(...) and | lead to. They end when their writer does."""


def read_local(path: Path, most: int) -> bytes:
    """The bytes of a local file, or of a pipe that a shell made.

    Args:
        most: Bytes that it may have.

    Raises:
        InputError: it is a folder, a device or a named pipe (whose opening would wait for a writer), is larger, or
            cannot be read.
    """
    try:
        if (kind := _no_file(path)) is not None:
            raise InputError(f"{path}: is {kind}; name a file")
        with path.open("rb") as file:
            data = file.read(most + 1)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if len(data) > most:
        raise InputError(f"{path}: is larger than {most:,} bytes; name another file")
    return data


def _no_file(path: Path) -> str | None:
    """What a path is if it is nothing to read from its beginning to its end."""
    mode = path.stat().st_mode
    if stat.S_ISREG(mode):
        return None
    if stat.S_ISDIR(mode):
        return "a folder"
    if not stat.S_ISFIFO(mode):
        return "a device"
    return None if os.path.realpath(path).startswith(DESCRIPTORS) else "a named pipe"
