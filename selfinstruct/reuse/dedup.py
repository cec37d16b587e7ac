"""The run's screen and novelty check over texts that exist already, against seed tasks and each other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from selfinstruct.errors import InputError
from selfinstruct.novelty.dedup import Verdict, judge, with_ids
from selfinstruct.novelty.index import NoveltySettings
from selfinstruct.protocols import PoolIndex
from selfinstruct.settings import MOST_ACTORS, group, option
from selfinstruct.sources.seeds import SEED_TASKS, load_seeds
from selfinstruct.steps.plugins import INSTANCE, load_plugins
from selfinstruct.steps.screen import Screen, ScreenSettings


@dataclass(frozen=True, kw_only=True)
class JudgeSettings:
    """How texts are judged.

    Args:
        seeds: File of seed tasks with which the pool begins; none begins with an empty pool.
        screen: Apply the heuristic filters too; --limits are theirs.
        shards: Ray actors that hold the index; 0 keeps it in this process.
    """

    seeds: str = str(SEED_TASKS)
    screen: bool = True
    shards: int = option(0, least=0, most=MOST_ACTORS)
    novelty: NoveltySettings = group(NoveltySettings)
    limits: ScreenSettings = group(ScreenSettings)


def deduplicate(texts: Iterable[tuple[str, str]], settings: JudgeSettings, index: PoolIndex) -> Iterator[Verdict]:
    """The verdicts on ids and texts, in their order.

    Args:
        index: Empty, with the novelty settings; holds the seeds and all accepted texts in the end.

    Raises:
        InputError: the seeds cannot be read, or a plugin is none for instructions.
    """
    if others := [each.name for each in load_plugins(settings.limits.plugin) if each.texts == INSTANCE]:
        raise InputError(f"--limits.plugin: there are no instances to ask {', '.join(others)} about; leave it out")
    seeds = [] if settings.seeds == "none" else load_seeds(Path(settings.seeds))
    screen = Screen(settings.limits, any_script=settings.novelty.any_script) if settings.screen else None
    return judge(texts, with_ids(seeds), index, settings.novelty, screen)
