"""Filters of the user's own, beside the built-in ones: functions that `--screen.plugin package.module:function` names.

A function of one text is asked about instructions, one of three about instances: `(instruction, input, output)`. It
returns True for what is to be dropped, which then has the reason `plugin:<its name>`, and False for what may stay.
Built-in filters go before it, the rules (`rules`) after it. It must be deterministic, a pure function of its texts, for
a run that is taken up again must come out as it would have without a break. It may be called in any thread of the
driver.

A run's facts hold the SHA-256 of the file that defines each function. What this file imports or reads is not covered.
"""

from __future__ import annotations

import hashlib
import inspect
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from selfinstruct.errors import InputError
from selfinstruct.loading import load, told
from selfinstruct.records import PLUGIN, Reason
from selfinstruct.settings import Facts

OPTION = "screen.plugin"
PLUGINS = "plugins"
"""The fact that has the digests of the files."""

INSTRUCTION, INSTANCE = 1, 3
"""How many texts a function takes, by what it is asked about."""

BEGINNING = 60
"""Characters of a text that are shown."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """A function that is a reason to drop something.

    Args:
        name: As `package.module:function`.
        reason: Under which it drops.
        texts: How many it takes.
        source: SHA-256 (hex) of the file that defines it.
    """

    name: str
    reason: Reason
    function: Callable[..., object]
    texts: int
    source: str

    def holds(self, *texts: str) -> bool:
        """Whether it drops these.

        Raises:
            InputError: it raises, or returns something else than True or False.
        """
        try:
            verdict = self.function(*texts)
        except Exception as error:
            raise self._problem(texts[0], f"raised {told(error)}") from error
        if not isinstance(verdict, bool):
            raise self._problem(texts[0], f"returned {verdict!r:.80}; it must return True (drop it) or False")
        return verdict

    def _problem(self, text: str, what: str) -> InputError:
        return InputError(f"--{OPTION}: {self.name}: asked about {text[:BEGINNING]!r}, it {what}")


def load_plugins(names: Sequence[str]) -> list[Plugin]:
    """The functions of these names, in their order.

    Raises:
        InputError: one is not there, is no function of one or three texts, or shares its own name with another.
    """
    plugins = [_plugin(name) for name in names]
    for reason, number in Counter(plugin.reason for plugin in plugins).items():
        if number > 1:
            raise InputError(f"--{OPTION}: {number} of the functions give the reason {reason}; give each another name")
    return plugins


def plugin_facts(names: Sequence[str]) -> Facts:
    """What a run's data depends on beside the names; nothing where there are none.

    Raises:
        InputError: as `load_plugins`.
    """
    return {PLUGINS: {plugin.name: plugin.source for plugin in load_plugins(names)}} if names else {}


def _plugin(name: str) -> Plugin:
    function = load(OPTION, name)
    if not inspect.isfunction(function):
        raise InputError(f"--{OPTION}: {name}: is a {type(function).__name__}; name a function")
    parameters = inspect.signature(function).parameters.values()
    needed = [each for each in parameters if each.default is each.empty]
    plain = all(each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD) for each in needed)
    if not plain or len(needed) not in (INSTRUCTION, INSTANCE):
        raise InputError(
            f"--{OPTION}: {name}: takes ({', '.join(map(str, needed))}); a filter takes (instruction), or (instruction,"
            " input, output)"
        )
    reason = Reason(PLUGIN + name.replace(":", ".").rpartition(".")[2])
    return Plugin(name, reason, function, len(needed), _source(name, function))


def _source(name: str, function: Callable[..., object]) -> str:
    """The digest of the file in which a function, or what it wraps, is written."""
    try:
        path = inspect.getsourcefile(inspect.unwrap(function)) or "no file"
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except (OSError, TypeError) as error:
        raise InputError(
            f"--{OPTION}: {name}: the file that defines it cannot be read ({error}); a run is known by its content"
        ) from error
