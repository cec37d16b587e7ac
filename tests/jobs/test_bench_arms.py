"""Ways to ask side by side: equal tokens, ordinary runs, and figures that are those of the files."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from jobs.bench.arms import Growth, halves
from jobs.bench.repeats import detectable, difference, over_seeds
from jobs.bench.shared import ClosedError, shared
from jobs.bench.side_by_side import brought
from jobs.main import main
from selfinstruct.errors import FailureError
from selfinstruct.face import generate
from selfinstruct.records import Completion, Finish, Kind, Request, Table
from selfinstruct.semantic.table import shipped_table
from selfinstruct.sources.seeds import SEED_TASKS, load_seeds
from selfinstruct.storage.store import open_run
from selfinstruct.storage.verify import verify


def bench(work: Path, *options: str) -> dict[str, Any]:
    few = ["--engine", "template", "--model", "grammar", "--repeats", "2", "--work", str(work), "--out", str(work)]
    assert main(["bench", "yield", *few, *options]) == 0
    found: dict[str, Any] = json.loads((work / "yield-model.json").read_text())
    return found


def files(work: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in work.rglob("*.parquet") if "pending" not in path.parts}


def test_arms_are_ordinary_runs_that_go_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    two = ("--arms", "paper", "query")
    first = bench(tmp_path, *two, "--tokens", "600", "--slice", "300")
    before = files(tmp_path)
    again = bench(tmp_path, *two, "--tokens", "600")
    assert {**again, "settings": None} == {**first, "settings": None}
    assert files(tmp_path) == before
    further = bench(tmp_path, *two, "--tokens", "1200")
    after = files(tmp_path)
    assert before.items() < after.items()
    assert 600 <= first["tokens"] < 1200 <= further["tokens"]
    for arm in ("paper", "query"):
        for seed in range(2):
            store = open_run(str(tmp_path / f"{arm}-{seed}"))
            assert verify(store) == []
            run, counted = store.totals(), further["runs"][f"{arm}-{seed}"]
            assert counted["proposing"] == run[Table.PROPOSALS]["tokens.completion"]
            assert counted["labelling"] == run[Table.LABELS]["tokens.completion"]
            assert counted["accepted"] == run[Table.CANDIDATES]["accepted"]
    rows = further["arms"]["query"]["rows"]
    assert rows["mean"] == pytest.approx(
        further["arms"]["query"]["valid"]["mean"] * further["arms"]["query"]["distinct_share"]["mean"], rel=0.05
    )
    assert rows["interval"][0] < rows["mean"] < rows["interval"][1]
    assert 0 < further["arms"]["query"]["reach"]["mean"] < 1
    assert further["against"]["query against paper"]["rows"]["verdict"] in ("more", "less", "no verdict")
    said = capsys.readouterr().out
    assert f"{further['tokens']:,} generated tokens of each arm" in said
    assert "with this spread a difference of" in said


def test_half_of_the_seed_tasks_is_never_shown(tmp_path: Path) -> None:
    shown, held_out = halves(load_seeds(SEED_TASKS))
    assert len(held_out) == 100
    assert not {each.id for each in shown} & {each.id for each in held_out}
    bench(tmp_path, "--arms", "paper", "evolve", "--tokens", "300")
    ids = set()
    for arm in ("paper-0", "paper-1", "evolve-0", "evolve-1"):
        store = open_run(str(tmp_path / arm))
        for number in store.rounds(Table.PROPOSALS):
            for row in store.read_columns(Table.PROPOSALS, number, ["demonstrations"]).to_pylist():
                ids.update(row["demonstrations"])
    seeds = {id.removeprefix("seed/") for id in ids if id.startswith("seed/")}
    assert seeds
    assert seeds <= {each.id for each in shown}


def test_an_arm_gives_what_a_run_alone_gives(tmp_path: Path) -> None:
    """Other runs under way in the same engine change nothing."""
    bench(tmp_path, "--arms", "paper", "query", "evolve", "--tokens", "400")
    beside = open_run(str(tmp_path / "evolve-1"))
    rounds = {"lag": 1, "label_lag": 1, "least": 8, "most": 8}
    generate(
        tmp_path / "alone",
        engine="template",
        prompts="chat",
        strategies={"paper": 0, "evolve": 1},
        seeds=tmp_path / "seeds.jsonl",
        seed=1,
        target=beside.totals()[Table.CANDIDATES]["accepted"],
        replicas=0,
        rounds=rounds,
    )
    store = open_run(str(tmp_path / "alone"))
    for table in Table:
        for number in beside.rounds(table):
            assert store.read_table(table, number) == beside.read_table(table, number)


def test_instructions_alone_cost_no_labels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = bench(tmp_path, "--arms", "query", "base-paper", "--tokens", "300", "--label", "none")
    for run in found["runs"].values():
        assert run["labelling"] == 0 < run["accepted"] == run["valid"]
    assert "valid: all of these, since nothing is labelled" in capsys.readouterr().out


def test_a_check_has_its_say(tmp_path: Path) -> None:
    found = bench(tmp_path, "--arms", "query", "--tokens", "400", "--check.rubric", "chat")["runs"]
    for name, run in found.items():
        assert 0 < run["valid"] < run["accepted"], name


def test_arms_that_there_are_not_and_evaluation_sets_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["bench", "yield", "--engine", "template", "--model", "grammar", "--work", str(tmp_path / "work")]
    assert main([*options, "--arms", "paper", "magpie"]) == 2
    assert "there is no 'magpie' (there are: paper, query" in capsys.readouterr().err
    assert main([*options, "--check.share", "0.5"]) == 2
    assert "check.share: is 0.5" in capsys.readouterr().err
    released = os.environ.get("SELFINSTRUCT_RELEASED_DATA")
    if released is None:
        pytest.skip("no released data")
    assert main([*options, "--seeds", str(Path(released, "user_oriented_instructions.jsonl"))]) == 2
    assert "in common with the paper's user tasks" in capsys.readouterr().err
    assert not (tmp_path / "work").exists()


# ---- figures


def growth(*rounds: tuple[int, int, Sequence[str]]) -> Growth:
    """Rounds of tokens for instructions, tokens for labels, and valid texts; as many again were accepted."""
    found = Growth([0], [0], [0], [0], [0], [])
    for proposing, labelling, texts in rounds:
        found.proposing.append(found.proposing[-1] + proposing)
        found.labelling.append(found.labelling[-1] + labelling)
        found.instructions.append(found.instructions[-1] + 3 * len(texts))
        found.accepted.append(found.accepted[-1] + 2 * len(texts))
        found.valid.append(found.valid[-1] + len(texts))
        found.texts.extend(texts)
    return found


TEXTS = ("Name three rivers in Europe.", "Write a poem about rust.", "Sort these numbers.", "Who was the first king?")


def test_figures_are_those_of_so_many_tokens() -> None:
    run = growth((60, 40, TEXTS[:2]), (50, 50, TEXTS[:2]), (10, 90, TEXTS[2:]))
    table = shipped_table()
    at = {tokens: brought(run, tokens, table, TEXTS[:1], 0.9) for tokens in (50, 100, 200, 250, 300)}
    assert at[100].valid == at[100].rows == pytest.approx(2 / 100 * 1e6)
    assert at[100].labelling == pytest.approx(0.4)
    assert at[100].valid_share == pytest.approx(0.5)
    assert (at[200].count, at[200].distinct_share) == (4, 0.5)  # the same two again
    assert at[250].rows == pytest.approx(3 / 250 * 1e6)  # half of the last round
    assert (at[300].count, at[300].distinct_share) == (6, pytest.approx(4 / 6))
    assert at[50].reach == pytest.approx(1.0)  # the first text is the reference
    nothing = brought(growth((50, 50, ())), 100, table, TEXTS[:1], 0.9)
    assert (nothing.rows, nothing.distinct_share, nothing.reach) == (0, None, None)


def test_differences_are_those_of_welch() -> None:
    these, those = [3.0, 5.0, 4.5], [1.0, 2.0, 6.0, 1.5]
    expected = stats.ttest_ind(these, those, equal_var=False).confidence_interval(0.95)
    found = difference(these, those)
    assert found.interval == pytest.approx((expected.low, expected.high))
    assert found.verdict == "no verdict"
    assert difference([9.0, 9.1, 8.9], [1.0, 1.1, 0.9]).verdict == "more"
    assert difference([1.0, 1.1, 0.9], [9.0, 9.1, 8.9]).verdict == "less"
    assert difference([1.0], [2.0]).verdict == "no verdict"
    assert difference([0.0, 0.0, 0.0], [2.0, 2.0, 2.0]).verdict == "no verdict"
    assert over_seeds([0.0, 0.0]).interval is detectable([0.0, 0.0]) is None
    assert over_seeds([4.0]).interval is None
    assert over_seeds([1.0, 2.0, 3.0]).interval == pytest.approx(stats.t.interval(0.95, 2, 2, 1 / 3**0.5))


def test_what_is_called_detectable_is_found_four_times_in_five() -> None:
    step = detectable([-1.0, 0.0, 1.0])
    assert step is not None
    draws = np.random.default_rng(1)
    verdicts = [
        difference(draws.normal(step, size=3).tolist(), draws.normal(size=3).tolist()).verdict for _ in range(800)
    ]
    assert 0.7 < verdicts.count("more") / 800 < 0.9


# ---- one engine for several runs


class Slow:
    """Completes one request a step, the newest first; fails at a request that says so."""

    def __init__(self) -> None:
        self._held: list[Request] = []

    def add(self, requests: Sequence[Request]) -> None:
        self._held += requests

    def step(self) -> list[Completion]:
        request = self._held.pop()
        if request.suffix == "fail":
            raise FailureError("the engine is gone")
        return [Completion(request.id, request.suffix, Finish.STOP, 1, 1)]


def request(id: str, suffix: str) -> Request:
    return Request(id, Kind.PROPOSE, suffix, 0)


def test_each_share_gets_its_own_completions() -> None:
    with shared(Slow(), ["a", "b"]) as (a, b):
        assert a.step() == []
        a.add([request("000001/00000", "one"), request("000001/00001", "two")])
        b.add([request("000001/00000", "three")])
        texts = {each.request_id: each.text for _ in range(2) for each in a.step()}
        assert texts == {"000001/00000": "one", "000001/00001": "two"}
        assert [(each.request_id, each.text) for each in b.step()] == [("000001/00000", "three")]
        assert b.step() == []


def test_a_failure_is_told_to_all_shares() -> None:
    with shared(Slow(), ["a", "b"]) as (a, b):
        b.add([request("1", "fail")])
        with pytest.raises(FailureError, match="is gone"):
            b.step()
        a.add([request("1", "waits")])
        with pytest.raises(FailureError, match="is gone"):
            a.step()


def test_whoever_still_waits_when_the_engine_is_closed_is_told() -> None:
    with shared(Slow(), ["a"]) as (a,):
        a.add([request("1", "waits")])
        assert a.step()
    a.add([request("2", "after")])
    with pytest.raises(ClosedError):
        a.step()


def test_the_document_has_the_figures_of_the_committed_bench() -> None:
    root = Path(__file__).parents[2]
    document = (root / "docs/diversity.md").read_text(encoding="utf-8")
    figures = json.loads((root / "docs/bench/yield-model.json").read_text())
    for arm, each in figures["arms"].items():
        low, high = each["rows"]["interval"]
        cells = [
            f"`{arm}`",
            f"{each['accepted']['mean']:,.0f}",
            f"{each['distinct_share']['mean']:.1%}",
            f"{each['rows']['mean']:,.0f} ({low:,.0f} to {high:,.0f})",
            f"{1e6 / each['rows']['mean']:,.0f}",
            f"{each['reach']['mean']:.3f}",
            f"{each['count']['mean']:.0f}",
        ]
        assert f"| {' | '.join(cells)} |" in document
    assert f"after {figures['tokens']:,} tokens" in document
    for found in (each["rows"] for each in figures["against"].values()):
        low, high = found["interval"]
        assert f"{found['mean']:+,.0f} ({low:+,.0f} to {high:+,.0f})" in document
        assert f"{found['detectable']:,.0f} would be found four times in five" in document
