"""Made-up worlds for `bench yield --simulated`: what a model would propose, with every topic known by its number.

A world has clusters of topics, and wordings of each topic; all three are popular by Zipf's law, and every cluster has
as many topics. What proposals follow, how they go wrong and what they take are its other numbers. The ten of
`worlds.json` were drawn, and committed, before there was a controller; others are drawn for tuning (`drawn`).

    python -m jobs.bench.worlds FILE    writes the ten again
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from selfinstruct.draws import Draws

FILE = Path(__file__).parent / "worlds.json"
WORLDS = 10
LEAST_TOPICS = 2_000_000

STRATEGIES = ("paper", "spread", "query", "evolve", "document")
"""Those of a run, in its recipe's order."""


@dataclass(frozen=True, slots=True)
class World:
    """The numbers of one world. Shares are between 0 and 1, exponents are of Zipf's law (0 is uniform).

    Attributes:
        topics: In each cluster.
        wordings: Of each topic.
        cluster_zipf: How the model's own choice of clusters falls off.
        seed_zipf: The same of the people who wrote the seed tasks.
        query_zipf: The same of a chat model that is asked for nothing.
        follow: Share of proposals that stay in the cluster of one of their demonstrations.
        slot_follow: Share of proposals that keep to the cluster which a slot names.
        slots: Clusters that the values of a slot name.
        document_clusters: Clusters that documents are about, each as often; of a cluster any topic.
        documents: How many there are; each is used once.
        deepen: Share of rewritten instructions that get to any topic of their cluster, not to a popular one.
        drift: Share of proposals that wander off, into any cluster; nothing can be done with them.
        inherit: Share of the proposals that follow one which wandered off and are of no use either.
        cells: Of the yardstick; a cluster lies in one of them.
        cell_noise: Share of rows that are taken for another cell's.
        lexical_noise: Share of new wordings that are dropped as similar.
        lexical_miss: Share of known wordings that are let in.
        crowding: Chance that a new topic is taken for a paraphrase, for each known topic of its cluster.
        paraphrase_miss: Share of known topics in new words that are not taken for a paraphrase.
        invalid: Share of each strategy's proposals that are no good, beside those that wandered off.
        tokens: That each strategy's request writes for one proposal.
    """

    name: str
    seed: int
    clusters: int
    topics: int
    wordings: int
    cluster_zipf: float
    topic_zipf: float
    wording_zipf: float
    seed_zipf: float
    query_zipf: float
    follow: float
    slot_follow: float
    slots: int
    document_clusters: int
    documents: int
    deepen: float
    drift: float
    inherit: float
    cells: int
    cell_noise: float
    lexical_noise: float
    lexical_miss: float
    crowding: float
    paraphrase_miss: float
    invalid: Mapping[str, float]
    tokens: Mapping[str, int]


BETWEEN: Mapping[str, tuple[float, float]] = {
    "cluster_zipf": (0.7, 1.2),
    "topic_zipf": (0.6, 1.1),
    "wording_zipf": (0.8, 1.2),
    "seed_zipf": (0.3, 0.8),
    "query_zipf": (0.7, 1.3),
    "follow": (0.4, 0.9),
    "slot_follow": (0.4, 0.95),
    "deepen": (0.0, 0.6),
    "drift": (0.0, 0.03),
    "inherit": (0.3, 0.9),
    "cell_noise": (0.05, 0.3),
    "lexical_noise": (0.02, 0.1),
    "lexical_miss": (0.0, 0.02),
    "crowding": (0.0, 0.0002),
    "paraphrase_miss": (0.1, 0.4),
}
COUNTS: Mapping[str, tuple[int, int]] = {
    "clusters": (2_000, 8_000),
    "wordings": (15, 50),
    "slots": (100, 2_000),
    "document_clusters": (500, 2_000),
    "documents": (50_000, 1_000_000),
}
INVALID: Mapping[str, tuple[float, float]] = {
    "paper": (0.3, 0.6),
    "spread": (0.3, 0.7),
    "query": (0.1, 0.5),
    "evolve": (0.3, 0.7),
    "document": (0.1, 0.5),
}
TOKENS: Mapping[str, tuple[int, int]] = {
    "paper": (20, 30),
    "spread": (20, 30),
    "query": (25, 60),
    "evolve": (30, 70),
    "document": (30, 70),
}
"""What a world's numbers are drawn from, evenly."""


def drawn(key: str, number: int = WORLDS) -> list[World]:
    """So many worlds under a key."""
    return [_world(f"{key}-{at}") for at in range(number)]


def _world(name: str) -> World:
    def share(what: str, bounds: tuple[float, float]) -> float:
        low, high = (round(bound * 10_000_000) for bound in bounds)
        return round((low + Draws("world", name, what).below(high - low + 1)) / 10_000_000, 6)

    def count(what: str, bounds: tuple[int, int]) -> int:
        return bounds[0] + Draws("world", name, what).below(bounds[1] - bounds[0] + 1)

    counts = {what: count(what, bounds) for what, bounds in COUNTS.items()}
    numbers: dict[str, Any] = {
        "seed": count("seed", (0, 2**31 - 1)),
        "topics": -(-count("all topics", (LEAST_TOPICS, 4_000_000)) // counts["clusters"]),
        "cells": 1_024,
        "invalid": {each: share(f"invalid {each}", INVALID[each]) for each in STRATEGIES},
        "tokens": {each: count(f"tokens {each}", TOKENS[each]) for each in STRATEGIES},
        **counts,
        **{what: share(what, bounds) for what, bounds in BETWEEN.items()},
    }
    return World(name, **numbers)


def read_worlds(path: Path = FILE) -> list[World]:
    """The worlds of a file."""
    return [World(**each) for each in json.loads(path.read_text(encoding="utf-8"))]


def text_of(worlds: Sequence[World]) -> str:
    """The inverse of `read_worlds`."""
    return json.dumps([asdict(world) for world in worlds], indent=1) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(text_of(drawn("held")), encoding="utf-8")
