"""What all commands share: options from a dataclass and a config file, and one clear line for every error."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import tyro

from selfinstruct.errors import InputError, SelfInstructError
from selfinstruct.settings import problems_of

T = TypeVar("T")

EXTRAS = {
    **dict.fromkeys(("matplotlib", "nltk", "rouge_score", "sklearn"), "evaluate"),
    **dict.fromkeys(("accelerate", "peft", "trl"), "finetune"),
    **dict.fromkeys(("jinja2", "lemminflect", "textblob"), "report"),
}
"""Which extra of this package installs a package that only some commands need."""

GRACE = 15.0
"""Seconds after SIGTERM that a commit under way and the cluster have to come to an end; then the process just ends.
Nodes that are taken away give 30 seconds or more, and nothing is lost either way."""

_GOES_ON = "what is committed stays, the same command goes on"


class Terminated(BaseException):
    """SIGTERM came. Like KeyboardInterrupt, nothing but the command line catches it."""


def run(name: str, settings: type[T], do: Callable[[T], int], argv: Sequence[str] | None) -> int:
    """Parse the options of a command, do it, and turn errors into a line on stderr and an exit code.

    `--config FILE` reads options from a YAML file; those on the command line come after it and win.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    told_to_end = threading.Event()
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda *_: _terminate(name, told_to_end))
    try:
        return do(_checked(_parse(name, settings, arguments)))
    except BaseException as error:
        if told_to_end.is_set():  # then it does not matter as what the end arrives here: Ray's own code turns it about
            _tell_terminated(name)
            return 128 + signal.SIGTERM
        return _explained(name, error)


def _checked(settings: T) -> T:
    """The options, if all are within their bounds. InputError otherwise."""
    if problems := problems_of(settings):
        raise InputError(*problems)
    return settings


def _explained(name: str, error: BaseException) -> int:
    """A line on stderr and the exit code for errors that are the user's to know; all others go on."""
    if isinstance(error, SelfInstructError):
        for line in str(error).splitlines():
            print(f"selfinstruct {name}: {line}", file=sys.stderr)
        return error.exit_code
    if isinstance(error, ModuleNotFoundError) and (extra := EXTRAS.get((error.name or "").partition(".")[0])):
        print(
            f"selfinstruct {name}: needs {error.name}, which is not installed; pip install 'selfinstruct[{extra}]'",
            file=sys.stderr,
        )
        return InputError.exit_code
    if isinstance(error, KeyboardInterrupt) or isinstance(error.__cause__, KeyboardInterrupt):
        print(f"selfinstruct {name}: interrupted; {_GOES_ON}", file=sys.stderr)
        return 128 + signal.SIGINT
    if isinstance(error, BrokenPipeError):  # the reader of our output has gone, as `head` does
        sys.stderr.close()
        return 0
    raise error


def _terminate(name: str, told_to_end: threading.Event) -> None:
    """Begin to end, once: unwind, and if that takes too long, end without it."""
    if told_to_end.is_set():
        return
    told_to_end.set()

    def give_up() -> None:
        _tell_terminated(name)
        os._exit(128 + signal.SIGTERM)

    watchdog = threading.Timer(GRACE, give_up)
    watchdog.daemon = True
    watchdog.start()
    raise Terminated


def _tell_terminated(name: str) -> None:
    print(f"selfinstruct {name}: told to end (SIGTERM); {_GOES_ON}", file=sys.stderr, flush=True)


def choose(
    name: str, commands: Mapping[str, tuple[Callable[[Sequence[str]], int], str]], argv: Sequence[str] | None
) -> int:
    """Run one of the commands below a command, each with its function and what it does; returns its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments and arguments[0] in commands:
        return commands[arguments[0]][0](arguments[1:])
    asked = arguments[:1] in (["-h"], ["--help"])
    lines = [f"  {command:<10}{what}" for command, (_, what) in commands.items()]
    print(
        "\n".join([f"usage: selfinstruct {name} NAME [options]", "", *lines]), file=sys.stdout if asked else sys.stderr
    )
    return 0 if asked else 2


def _parse(name: str, settings: type[T], arguments: list[str]) -> T:
    return tyro.cli(
        settings,
        prog=f"selfinstruct {name}",
        args=_with_config(settings, arguments),
        use_underscores=True,
        config=(tyro.conf.EnumChoicesFromValues,),
    )


def _with_config(settings: type, arguments: list[str]) -> list[str]:
    """Replace `--config FILE` by the options in it, ahead of all others."""
    rest: list[str] = []
    given: list[str] = []
    remaining = iter(arguments)
    for argument in remaining:
        option, equals, value = argument.partition("=")
        if option != "--config":
            rest.append(argument)
            continue
        path = value if equals else next(remaining, "")
        given += _read_config(Path(path), settings)
    return given + rest


def _read_config(path: Path, settings: type) -> list[str]:
    """A YAML file as command-line options: `rounds: {lag: 3}` is `--rounds.lag 3`."""
    import yaml

    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"--config: {path} cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(data, dict):
        raise InputError(f"--config: {path} must hold options as 'key: value', not a {type(data).__name__}")
    known = set(_keys(settings))
    flat = dict(_flatten(data, known))
    problems = [_unknown(path, key, known) for key in flat if key not in known]
    if problems:
        raise InputError(*problems)
    return [text for key, value in flat.items() if value is not None for text in _option(key, value)]


def _unknown(path: Path, key: str, known: set[str]) -> str:
    close = get_close_matches(key, known, n=1)
    return f"{path}: unknown option {key!r}" + (f"; did you mean {close[0]!r}?" if close else "")


def _keys(settings: type, prefix: str = "") -> Iterator[str]:
    for field in dataclasses.fields(settings):
        nested = field.default_factory
        if dataclasses.is_dataclass(nested):
            yield from _keys(nested, f"{prefix}{field.name}.")
        else:
            yield prefix + field.name


def _flatten(data: dict[Any, Any], known: set[str], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted options and their values. A mapping under an option's own name is `name=value name=value ...`."""
    for key, value in data.items():
        option = f"{prefix}{key}"
        if not isinstance(value, dict):
            yield option, value
        elif option in known:
            yield option, [f"{name}={json.dumps(each)}" for name, each in value.items()]
        else:
            yield from _flatten(value, known, f"{option}.")


def _option(key: str, value: Any) -> list[str]:
    if isinstance(value, bool):
        group, dot, name = key.rpartition(".")
        return [f"--{key}" if value else f"--{group}{dot}no_{name}"]
    return [f"--{key}", *map(str, value if isinstance(value, list) else [value])]


def plain(text: str) -> str:
    """Generated text made safe for a terminal, on one line: white space collapses, control characters are shown."""
    return _printable(" ".join(text.split()))


def plain_lines(text: str) -> str:
    """Generated text made safe for a terminal, its lines kept."""
    return "\n".join(_printable(line) for line in text.splitlines())


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
