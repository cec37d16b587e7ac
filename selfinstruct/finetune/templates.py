"""An instance as prompt and completion, in one of thirteen ways (paper, section 2.3 and appendix A.2).

The mixture makes the tuned model robust to how a task is written down: with or without `Task:`, `Input:` and
`Output:`, with one line break or two. Which way an instance goes is drawn by a hash of the instance, so it does not
depend on what else is in the set.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from selfinstruct.draws import Draws

_FIELD = re.compile(r"\A\s*[^\W\d_][\w ]*:\s*")
_FIELDS = re.compile(r"^\s*[^\W\d_][\w ]*:", re.MULTILINE)
_BLANK_LINES = re.compile(r"\n\s*\n")


@dataclass(frozen=True, slots=True)
class Template:
    """One way to write a task down: which of the three labels stand, and how many line breaks separate its parts.

    Without `Output:` a prompt ends with a blank line, which is then all that says where the answer begins.
    """

    task: bool
    input: bool
    output: bool
    breaks: int

    def prompt(self, instruction: str, given: str = "") -> str:
        """The prompt; an instance without input leaves its part out."""
        parts = [f"Task: {instruction}" if self.task else instruction]
        if given:
            parts.append(f"Input: {given}" if self.input else given)
        gap = "\n" * self.breaks
        return gap.join([*parts, "Output:"]) if self.output else gap.join(parts) + "\n\n"

    def completion(self, output: str) -> str:
        """The completion, which the end-of-text token is to follow."""
        return f" {output}" if self.output else output


WITH_INPUT = (
    Template(task=False, input=True, output=True, breaks=1),
    Template(task=False, input=True, output=True, breaks=2),
    Template(task=True, input=True, output=True, breaks=1),
    Template(task=False, input=False, output=True, breaks=2),
    Template(task=False, input=False, output=False, breaks=2),
    Template(task=False, input=False, output=False, breaks=1),
    Template(task=True, input=False, output=False, breaks=2),
)
WITHOUT_INPUT = (
    Template(task=False, input=False, output=True, breaks=1),
    Template(task=False, input=False, output=True, breaks=2),
    Template(task=True, input=False, output=True, breaks=1),
    Template(task=True, input=False, output=True, breaks=2),
    Template(task=False, input=False, output=False, breaks=2),
    Template(task=True, input=False, output=False, breaks=2),
)
PLAIN = WITH_INPUT[2]
"""All labels, one line break: in both lists, so a good choice for asking a tuned model."""


def render(instruction: str, given: str, output: str, seed: int) -> tuple[str, str]:
    """Prompt and completion of one instance.

    With a probability of one half the input loses its field name, if it has a single one (`Sentence: ...`), and its
    blank lines.
    """
    draws = Draws("template", seed, instruction, given, output)
    ways = WITH_INPUT if given else WITHOUT_INPUT
    way = ways[draws.below(len(ways))]
    return way.prompt(instruction, _plainer(given) if draws.below(2) else given), way.completion(output)


def _plainer(given: str) -> str:
    """Without a single field's name and without blank lines; an input that is nothing but a name stays."""
    if len(_FIELDS.findall(given)) == 1:
        given = _FIELD.sub("", given, count=1) or given
    return _BLANK_LINES.sub("\n", given)
