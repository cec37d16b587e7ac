"""How loudly a command speaks, by the options that all commands take: `--json`, `--quiet`, `--log_level`.

Words about the result go to stdout, notes and warnings to stderr through the logger `selfinstruct`. With `--json`
stdout holds one JSON object and nothing else, whatever comes of the command.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, redirect_stdout
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, TextIO

from jobs.commands import Outcome
from selfinstruct.errors import InputError
from selfinstruct.version import __version__

log = logging.getLogger("selfinstruct.command")
"""Takes what commands have to say besides their results. Those who listen to it at INFO are shown bars, too."""


STDOUT = "-"
"""In place of a file's name."""


class Level(StrEnum):
    """What is told on stderr: this and what is worse."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"

    @property
    def number(self) -> int:
        """As `logging` has it."""
        return logging.getLevelNamesMapping()[self.name]


@dataclass(frozen=True, slots=True)
class Voice:
    """What the options say."""

    json: str | None = None
    """Where the figures go: a file, - for stdout in place of words, None for nowhere."""

    quiet: bool = False
    level: Level = Level.INFO

    @property
    def is_silent(self) -> bool:
        """Whether words about the result are left out."""
        return self.quiet or self.json == STDOUT


def voice_of(arguments: Sequence[str]) -> tuple[Voice, list[str]]:
    """What the arguments say of it, and the other ones.

    Raises:
        InputError: there is no such level, or a file of no name.
    """
    voice, rest = Voice(), []
    remaining = iter(arguments)
    for argument in remaining:
        name, equals, value = argument.partition("=")
        match name.replace("-", "_"), bool(equals):
            case "__json", _:
                if equals and not value:
                    raise InputError("--json=: is without a file")
                voice = dataclasses.replace(voice, json=value or STDOUT)
            case "__quiet", False:
                voice = dataclasses.replace(voice, quiet=True)
            case "__log_level", _:
                voice = dataclasses.replace(voice, level=_level(value if equals else next(remaining, "")))
            case _:
                rest.append(argument)
    return voice, rest


def _level(text: str) -> Level:
    try:
        return Level(text)
    except ValueError:
        raise InputError(f"--log_level: takes one of {', '.join(Level)}, not {text!r}") from None


@contextmanager
def speaking(voice: Voice) -> Iterator[None]:
    """Speak so for a while."""
    level = max(voice.level.number, logging.WARNING if voice.quiet else 0)
    ours, everybody = logging.getLogger("selfinstruct"), logging.getLogger()
    before = [(logger, logger.level) for logger in (log, ours, everybody)]
    handler, debug = _Stderr(), level <= logging.DEBUG
    listened = everybody if debug else ours
    listened.addHandler(handler)
    log.setLevel(level)
    ours.setLevel(level if debug else max(level, logging.WARNING))
    if debug:
        everybody.setLevel(logging.INFO)  # the libraries
    try:
        with _without_words() if voice.is_silent else nullcontext():
            yield
    finally:
        listened.removeHandler(handler)
        for logger, was in before:
            logger.setLevel(was)


@contextmanager
def _without_words() -> Iterator[None]:
    with open(os.devnull, "w", encoding="utf-8") as nowhere, redirect_stdout(nowhere):
        yield


def tell(voice: Voice, command: str, outcome: Outcome, problems: Sequence[str] = ()) -> None:
    """Give the figures to whom they are for.

    Args:
        problems: What went wrong, line by line, without the command's name.

    Raises:
        InputError: the file cannot be written.
    """
    if voice.json is None:
        return
    told = {
        "command": command,
        "version": __version__,
        "exit_code": outcome.exit_code,
        "figures": outcome.figures,
        "problems": list(problems),
    }
    steers = voice.json == STDOUT  # a terminal, by what is not escaped
    text = json.dumps(told, indent=2, default=_plain, ensure_ascii=steers) + "\n"
    if voice.json == STDOUT:
        sys.stdout.write(text)
        sys.stdout.flush()
    else:
        from selfinstruct.storage.files import write_file

        write_file(Path(voice.json), text)


def _plain(value: Any) -> Any:
    """What JSON has no form of itself."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
    return str(value)


class _Stderr(logging.StreamHandler[TextIO]):
    """To where stderr leads when something is said: a bar that is being drawn stands in between."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(_Words())

    @property
    def stream(self) -> TextIO:
        return sys.stderr

    @stream.setter
    def stream(self, _: TextIO) -> None:
        """Nothing: it is always that one."""


class _Words(logging.Formatter):
    """A note as it is, and before others what they are."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        if record.levelno == logging.INFO and record.name == log.name:
            return text
        where = "" if record.name.startswith("selfinstruct") else f"{record.name}: "
        return f"{record.levelname.lower()}: {where}{text}"
