"""Rules by which a text is no good as data, told without a model, in microseconds.

They go after all else that looks at a text by itself: what the reader says, the screen or what an instance lacks, and
the user's own filters; before an evaluation set and the novelty check. So a rule that is switched on takes nothing from
the counts of the filters before it. Of a text that two rules would drop, the first in the order of `Reason` says why.

A rule would rather miss what is bad than drop what is sound. On the seeds, the original release's 175 seed tasks and
252 user tasks, and on 6,458 rows of GPTeacher, those that are on by default find nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from selfinstruct.novelty.rouge import Tokeniser, count_words, tokenise
from selfinstruct.records import Instance, Reason
from selfinstruct.settings import option
from selfinstruct.steps.ngrams import FOUND, Runs, repeated_share
from selfinstruct.steps.statements import asks_nothing

SAME = 4
"""Fewest words of an output that may be an echo: shorter ones are names, labels, greetings."""

REPEATING = 12
"""Fewest words of a text that may repeat itself."""


@dataclass(frozen=True)
class RuleSettings:
    """Which rules there are, and their limits. They stand in recipes and config files.

    Args:
        echo: Drop an output that is its instruction, or a piece of it, word for word.
        echo_words: Words of such a piece, at least.
        prompt: Drop instructions, inputs and outputs that the prompt itself has told: its directions, its worked
            examples, and of instructions the demonstrations.
        prompt_words: Words in a row that such a text shares with the prompt, or whole demonstrations of so many.
        repetition: Drop instructions and outputs that say the same again and again.
        repeated: Share of a text's words, in n-grams that came before, from which it does.
        statement: Drop instructions that ask for nothing (English only).
    """

    echo: bool = option(True, before=False)
    echo_words: int = option(8, least=SAME, before=8)
    prompt: bool = option(True, before=False)
    prompt_words: int = option(12, least=FOUND, before=12)
    repetition: bool = option(True, before=False)
    repeated: float = option(0.5, above=0, most=1, before=0.5)
    statement: bool = option(False, before=False)


class Rules:
    """The rules under given settings; the first that holds names the reason.

    Args:
        tokeniser: What counts as a word: that of the novelty check.
        told: What the prompts say (`PromptSet.texts`), which must not come back.
    """

    def __init__(self, settings: RuleSettings, tokeniser: Tokeniser, told: Sequence[str]) -> None:
        self._settings = settings
        self._tokeniser = tokeniser
        self._prompt = Runs([self._words(text) for text in told] if settings.prompt else [])

    def demonstrations(
        self, texts_of: Callable[[Collection[str]], Mapping[str, str]], ids: Collection[str]
    ) -> Mapping[str, str]:
        """Those demonstrations that would be known again within an instruction: id -> words.

        The novelty check finds instructions that are near to one, but not those that hold a whole one and go on.
        """
        if not self._settings.prompt:
            return {}
        words = {id: self._words(text) for id, text in texts_of(ids).items()}
        return {id: _spaced(each) for id, each in words.items() if len(each) >= self._settings.prompt_words}

    def of_instruction(self, text: str, shown: Sequence[str] = ()) -> Reason | None:
        """Why an instruction is dropped, or None.

        Args:
            shown: The demonstrations of its request, as `demonstrations` gives them.
        """
        settings, words = self._settings, self._words(text)
        if settings.prompt and (self._prompt.hold(words, settings.prompt_words) or _hold_one(words, shown)):
            return Reason.FROM_PROMPT
        if self._goes_in_circles(words, text):
            return Reason.REPEATS_ITSELF
        return Reason.ASKS_NOTHING if settings.statement and asks_nothing(text) else None

    def of_instance(self, instruction: str, instance: Instance) -> Reason | None:
        """Why an instance of an instruction is dropped, or None."""
        settings, output = self._settings, instance.output
        if settings.echo and is_echo(output, instruction, settings.echo_words, self._tokeniser):
            return Reason.ECHOES_INSTRUCTION
        words = self._words(output)
        if settings.prompt and any(
            self._prompt.hold(each, settings.prompt_words) for each in (words, self._words(instance.input))
        ):
            return Reason.FROM_PROMPT
        return Reason.REPEATS_ITSELF if self._goes_in_circles(words, instruction) else None

    def _goes_in_circles(self, words: Sequence[str], instruction: str) -> bool:
        """Whether words repeat themselves, and the instruction that they are of, or answer, gives no reason to."""
        if not self._settings.repetition or len(words) < REPEATING:
            return False
        counted = [word for word in words if not word.isdecimal()]  # the numbers of a list tell its items apart
        if len(counted) < REPEATING or repeated_share(counted) < self._settings.repeated:
            return False
        return not _MAY_REPEAT.search(instruction)

    def _words(self, text: str) -> list[str]:
        """The words of a text, where a rule looks at them."""
        wanted = self._settings.prompt or self._settings.repetition
        return tokenise(text, self._tokeniser) if wanted else []


def _hold_one(words: Sequence[str], shown: Sequence[str]) -> bool:
    text = _spaced(words) if shown else ""
    return any(each in text for each in shown)


def _spaced(words: Sequence[str]) -> str:
    return f" {' '.join(words)} "


_MAY_REPEAT = re.compile(r"\b(?:again|chant|chorus|lyrics|mantra|refrain|repeat\w*|songs?|times)\b", re.IGNORECASE)
"""Words of an instruction for which an output that repeats itself may be right."""

_WANTS_OWN_WORDS = re.compile(
    r"\b(?:capitals?|capitali[sz]\w*|choose|complete|cop(?:y|ies|ied)|correct\w*|echo|edit|extract|find|finish|fix"
    r"|identify|list|(?:lower|upper) ?case|pick|proofread|punctuat\w*|quote|read|recite|repeat\w*|retype|rewrite|say"
    r"|select|spell\w*|type|verbatim|which|word for word)\b",
    re.IGNORECASE,
)
"""Words of an instruction for which words of its own may be the right output."""


def is_echo(output: str, instruction: str, least: int, tokeniser: Tokeniser) -> bool:
    """Whether an output is its instruction again, or a long piece of it.

    Case, white space and the marks at both ends do not count. A piece has `least` words and half of the instruction's,
    and begins within a clause: what stands after a mark may be what the task is about ("Make it polite: ..."). A
    question is answered by its own words now and then, and where the instruction has a word such as "repeat" or
    "choose" nothing is an echo.
    """
    told, asked = _folded(output), _folded(instruction)
    if told not in asked or _WANTS_OWN_WORDS.search(asked):
        return False
    if told == asked:
        return count_words(told, tokeniser) >= SAME
    words = told.count(" ") + 1
    if words < least or 2 * words < asked.count(" ") + 1 or "?" in instruction:
        return False
    return any(_is_within(asked, match.start(), match.end()) for match in re.finditer(re.escape(told), asked))


def _folded(text: str) -> str:
    return " ".join(text.casefold().split()).strip("\"'.!:;,`*\u2018\u2019\u201c\u201d ")


def _is_within(text: str, start: int, end: int) -> bool:
    """Whether a piece of a folded text is whole words that no mark but a comma goes before."""
    before, after = text[:start], text[end : end + 1]
    return before.endswith(" ") and (before[-2].isalnum() or before[-2] == ",") and not after.isalnum()
