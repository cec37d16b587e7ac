"""The heuristic filters on instructions (paper, section 2.2.4; the released code), as a table of rules.

The user's own filters (`plugins`) come after them.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from selfinstruct.novelty.rouge import Tokeniser, count_words, tokenise
from selfinstruct.records import Instance, Reason
from selfinstruct.settings import option
from selfinstruct.steps.plugins import INSTANCE, INSTRUCTION, load_plugins


@dataclass(frozen=True)
class ScreenSettings:
    """Limits on the text of an instruction.

    Args:
        shortest: Fewest words, separated by blanks. Where words of any script are compared, each character of scripts
            without blanks is one.
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
        any_script: The novelty check reads words of any script. So words are counted and banned as it reads them, and
            instructions may begin with any letter, whatever `ascii_start` says, and with punctuation of no script.

    Raises:
        InputError: a plugin cannot be used; when called, that it raised.
    """

    def __init__(self, settings: ScreenSettings, any_script: bool = False) -> None:
        ascii_start = settings.ascii_start and not any_script
        tokeniser: Tokeniser = "unicode" if any_script else "rouge"
        punctuation = _any_punctuation if any_script else _ascii_punctuation
        self._rules: list[tuple[Reason, Callable[[str], bool]]] = [
            (Reason.TOO_SHORT, lambda text: count_words(text, tokeniser) < settings.shortest),
            (Reason.TOO_LONG, lambda text: count_words(text, tokeniser) > settings.longest),
            (Reason.BANNED_WORD, _banned(settings.banned, any_script)),
            (Reason.ASKS_FOR_PROGRAM, lambda text: text.startswith("Write a program")),
            (Reason.STARTS_WITH_PUNCTUATION, punctuation),
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


def _banned(phrases: Sequence[str], any_script: bool) -> Callable[[str], bool]:
    """Whether a text holds one of the phrases as whole words.

    Phrases that are not ASCII are found by their words where those are read: a regular expression takes a vowel sign
    for the end of a word, and finds none where there are no blanks.
    """
    spaced = {phrase: _spaced(phrase) for phrase in phrases if any_script and not phrase.isascii()}
    foreign = [words for words in spaced.values() if words.strip()]
    others = [phrase for phrase in phrases if not spaced.get(phrase, "").strip()]
    pattern = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, others)) or '(?!)'})(?!\w)", re.IGNORECASE)
    plain, lower = all(map(str.isascii, phrases)), [phrase.lower() for phrase in phrases]

    def holds(text: str) -> bool:
        if plain and text.isascii() and not any(map(text.lower().__contains__, lower)):  # in a hurry: most hold none
            return False
        return pattern.search(text) is not None or any(words in _spaced(text) for words in foreign)

    return holds


def _spaced(text: str) -> str:
    """The words of a text in any script, with blanks around."""
    return f" {' '.join(tokenise(text, 'unicode'))} "


def _ascii_punctuation(text: str) -> bool:
    return text[:1] in string.punctuation


def _any_punctuation(text: str) -> bool:
    from selfinstruct.novelty import words  # late: only those who need it pay for the tables

    return _ascii_punctuation(text) or words.begins_with_punctuation(text)
