"""Constraints within runs: who gets one, what breaks it is dropped, and neither order nor an end shows in the data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

import pytest

import selfinstruct as si
from jobs.main import main
from selfinstruct.constraints import holds, read
from selfinstruct.records import Kind, Table
from selfinstruct.run.facts import CONSTRAINTS
from selfinstruct.steps.constraints import ConstraintSettings, asked
from selfinstruct.storage.store import RunStore
from selfinstruct.storage.verify import digest, verify
from tests.tools.witness import Obedient

SETTINGS = ConstraintSettings(share=0.6, two=0.5)
SEED = 3
OPTIONS: dict[str, Any] = {
    "rounds": {"least": 6, "most": 8},
    "seed": SEED,
    "constraints": {"share": SETTINGS.share, "two": SETTINGS.two},
}


def run(folder: Path, order: int = 1, target: int = 60, **options: Any) -> RunStore:
    si.generate(folder, engine=Obedient(SETTINGS, SEED, order), target=target, **{**OPTIONS, **options})
    store = RunStore(str(folder))
    assert verify(store) == []
    return store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    return run(tmp_path_factory.mktemp("constrained") / "run")


def rows(store: RunStore, table: Table) -> list[Any]:
    return [row for number in store.rounds(table) if number > 0 for row in store.read(table, number).rows]


def test_a_share_of_the_tasks_that_are_no_classification_gets_one(store: RunStore) -> None:
    accepted = {row.id: row for row in rows(store, Table.CANDIDATES) if row.accepted}
    instances = rows(store, Table.INSTANCES)
    free = [row for row in instances if not row.is_classification]
    constrained = [row for row in free if row.constraint]
    assert 0.4 < len(constrained) / len(free) < 0.8
    assert any(row.is_classification for row in instances)
    assert not [row for row in instances if row.is_classification and row.constraint]
    for row in instances:
        kind = Kind.OUTPUT_FIRST if row.is_classification else Kind.INPUT_FIRST
        told = asked(SETTINGS, SEED, accepted[row.instruction_id], kind)
        assert (row.instruction, row.constraint) == (told.text, told.column)
        assert row.instruction.startswith(accepted[row.instruction_id].text)
    assert {len(read(row.constraint)) for row in constrained} == {1, 2}


def test_what_breaks_it_is_dropped_and_nothing_else(store: RunStore) -> None:
    constrained = [row for row in rows(store, Table.INSTANCES) if row.constraint]
    dropped = [row for row in constrained if row.reason is si.Reason.BREAKS_CONSTRAINT]
    kept = [row for row in constrained if row.accepted]
    assert len(kept) > len(dropped) > 5
    assert all(holds(each, row.output) for row in kept for each in read(row.constraint))
    assert not any(all(holds(each, row.output) for each in read(row.constraint)) for row in dropped)
    totals = store.totals()[Table.INSTANCES]
    assert totals["instances.rejected.breaks_constraint"] == len(dropped)
    assert totals["instances.constrained"] == len(constrained)


def test_the_model_was_shown_it_and_the_pool_was_not(store: RunStore) -> None:
    constraints = [row.constraint for row in rows(store, Table.INSTANCES) if row.constraint]
    wordings = {each.wording for column in constraints for each in read(column)}
    assert len(wordings) > 10
    assert not [row for row in rows(store, Table.CANDIDATES) for wording in wordings if wording in row.text]


def test_order_and_ends_do_not_show(store: RunStore, tmp_path: Path) -> None:
    again = run(tmp_path / "backwards", order=-1)
    assert digest(again) == digest(store)
    for target in (10, 35, 60):
        stopped = run(tmp_path / "stopped", order=-1 if target == 35 else 1, target=target)
    assert digest(stopped) == digest(store)


def test_one_request_for_all_constrains_what_is_not_known_yet(tmp_path: Path) -> None:
    class Chatting(Obedient):
        prompt_set: ClassVar = "instruct"

        def _answer(self, request: si.Request) -> str:
            answer = super()._answer(request)
            if request.kind is not Kind.PROPOSE:
                return answer
            return json.dumps({"tasks": [line.partition(". ")[2] or line.strip() for line in answer.splitlines()]})

    si.generate(tmp_path / "run", engine=Chatting(SETTINGS, SEED), target=40, **OPTIONS)
    instances = rows(RunStore(str(tmp_path / "run")), Table.INSTANCES)
    constrained = [row for row in instances if row.constraint]
    assert {row.is_classification for row in constrained} == {True, False}
    assert {row.reason for row in constrained} <= {None, si.Reason.BREAKS_CONSTRAINT}


def test_a_run_without_says_nothing_of_them(tmp_path: Path) -> None:
    store = run(tmp_path / "run", constraints={"share": 0.0})
    assert not [row for row in rows(store, Table.INSTANCES) if row.constraint]
    assert CONSTRAINTS not in store.metadata(Table.CANDIDATES, 0).facts
    with pytest.raises(si.FingerprintError, match="other options that alter data"):
        run(tmp_path / "run", target=80)


def test_a_reparsed_run_has_the_same_constraints(store: RunStore, tmp_path: Path) -> None:
    assert main(["reparse", store.blobs.url, "--out", str(tmp_path / "same")]) == 0
    assert digest(RunStore(str(tmp_path / "same"))) == digest(store)
    changed = ["--change", "screen.banned=[amber]", "reading=paper"]
    assert main(["reparse", store.blobs.url, "--out", str(tmp_path / "other"), *changed]) == 0
    before = {row.instruction: row.constraint for row in rows(store, Table.INSTANCES)}
    again = rows(RunStore(str(tmp_path / "other")), Table.INSTANCES)
    after = {row.instruction: row.constraint for row in again if row.reason is not si.Reason.NOT_ASKED}
    assert 10 < len(after) < len(before)
    assert any(after.values())
    assert after.items() <= before.items()


def test_a_merged_run_keeps_its_constraints_and_cannot_be_reparsed(
    store: RunStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = run(tmp_path / "other", target=30, constraints={"share": 0.0})
    assert main(["merge", other.blobs.url, store.blobs.url, "--out", str(tmp_path / "both")]) == 0
    both = {row.instruction: row.constraint for row in rows(RunStore(str(tmp_path / "both")), Table.INSTANCES)}
    assert both.items() & {row.instruction: row.constraint for row in rows(store, Table.INSTANCES)}.items()
    assert any(both.values())
    capsys.readouterr()
    assert main(["reparse", str(tmp_path / "both"), "--out", str(tmp_path / "no")]) == 2
    assert "was merged from runs with constraints" in capsys.readouterr().err


def generated(folder: Path, *arguments: str) -> RunStore:
    """A run of the template engine under a recipe in which every instruction may have a constraint."""
    recipe = folder.parent / "mine.yaml"
    recipe.write_text("version: 1\nconstraints: {share: 1.0}\n")
    command = ["generate", "--out", str(folder), "--recipe", str(recipe), "--engine", "template", "--replicas", "0"]
    assert main([*command, "--target", "60", "--rounds.least", "2", "--rounds.most", "4", *arguments]) == 0
    return RunStore(str(folder))


def check_kept(store: RunStore) -> None:
    assert verify(store) == []
    constrained = [row for row in rows(store, Table.INSTANCES) if row.constraint]
    accepted = [row for row in constrained if row.accepted]
    assert accepted
    assert all(holds(each, row.output) for row in accepted for each in read(row.constraint))
    assert any(row.reason is si.Reason.BREAKS_CONSTRAINT for row in constrained)


def test_answers_of_a_user_keep_theirs_and_so_does_what_polish_writes(tmp_path: Path) -> None:
    answered = ("--prompts", "chat", "--label.as", "answer", "--label.samples", "3")
    store = generated(tmp_path / "run", *answered)
    check_kept(store)
    accepted = {row.id: row for row in rows(store, Table.CANDIDATES) if row.accepted}
    for row in rows(store, Table.INSTANCES):
        if row.id != row.instruction_id:  # there was an answer
            told = asked(ConstraintSettings(1.0), 0, accepted[row.instruction_id], Kind.ANSWER)
            assert (row.instruction, row.constraint) == (told.text, told.column)
    new = str(tmp_path / "polished")
    assert main(["polish", store.blobs.url, "--out", new, "--engine", "template", "--replicas", "0"]) == 0
    check_kept(RunStore(new))
    before = {row.id: row.constraint for row in rows(store, Table.INSTANCES)}
    assert {row.id: row.constraint for row in rows(RunStore(new), Table.INSTANCES)} == before


def test_labelled_later_the_constraints_are_the_same(tmp_path: Path) -> None:
    store = generated(tmp_path / "run")
    bare = generated(tmp_path / "bare", "--label.as", "none")
    check_kept(store)
    new = str(tmp_path / "labelled")
    assert main(["label", bare.blobs.url, "--out", new, "--engine", "template", "--replicas", "0"]) == 0
    assert rows(RunStore(new), Table.INSTANCES) == rows(store, Table.INSTANCES)
