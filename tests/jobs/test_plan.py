"""Knowing beforehand: the forecast held against what happened, and the command on a run."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.main import main
from selfinstruct.records import Table
from selfinstruct.run.forecast import Curve, Sizes, Yield
from selfinstruct.storage.blobs import open_blobs
from selfinstruct.storage.store import RunStore
from selfinstruct.storage.timings import Timing, read_timings

SCALE = Path(__file__).parents[2] / "docs/bench/scale.json"


@pytest.mark.parametrize(("share", "most"), [(0.05, 0.02), (0.1, 0.02), (0.3, 0.01)])
def test_the_rest_of_a_run_of_a_million_is_known_from_its_beginning(share: float, most: float) -> None:
    """A back-test on the measured rounds of docs/scale.md: candidates still to come, and the last acceptance."""
    rounds = json.loads(SCALE.read_text())["rounds"]
    given_, end = rounds[0]["pool"], rounds[-1]["pool"]
    yields = [Yield(r["pool"] - r["accepted"] - given_, r["candidates"], r["accepted"]) for r in rounds[1:]]
    known = [each for each in yields if each.pool + each.accepted <= share * (end - given_)]
    rest = yields[len(known) :]
    forecast = Curve(known).forecast(rest[0].pool, end - given_, Sizes(16, 2048, given_, 8))
    assert forecast.candidates.middle == pytest.approx(sum(each.candidates for each in rest), rel=most)
    last = sum(each.accepted for each in rest[-10:]) / sum(each.candidates for each in rest[-10:])
    assert forecast.final_rate.middle == pytest.approx(last, abs=0.01)


@given(st.floats(0.5, 3), st.floats(-0.3, -0.05), st.integers(0, 1000))
def test_the_curve_finds_what_made_the_rounds(alpha: float, beta: float, seed: int) -> None:
    draw, pool, yields = np.random.default_rng(seed), 0, []
    for _ in range(30):
        rate = 1 / (1 + np.exp(-alpha - beta * np.log1p(pool)))
        accepted = int(draw.binomial(5000, rate))
        yields.append(Yield(pool, 5000, accepted))
        pool += accepted
    truth = 1 / (1 + np.exp(-alpha - beta * np.log1p(5 * pool)))
    assert Curve(yields).rate(5 * pool) == pytest.approx(truth, abs=0.03)


@pytest.mark.parametrize("accepted", [0, 100])
def test_rounds_that_accept_nothing_or_everything_are_fitted_too(accepted: int) -> None:
    curve = Curve([Yield(100 * at, 100, accepted) for at in range(5)])
    assert curve.rate(1000) == pytest.approx(accepted / 100, abs=0.05)


def test_two_rounds_are_too_few() -> None:
    with pytest.raises(ValueError, match="has 2 rounds, and three are needed"):
        Curve([Yield(0, 10, 5), Yield(5, 10, 5)])


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of some rounds on Ray."""
    folder = tmp_path_factory.mktemp("plan") / "run"
    options = ["--engine", "template", "--target", "300", "--replicas", "1", "--shards", "1", "--rounds.most", "16"]
    assert main(["generate", "--out", str(folder), *options]) == 0
    return folder


def test_a_plan_of_a_run(begun: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", str(begun), "--target", "3000", "--replicas", "4", "--price", "2", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)["figures"]
    timings = read_timings(open_blobs(str(begun)))
    last = len(timings) - 1
    assert [each.round for each in timings] == [*range(1, last + 1), last]  # and what was labelled after the last one
    assert {(each.target, each.gpus, each.price) for each in timings} == {(300, 0, None)}
    total = RunStore(str(begun)).totals()
    tokens = sum(total[table]["tokens.completion"] for table in (Table.PROPOSALS, Table.LABELS))
    assert sum(each.completion_tokens for each in timings) >= tokens  # a round under way at the end is not written
    assert plan["propose requests"]["middle"] == 16 * plan["rounds"]["middle"]
    assert plan["money"]["middle"] == pytest.approx(2 * plan["replica hours"]["middle"])
    assert plan["hours with 4 replicas"]["middle"] == pytest.approx(plan["replica hours"]["middle"] / 4)
    written = sum(each.completion_tokens for each in timings) / sum(each.replica_seconds for each in timings)
    assert plan["replica hours"]["middle"] == pytest.approx(plan["tokens written"]["middle"] / written / 3600)

    assert main(["plan", str(begun), "--target", "3000"]) == 0
    assert "acceptance is" in capsys.readouterr().out
    assert main(["plan", str(begun), "--target", "30"]) == 2
    assert "accepted instructions already" in capsys.readouterr().err


def test_timings_are_best_effort(tmp_path: Path) -> None:
    blobs = open_blobs(str(tmp_path))
    blobs.put("timings/000001.json", b"{broken")
    blobs.put("timings/000002.json", b'{"round": 2}')
    timing = Timing(3, 1, 2, 3, 4, 5)
    blobs.put("timings/000003.json", json.dumps(asdict(timing)).encode())
    assert read_timings(blobs) == [timing]
