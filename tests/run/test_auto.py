"""Runs whose mix of strategies follows what each of them brings."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import selfinstruct
from jobs.main import main
from selfinstruct.errors import InputError
from selfinstruct.records import Table
from selfinstruct.run.bringing import MIX, TOLD, brought_by, lines_of, moved
from selfinstruct.steps.strategies.control import FLOOR, WINDOW, Brought, shares_of
from selfinstruct.storage.store import RunStore

AUTO = {"paper": 0.4, "query": 0.3, "evolve": 0.3, "auto": True}


def make(folder: Path, target: int = 400, **options: Any) -> RunStore:
    """A run of the template engine in this process."""
    rounds = {"least": 8, "most": 12, "max_failed": 1.0}
    given = {"engine": "template", "target": target, "replicas": 0, "rounds": rounds, "prompts": "chat"} | options
    selfinstruct.generate(str(folder), **{"strategies": AUTO, **given})
    return RunStore(str(folder))


def contents(store: RunStore) -> dict[tuple[Table, int], str]:
    return {(table, number): store.metadata(table, number).content for table in Table for number in store.rounds(table)}


def mixes(store: RunStore) -> list[dict[str, Any]]:
    return [store.metadata(Table.PROPOSALS, number).notes[MIX] for number in store.rounds(Table.PROPOSALS)]


def brought_in(store: RunStore, number: int) -> dict[str, Brought]:
    """What a round's files say that each strategy brought."""
    found = {name: Brought() for name in ("paper", "query", "evolve")}
    proposals = {row.request_id: row for row in store.read(Table.PROPOSALS, number).rows}
    for row in proposals.values():
        found[row.strategy] += Brought(requests=1, tokens=row.completion_tokens)
    for row in store.read(Table.CANDIDATES, number).rows:
        found[proposals[row.request_id].strategy] += Brought(accepted=row.accepted, distinct=row.accepted)
    return found


def test_the_mix_begins_as_the_recipe_says_and_follows_the_files(tmp_path: Path) -> None:
    store = make(tmp_path / "run")
    told = mixes(store)
    given = {"paper": 0.4, "query": 0.3, "evolve": 0.3}
    assert [mix["shares"] for mix in told[:6]] == [given] * 6  # nothing is known before round 7 looks back to round 1
    assert all(mix["shares"] != given for mix in told[6:])
    for mix in told:
        assert sum(mix["shares"].values()) == pytest.approx(1, abs=1e-3)
        assert min(mix["shares"].values()) >= float(FLOOR)
    for number, mix in list(enumerate(told, 1))[6:]:
        rounds = [brought_in(store, each) for each in range(max(1, number - 6 - WINDOW + 1), number - 6 + 1)]
        shares = shares_of({name: sum((each[name] for each in rounds), Brought()) for name in mix["shares"]})
        assert mix["shares"] == {name: round(float(share), 4) for name, share in shares.items()}


@pytest.mark.parametrize("more", [{}, {"feedback": {"lookback": 3}}], ids=["", "sooner"])
def test_a_run_in_parts_is_the_same_as_a_whole_one(tmp_path: Path, more: dict[str, Any]) -> None:
    whole = make(tmp_path / "whole", **more)
    for target in (20, 90, 150, 260, 400):
        parts = make(tmp_path / "parts", target, **more)
    assert contents(parts) == contents(whole)
    assert mixes(parts) == mixes(whole)


def test_the_mix_is_the_same_on_any_number_of_replicas_and_shards(tmp_path: Path) -> None:
    options = {"strategies": {**AUTO, "judged": True}, "check": {"rubric": "chat"}, "semantic": {"measure": True}}
    alone = make(tmp_path / "alone", 150, **options)
    spread = make(tmp_path / "spread", 150, **options, replicas=4, shards=3)
    assert contents(spread) == contents(alone)
    assert mixes(spread) == mixes(alone)


def test_another_lookback_is_another_run(tmp_path: Path) -> None:
    make(tmp_path / "run", 60)
    with pytest.raises(InputError, match=r"feedback\.lookback: the run has"):
        make(tmp_path / "run", 90, feedback={"lookback": 3})


def test_a_check_counts_where_the_recipe_says_so(tmp_path: Path) -> None:
    judged = {"strategies": {**AUTO, "judged": True}, "check": {"rubric": "chat"}}
    whole = make(tmp_path / "whole", **judged)
    for target in (90, 260, 400):
        parts = make(tmp_path / "parts", target, **judged)
    assert contents(parts) == contents(whole)
    unjudged = make(tmp_path / "unjudged", check={"rubric": "chat"})
    assert mixes(whole)[-1]["worth"] != mixes(unjudged)[-1]["worth"]


