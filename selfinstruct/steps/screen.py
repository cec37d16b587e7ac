"""The heuristic filters on instructions (paper, section 2.2.4; the released code), as a table of rules.

The user's own filters (`plugins`) come after them.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from selfinstruct.records import Instance, Reason
from selfinstruct.settings import option
from selfinstruct.steps.plugins import INSTANCE, INSTRUCTION, load_plugins


@dataclass(frozen=True)
class ScreenSettings:
    """Limits on the text of an instruction.

    Args:
        shortest: Fewest words, separated by blanks.
        longest: Most words.
        banned: Words and phrases that ask for what a language model cannot see or do; whole words, any case.
        ascii_start: Drop instructions that begin with a non-ASCII character.
        plugin: Filters of one's own, as package.module:function: of (instruction), or (instruction, input, output).
    """

    shortest: int = option(4, least=0)
    longest: int = option(150, least=1)
    banned: tuple[str, ...] = (
        "image",
        "images",
        "graph",
        "graphs",
        "picture",
        "pictures",
        "file",
        "files",
        "map",
        "maps",
        "draw",
        "plot",
        "go to",
    )
    ascii_start: bool = True
    plugin: tuple[str, ...] = option((), before=())

    def problems(self) -> Iterator[str]:
        """What is wrong with the options together."""
        if self.longest < self.shortest:
            yield f"longest: is {self.longest}, must be at least --screen.shortest, {self.shortest}"


class Screen:
    """The rules under given settings; the first that holds names the reason.

    Args:
        any_script: Instructions may begin with any letter, whatever `ascii_start` says: the novelty check reads them.

    Raises:
        InputError: a plugin cannot be used; when called, that it raised.
    """

    def __init__(self, settings: ScreenSettings, any_script: bool = False) -> None:
        ascii_start = settings.ascii_start and not any_script
        banned = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, settings.banned)) or '(?!)'})(?!\w)", re.IGNORECASE)
        self._rules: list[tuple[Reason, Callable[[str], bool]]] = [
            (Reason.TOO_SHORT, lambda text: len(text.split()) < settings.shortest),
            (Reason.TOO_LONG, lambda text: len(text.split()) > settings.longest),
            (Reason.BANNED_WORD, lambda text: banned.search(text) is not None),
            (Reason.ASKS_FOR_PROGRAM, lambda text: text.startswith("Write a program")),
            (Reason.STARTS_WITH_PUNCTUATION, lambda text: text[:1] in string.punctuation),
            (Reason.STARTS_NON_ASCII, lambda text: ascii_start and not text[:1].isascii()),
        ]
        plugins = load_plugins(settings.plugin)
        self._rules += [(each.reason, each.holds) for each in plugins if each.texts == INSTRUCTION]
        self._of_instances = [each for each in plugins if each.texts == INSTANCE]

    def __call__(self, text: str) -> Reason | None:
        """Why this instruction is dropped before the novelty check, or None."""
        return next((reason for reason, holds in self._rules if holds(text)), None)

    def of_instance(self, instruction: str, instance: Instance) -> Reason | None:
        """Why a plugin drops an instance of an instruction, or None."""
        texts = instruction, instance.input, instance.output
        return next((each.reason for each in self._of_instances if each.holds(*texts)), None)
