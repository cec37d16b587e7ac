"""Whether a run measures what its instructions are about, and whether that has a say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from selfinstruct.settings import option

COSINE = 0.9
"""The cosine above which two texts count as one where nobody says another (as in DEITA, arXiv 2312.15685)."""


@dataclass(frozen=True)
class SemanticSettings:
    """What candidates are about, by the table of [semantic].

    Args:
        measure: Each candidate that comes to the novelty check gets its cell and the highest cosine with the pool.
        gate: What is new by its words, and nearer to the pool than the cosine, is dropped as paraphrase.
        cosine: The cosine above which the gate drops; people set it (`selfinstruct pairs`).
    """

    measure: bool = option(False, before=False)
    gate: bool = option(False, before=False)
    cosine: float = option(COSINE, least=0, most=1, before=COSINE)

    def problems(self) -> Iterator[str]:
        """What is wrong with the options together."""
        if self.gate and not self.measure:
            yield "gate: drops by what is measured; set semantic.measure, too"
