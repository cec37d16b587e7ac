"""`blobs.Blobs` under a prefix of an object store: one conditional PUT per file."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any, cast
from urllib.parse import urlsplit

import obstore
import pyarrow as pa
from obstore.exceptions import AlreadyExistsError, BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import ObjectStore

from selfinstruct.errors import FailureError, InputError, SelfInstructError

CREDENTIALS = {
    "s3": "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT_URL",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "az": "AZURE_STORAGE_ACCOUNT_NAME, AZURE_STORAGE_ACCOUNT_KEY",
}


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """An object as the store lists it: its size in bytes, and a tag that changes with its content."""

    name: str
    size: int
    tag: str


class ObjectBlobs:
    """Objects under a prefix of a bucket; `put` is one conditional PUT.

    Args:
        client: The functions that ask the store; the tests put a store of their own below.
    """

    def __init__(self, url: str, client: Any = obstore) -> None:
        self.url = url.rstrip("/")
        self._client = client
        self._scheme = urlsplit(url).scheme
        self._store = self._connect()

    def _connect(self, **settings: Any) -> ObjectStore:
        try:
            return cast(ObjectStore, self._client.store.from_url(self.url, **settings))
        except BaseError as error:
            raise self._input_error(_line(error)) from error

    def check_writable(self) -> None:
        # A wrong endpoint or absent credentials shall be told within seconds. The second PUT must be refused: some
        # S3-compatible servers ignore the condition, and would let two drivers overwrite each other.
        try:
            self._create(self._impatient, ".writable", b"")
            conditional = not self._create(self._impatient, ".writable", b"")
        except FailureError as error:
            raise self._input_error(str(error)) from error
        if not conditional:
            raise InputError(f"{self.url}: this store ignores `If-None-Match` on PUT; use one that supports it")

    def put(self, name: str, data: bytes, *, patient: bool = True) -> bool:
        return self._create(self._store if patient else self._impatient, name, data)

    @cached_property
    def _impatient(self) -> ObjectStore:
        """The same, with few retries."""
        return self._connect(retry_config={"max_retries": 3, "retry_timeout": timedelta(seconds=10)})

    def _create(self, store: ObjectStore, name: str, data: bytes) -> bool:
        try:
            with self._failures():
                self._client.put(store, name, data, mode="create")
        except AlreadyExistsError:
            return False
        except FileNotFoundError as error:
            raise self._no_bucket() from error
        return True

    def replace(self, name: str, data: bytes) -> None:
        with self._failures():
            self._client.put(self._store, name, data, mode="overwrite")

    def get(self, name: str) -> bytes:
        with self._failures(), _absent(name):
            return bytes(self._client.get(self._store, name).bytes())

    def open(self, name: str) -> Any:
        with self._failures(), _absent(name):
            size = self._client.head(self._store, name)["size"]
        return pa.PythonFile(_Ranges(lambda start, end: self.part(name, start, end), size), mode="r")

    def part(self, name: str, start: int, end: int) -> bytes:
        """The bytes from `start` to `end` of an object. KeyError when absent."""
        with self._failures(), _absent(name):
            return bytes(self._client.get_range(self._store, name, start=start, end=end))

    def names(self, folder: str) -> list[str]:
        with self._failures():
            paths = [entry["path"] for page in self._client.list(self._store, folder) for entry in page]
        found = (path.removeprefix(f"{folder}/") for path in paths)
        return sorted(name for name in found if name[0] != "." and "/" not in name)

    def entries(self) -> list[Entry]:
        """The objects right under the prefix, by name."""
        with self._failures():
            found = self._client.list_with_delimiter(self._store)["objects"]
        return sorted(Entry(each["path"], each["size"], each["e_tag"] or str(each["last_modified"])) for each in found)

    def exists(self, name: str) -> bool:
        try:
            with self._failures(), _absent(name):
                self._client.head(self._store, name)
        except KeyError:
            return False
        return True

    def remove(self, name: str) -> None:
        with self._failures():
            self._client.delete(self._store, name)

    def sweep(self, folder: str) -> None:
        """Nothing: an object is there whole or not at all."""

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
