"""A command on a pseudo-terminal, and what its screen comes to show: a terminal that wraps anew when it is resized."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
_PIECE = re.compile(r"\x1b\[[?\d;]*[A-Za-z]|\x1b.|[\r\n]|[^\x1b\r\n]+")


class Screen:
    """What is written, row by row, the scrolled ones too. Understands what moves the cursor up and erases a line."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.rows = [""]
        self._wraps = [False]  # whether the next row goes on with this one
        self._row = self._column = 0

    def write(self, text: str) -> None:
        """Take what a program wrote."""
        for piece in _PIECE.findall(text):
            if piece == "\r":
                self._column = 0
            elif piece == "\n":
                self._down(wraps=False)
            elif piece.startswith("\x1b["):
                self._control(piece[-1], piece[2:-1])
            elif not piece.startswith("\x1b"):
                self._put(piece)

    def resize(self, width: int) -> None:
        """Wrap all rows anew; the cursor stays in its line, at the end."""
        lines: list[str] = [""]
        at = 0
        for number, (row, wraps) in enumerate(zip(self.rows, self._wraps, strict=True)):
            lines[-1] += row
            if number == self._row:
                at = len(lines) - 1
            if not wraps:
                lines.append("")
        self.rows, self._wraps, self.width = [], [], width
        for number, line in enumerate(lines[:-1]):
            parts = [line[start : start + width] for start in range(0, max(1, len(line)), width)]
            self.rows += parts
            self._wraps += [*[True] * (len(parts) - 1), False]
            if number == at:
                self._row, self._column = len(self.rows) - 1, len(parts[-1])

    def _control(self, letter: str, number: str) -> None:
        if letter == "A":
            self._row = max(0, self._row - int(number or 1))
        elif letter == "K":
            self.rows[self._row], self._wraps[self._row] = "", False

    def _put(self, text: str) -> None:
        for char in text:
            if self._column >= self.width:
                self._down(wraps=True)
                self._column = 0
            row = self.rows[self._row].ljust(self._column)
            self.rows[self._row] = row[: self._column] + char + row[self._column + 1 :]
            self._column += 1

    def _down(self, *, wraps: bool) -> None:
        self._wraps[self._row] = wraps
        self._row += 1
        if self._row == len(self.rows):
            self.rows.append("")
            self._wraps.append(False)


class Session:
    """A command of this project on a terminal of its own."""

    def __init__(self, arguments: Sequence[str], width: int = 100) -> None:
        self.screen = Screen(width)
        self.seen = ""
        self._master, slave = pty.openpty()
        self._size(width)
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "RAY_USAGE_STATS_ENABLED": "0", "TERM": "xterm"}
        for name in ("COLUMNS", "LINES", "NO_COLOR"):
            environment.pop(name, None)
        command = [sys.executable, "-m", "jobs.main", *arguments]
        self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stdin=slave, stdout=slave, stderr=slave)
        os.close(slave)

    def until(self, held: Callable[[Session], bool], seconds: float = 120) -> None:
        """Read until that holds, and then as long as more comes at once."""
        end = time.monotonic() + seconds
        while not held(self):
            assert time.monotonic() < end, self.seen
            if not self._read(1.0) and self.process.poll() is not None:
                return
        while self._read(0.02):
            pass

    def resize(self, width: int) -> None:
        """Make the terminal so wide."""
        self.screen.resize(width)
        self._size(width)

    def finish(self, seconds: float = 120) -> int:
        """Read to the end; returns the exit code."""
        self.until(lambda _: False, seconds)
        code = self.process.wait(seconds)
        os.close(self._master)
        return code

    def _read(self, seconds: float) -> bool:
        if not select.select([self._master], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self._master, 65536).decode(errors="replace")
        except OSError:  # the other end is closed
            return False
        self.seen += data
        self.screen.write(data)
        return bool(data)

    def _size(self, width: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
