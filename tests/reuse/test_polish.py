"""A run's outputs written anew by another model: what stays, what changes, kills, and where rows say they come from."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from jobs.main import main
from selfinstruct.records import InstanceRow, Judgement, Kind, Label, Reason, Table
from selfinstruct.steps.judging import overall
from selfinstruct.storage.checks import the_check
from selfinstruct.storage.store import RunStore
from selfinstruct.storage.verify import digest, verify
from tests.tools.kills import killed_at

POLISHER = ("--engine", "template", "--template.cut_rate", "0.04", "--replicas", "0")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "run"
    command = ["generate", "--out", str(out), "--engine", "template", "--replicas", "0", "--target", "90"]
    assert main([*command, "--rounds.least", "2", "--rounds.most", "4"]) == 0
    return out


@pytest.fixture(scope="module")
def polished(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("polished") / "run"
    assert main(["polish", str(run), "--out", str(out), *POLISHER]) == 0
    return out


def rows(run: Path, table: Table) -> list[Any]:
    store = RunStore(str(run))
    return [row for number in store.rounds(table) if number > 0 for row in store.read(table, number).rows]


def test_what_was_accepted_is_answered_again_and_nothing_else_changes(run: Path, polished: Path) -> None:
    assert verify(RunStore(str(polished))) == []
    for table in (Table.PROPOSALS, Table.CANDIDATES):
        assert rows(polished, table) == rows(run, table)
    before: list[InstanceRow] = rows(run, Table.INSTANCES)
    after: list[InstanceRow] = rows(polished, Table.INSTANCES)
    kept = ("id", "instruction", "instruction_id", "input", "is_classification", "origin", "round")
    assert [[getattr(row, name) for name in kept] for row in before] == [
        [getattr(row, name) for name in kept] for row in after
    ]
    assert [row for row in before if not row.accepted] == [
        new for old, new in zip(before, after, strict=True) if not old.accepted
    ]
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old.accepted]
    assert sum(old.output != new.output for old, new in changed) > len(changed) / 4
    assert {new.reason for _, new in changed} >= {None, Reason.CUT_BY_LENGTH, Reason.ENDS_WITH_COLON}
    assert any(new.thought for _, new in changed if new.accepted)
    assert not [new for _, new in changed if "think>" in new.output]


def test_its_labels_have_the_old_answers_and_the_new(run: Path, polished: Path) -> None:
    labels: list[Label] = rows(polished, Table.LABELS)
    assert [row for row in labels if row.kind is not Kind.POLISH] == rows(run, Table.LABELS)
    accepted = [row.id for row in rows(run, Table.INSTANCES) if row.accepted]
    asked = [row.request_id for row in labels if row.kind is Kind.POLISH]
    assert sorted(asked) == sorted(f"{id}/polish" for id in accepted)
    facts = RunStore(str(polished)).metadata(Table.CANDIDATES, 0).facts
    assert facts["polisher.engine"] == facts["proposer.engine"] == "template"
    assert facts["origin"]["command"] == "polish"


def test_only_what_failed_a_check_is_answered_again(run: Path, tmp_path: Path) -> None:
    judged, out = tmp_path / "judged", tmp_path / "new"
    shutil.copytree(run, judged)
    assert main(["check", str(judged), "--engine", "template", "--replicas", "0"]) == 0
    check = the_check(RunStore(str(judged)))
    failed = {row.id for at in check.rounds() for row in check.read(at) if overall(row.judgements) == Judgement.NO}
    assert failed
    command = ["polish", str(judged), "--out", str(out), "--only", "checks.all == no", "--draft", *POLISHER]
    assert main(command) == 0
    asked = {row.request_id.removesuffix("/polish") for row in rows(out, Table.LABELS) if row.kind is Kind.POLISH}
    assert asked == failed
    for old, new in zip(rows(run, Table.INSTANCES), rows(out, Table.INSTANCES), strict=True):
        assert new == old or old.id in failed
    licences = ["--license", "mit", "--validation", "0"]
    assert main(["export", str(out), "--out", str(tmp_path / "set"), *licences]) == 0
    exported = pq.read_table(tmp_path / "set" / "messages").to_pylist()
    assert {row["id"] for row in exported if row["polisher"]} == failed & {row["id"] for row in exported}
    assert {row["polisher"] for row in exported} == {None, "selfinstruct-template"}
    assert {row["labeller"] for row in exported} == {"selfinstruct-template"}
    card = (tmp_path / "set" / "README.md").read_text()
    assert f"Model that wrote {len(failed)} outputs anew, and was shown the old one: `selfinstruct-template`" in card
    for command in (
        ["check", str(out), "--engine", "template", "--replicas", "0"],
        ["report", str(out), "--out", str(tmp_path / "page.html")],
        ["status", str(out)],
        ["show", str(out), sorted(failed)[0]],
        ["verify", str(out)],
    ):
        assert main(command) == 0, command


def test_killed_again_and_again_it_ends_the_same(run: Path, polished: Path, tmp_path: Path) -> None:
    out = tmp_path / "killed"
    command = ["polish", str(run), "--out", str(out), *POLISHER]
    slow = ["--template.latency", "0.4", "--template.batch", "8", "--in_flight", "16"]
    assert killed_at([*command, *slow], out, (2, 4, 7, 11)) >= 2
    assert main(command) == 0
    assert verify(RunStore(str(out))) == []
    assert digest(RunStore(str(out))) == digest(RunStore(str(polished)))


def test_what_an_interrupted_life_was_told_is_not_asked_again(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "ended"
    command = [sys.executable, "-m", "jobs.main", "polish", str(run), "--out", str(out), *POLISHER]
    slow = ["--template.latency", "0.3", "--template.batch", "4", "--in_flight", "8"]
    driver = subprocess.Popen([*command, *slow], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    while driver.poll() is None and not (out / "instances" / "000001.parquet").exists():
        time.sleep(0.02)  # batches reach over the ends of rounds
    driver.send_signal(signal.SIGTERM)
    assert driver.stderr is not None
    said = driver.stderr.read()
    assert driver.wait() == 128 + signal.SIGTERM
    assert "answers of rounds under way are kept" in said or "answer of rounds under way is kept" in said
    assert main(["polish", str(run), "--out", str(out), *POLISHER]) == 0
    assert not list((out / "pending").glob("*"))


def test_what_cannot_be_is_refused(
    run: Path, polished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*command: str) -> str:
        assert main(list(command)) == 2, command
        return capsys.readouterr().err

    out = str(tmp_path / "new")
    assert "is the run itself" in refused("polish", str(run), "--out", str(run), *POLISHER)
    assert "'base' has no polish.toml, and polish asks chat models" in refused(
        "polish", str(run), "--out", out, "--prompts", "base", *POLISHER
    )
    assert "nothing of it was checked yet" in refused(
        "polish", str(run), "--out", out, "--only", "checks.all == no", *POLISHER
    )
    assert "polish.draft: the run has False, this command True" in refused(
        "polish", str(run), "--out", str(polished), "--draft", *POLISHER
    )
    assert "reparse the run that it was made from" in refused("reparse", str(polished), "--out", out)
    assert not list(Path(out).rglob("*.parquet"))


def test_merged_with_another_run_it_is_known_as_polished(
    run: Path, polished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other, both = tmp_path / "other", tmp_path / "both"
    command = ["generate", "--out", str(other), "--engine", "template", "--prompts", "chat", "--replicas", "0"]
    command += ["--target", "20", "--seed", "9", "--rounds.least", "2", "--label.as", "answer"]
    assert main(command) == main(["merge", str(polished), str(other), "--out", str(both)]) == 0
    assert not RunStore(str(both)).totals()[Table.INSTANCES]["unreadable"]
    licences = ["--license", "mit", "--validation", "0"]
    assert main(["export", str(both), "--out", str(tmp_path / "set"), *licences]) == 0
    first = len(RunStore(str(run)).rounds(Table.INSTANCES))
    exported = pq.read_table(tmp_path / "set" / "default").to_pylist()
    assert {(row["round"] < first, row["polisher"]) for row in exported} == {
        (True, "selfinstruct-template"),
        (False, None),
    }
    capsys.readouterr()
    assert main(["reparse", str(both), "--out", str(tmp_path / "again")]) == 2
    assert "reparse the run that it was made from" in capsys.readouterr().err
