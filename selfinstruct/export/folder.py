"""A folder that appears whole or not at all, and is replaced by nothing but a newer export of the same run."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from selfinstruct.errors import FailureError, InputError
from selfinstruct.sources.documents import read_document

MARK = "export.json"
"""The file by which an export is known: which run it is of."""


@contextlib.contextmanager
def replaced(out: Path, run: str) -> Iterator[Path]:
    """A folder to write into, which takes the place of `out` when all went well and is removed otherwise.

    Args:
        run: What `MARK` says, under `run`, in an export of the same run.

    Raises:
        InputError: `out` is something else than an export of this run, or cannot be written.
        FailureError: the disk is full, or failed otherwise.
    """
    check(out, run)
    _sweep(out)
    partial = out.with_name(f".{out.name}.{secrets.token_hex(8)}")
    try:
        partial.mkdir(parents=True)
        with _held(partial):
            yield partial
            _put(partial, out)
    except OSError as error:
        where = error.filename or out
        if isinstance(error, PermissionError | NotADirectoryError):
            raise InputError(f"--out: {where}: {error.strerror}; choose a folder that you may write") from error
        raise FailureError(f"{where}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def check(out: Path, run: str) -> None:
    """InputError unless `out` is free, or holds an export of this run."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    try:
        theirs = read_document(str(out / MARK))["run"]
    except (InputError, KeyError, TypeError):
        raise InputError(f"--out: {out} is there already, and is no export; take another folder") from None
    if theirs != run:
        raise InputError(f"--out: {out} is the export of another run; take another folder, or remove it")


def _sweep(out: Path) -> None:
    """Remove what killed exports left beside `out`: folders that no process holds."""
    names = re.compile(rf"\.{re.escape(out.name)}\.[0-9a-f]{{16}}(\.old)?")
    for left in out.parent.iterdir() if out.parent.is_dir() else ():
        if names.fullmatch(left.name):
            with contextlib.suppress(OSError), _held(left):
                shutil.rmtree(left)


@contextlib.contextmanager
def _held(folder: Path) -> Iterator[None]:
    """A lock on a folder for as long as this process lives; BlockingIOError if another has it."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


def _put(partial: Path, out: Path) -> None:
    """The new folder under its name. An older one steps aside for the moment between two renames."""
    old = partial.with_name(f"{partial.name}.old")
    if out.exists():
        os.rename(out, old)
    os.rename(partial, out)
    shutil.rmtree(old, ignore_errors=True)
