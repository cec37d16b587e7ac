"""Where files live: a local folder, or an object store (`s3://`, `gs://`, `az://`).

The contract that everything above rests on: `put` writes a file whole or not at all and never replaces one. Of any
number of processes that put one name, exactly one sees True; whoever is killed in between leaves at most a dot-named
temporary file, which nobody reads and the next process to put that name removes.

Names are relative, with `/` between folder and file. An absent name is a `KeyError`. What the user can mend (the URL,
permissions, the bucket, credentials) is an `InputError`; a store that does not answer is a `FailureError`.
"""

from __future__ import annotations

import contextlib
import io
import os
import secrets
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

import obstore
import pyarrow as pa
from obstore.exceptions import AlreadyExistsError, BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import ObjectStore, from_url

from selfinstruct.errors import CorruptError, FailureError, InputError, SelfInstructError

CREDENTIALS = {
    "s3": "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT_URL",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "az": "AZURE_STORAGE_ACCOUNT_NAME, AZURE_STORAGE_ACCOUNT_KEY",
}


class Blobs(Protocol):
    """A flat set of named files."""

    url: str

    def check_writable(self) -> None:
        """Prove, before any work, that `put` works here; InputError (what, where, how to mend it) if it does not."""

    def put(self, name: str, data: bytes) -> bool:
        """Write a new file, durably, whole or not at all. False, and nothing changed, when the name exists."""

    def get(self, name: str) -> bytes:
        """The whole file. KeyError when absent."""

    def open(self, name: str) -> Any:
        """A file that pyarrow reads in parts, to be closed by the caller. KeyError when absent."""

    def names(self, folder: str) -> list[str]:
        """Names (without the folder) of the files in a folder, sorted; none when it is absent, dot-files left out."""


def open_blobs(url: str) -> Blobs:
    """The files under a local path, a `file://` URL or an object store's URL. Nothing is created or asked yet.

    Object stores take credentials and endpoint from their usual environment variables. InputError for other schemes
    or settings that cannot work.
    """
    if "://" not in url:
        return LocalBlobs(Path(url).expanduser())
    parts = urlsplit(url)
    if parts.scheme == "file":
        return LocalBlobs(Path(unquote(parts.path)))
    if parts.scheme in CREDENTIALS:
        return ObjectBlobs(url)
    raise InputError(f"{url}: unknown scheme {parts.scheme}://; give a local folder, s3://, gs:// or az://")


