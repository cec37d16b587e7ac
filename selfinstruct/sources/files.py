"""Opening what people name: a local file, a pipe that a shell made, or a URL that pyarrow reads (s3://, gs:// ...).

Folders, devices and named pipes are refused before they can hang anything. Text comes unpacked (gzip, zstd, bzip2, told
by their first bytes), without a byte order mark, and not without end (`limits`); files of another kind are called by
their name. Whatever goes wrong is an `InputError` of one line.
"""

from __future__ import annotations

import codecs
import io
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from selfinstruct.errors import InputError
from selfinstruct.places import local_path
from selfinstruct.sources.limits import CHUNK, MOST_DOCUMENT, MOST_UNPACKED, UNPACKED_ANYWAY

DESCRIPTORS = ("/dev/fd/", "/proc/")
"""Where the pipes of a shell's <(...) and | lead to. They end when their writer does."""

PATIENCE = 3
"""Seconds that a store which does not answer is asked again."""

PARQUET = b"PAR1"

_HEAD = 512  # bytes by which a file's kind is told
_PACKED = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bz2"}
_KINDS = {
    PARQUET: "is a Parquet file; name the file itself, with the ending .parquet",
    b"version https://git-lfs": "is a pointer of Git LFS, not the file itself; fetch that with `git lfs pull`",
    b"PK\x03\x04": "is a zip archive; unpack it, and name the file in it",
    codecs.BOM_UTF32_LE: "is UTF-32; save it as UTF-8",
    codecs.BOM_UTF32_BE: "is UTF-32; save it as UTF-8",
    codecs.BOM_UTF16_LE: "is UTF-16; save it as UTF-8",
    codecs.BOM_UTF16_BE: "is UTF-16; save it as UTF-8",
    **dict.fromkeys(_PACKED, "is packed; unpack it once"),
}
_WEB_PAGE = re.compile(rb"\s*<(!doctype|html|head|body|\?xml)\b", re.IGNORECASE)


@contextmanager
def opened(url: str) -> Iterator[IO[bytes]]:
    """The bytes of a file as they lie there; it can be sought in unless it is a pipe.

    Raises:
        InputError: it is a folder, a device or a named pipe (whose opening would wait for a writer), or cannot be read;
            also for what the reading raises later on, within this context.
    """
    with _explained(url), _local(path) if (path := local_path(url)) is not None else _remote(url) as file:
        yield file


@contextmanager
def opened_text(url: str) -> Iterator[io.BufferedReader]:
    """The bytes of a file of text, unpacked, from the first that is no byte order mark on.

    Raises:
        InputError: as `opened`; it is no text, or unpacks to more than its size explains.
    """
    with opened(url) as raw:
        head = first_bytes(raw)
        codec = next((codec for magic, codec in _PACKED.items() if head.startswith(magic)), None)
        read: Callable[[int], bytes] = raw.read
        if codec is not None:
            read = _unpacking(_Bytes(head, read), codec, url)
            head = _first(read)
        if (kind := other_kind(head)) is not None:
            raise InputError(f"{url}: {kind}")
        yield io.BufferedReader(_Bytes(head.removeprefix(codecs.BOM_UTF8), read), CHUNK)


def read_text(url: str) -> str:
    """The whole text of a file.

    Raises:
        InputError: as `opened_text`; it is larger than `limits.MOST_DOCUMENT`, or not UTF-8.
    """
    with opened_text(url) as file:
        data = file.read(MOST_DOCUMENT + 1)
    if len(data) > MOST_DOCUMENT:
        raise InputError(f"{url}: has more than {MOST_DOCUMENT >> 20} MiB; split it, or name another file")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line_start = data.rfind(b"\n", 0, error.start) + 1
        line = data.count(b"\n", 0, error.start) + 1
        at = error.start - line_start
        raise InputError(f"{url}:{line}: not UTF-8 at byte {at}; save it as UTF-8") from error


