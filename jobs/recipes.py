"""`selfinstruct recipes`: the recipes that there are, and what one says."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from tyro.conf import Positional

from jobs.command_line import run
from jobs.commands import Command, Outcome
from selfinstruct import recipes
from selfinstruct.errors import InputError


@dataclass(frozen=True)
class RecipesSettings:
    """List the shipped recipes, or show one: `selfinstruct recipes paper > mine.yaml` is a beginning of one's own.

    Args:
        name: The recipe to show; without it all are listed.
    """

    name: Positional[str] = ""


COMMAND = Command(
    "recipes",
    RecipesSettings,
    examples=(
        "selfinstruct recipes",
        "selfinstruct recipes paper > mine.yaml",
    ),
)


def main(argv: Sequence[str] | None = None) -> int:
    """List or show; returns the exit code."""
    return run(COMMAND, show, argv)


def show(settings: RecipesSettings) -> Outcome:
    """Print the list, or a recipe's file as it is."""
    files = recipes.shipped()
    if settings.name in files:
        print(files[settings.name].read_text(encoding="utf-8"), end="")
        return Outcome({"name": settings.name, "options": recipes.read_recipe(settings.name)})
    if settings.name:
        raise InputError(f"there is no recipe {settings.name!r}; there are {', '.join(files)}")
    described = {name: recipes.load_recipe(name).description for name in files}
    for name, description in described.items():
        print(f"{name:<13}{description}")
    return Outcome({"recipes": described})


if __name__ == "__main__":
    sys.exit(main())
