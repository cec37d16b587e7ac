"""`open_run`: a run's rows as tables for other libraries, and what the commands make of it."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
import ray

import selfinstruct as si
from jobs.main import main
from selfinstruct.prompts import load_prompts
from selfinstruct.records import Origin, Table
from selfinstruct.run.rounds import Run
from selfinstruct.run.settings import RunSettings
from selfinstruct.settings import fingerprint_of
from selfinstruct.sources.seeds import SEED_TASKS, load_seeds
from selfinstruct.storage.store import RunStore
from tests.tools.head import start_ray
from tests.tools.runs import make_run


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    return make_run(tmp_path_factory.mktemp("run"), target=80)


@pytest.fixture
def run(store: RunStore) -> si.StoredRun:
    return si.open_run(store.blobs.url)


def test_accepted_rows_and_where_they_come_from(store: RunStore, run: si.StoredRun) -> None:
    rows = run.accepted().to_pylist()
    files = [store.read(Table.INSTANCES, number) for number in store.rounds(Table.INSTANCES)]
    expected = {row.id: row for file in files for row in file.rows if row.accepted}
    assert [row["id"] for row in rows] == [id for id in expected if not id.startswith("seed/")]
    assert all(row["output"] == expected[row["id"]].output and row["demonstrations"] for row in rows)
    assert {row["origin"] for row in rows} == {"model"}
    everything = run.accepted(Origin).to_pylist()
    assert Counter(row["origin"] for row in everything)["seed"] == len(expected) - len(rows)
    assert run.accepted("seed").num_rows + len(rows) == len(everything)
    with pytest.raises(si.InputError, match="'origins' takes one of seed, imported, model, not the text 'models'"):
        run.accepted(["models"])


def test_candidates_are_all_there(store: RunStore, run: si.StoredRun) -> None:
    table = run.candidates()
    totals = store.totals()[Table.CANDIDATES]
    reasons = Counter(table["reason"].to_pylist())
    assert reasons["similar"] == totals["rejected.similar"] > 0
    assert sum(table["accepted"].to_pylist()) == totals["accepted"] + totals["accepted.seed"]


def test_the_same_rows_for_other_libraries(run: si.StoredRun) -> None:
    rows = run.accepted().to_pylist()
    assert run.to_pandas()["instruction"].tolist() == [row["instruction"] for row in rows]
    assert run.to_dataset().to_list() == rows
    with pytest.raises(si.InputError, match=r"call ray\.init\(\) before"):
        run.to_ray()
    start_ray(num_cpus=1)
    try:
        assert run.to_ray().take_all() == rows
    finally:
        ray.shutdown()


def test_a_sample_is_that_of_the_command(run: si.StoredRun, capsys: pytest.CaptureFixture[str]) -> None:
    tasks = run.sample(3, seed=4)
    assert main(["sample", run.url, "--number", "3", "--seed", "4"]) == 0
    shown = capsys.readouterr().out
    assert [line.partition("]")[0][1:].partition(",")[0] for line in shown.splitlines() if line.startswith("[")] == [
        task.id for task in tasks
    ]
    assert all(instance.output.split()[0] in shown for task in tasks for instance in task.instances)


def test_report_and_export_are_those_of_the_commands(run: si.StoredRun, tmp_path: Path) -> None:
    figures = run.report(tmp_path / "one.html", rows=5, verb_rows=3, overlap_rows=3, review_rows=2)
    options = ["--rows", "5", "--verb_rows", "3", "--overlap_rows", "3", "--review_rows", "2"]
    assert main(["report", run.url, "--out", str(tmp_path / "two.html"), *options]) == 0
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "two.html").read_bytes()
    assert figures.accepted >= 80
    splits = run.export(tmp_path / "one", validation=0.2, origins=["model"])
    assert splits == json.loads((tmp_path / "one/export.json").read_text())["rows"]
    command = ["export", run.url, "--out", str(tmp_path / "two"), "--validation", "0.2", "--origins", "model"]
    assert main(command) == 0
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*.parquet"))
    assert files
    assert all((tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes() for file in files)


def test_a_run_that_has_only_begun(tmp_path: Path) -> None:
    run, store = Run(RunSettings(), load_prompts("tiny"), load_seeds(SEED_TASKS)[:3]), RunStore(str(tmp_path / "run"))
    run.begin({})
    store.commit(run.effects()[0].make(), fingerprint_of({}))  # type: ignore[union-attr]
    begun = si.open_run(tmp_path / "run")
    assert (begun.accepted().num_rows, begun.candidates().num_rows, begun.sample()) == (0, 3, [])


def test_what_is_wrong_is_one_clear_line(store: RunStore, run: si.StoredRun, tmp_path: Path) -> None:
    with pytest.raises(si.InputError, match="there is no run"):
        si.open_run(tmp_path / "none")
    with pytest.raises(si.InputError, match="report: 'verbs' is no option here; did you mean"):
        run.report(tmp_path / "page.html", verbs=3)
    with pytest.raises(si.InputError, match="export: 'validation' is 1"):
        run.export(tmp_path / "set", validation=1)
    with pytest.raises(si.InputError, match="is there already, and is no export"):
        run.export(Path(store.blobs.url))
    with pytest.raises(si.InputError, match="cannot be written"):
        run.report(tmp_path, rows=0, verb_rows=0, overlap_rows=0)
    damaged = make_run(tmp_path / "damaged", target=10)
    file = Path(damaged.blobs.url) / "instances/000001.parquet"
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(si.CorruptError, match=r"instances/000001\.parquet"):
        si.open_run(damaged.blobs.url).accepted()
