"""Recipes: named YAML files of the options that alter a run's data, shipped here or the user's own.

`paper` is the method as the paper and its released code have it, `recommended` what this project's benches favour, and
what a new run takes when none is named. A recipe is no more than a set of values: they go into a run's fingerprint, and
its name does not.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selfinstruct.errors import InputError
from selfinstruct.run.settings import RunSettings
from selfinstruct.settings import facts_of
from selfinstruct.sources.options import Kind, kinds_of, read_options
from selfinstruct.sources.yaml_files import read_yaml

SHIPPED = Path(__file__).parent
RECOMMENDED = "recommended"

VERSION = 1
"""Of the form of recipes."""

_FOREIGN = "is nothing for a recipe: those hold what alters any run's data (see `selfinstruct recipes paper`)"


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a recipe's file says.

    `options` are dotted keys of `RunSettings` with values as its fields hold them; `settings.with_options` puts them
    in. What a recipe leaves out keeps its default.
    """

    description: str
    options: Mapping[str, Any]


def shipped() -> dict[str, Path]:
    """The recipes that come with the project: name -> file."""
    return {path.stem: path for path in sorted(SHIPPED.glob("*.yaml"))}


def find_recipe(name_or_file: str | Path) -> Path:
    """The file of a recipe. A name that is shipped means the shipped one; ./NAME is a file of that name.

    Raises:
        InputError: there is neither.
    """
    if (path := shipped().get(str(name_or_file))) is not None:
        return path
    if not os.path.exists(name_or_file):
        raise InputError(
            f"--recipe: there is no file {str(name_or_file)!r}; recipes with a name: {', '.join(shipped())}"
        )
    return Path(name_or_file)


def load_recipe(name_or_file: str | Path) -> Recipe:
    """A recipe by its name, or from a file.

    Raises:
        InputError: it cannot be read, is of a later version, or holds anything but options that alter data.
    """
    node = read_yaml(path := find_recipe(name_or_file))
    version = node.value.get("version") if isinstance(node.value, dict) else None
    if version is None:
        raise InputError(f"{path}: is no recipe; it must hold 'version: {VERSION}', and options as 'key: value'")
    if version.value != VERSION:
        raise version.refused(f"must be {VERSION}; a recipe of a later one needs a later selfinstruct")
    options = read_options(node, {"version": Kind(int), "description": Kind(str), **_kinds()}, _FOREIGN)
    del options["version"]
    return Recipe(options.pop("description", ""), options)


def read_recipe(name_or_file: str | Path) -> Mapping[str, Any]:
    """The options of a recipe: dotted key of `RunSettings` -> value. InputError as `load_recipe`."""
    return load_recipe(name_or_file).options


def _kinds() -> dict[str, Kind]:
    """The options that a recipe may hold."""
    altering = facts_of(RunSettings())
    kinds = kinds_of(RunSettings).items()
    return {key: kind for key, kind in kinds if key in altering or kind.metadata.get("in_recipes")}
