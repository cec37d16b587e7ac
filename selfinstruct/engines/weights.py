"""A model's files on an object store, brought once to each node that needs them.

They go to a folder of `$SELFINSTRUCT_CACHE` (default: `~/.cache/selfinstruct`) named after what the store lists, so
other weights under the same URL go to another folder. Processes of one node that want the same files wait for one of
them, which holds a lock that ends with it; whoever comes next goes on with the files that are whole. A folder that has
its final name is complete. Hub repositories need none of this: the hub's own cache locks each file.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

from selfinstruct.errors import FailureError, InputError
from selfinstruct.places import local

if TYPE_CHECKING:
    from selfinstruct.storage.object_blobs import Entry, ObjectBlobs

PART = 32 * 2**20
"""Bytes asked for at once."""

AT_ONCE = 8
"""Such questions under way."""


def listing(url: str, patterns: Sequence[str]) -> list[Entry]:
    """The files of these names right under the URL, by name.

    Raises:
        InputError: there are none, or the store does not let us in.
        FailureError: the store does not answer.
    """
    from selfinstruct.storage.object_blobs import ObjectBlobs

    found = [each for each in ObjectBlobs(url).entries() if any(fnmatch(each.name, pattern) for pattern in patterns)]
    if not found:
        raise InputError(f"--model: {url}: there is no model; give the prefix that has its config.json and safetensors")
    return found


def digest(entries: Sequence[Entry]) -> str:
    """Names, sizes and the store's own tags of content: equal for the same upload, without reading it."""
    text = "".join(f"{each.name}\0{each.size}\0{each.tag}\n" for each in sorted(entries))
    return hashlib.sha256(text.encode()).hexdigest()


def fetch(url: str, patterns: Sequence[str]) -> Path:
    """The local folder with these files, after bringing them here unless this node has them.

    Raises:
        InputError: as `listing`, or the cache cannot be written.
        FailureError: the store does not answer, or the disk is full.
    """
    from filelock import FileLock

    from selfinstruct.storage.object_blobs import ObjectBlobs

    entries = listing(url, patterns)
    key = hashlib.sha256(f"{url.rstrip('/')}\n{digest(entries)}".encode()).hexdigest()[:32]
    folder = cache() / "models" / key
    if folder.is_dir():
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_suffix(".lock")):
            if not folder.is_dir():
                _download(ObjectBlobs(url), entries, folder)
    except OSError as error:
        raise FailureError(
            f"{folder}: {error.strerror or error}; SELFINSTRUCT_CACHE names another place for models"
        ) from error
    return folder


def cache() -> Path:
    """Where this node keeps what it has fetched."""
    return local(os.environ.get("SELFINSTRUCT_CACHE") or "~/.cache/selfinstruct")


def _download(blobs: ObjectBlobs, entries: Sequence[Entry], folder: Path) -> None:
    """All files into a folder beside the final one, then its name. Only one process is here at a time."""
    place = folder.with_suffix(".part")
    place.mkdir(exist_ok=True)
    missing = sum(each.size for each in entries if not (place / each.name).exists())
    if shutil.disk_usage(place).free < missing:
        raise FailureError(
            f"{place}: has no room for the {missing / 2**30:.1f} GiB of {blobs.url};"
            " SELFINSTRUCT_CACHE names another place for models"
        )
    for each in entries:
        if not (place / each.name).exists():
            _file(blobs, each, place)
    place.rename(folder)


def _file(blobs: ObjectBlobs, entry: Entry, place: Path) -> None:
    """One file, several parts of it at a time; it has its name once it is whole."""
    unfinished = place / f".{entry.name}"
    with unfinished.open("wb") as file, ThreadPoolExecutor(AT_ONCE) as pool:

        def part(start: int) -> None:
            os.pwrite(file.fileno(), blobs.part(entry.name, start, min(start + PART, entry.size)), start)

        for _ in pool.map(part, range(0, entry.size, PART)):
            pass
    unfinished.rename(place / entry.name)