class LocalBlobs:
    """Files in a folder of a file system with hard links."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.url = str(self.root)
        self._written: set[Path] = set()  # folders that hold files of ours

    def check_writable(self) -> None:
        probe = f".writable.{secrets.token_hex(8)}"
        try:
            if not self._link(probe, b"") or self._link(probe, b""):
                raise InputError(f"{self.url}: hard links do not work in this folder; choose another file system")
        except OSError as error:
            reason = error.strerror or error
            raise InputError(f"{self.url}: cannot write here ({reason}); choose a folder that you may write") from error
        finally:
            with contextlib.suppress(OSError):
                (self.root / probe).unlink()

    def put(self, name: str, data: bytes) -> bool:
        with self._failures(name):
            return self._link(name, data)

    def get(self, name: str) -> bytes:
        with self._failures(name):
            return (self.root / name).read_bytes()

    def open(self, name: str) -> Any:
        with self._failures(name):
            return pa.OSFile(str(self.root / name), "rb")

    def names(self, folder: str) -> list[str]:
        try:
            with self._failures(folder):
                return sorted(entry.name for entry in (self.root / folder).iterdir() if entry.name[0] != ".")
        except KeyError:
            return []

    def _link(self, name: str, data: bytes) -> bool:
        """The transaction: a name appears at once and with all its bytes, because link() does not replace."""
        final = self.root / name
        while True:
            temporary = self._temporary(name, data)
            try:
                os.link(temporary, final)
                won = True
            except FileExistsError:
                won = False
            except FileNotFoundError:  # swept by one that put this name meanwhile
                won = False
                if not final.exists():
                    continue
            finally:
                temporary.unlink(missing_ok=True)
            _sync_folder(final.parent)
            self._written.add(final.parent)
            for left in final.parent.glob(f".{final.name}.*"):  # of killed processes, or of some that come too late
                left.unlink(missing_ok=True)
            return won

    def _temporary(self, name: str, data: bytes) -> Path:
        """A temporary file beside the final name, its bytes on disk."""
        final = self.root / name
        if not final.parent.is_dir():
            if final.parent in self._written:
                raise CorruptError(f"{final.parent}: was deleted while this run wrote to it; begin in another folder")
            final.parent.mkdir(parents=True, exist_ok=True)
            _sync_folder(final.parent.parent)
        temporary = final.with_name(f".{final.name}.{secrets.token_hex(8)}")
        try:
            with temporary.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except OSError:  # a full disk, say: leave nothing behind
            temporary.unlink(missing_ok=True)
            raise
        return temporary

    @contextlib.contextmanager
    def _failures(self, name: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise KeyError(name) from None
        except (PermissionError, NotADirectoryError) as error:
            raise InputError(f"{self.root / name}: {error.strerror}; choose a folder that you may use") from error
        except OSError as error:
            raise FailureError(f"{self.root / name}: {error.strerror or error}") from error


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class ObjectBlobs:
    """Objects under a prefix of a bucket; `put` is one conditional PUT."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._scheme = urlsplit(url).scheme
        self._store = self._connect()

    def _connect(self, **settings: Any) -> ObjectStore:
        try:
            return from_url(self.url, **settings)
        except BaseError as error:
            raise self._input_error(_line(error)) from error

    def check_writable(self) -> None:
        # Few retries: a wrong endpoint or absent credentials shall be told within seconds. The second PUT must be
        # refused: some S3-compatible servers ignore the condition, and would let two drivers overwrite each other.
        impatient = self._connect(retry_config={"max_retries": 1, "retry_timeout": timedelta(seconds=10)})
        try:
            self._create(impatient, ".writable", b"")
            conditional = not self._create(impatient, ".writable", b"")
        except FailureError as error:
            raise self._input_error(str(error)) from error
        if not conditional:
            raise InputError(f"{self.url}: this store ignores `If-None-Match` on PUT; use one that supports it")

    def put(self, name: str, data: bytes) -> bool:
        return self._create(self._store, name, data)

    def _create(self, store: ObjectStore, name: str, data: bytes) -> bool:
        try:
            with self._failures():
                obstore.put(store, name, data, mode="create")
        except AlreadyExistsError:
            return False
        except FileNotFoundError as error:
            raise self._no_bucket() from error
        return True

    def get(self, name: str) -> bytes:
        with self._failures(), _absent(name):
            return bytes(obstore.get(self._store, name).bytes())

    def open(self, name: str) -> Any:
        with self._failures(), _absent(name):
            size = obstore.head(self._store, name)["size"]
        return pa.PythonFile(_Ranges(lambda start, end: self._range(name, start, end), size), mode="r")

    def _range(self, name: str, start: int, end: int) -> bytes:
        with self._failures(), _absent(name):
            return bytes(obstore.get_range(self._store, name, start=start, end=end))

    def names(self, folder: str) -> list[str]:
        with self._failures():
            paths = [entry["path"] for page in obstore.list(self._store, folder) for entry in page]
        found = (path.removeprefix(f"{folder}/") for path in paths)
        return sorted(name for name in found if name[0] != "." and "/" not in name)

    @contextlib.contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except AlreadyExistsError:
            raise
        except BaseError as error:
            raise self._explained(error) from error

    def _explained(self, error: BaseError) -> SelfInstructError:
        if isinstance(error, PermissionDeniedError | UnauthenticatedError):
            return self._input_error(_line(error))
        if "404 Not Found" in str(error):  # listing a bucket that is not there is a generic error
            return self._no_bucket()
        return FailureError(f"{self.url}: {_line(error)}")

    def _no_bucket(self) -> InputError:
        return InputError(f"{self.url}: there is no such bucket; create it, or correct the URL")

    def _input_error(self, reason: str) -> InputError:
        reason = reason.removeprefix(f"{self.url}: ")
        return InputError(f"{self.url}: {reason}; check the URL and the environment ({CREDENTIALS[self._scheme]})")


@contextlib.contextmanager
def _absent(name: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise KeyError(name) from None


def _line(error: BaseError, limit: int = 300) -> str:
    """The first part of obstore's many lines, as one."""
    return " ".join(str(error).split("Debug source:")[0].split())[:limit]


class _Ranges(io.RawIOBase):
    """A seekable file over ranged reads: pyarrow asks for footers and column chunks, and only those are fetched."""

    def __init__(self, fetch: Callable[[int, int], bytes], size: int) -> None:
        self._fetch, self._size, self._at = fetch, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        end = self._size if size is None or size < 0 else min(self._at + size, self._size)
        if end <= self._at:
            return b""
        data = self._fetch(self._at, end)
        self._at = end
        return data
