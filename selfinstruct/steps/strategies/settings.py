"""The settings of strategies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from selfinstruct.settings import option


@dataclass(frozen=True)
class ProposeSettings:
    """What each propose prompt shows.

    Args:
        seeds: Demonstrations drawn from the seed tasks.
        generated: Demonstrations drawn from the instructions the run has accepted; seeds stand in while it has too few.
    """

    seeds: int = option(6, least=0)
    generated: int = option(2, least=0)

    def problems(self) -> Iterator[str]:
        """What is wrong with the options together."""
        if self.seeds + self.generated < 1:
            yield "seeds: is 0 and so is --propose.generated; a prompt shows one demonstration at least"
