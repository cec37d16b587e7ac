"""A check of the run's own: asked beside the other stages, kept like theirs, and heard when rounds are planned."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import pytest

from jobs.main import main
from selfinstruct.draws import in_share
from selfinstruct.engines import open_engine
from selfinstruct.errors import FailureError
from selfinstruct.novelty.check import make_index
from selfinstruct.records import CheckRow, Completion, Finish, InstanceRow, Judgement, Proposal, Request, Table
from selfinstruct.run.inputs import InputSettings, JudgeModelSettings, read_inputs
from selfinstruct.run.loop import SingleCompleter, drive
from selfinstruct.run.rounds import Run, Stage
from selfinstruct.steps.judging import overall
from selfinstruct.storage.checks import CheckSet, check_sets
from selfinstruct.storage.store import RunStore
from selfinstruct.storage.verify import digest

ENGINE = ("--engine", "template", "--replicas", "0")
ROUNDS = {"rounds.least": 2, "rounds.most": 3, "rounds.max_failed": 1.0, "target": 150}
OWN = 'chat = false\n[questions]\ntask = "Is it about birds?"\ninput = "Is it short?"\noutput = "Is it kind?"\n'


def generate(folder: Path, *more: str, code: int = 0, **recipe: object) -> RunStore:
    """A run of some rounds by the template engine, by a recipe's file."""
    place = folder.parent
    (place / "recipe.yaml").write_text(json.dumps({"version": 1, **recipe}))
    (place / "config.yaml").write_text(json.dumps(ROUNDS))
    files = ["--recipe", str(place / "recipe.yaml"), "--config", str(place / "config.yaml")]
    assert main(["generate", "--out", str(folder), *ENGINE, *files, *more]) == code
    return RunStore(str(folder))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    """A run that was checked while it went on."""
    return generate(tmp_path_factory.mktemp("checked") / "run", check={"rubric": "base", "share": 0.7})


@pytest.fixture
def store(whole: RunStore, tmp_path: Path) -> RunStore:
    shutil.copytree(whole.blobs.url, tmp_path / "run")
    return RunStore(str(tmp_path / "run"))


def the_only(store: RunStore) -> CheckSet:
    (checks,) = check_sets(store)
    return checks


def rows(checks: CheckSet) -> list[CheckRow]:
    return [row for number in checks.rounds() for row in checks.read(number)]


def accepted(store: RunStore, number: int) -> list[InstanceRow]:
    return list(cast("tuple[InstanceRow, ...]", store.read_accepted(Table.INSTANCES, number).rows))


def files(store: RunStore) -> dict[str, bytes]:
    folder = Path(store.blobs.url)
    found = (path for path in folder.rglob("*") if path.is_file() and "timings" not in path.parts)
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def test_it_is_the_check_that_would_have_been_made_afterwards(whole: RunStore, tmp_path: Path) -> None:
    later = generate(tmp_path / "run")
    assert digest(later) == digest(whole)
    assert list(check_sets(later)) == []
    assert main(["check", later.blobs.url, *ENGINE, "--rubric", "base", "--share", "0.7"]) == 0
    ours, theirs = the_only(whole), the_only(later)
    assert ours.name == theirs.name
    assert ours.rounds() == theirs.rounds() == list(whole.rounds(Table.INSTANCES))[1:]
    assert len(ours.rounds()) >= 4
    assert rows(ours) == rows(theirs)
    assert {overall(row.judgements) for row in rows(ours)} >= {Judgement.YES, Judgement.NO}


def test_nothing_is_asked_again_afterwards(store: RunStore, capsys: pytest.CaptureFixture[str]) -> None:
    before = files(store)
    assert main(["check", store.blobs.url, *ENGINE, "--rubric", "base", "--share", "0.7"]) == 0
    assert "asking" not in capsys.readouterr().err
    assert files(store) == before


def test_what_a_run_lacks_of_its_check_is_judged_when_it_goes_on(store: RunStore) -> None:
    before, checks = files(store), the_only(store)
    for number in checks.rounds()[1::2]:  # not only the newest: `repair` takes out what is damaged
        Path(store.blobs.url, checks.file(number)).unlink()
    Path(store.blobs.url, f"checks/{checks.name}.json").unlink()
    generate(Path(store.blobs.url), check={"rubric": "base", "share": 0.7})
    assert files(store) == before


