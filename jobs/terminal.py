"""What a command writes on its terminal: in whatever encoding, with nothing in it that steers, and no key repeated.

All that commands and libraries print within `guarded`, texts of models, names of files and errors among it, passes one
place (`Output`). Escape sequences get by only where the caller asks for them (`escapes`, `console`).
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TextIO, cast

from selfinstruct.errors import FailureError, InputError, printable

if TYPE_CHECKING:
    from rich.console import Console

_BREAKS = re.compile(r"[^\n\t]+")
"""What stands between line breaks and tabs, which steer nothing."""

_SECRET = re.compile(
    r"(?<=:/)/?[^/\s@]+(?=@)|\b(?:sk|gsk|xai|hf|gh[a-z]|github_pat)[-_][\w-]{12,}|\bAKIA\w{12,}|\bAIza[\w-]{20,}"
)
"""What looks like a key, or stands as user and password in a URL (of whose slashes a path may have lost one)."""


class Output:
    """Standard output, or standard error, as commands see it.

    A disk that has no room for the output is a FailureError; what cannot be told on standard error is left out.

    Args:
        is_error: Whether this is standard error; what looks like a key is not repeated there.
        escapes: Let control characters through: this is written by a library that draws.
    """

    def __init__(self, stream: TextIO, *, is_error: bool = False, escapes: bool = False) -> None:
        self.stream, self.is_error, self._escapes = stream, is_error, escapes

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def isatty(self) -> bool:
        """Whether one may draw here."""
        return self._escapes and self.stream.isatty()

    def write(self, text: str) -> int:
        """Write what is printable, and the rest as its escapes (`\\x1b`)."""
        shown = text if self._escapes else _BREAKS.sub(lambda part: printable(part[0]), text)
        shown = _SECRET.sub("[key]", shown) if self.is_error else shown
        encoding = self.stream.encoding or "utf-8"
        with self._told():
            self.stream.write(shown.encode(encoding, "backslashreplace").decode(encoding))
        return len(text)

    def flush(self) -> None:
        """Write what is left."""
        with self._told():
            self.stream.flush()

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._give_up()
            if isinstance(error, BrokenPipeError):  # the reader has gone, as `head` does
                raise
            if not self.is_error:
                raise FailureError(f"standard output: {error.strerror or error}; write it elsewhere") from error

    def _give_up(self) -> None:
        """Let what is left go nowhere: Python would try again when it ends."""
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.stream.fileno())


@contextlib.contextmanager
def guarded(*, escapes: bool = False) -> Iterator[None]:
    """Standard output and error through `Output` for a while.

    Args:
        escapes: What is printed meanwhile is not the users' or a model's, and may draw.
    """
    _fill_closed()
    before = sys.stdout, sys.stderr
    sys.stdout = cast(TextIO, Output(_raw(sys.stdout), escapes=escapes))
    sys.stderr = cast(TextIO, Output(_raw(sys.stderr), is_error=True, escapes=escapes))
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def guard_drawing() -> None:
    """Guard the streams that a `rich.live.Live` has put in the places of ours, until it stops."""
    from rich.file_proxy import FileProxy

    if isinstance(sys.stdout, FileProxy):
        sys.stdout = cast(TextIO, Output(cast(TextIO, sys.stdout)))
    if isinstance(sys.stderr, FileProxy):
        sys.stderr = cast(TextIO, Output(cast(TextIO, sys.stderr), is_error=True))


def show(text: str, *, is_error: bool = False) -> int:
    """Print a text that is no command's; returns the exit code."""
    with guarded():
        try:
            print(text, file=sys.stderr if is_error else sys.stdout, flush=True)
        except FailureError as error:
            print(f"selfinstruct: {error}", file=sys.stderr)
            return error.exit_code
        except BrokenPipeError:
            pass
    return InputError.exit_code if is_error else 0


def console(*, is_error: bool = False) -> Console:
    """Standard output, or error, for tables and bars. Texts of others are made `plain` before they go in."""
    from rich.console import Console

    stream = _raw(sys.stderr if is_error else sys.stdout)
    return Console(file=cast(TextIO, Output(stream, is_error=is_error, escapes=True)))


def is_terminal(stream: TextIO) -> bool:
    """Whether somebody looks at what is written there."""
    return _raw(stream).isatty()


def plain(text: str) -> str:
    """Generated text made safe for a terminal, on one line: white space collapses, control characters are shown."""
    return printable(" ".join(text.split()))


def plain_lines(text: str) -> str:
    """Generated text made safe for a terminal, its lines kept."""
    return "\n".join(printable(line) for line in text.splitlines())


def _raw(stream: TextIO | Output | None) -> TextIO:
    """What is behind an `Output`; nothing where the stream is closed."""
    if isinstance(stream, Output):
        return stream.stream
    return stream or open(os.devnull, "w", encoding="utf-8")


def _fill_closed() -> None:
    """Have something where standard streams are closed: the next file to be opened would take their place."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError as error:
            if error.errno != errno.EBADF:
                raise
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
