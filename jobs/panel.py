"""What is drawn while a command works: a panel on a terminal, and bars; without a terminal a line now and then.

All of it goes to stderr, and only where notes are told (`voice`): stdout is for results.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TypeVar

from rich.console import Console, ConsoleOptions, ConsoleRenderable, Group, RenderableType, RenderResult
from rich.control import Control
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.segment import ControlType, Segment
from rich.text import Text

from jobs.terminal import console, guard_drawing, is_terminal
from jobs.voice import log

T = TypeVar("T")

DELAY = 1.0
"""Seconds that a command takes before a bar is drawn."""

LOG_EVERY = 30.0
"""Seconds between two lines without a terminal."""

WIDEST = 79
"""Columns at most: most terminals stay that wide when they are made narrower."""


def is_told() -> bool:
    """Whether anything is drawn or told at all."""
    return log.isEnabledFor(logging.INFO)


class Panel(Live):
    """A panel on stderr's terminal, drawn four times a second, that stays whole when the terminal is made narrower.

    Args:
        get: What it shows; is asked from a thread of its own.
    """

    def __init__(self, get: Callable[[], RenderableType], *, transient: bool = False) -> None:
        self._lines = _Lines(get)
        super().__init__(
            console=console(is_error=True),
            get_renderable=lambda: self._lines,
            transient=transient,
            redirect_stdout=is_terminal(sys.stdout),
        )

    def start(self, refresh: bool = False) -> None:
        """Draw from now on; what is printed meanwhile comes above, and steers nothing."""
        super().start(refresh)
        guard_drawing()

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        """What is printed above comes first; before it, rows that have come since by wrapping are taken away."""
        rows = self._lines.wrapped(self.console.width)
        erase = ((ControlType.ERASE_IN_LINE, 2), (ControlType.CURSOR_UP, 1))
        return [Control(ControlType.CARRIAGE_RETURN, *(erase * rows)), *super().process_renderables(renderables)]


class _Lines:
    """Something to draw that remembers how long its lines were, which no terminal tells."""

    def __init__(self, get: Callable[[], RenderableType]) -> None:
        self._get = get
        self._lengths: list[int] = []

    def wrapped(self, width: int) -> int:
        """Rows by which the lines are more than they were drawn as, in a terminal that has come to be so wide."""
        return sum(max(0, length - 1) // width for length in self._lengths)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = console.render_lines(self._get(), options.update_width(min(options.max_width, WIDEST)), pad=False)
        self._lengths = [Segment.get_line_length(line) for line in lines]
        for line in lines:
            yield from line
            yield Segment.line()


class Bar:
    """How far some work is.

    Args:
        what: The work, as "reading".
        total: Of what is counted; None if nobody knows.
        before: What is done before the first of it, as "loading".
    """

    def __init__(self, what: str, total: int | None, before: str = "") -> None:
        self._what, self._total = what, total
        self._done = 0
        self._first: tuple[int, float] | None = None  # what was done first, and when
        self._said = time.monotonic()
        columns = [TextColumn("{task.description}"), BarColumn(30), TimeElapsedColumn()]
        if total is not None:
            columns.insert(2, MofNCompleteColumn())
        self._progress = Progress(*columns, TextColumn("{task.fields[more]}"), console=console(is_error=True))
        self._task: TaskID = self._progress.add_task(before or what, total=total, more="")

    def advance(self, count: int = 1) -> None:
        """So much more is done; without a terminal that is told now and then."""
        self.count(count)
        now = time.monotonic()
        if self.is_drawn or now - self._said < LOG_EVERY:
            return
        self._said = now
        of = f" of {self._total:,}" if self._total is not None else ""
        log.info(", ".join(part for part in (f"{self._what}: {self._done:,}{of}", self.beside()) if part))

    def count(self, count: int) -> None:
        """The same, without a word."""
        self._done += count
        if self._first is None and self._done:
            self._first = self._done, time.monotonic()
        if self._done:
            self._progress.update(self._task, description=self._what, completed=self._done, more=self.beside())

    def beside(self) -> str:
        """What stands beside the count: the time left, once that can be told."""
        if self._first is None or self._total is None or self._done == self._first[0]:
            return ""
        first, begun = self._first
        left = (time.monotonic() - begun) / (self._done - first) * (self._total - self._done)
        return f"about {span(left)} left" if left >= 1 else ""

    @property
    def is_drawn(self) -> bool:
        """Whether there is a terminal for it."""
        return self._progress.console.is_terminal

    def renderable(self) -> RenderableType:
        """The bar."""
        return self._progress.get_renderable()


B = TypeVar("B", bound=Bar)


@contextmanager
def drawn(bar: B) -> Iterator[B]:
    """Have a bar drawn while the work goes on, if it takes longer than a moment."""
    if not (is_told() and is_terminal(sys.stderr)):
        yield bar
        return
    panel = Panel(bar.renderable, transient=True)
    delay = threading.Timer(DELAY, panel.start)
    delay.daemon = True
    delay.start()
    try:
        yield bar
    finally:
        delay.cancel()
        delay.join()
        panel.stop()


def track(what: str, items: Iterable[T], total: int | None = None, /) -> Iterator[T]:
    """The items as they are, while a bar says how far they are (`protocols.Track`)."""
    if total is None and isinstance(items, Sized):
        total = len(items)
    with drawn(Bar(what, total)) as bar:
        for item in items:
            yield item
            bar.advance()


@contextmanager
def drawn_lines() -> Iterator[Callable[[Sequence[str]], None]]:
    """Gives a function that shows lines in place of those before; without a terminal the first of them now and then."""
    shown: list[str] = []
    said = -LOG_EVERY

    def draw(lines: Sequence[str]) -> None:
        nonlocal said
        shown[:] = lines
        if panel is None and is_told() and time.monotonic() - said >= LOG_EVERY:
            said = time.monotonic()
            log.info(lines[0])

    def get() -> RenderableType:
        return Group(*(Text(line, no_wrap=True, overflow="ellipsis") for line in shown))

    panel = Panel(get, transient=True) if is_told() and is_terminal(sys.stderr) else None
    with panel or nullcontext():
        yield draw


def working(what: str) -> AbstractContextManager[Bar]:
    """Say that something is being done of which nobody knows how far it is."""
    return drawn(Bar(what, None))


def span(seconds: float) -> str:
    """A time in words."""
    hours, rest = divmod(round(seconds), 3600)
    minutes, seconds = divmod(rest, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