def test_the_rubric_and_the_share_are_facts_and_the_file_s_place_is_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("first", "second"):
        (tmp_path / f"{name}.toml").write_text(OWN)
    (tmp_path / "third.toml").write_text(OWN.replace("kind", "loud"))
    (tmp_path / "runs").mkdir()
    run = tmp_path / "runs" / "run"
    before = files(generate(run, check={"rubric": str(tmp_path / "first.toml")}))
    assert files(generate(run, check={"rubric": str(tmp_path / "second.toml")})) == before
    capsys.readouterr()
    generate(run, check={"rubric": str(tmp_path / "third.toml")}, code=2)
    assert "check.rubric: the run has '" in capsys.readouterr().err
    generate(run, check={"rubric": str(tmp_path / "first.toml"), "share": 0.5}, code=2)
    assert "check.share: the run has 1.0, this command 0.5" in capsys.readouterr().err
    generate(run, code=2)
    assert "this command ''" in capsys.readouterr().err


@pytest.mark.parametrize("share", [1.0, 0.6])
def test_proven_is_who_has_an_instance_that_passed_or_was_not_looked_at(tmp_path: Path, share: float) -> None:
    check, feedback = {"rubric": "base", "share": share}, {"proven": True, "lookback": 2}
    store = generate(tmp_path / "run", check=check, feedback=feedback)
    said = {row.id: overall(row.judgements) for row in rows(the_only(store))}
    proven: dict[str, int] = {}  # instruction -> its round
    for number in store.rounds(Table.INSTANCES):
        for row in accepted(store, number):
            judged = number > 0 and in_share(row.id, share, 0)
            assert judged == (row.id in said)
            if not judged or said[row.id] is Judgement.YES:
                proven[row.instruction_id] = number
    shown = {
        (number, id)
        for number in store.rounds(Table.PROPOSALS)
        for row in cast("tuple[Proposal, ...]", store.read(Table.PROPOSALS, number).rows)
        for id in row.demonstrations
        if not id.startswith("seed/")
    }
    assert len(shown) > 10
    assert all(proven[id] <= number - 2 for number, id in shown)
    failing = {row.instruction_id for n in store.rounds(Table.INSTANCES) for row in accepted(store, n)} - proven.keys()
    assert failing
    assert main(["verify", store.blobs.url]) == 0


def test_another_model_may_judge(tmp_path: Path) -> None:
    judge = {"check": {"engine": "transformers", "model": "tiny"}, "target": 12}
    (tmp_path / "judge.yaml").write_text(json.dumps(judge))
    more = ["--config", str(tmp_path / "judge.yaml")]
    store = generate(tmp_path / "run", *more, check={"rubric": "base", "share": 0.1})
    checks = the_only(store)
    assert checks.label.startswith("tiny")
    assert rows(checks)
    assert {row.judgements for row in rows(checks)} == {(Judgement.UNREADABLE,) * 3}  # it was made for other questions


def test_a_run_that_heard_its_check_goes_on_as_it_would_have(tmp_path: Path) -> None:
    options = {"check": {"rubric": "base", "share": 0.8}, "feedback": {"proven": True, "lookback": 2}}
    store = generate(tmp_path / "run", **options)
    before, judged = digest(store), rows(the_only(store))
    assert main(["repair", store.blobs.url, "--to_round", "4"]) == 0
    Path(store.blobs.url, the_only(store).file(3)).unlink()
    generate(tmp_path / "run", **options)
    assert digest(RunStore(store.blobs.url)) == before
    assert rows(the_only(RunStore(store.blobs.url))) == judged


class Failing:
    """An engine that can serve nothing."""

    def __init__(self) -> None:
        self._requests: list[Request] = []

    def add(self, requests: Sequence[Request]) -> None:
        self._requests += requests

    def step(self) -> list[Completion]:
        failed, self._requests = self._requests, []
        return [Completion(each.id, "", Finish.FAILED, 1, 0, "too long") for each in failed]


def test_too_many_failures_of_a_check_commit_nothing_of_it(tmp_path: Path) -> None:
    settings = InputSettings(engine="template", check=JudgeModelSettings("base"), target=40)
    inputs, store = read_inputs(settings), RunStore(str(tmp_path))
    run = Run(settings, inputs.prompts, inputs.seeds, judge=inputs.judge)
    engine = SingleCompleter(open_engine(inputs.proposer, inputs.prompts), 50)
    lines = [(engine, (Stage.PROPOSE, Stage.LABEL)), (SingleCompleter(Failing(), 50), (Stage.CHECK,))]
    problem = (
        r"round 1: (\d+) of \1 requests for checks failed, most often with 'too long'; nothing of them is committed"
    )
    with pytest.raises(FailureError, match=problem):
        drive(run, store, make_index(settings.novelty), lines, inputs.facts)
    assert the_only(store).rounds() == []


def test_a_rubric_that_is_not_there_begins_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    generate(tmp_path / "run", check={"rubric": "nosuch"}, code=2)
    assert "check.rubric: no file 'nosuch', and none of that name is shipped" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
