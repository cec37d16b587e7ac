"""`blobs.Blobs` in a local folder: temporary file, fsync, hard link, fsync of the folder.

Every step is made so that a process may be killed after it, and the machine lose its power: tests/tools/simulator does
both at each of them.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_exponential

from selfinstruct.errors import FULL, UNUSABLE, CorruptError, FailureError, InputError

FOREIGN = (errno.EACCES, errno.EPERM, errno.EINVAL, errno.EROFS)
"""What syncing a folder far above the run may meet that is not ours to open, or of a read-only file system."""

MOST_BYTES = 8 << 30
"""Of one file: its texts could not be held in Arrow's columns beyond."""

OTHERS = (errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ELOOP)
"""What the system says where a folder, a file or a link to itself stands for what is written here."""

TEMPORARY = re.compile(r"\..+\.[0-9a-f]{16}")
"""What `LocalBlobs` calls files that are not there yet."""


class LocalBlobs:
    """Files in a folder of a file system with hard links.

    Args:
        patience: Seconds that a full disk is waited for.
        system: The system calls that write; the tests put a disk of their own below.
    """

    def __init__(self, root: Path, patience: float = 0.0, system: Any = os) -> None:
        self.root = root.absolute()
        self.url = str(self.root)
        self._patience = patience
        self._os = system
        self._settled: set[Path] = set()  # folders that are known to be there for good

    def check_writable(self) -> None:
        try:
            # A probe may be swept between its two links, by a driver that begins at the same time; not ten times.
            if not any(self._put_twice(f".writable.{secrets.token_hex(8)}") for _ in range(10)):
                raise InputError(f"{self.url}: hard links do not work in this folder; choose another file system")
            self.sweep("")
        except OSError as error:
            reason = error.strerror or error
            raise InputError(f"{self.url}: cannot write here ({reason}); choose a folder that you may write") from error

    def _put_twice(self, probe: str) -> bool:
        """Whether a name can be put, and then not again."""
        try:
            return self._link(probe, b"") and not self._link(probe, b"")
        finally:
            with contextlib.suppress(OSError):
                self._discard(self.root / probe)

    def put(self, name: str, data: bytes, *, patient: bool = True) -> bool:
        with self._failures(name):
            retrying = Retrying(
                retry=retry_if_exception(_is_full),
                wait=wait_exponential(max=15),
                stop=stop_after_delay(self._patience if patient else 0.0),
                before_sleep=lambda state: self._tell_full() if state.attempt_number == 1 else None,
                reraise=True,
            )
            try:
                return retrying(self._link, name, data)
            except FileNotFoundError:
                folder = (self.root / name).parent
                raise CorruptError(
                    f"{folder}: was deleted while this run wrote to it; begin in another folder"
                ) from None

    def replace(self, name: str, data: bytes) -> None:
        final = self.root / name
        with self._failures(name):
            self._settle(final.parent)
            self._os.replace(self._temporary(final, data), final)
            self._sync(final.parent)
            self._discard_left(final)

    def get(self, name: str) -> bytes:
        with self._failures(name):
            return self._file(name).read_bytes()

    def open(self, name: str) -> Any:
        with self._failures(name):
            return pa.OSFile(os.fsencode(self._file(name)), "rb")

    def names(self, folder: str) -> list[str]:
        with self._failures(folder):
            found = self._listed(self.root / folder)
            if found:
                with contextlib.suppress(OSError):  # a file system that is read only holds nothing unsettled
                    self._settle(self.root / folder)
                    self._sync(self.root / folder)
            return sorted(name for name in found if name[0] != ".")

    def exists(self, name: str) -> bool:
        with self._failures(name):
            return self._mode(self.root / name) != 0

    def remove(self, name: str) -> None:
        final = self.root / name
        with self._failures(name):
            if self._mode(final.parent):
                self._discard(final)
                self._sync(final.parent)

    def sweep(self, folder: str) -> None:
        with self._failures(folder):
            for left in self._listed(self.root / folder):
                if TEMPORARY.fullmatch(left):
                    self._discard(self.root / folder / left)

    def _link(self, name: str, data: bytes) -> bool:
        """The transaction: a name appears at once and with all its bytes, because link() does not replace."""
        final = self.root / name
        self._settle(final.parent)
        while True:
            try:
                temporary = self._temporary(final, data)
            except FileNotFoundError:
                problem = "was deleted while this run wrote to it; begin in another folder"
                raise CorruptError(f"{final.parent}: {problem}") from None
            try:
                self._os.link(temporary, final)
                won = True
            except FileExistsError:
                won = False
            except FileNotFoundError:  # swept by another process meanwhile
                won = False
                if final.name not in self._listed(final.parent):
                    continue
            finally:
                self._discard(temporary)
            self._sync(final.parent)
            self._discard_left(final)
            return won

    def _discard_left(self, final: Path) -> None:
        """Remove temporary files of killed processes, or of some that come too late."""
        for left in self._listed(final.parent):
            if left.startswith(f".{final.name}."):
                self._discard(final.parent / left)

    def _temporary(self, final: Path, data: bytes) -> Path:
        """A temporary file beside the final name, its bytes on disk."""
        temporary = final.with_name(f".{final.name}.{secrets.token_hex(8)}")
        handle = self._os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o666)
        try:
            left = memoryview(data)
            while left:
                left = left[self._os.write(handle, left) :]
            self._os.fsync(handle)
        except OSError:  # a full disk, say: leave nothing behind
            self._discard(temporary)
            raise
        finally:
            self._os.close(handle)
        return temporary

    def _settle(self, folder: Path) -> None:
        """Have the folder, and all above it, there for good.

        Their entries are synced even if they were there before: the process that made them may have died before that.
        """
        if folder in self._settled or folder == folder.parent:
            return
        self._settle(folder.parent)
        if not self._mode(folder):
            with contextlib.suppress(FileExistsError):  # another process was faster
                self._os.mkdir(folder)
        if not stat.S_ISDIR(self._mode(folder)):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(folder))
        try:
            self._sync(folder.parent)
        except OSError as error:
            if error.errno not in FOREIGN:
                raise
        self._settled.add(folder)

    def _mode(self, path: Path) -> int:
        """0 when it is absent."""
        try:
            return int(self._os.stat(path).st_mode)
        except FileNotFoundError:
            return 0

    def _file(self, name: str) -> Path:
        """The path of a file, for a pipe is waited for and a device has no end. CorruptError if it is none."""
        path = self.root / name
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            raise CorruptError(f"{path}: is no file but a folder, a pipe or a device; move it away")
        if status.st_size > MOST_BYTES:
            raise CorruptError(f"{path}: has {status.st_size >> 30:,} GiB, which none of ours has; move it away")
        return path

    def _listed(self, folder: Path) -> list[str]:
        try:
            return list(self._os.listdir(folder))
        except FileNotFoundError:
            return []

    def _discard(self, path: Path) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._os.unlink(path)

    def _sync(self, folder: Path) -> None:
        handle = self._os.open(folder, os.O_RDONLY)
        try:
            self._os.fsync(handle)
        finally:
            self._os.close(handle)

    def _tell_full(self) -> None:
        print(f"{self.url}: the disk is full; waiting up to {self._patience:.0f} s for space", file=sys.stderr)

    @contextlib.contextmanager
    def _failures(self, name: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise KeyError(name) from None
        except OSError as error:
            if error.errno in OTHERS and self.root.is_dir():
                problem = f"{self.root / name}: {error.strerror}: another thing is in a file's or folder's place"
                raise CorruptError(f"{problem}; move it away") from error
            if error.errno in UNUSABLE:
                problem = f"{self.root / name}: {error.strerror}; choose a folder that you may use"
                raise InputError(problem) from error
            waited = f" for {self._patience:.0f} s" if self._patience else ""
            remedy = f"{waited}; make space and run the same command again" if _is_full(error) else ""
            raise FailureError(f"{self.root / name}: {error.strerror or error}{remedy}") from error


def _is_full(error: BaseException) -> bool:
    return isinstance(error, OSError) and error.errno in FULL
