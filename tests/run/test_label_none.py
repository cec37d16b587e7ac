"""Runs that label nothing: two tables, whole and finished without instances of what the model wrote."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

import selfinstruct as si
from jobs.main import main
from selfinstruct.records import Kind, Table
from selfinstruct.storage.store import RunStore
from selfinstruct.storage.verify import digest

OPTIONS = ("--engine", "template", "--replicas", "0", "--seed", "5", "--rounds.least", "2", "--rounds.most", "6")


def generate(out: Path, *options: str, target: int = 60) -> int:
    return main(["generate", "--out", str(out), *OPTIONS, "--target", str(target), *options])


@pytest.fixture(scope="module")
def none(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("none") / "run"
    assert generate(out, "--label.as", "none") == 0
    return out


def test_its_proposals_and_candidates_are_those_of_a_run_that_labels(none: Path, tmp_path: Path) -> None:
    assert generate(tmp_path / "task") == 0
    store, other = RunStore(str(none)), RunStore(str(tmp_path / "task"))
    assert len(store.rounds(Table.CANDIDATES)) > 2
    assert store.rounds(Table.CANDIDATES) == other.rounds(Table.CANDIDATES)
    assert (len(store.rounds(Table.LABELS)), len(store.rounds(Table.INSTANCES))) == (0, 1)
    for table in (Table.PROPOSALS, Table.CANDIDATES):
        for number in store.rounds(table):
            assert store.read(table, number).rows == other.read(table, number).rows


def test_a_larger_target_goes_on(none: Path, tmp_path: Path) -> None:
    out = tmp_path / "grown"
    assert generate(out, "--label.as", "none", target=20) == 0
    before = digest(RunStore(str(out)))
    assert generate(out, "--label.as", "none") == 0
    assert digest(RunStore(str(out))) == digest(RunStore(str(none))) != before


def test_another_form_is_another_run(none: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert generate(none, "--label.as", "task") == 2
    assert "label.as: the run has 'none', this command 'task'" in capsys.readouterr().err


def test_every_command_reads_it(none: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def said(code: int, *command: str) -> str:
        assert main(list(command)) == code, command
        captured = capsys.readouterr()
        return captured.out if code == 0 else captured.err

    run = str(none)
    refused = f"{run}: nothing is labelled in this run (label.as none): its instructions have no outputs"
    assert "nothing is labelled in this run" in said(0, "status", run)
    assert said(0, "verify", run) == f"{run}: whole\n"
    assert said(0, "repair", run) == f"{run}: nothing to be removed\n"
    assert said(0, "sample", run, "--number", "3").count("[0000") == 3
    assert "accepted" in said(0, "show", run, "000001/00000/00")
    said(0, "report", run, "--out", str(tmp_path / "page.html"))
    assert refused in said(2, "export", run, "--out", str(tmp_path / "set"))
    assert "rows for train" in said(0, "export", run, "--out", str(tmp_path / "seeds"), "--origins", "seed")
    assert refused in said(2, "check", run, "--engine", "template")
    again = tmp_path / "again"
    assert "accepted" in said(0, "reparse", run, "--out", str(again))
    assert digest(RunStore(str(again))) == digest(RunStore(run))


def test_its_instructions_can_be_another_run_s_pool(none: Path, tmp_path: Path) -> None:
    assert generate(tmp_path / "next", "--pool", str(none), target=10) == 0
    counts = RunStore(str(tmp_path / "next")).totals()[Table.CANDIDATES]
    assert counts["accepted.imported"] > 50


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--label.as", "none", "--label.model", "m"), "--label.model: with --label.as none nothing is labelled"),
        (("--label.as", "sonnet"), "label.as"),
    ],
)
def test_what_does_not_go_with_it_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: Sequence[str], said: str
) -> None:
    assert generate(tmp_path / "run", *options) == 2
    assert said in capsys.readouterr().err


def test_a_plan_that_looks_at_instances_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "proven.yaml").write_text("feedback.proven: true\nlabel.as: none\n")
    assert generate(tmp_path / "run", "--config", str(tmp_path / "proven.yaml")) == 2
    assert "--feedback.proven: asks for accepted instances" in capsys.readouterr().err


def test_no_labelling_request_is_made(none: Path) -> None:
    totals = RunStore(str(none)).totals()
    assert not totals[Table.LABELS]
    assert not [key for key in totals[Table.PROPOSALS] if key.startswith(tuple(Kind))]


def test_python_says_it_by_the_same_name(tmp_path: Path) -> None:
    rounds = {"least": 2, "most": 3}
    run = si.generate(tmp_path / "run", engine="template", target=8, replicas=0, rounds=rounds, label={"as": "none"})
    assert run.accepted().num_rows == 0
    assert sum(run.candidates()["accepted"].to_pylist()) > 200
