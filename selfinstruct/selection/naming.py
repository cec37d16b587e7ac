"""What a model is asked about a group, which members its answer names, and how far their places decide."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from selfinstruct.draws import Draws, seed_of
from selfinstruct.prompts import PromptSet
from selfinstruct.records import Completion, Finish, Kind, Request
from selfinstruct.selection.candidates import Candidate
from selfinstruct.selection.groups import Group
from selfinstruct.steps.readers.ends import without_end
from selfinstruct.steps.readers.thoughts import spoken

SHOWN = 1_000
"""Characters of a text that a model sees."""

LEAST_AGAIN, MOST_AGAIN = 20, 200
"""Groups that are asked about again in another order, a tenth of all within these bounds."""

_MARKED = re.compile(r"\[(\d{1,3})\]")
_BARE = re.compile(r"[^\d\n]*\d{1,3}(?:(?:[^\w\n]|\band\b)+\d{1,3})*[^\w\n]*")
"""A line of numbers without brackets. `1. Write a poem` is none: the item of a list, and a model's own."""

_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Naming:
    """Members that were named for one group, in one order of it."""

    group: Group
    named: tuple[int, ...] | None  # ordinals; None if the answer cannot be read


@dataclass(frozen=True, slots=True)
class Places:
    """How far the place in a list decides what a model names; shares of picks, each beside what chance would give."""

    groups: int  # asked about twice, and both answers readable
    moved: float  # picks that were others when every member stood elsewhere
    moved_by_chance: float
    first: float  # picks that stood first in their list, of all groups
    first_by_chance: float

    @property
    def text(self) -> str:
        """In words."""
        if not self.groups:
            return "no group's two answers can be read, so nobody knows whether the place in the list decides"
        return (
            f"asked again in another order about {self.groups:,} groups, {self.moved:.0%} of the picks were others"
            f" (by chance {self.moved_by_chance:.0%}); {self.first:.0%} of all picks stood first in their list"
            f" (by chance {self.first_by_chance:.0%})"
        )


def to_ask(groups: Sequence[Group]) -> list[Group]:
    """The groups in which there is something to choose."""
    return [group for group in groups if group.picks < len(group.members)]


def turned(groups: Sequence[Group], seed: int) -> list[Group]:
    """A sample of the groups, each in an order in which every member has another place."""
    again = Draws("select", "again", seed).sample(groups, min(MOST_AGAIN, max(LEAST_AGAIN, len(groups) // 10)))
    found = []
    for group in again:
        by = 1 + Draws("select", "turn", seed, group.number).below(len(group.members) - 1)
        found.append(Group(group.number, group.members[by:] + group.members[:by], group.picks))
    return found


def request(group: Group, candidates: Sequence[Candidate], prompts: PromptSet, seed: int, again: bool) -> Request:
    """What is asked about a group."""
    id = f"{group.number:06d}/again" if again else f"{group.number:06d}"
    lines = [f"[{at}] {_shown(candidates[each].text)}" for at, each in enumerate(group.members, start=1)]
    suffix = prompts[Kind.SELECT].fill(candidates="\n".join(lines), number=str(group.picks))
    return Request(id, Kind.SELECT, suffix, seed_of("select", seed, id))


def read(groups: Sequence[Group], answers: Mapping[str, Completion], again: bool, *, chat: bool) -> Iterator[Naming]:
    """What was named for each group."""
    for group in groups:
        answer = answers[f"{group.number:06d}/again" if again else f"{group.number:06d}"]
        places = named(answer, len(group.members), group.picks, chat=chat)
        yield Naming(group, tuple(group.members[place - 1] for place in places) if places else None)


def named(completion: Completion, size: int, picks: int, *, chat: bool) -> list[int]:
    """The places, from 1 on, that an answer names; none if these are not `picks` different ones of the list.

    Numbers in brackets count, wherever they stand; in an answer without any, its first line does if it says no more.
    """
    if completion.finish is Finish.FAILED:
        return []
    text = without_end(completion.text)
    answer = (spoken(text) if chat else text) or ""
    line = answer.strip().partition("\n")[0]
    numbers = _MARKED.findall(answer) or (_NUMBER.findall(line) if _BARE.fullmatch(line) else [])
    places = list(dict.fromkeys(map(int, numbers)))
    return places if len(places) == picks and all(1 <= place <= size for place in places) else []


def drawn(group: Group, seed: int) -> tuple[int, ...]:
    """Members by keyed draw, in place of an answer."""
    return tuple(Draws("select", "draw", seed, group.number).sample(group.members, group.picks))


def places(first: Sequence[Naming], again: Sequence[Naming]) -> Places:
    """How far the place in a list decides."""
    said = {each.group.number: each for each in first if each.named}
    pairs = [(said[each.group.number], each) for each in again if each.named and each.group.number in said]
    moved = sum(len(set(one.named or ()) - set(other.named or ())) for one, other in pairs)
    leading = sum(each.group.members[0] in (each.named or ()) for each in said.values())
    return Places(
        groups=len(pairs),
        moved=_share(moved, [one.group.picks for one, _ in pairs]),
        moved_by_chance=_share(
            sum(one.group.picks * (1 - one.group.picks / len(one.group.members)) for one, _ in pairs),
            [one.group.picks for one, _ in pairs],
        ),
        first=_share(leading, [each.group.picks for each in said.values()]),
        first_by_chance=_share(
            sum(each.group.picks / len(each.group.members) for each in said.values()),
            [each.group.picks for each in said.values()],
        ),
    )


def _share(part: float, picks: Sequence[int]) -> float:
    return part / sum(picks) if picks else 0.0


def _shown(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SHOWN else f"{line[:SHOWN]} ..."