@pytest.mark.parametrize(
    ("strategies", "problem"),
    [
        ({"auto": True}, r"strategies\.auto: has no more than one strategy"),
        ({"paper": 0.5, "query": 0.5, "judged": True}, r"strategies\.judged: is about what strategies\.auto follows"),
        ({**AUTO, "judged": True}, r"strategies\.judged: the run has no check of its own"),
    ],
    ids=["one", "judged alone", "no check"],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, strategies: dict[str, Any], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        make(tmp_path / "run", strategies=strategies)


# ---- what each strategy brings


def test_each_strategys_yield_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = make(tmp_path / "run", 200)
    requests, tokens, accepted = Counter[str](), Counter[str](), Counter[str]()
    for number in store.rounds(Table.PROPOSALS):
        strategies = {}
        for row in store.read(Table.PROPOSALS, number).rows:
            strategies[row.request_id] = row.strategy
            requests[row.strategy] += 1
            tokens[row.strategy] += row.completion_tokens
        for row in store.read(Table.CANDIDATES, number).rows:
            accepted[strategies[row.request_id]] += row.accepted
    found = brought_by(store)
    assert {name: (each.requests, each.tokens, each.accepted) for name, each in found.items()} == {
        name: (requests[name], tokens[name], accepted[name]) for name in requests
    }
    for command in (["status"], ["plan", "--target", "1000"]):
        capsys.readouterr()
        assert main([command[0], str(tmp_path / "run"), *command[1:]]) == 0
        printed = capsys.readouterr().out
        assert all(line in printed for line in lines_of(found))
        assert main([command[0], str(tmp_path / "run"), *command[1:], "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["figures"]["strategies"]["query"]["accepted"] == accepted["query"]


def memory(run: Path, capsys: pytest.CaptureFixture[str]) -> float:
    capsys.readouterr()
    assert main(["plan", str(run), "--target", "1000", "--json"]) == 0
    return float(json.loads(capsys.readouterr().out)["figures"]["memory of all shards, GiB"]["middle"])


def test_where_rows_are_measured_the_distinct_ones_are_told_and_followed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = make(tmp_path / "run", 200, semantic={"measure": True, "cosine": 0.6})
    found = brought_by(store)
    assert all(each.cells is not None and 0 < each.cells <= each.accepted for each in found.values())
    assert sum(each.distinct or 0 for each in found.values()) < sum(each.accepted for each in found.values())
    plain = make(tmp_path / "plain", 200)
    assert contents(store) != contents(plain)
    assert memory(tmp_path / "run", capsys) > 1.1 * memory(tmp_path / "plain", capsys)  # of shards that hold vectors


def test_a_run_of_one_strategy_tells_nothing_of_strategies(tmp_path: Path) -> None:
    store = make(tmp_path / "run", 30, strategies={"paper": 1})
    assert brought_by(store) == {}
    assert MIX not in store.metadata(Table.PROPOSALS, 1).notes


def test_the_log_says_why_the_mix_moved(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    recipe = tmp_path / "auto.yaml"
    recipe.write_text("version: 1\nstrategies: {paper: 0.4, query: 0.3, evolve: 0.3, auto: true}\n")
    rounds = ["--rounds.least", "8", "--rounds.most", "12"]
    options = ["--recipe", str(recipe), "--prompts", "chat", "--engine", "template", "--target", "400", *rounds]
    assert main(["generate", "--out", str(tmp_path / "run"), "--replicas", "0", *options]) == 0
    lines = [line for line in capfd.readouterr().err.splitlines() if line.startswith("mix: ")]
    told = mixes(RunStore(str(tmp_path / "run")))
    assert lines
    assert lines[0] == next(line for mix in told if (line := moved(told[0], mix)))


def test_small_moves_are_not_told() -> None:
    before = {"shares": {"paper": 0.5, "query": 0.5}, "worth": {"paper": 3.0, "query": 3.0}}
    near = {"shares": {"paper": 0.5 + TOLD / 2, "query": 0.5 - TOLD / 2}, "worth": {"paper": 3.1, "query": 3.0}}
    far = {"shares": {"paper": 0.7, "query": 0.3}, "worth": {"paper": 4.0, "query": 2.0}}
    assert moved(None, far) == moved(before, near) == ""
    assert moved(before, far) == (
        "mix: paper 50% -> 70% (4.0), query 50% -> 30% (2.0); in brackets what 1,000 tokens of it have brought"
    )
