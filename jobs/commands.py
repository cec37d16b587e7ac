"""What a command is: its name, its options, what its help shows first, and what it gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Command(Generic[T]):
    """One command, of the command line `selfinstruct NAME`."""

    name: str
    settings: type[T]
    """The dataclass of its options."""

    recipe: str | None = None
    """The recipe that is taken when none is given, for commands that take one."""

    needs: Sequence[str] = ()
    """Options that must be given though their fields have a value without them."""

    shown: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """What `--help` shows of many options: headings with the dotted keys below them. Nothing: all of them."""

    examples: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command has found or done, in figures; what it says of them in words it prints by itself."""

    figures: Mapping[str, Any]
    exit_code: int = 0
