"""What a command's options are, in words: first the dozen that one needs, with `--help-all` every one.

Texts are those of the docstrings of settings dataclasses, defaults those of their fields; the parser (tyro) reads the
same dataclasses. `Page` is what help prints, and what the reference of all options is made from.
"""

from __future__ import annotations

import dataclasses
import shutil
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from docstring_parser import Docstring, parse
from tyro.conf import Positional

from jobs.commands import Command
from selfinstruct.settings import NAMED, name_of

FEW = 14
"""So many options a command's short help shows all of, without choosing."""

WIDEST = 100
"""Columns of a page at most: longer lines are hard to read."""

INDENT = 28
"""Columns before what is said of an option."""

ON = "on"
"""The default of a switch that is on."""

_PACKAGE = Path(__file__).parents[1]
_METAVARS = {int: "INT", float: "FLOAT", str: "TEXT", Path: "PATH"}


@dataclass(frozen=True, slots=True)
class Option:
    """One option."""

    key: str
    """Its dotted name; of a positional one in capitals."""

    takes: str
    """What follows it; empty for a switch."""

    text: str
    default: str
    """In words; empty where the text says it, or where there is nothing to be said."""

    required: bool = False
    positional: bool = False

    @property
    def usage(self) -> str:
        """As it is given."""
        if self.positional:
            return self.takes
        group, dot, name = self.key.rpartition(".")
        no = "[no_]" if self.default == ON else ""
        return f"--{group}{dot}{no}{name} {self.takes}".replace(" [=", "[=").rstrip()

    @property
    def whole(self) -> str:
        """Text and default."""
        return " ".join([self.text, *([f"(default: {self.default})"] if self.default else [])])

    @property
    def short(self) -> str:
        """The first sentence, and the default."""
        return dataclasses.replace(self, text=_first_sentence(self.text)).whole


@dataclass(frozen=True, slots=True)
class Group:
    """Options under a heading."""

    heading: str
    options: Sequence[Option]


@dataclass(frozen=True, slots=True)
class Page:
    """What help says of a command."""

    name: str
    text: str
    needed: Sequence[Option]
    groups: Sequence[Group]
    examples: Sequence[str]
    more: int = 0
    """Options that are left out."""

    @property
    def usage(self) -> str:
        """How the command is given."""
        return " ".join(["selfinstruct", self.name, *(each.usage for each in self.needed), "[options]"])


GENERAL = (
    Option("config", "FILE", "YAML file of options; those on the command line win. Of several the last one does.", ""),
    Option(
        "json", "[=FILE]", "Print the figures as one JSON object in place of words, or write it to a file, too.", ""
    ),
    Option("quiet", "", "Print neither words nor bars; warnings and errors still come.", ""),
    Option("log_level", "debug|info|warning|error", "What is told on stderr, and what is worse.", "info"),
)
"""What every command takes."""

HELP = ("-h", "--help")
HELP_ALL = ("--help-all", "--help_all")


def recipe_option(recipe: str) -> Option:
    """That of commands which take a recipe."""
    text = "Recipe under all options, from a file or by a name that `selfinstruct recipes` lists."
    return Option("recipe", "NAME|FILE", text, recipe)


def whole_page(command: Command[Any]) -> Page:
    """All options, by the class they stand in."""
    text, groups = _described(command.settings, command.needs)
    options = [each for group in groups for each in group.options]
    rest = [Group(group.heading, [each for each in group.options if not each.required]) for group in groups]
    if command.recipe:
        rest[0] = Group(rest[0].heading, [*rest[0].options, recipe_option(command.recipe)])
    needed = [each for each in options if each.required]
    return Page(command.name, text, needed, [each for each in rest if each.options], command.examples)


def short_page(command: Command[Any]) -> Page:
    """The options that one needs."""
    page = whole_page(command)
    options = {each.key: each for group in page.groups for each in group.options}
    if len(options) + len(page.needed) <= FEW:
        return page
    groups = [Group(heading, [options[key] for key in keys]) for heading, keys in command.shown.items()]
    more = len(options) - sum(len(group.options) for group in groups)
    return dataclasses.replace(page, groups=groups, more=more)


def show(page: Page, *, everything: bool) -> None:
    """Print a page, with all that is said of its options and those of every command, or what one needs of it."""
    width = min(shutil.get_terminal_size().columns, WIDEST)
    print(f"usage: {page.usage}\n")
    for paragraph in page.text.split("\n\n"):
        print(textwrap.fill(" ".join(paragraph.split()), width), end="\n\n")
    general = [Group("every command", GENERAL)] if everything else []
    for group in [Group("required", page.needed), *page.groups, *general]:
        if group.options:
            print(
                "\n".join(
                    [textwrap.fill(f"{group.heading}:", width), *_rows(group.options, width, short=not everything)]
                ),
                end="\n\n",
            )
    if page.examples:
        print("\n".join(["examples:", *(f"  {each}" for each in page.examples)]), end="\n\n" * (not everything))
    if not everything:
        print(f"every command: {' '.join(f'[{each.usage}]' for each in GENERAL)}")
        print(f"--help-all says more{f', and has {page.more} other options' if page.more else ''}")


