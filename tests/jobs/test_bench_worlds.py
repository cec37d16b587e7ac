"""The simulated worlds of `bench yield`."""

from __future__ import annotations

from jobs.bench.worlds import FILE, LEAST_TOPICS, drawn, read_worlds, text_of


def test_the_committed_worlds_are_those_that_were_drawn() -> None:
    assert FILE.read_text(encoding="utf-8") == text_of(drawn("held"))


def test_worlds_are_large_and_differ() -> None:
    worlds = read_worlds()
    assert len({world.name for world in worlds}) == len({world.follow for world in worlds}) == 10
    assert all(world.clusters * world.topics >= LEAST_TOPICS for world in worlds)


def test_worlds_for_tuning_are_others() -> None:
    assert not {world.seed for world in read_worlds()} & {world.seed for world in drawn("tuning")}
