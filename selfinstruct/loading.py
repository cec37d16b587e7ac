"""Code of the user's own, found by its name: `package.module:Name`."""

from __future__ import annotations

import importlib
from functools import reduce

from selfinstruct.errors import InputError


def load(option: str, text: str) -> object:
    """What `package.module:Name` names. Importing the module runs it.

    Args:
        option: The option that gave it, for messages.

    Raises:
        InputError: the text has another form, there is no such module or it cannot be imported, or it lacks the name.
    """
    module, colon, name = text.partition(":")
    if not colon or not all(part.isidentifier() for part in (*module.split("."), *name.split("."))):
        raise InputError(f"--{option}: {text!r} is not of the form package.module:Name")
    try:
        found: object = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise InputError(f"--{option}: {text}: {module} cannot be imported: {error}") from error
        raise InputError(
            f"--{option}: {text}: there is no module {error.name!r} to import; install it, or put its folder on"
            " PYTHONPATH, on every node"
        ) from error
    except (Exception, SystemExit) as error:
        raise InputError(f"--{option}: {text}: {module} cannot be imported: {told(error)}") from error
    try:
        return reduce(getattr, name.split("."), found)
    except AttributeError as error:
        raise InputError(f"--{option}: {text}: the module {module} has no {name!r}") from error


def told(error: BaseException) -> str:
    """An error of such code in one line that is safe to show: it may quote what a model wrote."""
    return f"{type(error).__name__}: {str(error)[:200]!r}"