def _rows(options: Sequence[Option], width: int, *, short: bool) -> Iterator[str]:
    """Options beside what is said of them, or above it where they are long."""
    for each in options:
        head = f"  {each.usage}"
        lines = textwrap.wrap(each.short if short else each.whole, width - INDENT, break_on_hyphens=False)
        if len(head) > INDENT - 2:
            lines.insert(0, "")
        yield f"{head:<{INDENT}}{lines[0] if lines else ''}".rstrip()
        yield from (" " * INDENT + line for line in lines[1:])


def _described(settings: type, needs: Sequence[str], prefix: str = "") -> tuple[str, list[Group]]:
    """What a settings dataclass is for, and its options: its own first, then those of its groups."""
    hints = get_type_hints(settings, include_extras=True)
    texts, own, groups = _texts(settings), [], []
    for each in dataclasses.fields(settings):
        if not each.metadata.get("on_command_line", True):
            continue
        hint, key = hints[each.name], prefix + name_of(each)
        if dataclasses.is_dataclass(hint):
            groups += _described(hint, needs, f"{key}.")[1]  # type: ignore[arg-type]
        else:
            own.append(_option(each, hint, key, texts.get(each.name, ""), needs))
    doc = _docstring(settings)
    text = "\n\n".join(part for part in (doc.short_description, doc.long_description) if part)
    heading = f"--{prefix[:-1]}: {_decapitalised(doc.short_description or '')}" if prefix else "options"
    return text, [Group(heading.rstrip("."), own), *groups]


def _option(field: dataclasses.Field[Any], hint: Any, key: str, text: str, needs: Sequence[str]) -> Option:
    positional = hint is not (hint := _without(hint, Positional))
    has_none = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    default = "" if has_none or "(default:" in text else _default(field)
    takes = key.upper() + (" ..." if _is_tuple(hint) else "") if positional else _takes(hint)
    return Option(key, takes, text, default, has_none or key in needs, positional)


def _default(field: dataclasses.Field[Any]) -> str:
    """In words; empty for nothing."""
    value = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
    if value is None or value is False or value in ("", ()):
        return ""
    if value is True:
        return ON
    if isinstance(value, Path | str) and Path(value).is_absolute() and Path(value).is_relative_to(_PACKAGE):
        return "the shipped ones"
    if isinstance(value, tuple):
        return " ".join(f"'{each}'" if " " in str(each) else str(each) for each in value)
    return str(value).replace("\n", "\\n")


def _takes(hint: Any) -> str:
    """The words for a value of this type."""
    if get_origin(hint) is Annotated:
        hint, *marks = get_args(hint)
        if NAMED in marks:
            return "NAME=VALUE ..."
    if get_origin(hint) in (Union, UnionType):
        return _takes(next(each for each in get_args(hint) if each is not NoneType)) or "True|False"
    if _is_tuple(hint):
        return f"{_takes(get_args(hint)[0])} ..."
    if get_origin(hint) is Literal:
        return "|".join(map(str, get_args(hint)))
    if hint is bool:
        return ""
    return "|".join(str(each.value) for each in hint) if issubclass(hint, Enum) else _METAVARS[hint]


def _is_tuple(hint: Any) -> bool:
    return get_origin(hint) is tuple


def _without(hint: Any, mark: Any) -> Any:
    """The type without the mark; the very same one if it has not got it."""
    marks = get_args(mark[Any])[1:]
    if get_origin(hint) is Annotated and set(marks) & set(get_args(hint)[1:]):
        return get_args(hint)[0]
    return hint


def _texts(settings: type) -> Mapping[str, str]:
    """What the docstrings of a dataclass and of those it is made from say of its fields."""
    found: dict[str, str] = {}
    for each in reversed(settings.__mro__):
        found |= {param.arg_name: _one_line(param.description or "") for param in _docstring(each).params}
    return found


def _docstring(settings: type) -> Docstring:
    return parse(vars(settings).get("__doc__") or "")


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _first_sentence(text: str) -> str:
    head, dot, _ = text.partition(". ")
    return head + dot.rstrip()


def _decapitalised(text: str) -> str:
    return text[:1].lower() + text[1:]
