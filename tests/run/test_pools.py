"""`generate --pool RUN`: another run's accepted tasks as the pool to begin with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from jobs.main import main
from selfinstruct.errors import InputError
from selfinstruct.records import Candidate, ImportedTask, Instance, Origin, Table
from selfinstruct.run.facts import tasks_digest
from selfinstruct.run.pools import read_pool
from selfinstruct.sources.texts import read_tasks
from selfinstruct.storage.store import RunStore
from selfinstruct.storage.verify import verify
from tests.tools.runs import make_run

OLDER = Path(__file__).parents[1] / "data/older/run"
FILE = '{"instruction": "Name a river that flows north.", "output": "The Nile."}\n'


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    return make_run(tmp_path_factory.mktemp("source") / "run", target=60)


def rows(store: RunStore, table: Table) -> list[Any]:
    return [row for number in store.rounds(table) for row in store.read(table, number).rows]


def test_what_a_run_accepted_with_its_instances(source: RunStore, tmp_path: Path) -> None:
    file = tmp_path / "set.jsonl"
    file.write_text(FILE)
    first, *tasks = read_pool([str(file), source.blobs.url])
    assert first == ImportedTask("0:1", "Name a river that flows north.", (Instance("", "The Nile."),), None)
    accepted = [row for row in rows(source, Table.CANDIDATES) if row.accepted and row.origin is Origin.MODEL]
    assert [(task.id, task.instruction) for task in tasks] == [(f"1:{row.id}", row.text) for row in accepted]
    kept = [(f"1:{row.instruction_id}", row.input, row.output) for row in rows(source, Table.INSTANCES) if row.accepted]
    given = [(task.id, each.input, each.output) for task in tasks for each in task.instances]
    assert given == [each for each in kept if not each[0].startswith("1:seed/")]
    assert {task.is_classification for task in tasks} >= {True, False}
    assert len(given) > len(tasks) > 60


def test_a_run_begins_with_another_one(source: RunStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "next"
    command = ["generate", "--engine", "template", "--pool", source.blobs.url, "--out", str(out), "--target", "20"]
    command += ["--seed", "9", "--rounds.least", "4", "--rounds.most", "4", "--replicas", "1", "--shards", "1"]
    assert main(command) == 0
    assert " tasks of --pool (no seed tasks of other runs)," in capsys.readouterr().err
    store = RunStore(str(out))
    assert verify(store) == []
    facts = store.metadata(Table.CANDIDATES, 0).notes["facts"]
    assert facts["pool"] == tasks_digest(read_pool([source.blobs.url]))
    given = [row for row in store.read(Table.CANDIDATES, 0).rows if isinstance(row, Candidate)]
    imported = [row for row in given if row.origin is Origin.IMPORTED]
    assert len(imported) == source.totals()[Table.CANDIDATES]["accepted"]
    assert {row.reason for row in imported} == {None}  # the seeds are those of before
    id = next(row.id for row in imported if row.accepted)
    assert id.startswith("imported/0:000001/")
    assert main(["show", str(out), id]) == 0
    assert main(command) == 0  # finished: the same command finds the same facts
    grown = make_run(tmp_path / "grown", target=120)
    assert main([*command[:4], grown.blobs.url, *command[5:]]) == 2
    assert "pool: the run has" in capsys.readouterr().err


def test_a_pool_of_plain_texts_is_the_one_that_it_always_was(tmp_path: Path) -> None:
    """Its digest is a fact: by another one, runs that were begun with it could not go on."""
    river = {"instruction": "  Name a  river. ", "is_classification": False}
    cases = [{"input": "of the north", "output": "Ob\nand Lena"}, {"output": None}]
    rows = [{"instruction": "Name a lake.", "input": "", "output": "Como."}, {**river, "instances": cases}]
    file = tmp_path / "set.jsonl"
    file.write_text("\n".join(map(json.dumps, [*rows, {"instruction": "Name a hill."}])))
    digest = tasks_digest(read_tasks([str(file)]))
    assert digest == "952a894c0aeac8ec52e4db3e2991de839f4d66de78addae4cd3a92a9ae256420"


def test_what_is_no_run_is_one_line(source: RunStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "folder").mkdir()
    for name in ("none", "folder"):
        out = tmp_path / "out"
        assert main(["generate", "--engine", "template", "--out", str(out), "--pool", str(tmp_path / name)]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert f"--pool: {tmp_path / name} is no run of this program, and no file (.parquet, .jsonl, .json)" in line
        assert not out.exists()
    assert not (tmp_path / "none").exists()


def test_a_run_that_is_damaged_or_has_nothing(source: RunStore, tmp_path: Path) -> None:
    def only(*names: str) -> Path:
        folder = tmp_path / f"{len(names)}"
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(Path(source.blobs.url, name).read_bytes())
        return folder

    begun = only("candidates/000000.parquet", "instances/000000.parquet")
    with pytest.raises(InputError, match=rf"--pool: {begun} has accepted nothing beside its seed tasks yet"):
        read_pool([str(begun)])
    torn = only("candidates/000000.parquet", "instances/000000.parquet", "candidates/000001.parquet")
    (torn / "instances/000001.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError) as caught:
        read_pool([str(torn)])
    assert str(caught.value).startswith(f"--pool: {torn}/instances/000001.parquet: ")
    assert str(caught.value).endswith(f"; `selfinstruct verify {torn}` names all that is wrong with it")


def test_a_run_in_an_object_store(bucket: str) -> None:
    stored = RunStore(bucket)
    for name in (f"{table}/{number:06d}.parquet" for table in Table for number in (0, 1)):
        if (OLDER / name).exists():
            assert stored.blobs.put(name, (OLDER / name).read_bytes())
    tasks = read_pool([bucket])
    local = read_pool([str(OLDER)])
    assert tasks == local[: len(tasks)]
    assert 10 < len(tasks) < len(local)
