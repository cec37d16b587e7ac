"""What a run asks its instructions as: a share of them with a constraint (`selfinstruct.constraints`) at the end.

Whether a task is classification is known once `classify` is answered, and the constraint is appended after that, to
the request for instances. Where one request asks for all it is not known before, and such tasks may get one, too, as
those that are answered as a user is. A request for an input shows none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from selfinstruct.draws import Draws, seed_of
from selfinstruct.records import Candidate, InstanceRow, Kind
from selfinstruct.settings import option

if TYPE_CHECKING:
    from selfinstruct.constraints.checking import Constraint


@dataclass(frozen=True)
class ConstraintSettings:
    """Constraints on answers, checked by code. They stand in recipes and config files.

    Args:
        share: Share of the accepted instructions that get a constraint before they are labelled, drawn by the hash of
            request and text. Those that are known to be classification get none.
        two: Share of these that get two which can hold together.
    """

    share: float = option(0.0, least=0, most=1, before=0.0)
    two: float = option(0.2, least=0, most=1, before=0.2)


@dataclass(frozen=True, slots=True)
class Asked:
    """An instruction as a model is asked it."""

    plain: str  # as it was proposed
    constraints: tuple[Constraint, ...] = ()

    @property
    def text(self) -> str:
        """The instruction with its constraints."""
        if not self.constraints:
            return self.plain
        from selfinstruct.constraints.drawing import constrained  # late, here and below: only who needs it pays

        return constrained(self.plain, self.constraints)

    @property
    def column(self) -> str | None:
        """The constraints as an instance's row has them."""
        if not self.constraints:
            return None
        from selfinstruct.constraints.checking import written

        return written(self.constraints)

    def kept_by(self, output: str) -> bool:
        """Whether an answer keeps all of them."""
        if not self.constraints:
            return True
        from selfinstruct.constraints.checking import holds

        return all(holds(each, output) for each in self.constraints)


_CONSTRAINED = (Kind.INPUT_FIRST, Kind.INSTANTIATE, Kind.ANSWER, Kind.DOCUMENT_ANSWER)


def asked(settings: ConstraintSettings, seed: int, instruction: Candidate, kind: Kind) -> Asked:
    """An instruction in a request of a kind: the same in each life of a run, and wherever it is asked for.

    The draws are keyed by the instruction's request and text. Its id has its place in the answer, too, which is another
    one where `reparse` reads the answer otherwise.

    Args:
        seed: The run's.
    """
    text, key = instruction.text, (seed, instruction.request_id or instruction.id, instruction.text)
    if kind not in _CONSTRAINED or not _in_share(settings.share, "constrained", *key):
        return Asked(text)
    from selfinstruct.constraints.drawing import drawn

    return Asked(text, drawn(Draws("constraint", *key), text, two=_in_share(settings.two, "two constraints", *key)))


def asked_as(row: InstanceRow) -> Asked:
    """As what the instruction of a row was asked."""
    if row.constraint is None:
        return Asked(row.instruction)
    from selfinstruct.constraints.checking import read

    constraints = read(row.constraint)
    return Asked(row.instruction.removesuffix(" ".join(each.wording for each in constraints)).rstrip(), constraints)


def _in_share(share: float, *key: str | int) -> bool:
    return share > 0 and seed_of(*key) < share * (1 << 63)
