"""A run on a real S3 server that fails, is slow, and loses answers (tests/tools/chaos/store.py)."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest

from selfinstruct.errors import FailureError, HeldError, InputError
from selfinstruct.storage.blobs import open_blobs
from selfinstruct.storage.store import RunStore
from selfinstruct.storage.verify import digest, verify
from tests.tools.chaos.cluster import environment
from tests.tools.chaos.store import FATES, Proxy, dealt, served
from tests.tools.simulator.whole import whole_run


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with served() as (proxy, variables), environment(**variables):
        yield proxy


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> str:
    return digest(whole_run(str(tmp_path_factory.mktemp("expected"))))


def one_life(url: str) -> str:
    """What came of it."""
    try:
        whole_run(url)
    except HeldError:
        return "held"
    except (FailureError, InputError):  # an input error while it is proved that the store can be written
        return "failed"
    return "finished"


@pytest.mark.parametrize("seed", range(3))
def test_a_store_that_fails_costs_time_and_nothing_else(proxy: Proxy, expected: str, seed: int) -> None:
    proxy.fate = dealt(seed)
    lives = [one_life(proxy.url)]
    while lives[-1] != "finished":
        assert len(lives) < 20, lives
        lives.append(one_life(proxy.url))
    assert all(proxy.befell[name] for name in FATES), proxy.befell
    proxy.fate = lambda method, path: ""
    assert verify(RunStore(proxy.url)) == []
    assert digest(RunStore(proxy.url)) == expected


@pytest.mark.parametrize("loss", ["answer lost", "answered 500"])
@pytest.mark.parametrize("table", ["proposals", "candidates", "labels", "instances"])
def test_a_put_that_landed_and_whose_answer_was_lost_is_our_own(
    proxy: Proxy, expected: str, loss: str, table: str
) -> None:
    numbers = count()

    def fate(method: str, path: str) -> str:
        return loss if method == "PUT" and f"/{table}/000001" in path and next(numbers) == 0 else ""

    proxy.fate = fate
    assert one_life(proxy.url) == "finished"
    assert proxy.befell[loss] == 1
    assert digest(RunStore(proxy.url)) == expected


@pytest.mark.parametrize("seed", range(2))
def test_of_two_drivers_racing_on_a_failing_store_one_goes_on(proxy: Proxy, expected: str, seed: int) -> None:
    proxy.fate = dealt(seed)
    with ThreadPoolExecutor(2) as pool:
        ends = list(pool.map(one_life, [proxy.url, proxy.url]))
    proxy.fate = lambda method, path: ""
    assert verify(RunStore(proxy.url)) == []
    assert "finished" in ends or one_life(proxy.url) == "finished", ends
    assert digest(RunStore(proxy.url)) == expected


def test_reads_that_fail_are_asked_again(proxy: Proxy, expected: str) -> None:
    whole_run(proxy.url)
    proxy.fate = dealt(1, {"503": 4, "lost": 1})
    assert digest(RunStore(proxy.url)) == expected
    assert open_blobs(proxy.url).exists("candidates/000000.parquet")
    assert proxy.befell["503"] >= 2
