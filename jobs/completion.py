"""`selfinstruct completion`: the script by which a shell completes commands, options, and values from fixed lists."""

from __future__ import annotations

import importlib
import io
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass
from typing import Any, Literal

import tyro
from tyro.conf import Positional

from jobs.command_line import parser_of, run
from jobs.commands import Command, Outcome


@dataclass(frozen=True)
class CompletionSettings:
    """Print the script by which a shell completes commands, options, and values that are on a fixed list.

    Args:
        shell: The shell.
    """

    shell: Positional[Literal["bash", "zsh", "fish", "tcsh"]]


COMMAND = Command(
    "completion",
    CompletionSettings,
    examples=(
        "selfinstruct completion bash > ~/.local/share/bash-completion/completions/selfinstruct",
        "selfinstruct completion fish > ~/.config/fish/completions/selfinstruct.fish",
    ),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Print the script; returns the exit code."""
    return run(COMMAND, completion, argv)


def completion(settings: CompletionSettings) -> Outcome:
    """Have the parser write it."""
    said = io.StringIO()
    with redirect_stdout(said), suppress(SystemExit):
        _app(every()).cli(
            prog="selfinstruct", args=["--tyro-write-completion", settings.shell, "-"], use_underscores=True
        )
    print(said.getvalue(), end="")
    return Outcome({"shell": settings.shell, "script": said.getvalue()})


def every() -> Iterator[Command[Any]]:
    """All commands there are, in the order of `selfinstruct --help`."""
    from jobs.main import COMMANDS

    for module, _ in COMMANDS.values():
        yield from _of_module(module)


def _of_module(name: str) -> Iterator[Command[Any]]:
    module = importlib.import_module(name)
    if name == "jobs.bench":
        for each, _ in module.BENCHES.values():
            yield from _of_module(each)
    else:
        yield from (each for each in vars(module).values() if isinstance(each, Command))


def _app(commands: Iterator[Command[Any]]) -> tyro.extras.SubcommandApp:
    """All of them as one program of the parser's; `evaluate superni` is one below `evaluate`."""
    below: defaultdict[str, tyro.extras.SubcommandApp] = defaultdict(tyro.extras.SubcommandApp)
    for command in commands:
        group, _, name = command.name.rpartition(" ")
        below[group].command(name=name)(parser_of(command))
    app = below.pop("")
    for name, group_app in below.items():
        app.command(group_app, name=name)
    return app


if __name__ == "__main__":
    sys.exit(main())
