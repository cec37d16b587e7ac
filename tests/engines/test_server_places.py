"""Which of several servers the next request goes to: rules over counts, without any server."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfinstruct.engines.places import Place, Servers


def filled(servers: Servers) -> list[Place]:
    places = []
    while place := servers.place():
        places.append(place)
    return places


def counts(places: list[Place]) -> Counter[str]:
    return Counter(place.server.address for place in places)


def test_requests_are_shared_out_evenly_up_to_the_bound() -> None:
    servers = Servers(["a", "b", "c"], 4)
    some = [servers.place() for _ in range(6)]
    assert counts([place for place in some if place]) == {"a": 2, "b": 2, "c": 2}
    filled(servers)
    assert servers.place() is None


def test_a_server_that_answers_gets_the_next_request() -> None:
    servers = Servers(["slow", "fast"], 4)
    for place in filled(servers):
        if place.server.address == "fast":
            servers.left(place)
            assert counts(filled(servers)) == {"fast": 1}


def test_what_a_server_failed_goes_to_another_one_and_the_next_ones_do_not_go_there() -> None:
    servers = Servers(["gone", "well"], 2)
    places = filled(servers)
    for place in places:
        if place.server.address == "gone":
            servers.failed(place)
    assert counts(places) == {"well": 4}
    (probe,) = filled(servers)
    assert probe.server.address == "gone"
    assert servers.place() is None


def test_a_server_that_is_back_is_asked_as_before() -> None:
    servers = Servers(["gone", "well"], 2)
    places = filled(servers)
    for place in places:
        if place.server.address == "gone":
            servers.failed(place)
    (probe,) = filled(servers)
    servers.answered(probe)
    for place in [*places, probe]:
        servers.left(place)
    assert counts(filled(servers)) == {"gone": 2, "well": 2}


def test_the_only_server_is_asked_as_much_as_before_it_failed() -> None:
    servers = Servers(["only"], 3)
    (first, *_) = filled(servers)
    servers.failed(first)
    assert first.server.address == "only"
    assert servers.place() is None
    servers.left(first)
    assert servers.place() is not None


@given(st.lists(st.tuples(st.sampled_from(["place", "answered", "failed", "left"]), st.integers(0, 30)), max_size=80))
@pytest.mark.parametrize("count", [1, 3])
def test_counts_are_those_of_the_places_that_are_held(count: int, steps: list[tuple[str, int]]) -> None:
    servers, held = Servers([str(number) for number in range(count)], 3), []
    for step, number in steps:
        if step == "place":
            place = servers.place()
            held += [place] if place else []
        elif held:
            place = held[number % len(held)]
            getattr(servers, step)(place)
            held = [each for each in held if step != "left" or each is not place]
        for place in held:
            assert place.server.under_way == counts(held)[place.server.address]
    for place in held:
        servers.left(place)
        servers.answered(place)
    assert len(filled(servers)) >= 3
