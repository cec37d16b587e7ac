"""Where files live: a local folder, or an object store (`s3://`, `gs://`, `az://`).

The contract that everything above rests on: `put` writes a file whole or not at all and never replaces one. Of any
number of processes that put one name, exactly one sees True, and what it wrote outlives a loss of power. Whoever is
killed in between leaves at most a dot-named temporary file, which nobody reads, and which the next process to put that
name, or to `sweep`, removes.

Names are relative, with `/` between folder and file. An absent name is a `KeyError`. What the user can mend (the URL,
permissions, the bucket, credentials) is an `InputError`; a store that does not answer is a `FailureError`.
"""

from __future__ import annotations

from typing import Any, Protocol
from urllib.parse import urlsplit

from selfinstruct.errors import InputError
from selfinstruct.places import REMOTE, local_path


class Blobs(Protocol):
    """A flat set of named files."""

    url: str

    def check_writable(self) -> None:
        """Prove, before any work, that `put` works here; InputError (what, where, how to mend it) if it does not."""

    def put(self, name: str, data: bytes, *, patient: bool = True) -> bool:
        """Write a new file, durably, whole or not at all. False, and nothing changed, when the name exists.

        Args:
            patient: Wait for a full disk, and long for a store that does not answer; not for what a run can do without.
        """

    def replace(self, name: str, data: bytes) -> None:
        """Write a file whole, durably, in place of one of the same name. Never for a run's tables."""

    def get(self, name: str) -> bytes:
        """The whole file. KeyError when absent."""

    def open(self, name: str) -> Any:
        """A file that pyarrow reads in parts, to be closed by the caller. KeyError when absent."""

    def exists(self, name: str) -> bool:
        """Whether there is a file of this name."""

    def names(self, folder: str) -> list[str]:
        """Names (without the folder) of the files in a folder, sorted; none when it is absent, dot-files left out.

        What is named here is there for good: another process may have died before it made sure of that.
        """

    def remove(self, name: str) -> None:
        """Remove a file for good; nothing happens when it is absent.

        Never for a run's tables, but by those who mend a run (`repair.py`).
        """

    def sweep(self, folder: str) -> None:
        """Remove what killed writers left in a folder. A writer at work is not harmed: it begins its file again."""


def open_blobs(url: str, patience: float = 0.0) -> Blobs:
    """The files under a local path, a `file://` URL or an object store's URL. Nothing is created or asked yet.

    Object stores take credentials and endpoint from their usual environment variables. InputError for other schemes
    or settings that cannot work.

    Args:
        patience: Seconds that a full disk is waited for.
    """
    from selfinstruct.storage.local_blobs import LocalBlobs
    from selfinstruct.storage.object_blobs import ObjectBlobs

    if (path := local_path(url)) is not None:
        return LocalBlobs(path, patience)
    parts = urlsplit(url)
    if parts.scheme not in REMOTE:
        raise InputError(f"{url}: unknown scheme {parts.scheme}://; give a local folder, s3://, gs:// or az://")
    if not parts.netloc or "@" in parts.netloc:
        raise InputError(f"{url}: must be like {parts.scheme}://bucket/folder, with a bucket's name and no key in it")
    return ObjectBlobs(url)
