"""The constraints of a run in its dataset: the checkers travel with the rows, and the card says how often they hold."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

import selfinstruct as si
from jobs.main import main
from selfinstruct.constraints import holds, read
from selfinstruct.export.forms import FORMS, LINES
from selfinstruct.quality.constraints import ALL, kept_in
from selfinstruct.quality.intervals import wilson
from selfinstruct.records import Table
from selfinstruct.steps.constraints import ConstraintSettings
from selfinstruct.storage.store import RunStore
from tests.tools.runs import make_run
from tests.tools.witness import Obedient

LICENCES = ["--license", "other", "--model_license", "other", "--model_outputs", "none", "--model_name", "mine"]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    out = tmp_path_factory.mktemp("constrained") / "run"
    engine = Obedient(ConstraintSettings(0.7, 0.4), 0)
    si.generate(out, engine=engine, target=60, rounds={"least": 6, "most": 8}, constraints={"share": 0.7, "two": 0.4})
    return RunStore(str(out))


@pytest.fixture(scope="module")
def folder(store: RunStore, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out") / "tasks"
    assert main(["export", store.blobs.url, "--out", str(out), "--validation", "0", *LICENCES]) == 0
    return out


@pytest.mark.parametrize("form", sorted(set(FORMS) - set(LINES)))
def test_the_checkers_travel_with_the_rows(store: RunStore, folder: Path, form: str) -> None:
    rows = pq.read_table(folder / form).to_pylist()
    known = {
        row.id: row for number in store.rounds(Table.INSTANCES) for row in store.read(Table.INSTANCES, number).rows
    }
    assert {row["id"]: row["constraint"] for row in rows} == {row["id"]: known[row["id"]].constraint for row in rows}
    rewards = [all(holds(each, known[row["id"]].output) for each in read(row["constraint"])) for row in rows]
    assert len(rewards) > 30
    assert all(rewards)
    others = [all(holds(each, "Nothing.") for each in read(row["constraint"])) for row in rows if row["constraint"]]
    assert not all(others)


def test_the_card_says_how_often_each_kind_was_kept(store: RunStore, folder: Path) -> None:
    card = (folder / "README.md").read_text()
    figures = {each.kind: each for each in kept_in(store)}
    totals = store.totals()[Table.INSTANCES]
    broken = totals["instances.rejected.breaks_constraint"]
    assert figures[ALL].asked - figures[ALL].kept == broken > 0
    assert f"instructions of {figures[ALL].kept:,} of the {totals['instances.accepted']:,} rows" in card
    for each in figures.values():
        low, high = wilson(each.kept, each.asked)
        assert f"| {each.kind} | {each.asked} | {each.share:.1%} | {low:.1%} to {high:.1%} |" in card
    assert "`constraint`" in card


def test_a_dataset_of_a_run_without_has_no_such_column(tmp_path: Path) -> None:
    plain = make_run(tmp_path / "run", target=20)
    assert main(["export", plain.blobs.url, "--out", str(tmp_path / "out")]) == 0
    assert "constraint" not in pq.read_table(tmp_path / "out/default").column_names
    assert "onstraint" not in (tmp_path / "out/README.md").read_text()
