"""The task pool: every accepted instruction by its ordinal, kept small enough for millions of them."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Collection, Sequence

from selfinstruct.records import Candidate, Origin


class Pool:
    """Accepted instructions in the order of their acceptance: seeds, then imported ones, then the model's.

    A cache of the candidates files: it can always be made again from them. Ids of the model's instructions are
    packed (12 bytes each), the texts are plain strings.
    """

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.seeds = 0
        self._given = 0  # seeds and imported ones, whose ids are texts
        self.cells = array("H")  # of each text, where anybody asks for them
        self._given_ids: list[str] = []
        self._packed = array("i")  # round, request, position of each of the model's
        self._ends = [0]  # pool size before each round, and after the last one

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def rounds(self) -> int:
        """How many rounds are in the pool, round 0 included."""
        return len(self._ends) - 1

    @property
    def generated(self) -> int:
        """How many instructions the model has given."""
        return len(self.texts) - self._given

    def size_after(self, round_number: int) -> int:
        """The pool's size once that round was in it."""
        return self._ends[round_number + 1]

    def extend(self, accepted: Sequence[Candidate], cells: Sequence[int] = ()) -> None:
        """Take in the accepted candidates of the next round, in canonical order, and their cells, if any are wanted."""
        self.cells.extend(cells)
        for candidate in accepted:
            self.texts.append(candidate.text)
            if candidate.origin is Origin.MODEL:
                self._packed.extend(int(part) for part in candidate.id.split("/"))
            else:
                self._given_ids.append(candidate.id)
                self.seeds += candidate.origin is Origin.SEED
        self._given = len(self._given_ids)
        self._ends.append(len(self.texts))

    def id(self, ordinal: int) -> str:
        """The public id of an entry."""
        if ordinal < self._given:
            return self._given_ids[ordinal]
        at = 3 * (ordinal - self._given)
        round_number, request, position = self._packed[at : at + 3]
        return f"{round_number:06d}/{request:05d}/{position:02d}"

    def texts_of(self, ids: Collection[str]) -> dict[str, str]:
        """The instructions of these public ids, as far as they are in the pool. It looks through all that was given."""
        return {id: self.texts[ordinal] for id, ordinal in self.ordinals_by_id(ids).items()}

    def ordinals_by_id(self, ids: Collection[str]) -> dict[str, int]:
        """The ordinal of each of these public ids that is in the pool."""
        return {self.id(ordinal): ordinal for ordinal in self.ordinals_of(ids)}

    def ordinals_of(self, ids: Collection[str]) -> list[int]:
        """The ordinals of these public ids, rising, as far as they are in the pool."""
        given = (ordinal for ordinal, id in enumerate(self._given_ids) if id in ids)
        ordinals = (*given, *(self._ordinal(id) for id in ids if id[:1].isdigit()))
        return sorted(ordinal for ordinal in ordinals if ordinal < len(self))

    def _ordinal(self, id: str) -> int:
        """Where one of the model's instructions is, or would be: their ids come in order."""
        packed, parts = self._packed, array("i", map(int, id.split("/")))
        at = bisect_left(range(self.generated), parts, key=lambda at: packed[3 * at : 3 * at + 3])
        return self._given + at


class Proven:
    """Which entries of a pool, seed tasks apart, have an accepted instance: their ordinals, by the round they came in.

    A cache of the instances files.
    """

    def __init__(self) -> None:
        self._by_round: dict[int, array[int]] = {}

    def add(self, number: int, ordinals: Sequence[int]) -> None:
        """Take in those of a round, rising."""
        self._by_round[number] = array("q", ordinals)

    def until(self, number: int) -> Sequence[int]:
        """Those of the rounds up to this one, which have all been taken in, rising."""
        found = array("q")
        for each in range(number + 1):
            found.extend(self._by_round[each])
        return found
