"""A few real kills; `make chaos` does hundreds (tests/tools/chaos)."""

from __future__ import annotations

import json
import math
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from selfinstruct.storage.store import RunStore
from selfinstruct.storage.verify import digest
from tests.tools.chaos import cluster, single
from tests.tools.chaos.report import bound, headline, markdown, table
from tests.tools.simulator.whole import whole_run


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder with a short name, for Ray's sockets."""
    with tempfile.TemporaryDirectory(prefix="ch", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def test_a_process_that_is_killed_again_and_again_loses_nothing(place: Path) -> None:
    outcome = single.campaign(place, kills=8, seed=100)
    assert outcome.failed == []
    assert outcome.kills >= 8
    assert max(outcome.lost) <= outcome.kills * (2 * single.IN_FLIGHT + 20)


def test_kills_amid_long_rounds_cost_a_segment_each_at_most(place: Path) -> None:
    outcome = single.campaign(place, kills=6, seed=102, shape=single.LONG)
    assert outcome.failed == []
    assert sum(outcome.lost) <= outcome.kills * (single.LONG.pace.answers + single.IN_FLIGHT)


@pytest.mark.parametrize("shape", [single.CHECKED, single.JUDGED], ids=lambda shape: shape.check)
def test_a_check_that_is_killed_judges_each_instance_once(place: Path, shape: single.Shape) -> None:
    outcome = single.campaign(place, kills=5, seed=103, shape=shape)
    assert outcome.failed == []
    assert outcome.kills >= 5


@pytest.mark.parametrize("shape", [single.LONG, single.LOSING], ids=lambda shape: shape.name)
def test_a_driver_that_is_killed_near_the_end_of_a_round(place: Path, shape: single.Shape) -> None:
    folder, log, context = str(place / "run"), place / "log", single.started()
    for most, code in ((single.LONG.least - 8, -signal.SIGKILL), (math.inf, 0)):
        life = context.Process(target=single.live, args=(shape, folder, str(log), 1, None, False, most))
        life.start()
        life.join()
        assert life.exitcode == code
    again = single.asked_again(log)
    if shape is single.LONG:
        assert again <= shape.pace.answers + single.IN_FLIGHT
    else:
        assert again >= shape.least - 8
    assert digest(RunStore(folder)) == digest(whole_run(str(place / "whole"), shape.target, least=shape.least))


def test_parts_of_a_cluster_that_are_killed_lose_nothing(place: Path) -> None:
    harms = ("replica", "shard", "node", "driver")
    outcome = cluster.campaign(place, kills=4, seed=101, harms=dict.fromkeys(harms, 1))
    assert outcome.failed == []
    assert outcome.by_kind == dict.fromkeys(harms, 1)


def test_the_documents_and_the_report_have_the_figures_of_the_committed_campaign() -> None:
    root = Path(__file__).parents[2]
    figures = json.loads((root / "docs/bench/chaos.json").read_text())
    document = (root / "docs/operate.md").read_text(encoding="utf-8")
    assert headline(figures) in document
    assert "\n".join(table(figures)) in document
    assert (root / "docs/chaos.md").read_text(encoding="utf-8") == markdown(figures)
    assert figures["failures"] == 0
    assert figures["kills"] >= 300


def test_the_bound_is_that_of_clopper_and_pearson() -> None:
    assert bound(0, 300) == pytest.approx(1 - 0.05 ** (1 / 300))
    assert bound(1, 10) == pytest.approx(0.3942, abs=1e-4)
