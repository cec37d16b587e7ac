"""The options of the algorithm. Each step's stand beside its code; here they come together."""

from __future__ import annotations

from dataclasses import dataclass, field

from selfinstruct.novelty.index import NoveltySettings
from selfinstruct.settings import unaltering
from selfinstruct.steps.instantiate import InstanceSettings
from selfinstruct.steps.screen import ScreenSettings
from selfinstruct.steps.strategies import ProposeSettings


@dataclass(frozen=True)
class RoundSettings:
    """How rounds are sized, overlapped and stopped.

    Args:
        lag: Round r is planned from the pool after round r - lag; 1 means that rounds do not overlap.
        least: Fewest propose requests in a round; a round has an eighth of the pool, within these bounds.
        most: Most propose requests in a round.
        label_lag: Rounds by which labelling may be behind before proposing waits for it.
        patience: Rounds in a row without an accepted instruction after which the run stops.
        max_failed: Share of a round's requests that may fail (one may always); above it nothing is committed.
    """

    lag: int = 2
    least: int = unaltering(16)
    most: int = unaltering(2048)
    label_lag: int = unaltering(4)
    patience: int = unaltering(5)
    max_failed: float = unaltering(0.01)


@dataclass(frozen=True)
class RunSettings:
    """The options of the algorithm; those of engines and cluster are elsewhere.

    Args:
        seed: Seed of everything that is drawn.
        target: Accepted instructions to reach; the round that reaches it is finished whole.
        check_pool: Screen imported instructions and check them for novelty; otherwise they are taken as they are.
    """

    seed: int = 0
    target: int = unaltering(1000)
    check_pool: bool = True
    propose: ProposeSettings = field(default_factory=ProposeSettings)
    screen: ScreenSettings = field(default_factory=ScreenSettings)
    novelty: NoveltySettings = field(default_factory=NoveltySettings)
    instances: InstanceSettings = field(default_factory=InstanceSettings)
    rounds: RoundSettings = field(default_factory=RoundSettings)
