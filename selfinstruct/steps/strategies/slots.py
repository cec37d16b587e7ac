"""Slots: places in a prompt (`{persona}`) that each request fills with another value, drawn from a list."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from selfinstruct.draws import Draws


@dataclass(frozen=True, slots=True)
class Slot:
    """The values of a slot.

    Attributes:
        names: What each is called.
        ends: Sums of the values' weights up to each, as whole numbers; none where all weigh the same.
    """

    values: Sequence[str]
    names: Sequence[str]
    ends: Sequence[int] = ()

    def draw(self, draws: Draws) -> int:
        """Which value it is to be."""
        return bisect_right(self.ends, draws.below(self.ends[-1])) if self.ends else draws.below(len(self.values))


@dataclass(frozen=True, slots=True)
class Slots:
    """All slots of a run, by the words that stand for them."""

    run_seed: int = 0
    slots: Mapping[str, Slot] = field(default_factory=dict)

    def drawn(self, id: str, names: Sequence[str]) -> tuple[dict[str, str], tuple[str, ...]]:
        """The values with which a request of this id fills slots, and what `sources` says of them."""
        at = {name: self.slots[name].draw(Draws("slot", self.run_seed, id, name)) for name in names}
        values = {name: self.slots[name].values[each] for name, each in at.items()}
        return values, tuple(f"{name}:{self.slots[name].names[each]}" for name, each in at.items())
