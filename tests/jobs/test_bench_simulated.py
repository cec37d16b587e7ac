"""Runs in made-up worlds: what they count is what is so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from jobs.bench.simulated import Policy, Simulation
from jobs.bench.topics import SEEDS
from jobs.bench.worlds import STRATEGIES, World, drawn
from selfinstruct.steps.strategies.control import FLOOR, Brought

CANDIDATES = 4_000


@pytest.fixture(scope="module")
def world() -> World:
    """A small one, where much comes twice."""
    return replace(drawn("test", 1)[0], clusters=50, topics=20, slots=10, document_clusters=20, documents=200)


def ran(world: World, policy: Policy, repeat: int = 0) -> Simulation:
    return Simulation(world, policy, repeat).until(CANDIDATES)


ONE = {name: Policy(name, {name: 1.0}) for name in STRATEGIES}
MIXED = Policy("mix", dict.fromkeys(STRATEGIES, 0.2))


@pytest.mark.parametrize(
    "policy", [*ONE.values(), MIXED, Policy("auto", None, checked=True)], ids=lambda each: each.name
)
def test_sums_are_those_of_the_pool(world: World, policy: Policy) -> None:
    done = ran(world, policy)
    counts, pool = done.counts, done._pool
    assert counts.accepted[-1] == pool.size - SEEDS
    assert counts.topics[-1] == len(np.unique(pool.topics[: pool.size])) - len(np.unique(pool.topics[:SEEDS]))
    assert counts.usable[-1] <= len(np.unique(pool.topics[SEEDS : pool.size]))
    assert sum((each for of in done.brought for each in of.values()), Brought()).accepted == counts.accepted[-1]
    assert sum((each for of in done.brought for each in of.values()), Brought()).tokens == counts.tokens[-1]


def test_the_same_world_gives_the_same_run(world: World) -> None:
    first, again, other = ran(world, MIXED), ran(world, MIXED), ran(world, MIXED, repeat=1)
    assert first.counts == again.counts
    assert first.counts != other.counts


def test_without_noise_no_wording_comes_twice_and_the_yardstick_errs_never(world: World) -> None:
    exact = replace(world, lexical_noise=0.0, lexical_miss=0.0, crowding=0.0, paraphrase_miss=0.0)
    done = ran(exact, ONE["paper"])
    assert done.semantic.precision == done.semantic.recall == done.lexical.precision == 1
    assert done.lexical.recall < 1  # a known topic in new words
    gated = ran(exact, replace(ONE["paper"], gate=True))
    assert gated.counts.accepted[-1] == gated.counts.topics[-1]


def test_what_follows_demonstrations_stays_in_their_clusters(world: World) -> None:
    bound = replace(world, follow=1.0, drift=0.0)
    done = ran(bound, ONE["paper"])
    clusters = done._pool.topics[: done._pool.size] // bound.topics
    assert set(clusters.tolist()) == set(clusters[:SEEDS].tolist())
    free = ran(replace(bound, follow=0.0), ONE["paper"])
    assert set((free._pool.topics[: free._pool.size] // bound.topics).tolist()) > set(clusters[:SEEDS].tolist())


def test_spread_shows_rare_cells_as_often_as_crowded_ones(world: World) -> None:
    done = ran(world, ONE["paper"])
    pool = done._pool
    shown = pool.by_cells(SEEDS, pool.size, (2_000, 6)).ravel()
    assert SEEDS <= shown.min() <= shown.max() < pool.size
    sizes, counts = np.bincount(pool.cells[SEEDS : pool.size]), np.bincount(pool.cells[shown])
    assert set(np.flatnonzero(counts)) == set(np.flatnonzero(sizes))
    crowded, rare = counts[sizes > 20], counts[: len(sizes)][(sizes > 0) & (sizes <= 2)]
    assert len(crowded) > 20
    assert len(rare) > 20
    assert crowded.mean() == pytest.approx(rare.mean(), rel=0.1)


def test_each_document_is_used_once_and_then_paper_stands_in(world: World) -> None:
    done = ran(world, ONE["document"])
    sums = {name: sum((of[name] for of in done.brought if of), Brought()) for name in STRATEGIES}
    assert sums["document"].requests == world.documents
    assert sums["paper"].requests > 0


def test_the_controller_keeps_the_floors_and_goes_where_more_comes_from(world: World) -> None:
    cheap = replace(world, tokens={**world.tokens, "query": 3}, query_zipf=0.0)
    done = ran(cheap, Policy("auto", None))
    assert all(min(shares.values()) >= float(FLOOR) for shares in done.shares[1:])
    assert max(done.shares[-1], key=lambda name: done.shares[-1][name]) == "query"
