"""An engine whose completions come late and in any order."""

from __future__ import annotations

import random
from collections.abc import Sequence

from selfinstruct.protocols import Engine
from selfinstruct.records import Completion, Request


class Shuffling:
    """Another engine, with completions held back and given out in random order."""

    def __init__(self, engine: Engine, seed: int) -> None:
        self._engine = engine
        self._draw = random.Random(seed)
        self._held: list[Completion] = []

    def add(self, requests: Sequence[Request]) -> None:
        self._engine.add(requests)

    def step(self) -> list[Completion]:
        self._held += self._engine.step()
        self._draw.shuffle(self._held)
        keep = self._draw.randint(0, len(self._held))
        out, self._held = self._held[keep:], self._held[:keep]
        return out
