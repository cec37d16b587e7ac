"""Families of tasks that the embedded model has never seen, to evaluate on: neither its grammar nor any seed task has
them. They use the grammar's words, so that what is measured is the task and not the vocabulary.

Never train on them. The outputs are as modest as the grammar's: copies, rearrangements, labels by a cue, fixed
sentences with slots. A free text has its one reference, so of those only the slots can be hoped for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from selfinstruct.draws import Draws
from selfinstruct.tiny.families import read_families
from selfinstruct.tiny.templates import Family, sample_from
from selfinstruct.tiny.words import DATA


@dataclass(frozen=True, slots=True)
class HeldOutTask:
    """One instance of one task, with the answer that is right."""

    family: str
    instruction: str
    input: str
    output: str


@cache
def held_out_families() -> Sequence[Family]:
    """The families."""
    return read_families(DATA / "held_out.json")


def held_out_tasks(each: int) -> Iterator[HeldOutTask]:
    """`each` different tasks of every family, always the same ones."""
    for family in held_out_families():
        draws, found = Draws("held out", family.name), dict[tuple[str, str], HeldOutTask]()
        while len(found) < each:
            task = sample_from(family, draws)
            instance = task.instances[0]
            made = HeldOutTask(family.name, task.instruction, instance.input, instance.output)
            found.setdefault((made.instruction, made.input), made)
        yield from found.values()