def read_local(path: Path, most: int) -> bytes:
    """The bytes of a local file, or of a pipe that a shell made.

    Args:
        most: Bytes that it may have.

    Raises:
        InputError: as `opened`, or it is larger.
    """
    with opened(str(path)) as file:
        data = _first(file.read, most + 1)
    if len(data) > most:
        raise InputError(f"{path}: is larger than {most:,} bytes; name another file")
    return data


def is_pipe(url: str) -> bool:
    """Whether this is a pipe, and so has no name that says what it holds."""
    path = local_path(url)
    try:
        return path is not None and stat.S_ISFIFO(os.stat(path).st_mode)
    except (OSError, ValueError):
        return False


def first_bytes(file: IO[bytes]) -> bytes:
    """The bytes by which a file's kind is told."""
    return _first(file.read)


def other_kind(head: bytes) -> str | None:
    """What a file that begins so is, and what to do about it, if it is no text."""
    for magic, kind in _KINDS.items():
        if head.startswith(magic):
            return kind
    if _WEB_PAGE.match(head):
        return "is a web page or XML, not the file itself; download that"
    if b"\0" in head and head.lstrip()[:1] not in (b"{", b"["):
        return "is a binary file; name one of text"
    return None


@contextmanager
def _explained(url: str) -> Iterator[None]:
    """Everything that opening and reading raise as one line."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        import pyarrow as pa

        if not isinstance(error, (OSError, ValueError, OverflowError, MemoryError, pa.ArrowException)):
            raise
        reason = getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{url}: cannot be read: {reason[:300]}") from error


def _local(path: Path) -> IO[bytes]:
    mode = os.stat(path).st_mode
    kind = None
    if stat.S_ISDIR(mode):
        kind = "a folder"
    elif stat.S_ISFIFO(mode):
        kind = None if os.path.realpath(path).startswith(DESCRIPTORS) else "a named pipe"
    elif not stat.S_ISREG(mode):
        kind = "a device"
    if kind is not None:
        raise InputError(f"{path}: is {kind}; name a file")
    return open(path, "rb", buffering=0)


def _remote(url: str) -> Any:
    from pyarrow import fs

    patient = (
        urlsplit(url).scheme in ("gs", "gcs") and "?" not in url
    )  # for a quarter of an hour, unless told otherwise
    filesystem, path = fs.FileSystem.from_uri(f"{url}?retry_limit_seconds={PATIENCE}" if patient else url)
    kind = filesystem.get_file_info(path).type
    if kind is fs.FileType.Directory:
        raise InputError(f"{url}: is a folder; name a file")
    if kind is fs.FileType.NotFound:
        raise FileNotFoundError(f"there is no {path}")
    return filesystem.open_input_file(path)


class _Bytes(io.RawIOBase):
    """A file of the bytes that were read already and those that `read` gives; knows how many it gave."""

    def __init__(self, head: bytes, read: Callable[[int], bytes]) -> None:
        self._head, self._read, self.given = head, read, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._head[: len(buffer)] if self._head else self._read(min(len(buffer), CHUNK))
        self._head = self._head[len(data) :]
        buffer[: len(data)] = data
        self.given += len(data)
        return len(data)


def _unpacking(packed: _Bytes, codec: str, url: str) -> Callable[[int], bytes]:
    import pyarrow as pa

    stream = pa.CompressedInputStream(pa.PythonFile(packed, mode="r"), codec)
    unpacked = 0

    def read(size: int) -> bytes:
        nonlocal unpacked
        data = bytes(stream.read(size))
        unpacked += len(data)
        if unpacked > max(UNPACKED_ANYWAY, MOST_UNPACKED * packed.given):
            raise InputError(f"{url}: unpacks to more than {MOST_UNPACKED} times its size; unpack it if that is right")
        return data

    return read


def _first(read: Callable[[int], bytes], size: int = _HEAD) -> bytes:
    """So many bytes, or all there are: a pipe gives them in pieces."""
    pieces: list[bytes] = []
    while size > 0 and (piece := read(size)):
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)
