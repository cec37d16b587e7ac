"""A run of an older version: read by every command, mended, and carried on.

tests/data/older/run was made by the last version without `instances.origin` and `proposals.sources`:

    generate --engine template --template.cut_rate 0.15 --seed 5 --target 30 --rounds.least 2
        --seeds seeds.jsonl --pool pool.jsonl --replicas 1 --shards 1 --out run

with the prompt set that lies beside it. It stays as it is for ever. Where a test of this file fails, code that makes a
run's data has changed: the old data needs the old code, under an option with `before` or an algorithm's number.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import selfinstruct as si
from cluster.settings import GenerateSettings
from jobs.main import main
from selfinstruct.engines import TemplateOptions, open_engine
from selfinstruct.finetune.examples import read_examples
from selfinstruct.novelty.check import make_index
from selfinstruct.records import Origin, Table
from selfinstruct.run.inputs import read_inputs
from selfinstruct.run.loop import SingleCompleter, drive, prepare
from selfinstruct.run.rounds import Run, Stage
from selfinstruct.run.settings import RoundSettings
from selfinstruct.settings import with_facts
from selfinstruct.steps.rules import RuleSettings
from selfinstruct.steps.strategies.settings import DocumentSettings
from selfinstruct.storage.store import RunStore, name_of
from selfinstruct.storage.verify import digest, verify

DATA = Path(__file__).parent / "data/older"
DIGEST = "b94351920c7f3629e4308717b021f94f1b94adecd28793d6f4b9a3113bf17fdd"
"""As the version that made the run printed it."""

ADDED = [
    "proposals.sources",
    "candidates.cell",
    "candidates.nearest_cosine",
    "instances.origin",
    "instances.thought",
    "instances.constraint",
    "instances.copied",
]
"""Columns that the run does not have."""

TARGET = 150


@pytest.fixture
def older(tmp_path: Path) -> Path:
    return Path(shutil.copytree(DATA / "run", tmp_path / "older"))


def options(out: Path, target: int) -> GenerateSettings:
    """Those with which the run was begun, but for the target."""
    return GenerateSettings(
        out=str(out),
        engine="template",
        template=TemplateOptions(cut_rate=0.15),
        prompts=str(DATA / "prompts"),
        reading="paper",
        seed=5,
        target=target,
        rounds=RoundSettings(least=2),
        seeds=DATA / "seeds.jsonl",
        pool=(str(DATA / "pool.jsonl"),),
        stop_repetition=False,
        rules=with_facts(RuleSettings(), {}),  # as before there were any
        documents=with_facts(DocumentSettings(), {}),
    )


def grow(out: Path, target: int) -> RunStore:
    """Begin or go on, in this process."""
    settings = options(out, target)
    inputs, store = read_inputs(settings), RunStore(str(out))
    prepare(store, inputs.facts)
    engine = open_engine(inputs.proposer, inputs.prompts)
    run = Run(settings, inputs.prompts, inputs.seeds, inputs.imported)
    lines = [(SingleCompleter(engine, 64), (Stage.PROPOSE, Stage.LABEL))]
    drive(run, store, make_index(settings.novelty), lines, inputs.facts)
    return store


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    """The run of the larger target, by this version alone."""
    return grow(tmp_path_factory.mktemp("fresh") / "run", TARGET)


def test_later_columns_are_null(older: Path) -> None:
    store = RunStore(str(older))
    for table, name in (column.split(".") for column in ADDED):
        for number in store.rounds(Table(table)):
            assert {getattr(row, name) for row in store.read(Table(table), number).rows} == {None}
            both = store.read_columns(Table(table), number, [name, "round"])
            assert both[name].null_count == len(both) > 0
            assert both["round"].null_count == 0
    accepted = store.read_columns(Table.INSTANCES, 1, ["origin"], accepted_only=True)
    assert 0 < len(accepted) < len(store.read(Table.INSTANCES, 1).rows)


def test_it_is_whole_and_has_the_digest_of_its_time(older: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(older)]) == 0
    assert main(["verify", str(older), "--digest"]) == 0
    assert main(["verify", str(older), "--digest", "--without", *ADDED]) == 0
    assert capsys.readouterr().out.splitlines() == [f"{older}: whole", DIGEST, DIGEST]


def test_every_command_reads_it(older: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def said(*command: str) -> str:
        assert main(list(command)) == 0, command
        return capsys.readouterr().out

    run = str(older)
    assert "45 of 50 candidates accepted (90.0%), 62 instances, 3 rounds" in said("status", run)
    assert "output:" in said("sample", run)
    assert "too_long" in said("sample", run, "--rejected", "--number", "99")
    assert "accepted" in said("show", run, "000003/00000/00")
    assert "similar" in said("show", run, "imported/0:3")
    assert "rounds" in said("plan", run, "--target", "1000")
    figures = tmp_path / "figures.json"
    said("report", run, "--out", str(tmp_path / "page.html"), f"--json={figures}")
    assert "45" in figures.read_text()
    exported = tmp_path / "set"
    licences = ["--license", "mit", "--pool_license", "mit", "--seeds_license", "mit"]
    assert "81 rows" in said("export", run, "--out", str(exported), *licences, "--origins", *Origin)
    assert len(pq.read_table(exported / "default")) == 81
    assert said("repair", run) == f"{run}: nothing to be removed\n"


def test_the_python_face_reads_it(older: Path) -> None:
    run = si.open_run(older)
    assert set(run.accepted()["origin"].to_pylist()) == {"model", "imported"}
    assert run.candidates().num_rows == 63
    assert len(run.sample(3)) == 3


def test_it_is_an_example_of_what_a_model_is_tuned_on(older: Path) -> None:
    ids = [example.id for example in read_examples([str(older)], seeds=False).examples]
    assert len(ids) > 60
    assert not [id for id in ids if id.startswith("seed/")]


def test_reparsed_it_gives_the_same_rows(older: Path, tmp_path: Path) -> None:
    assert main(["reparse", str(older), "--out", str(tmp_path / "again")]) == 0
    again = RunStore(str(tmp_path / "again"))
    assert digest(again, ADDED) == DIGEST
    origins = {row.origin for number in (0, 1) for row in again.read(Table.INSTANCES, number).rows}
    assert origins == set(Origin)
    assert verify(again) == []


def test_merged_with_a_run_of_today_its_rows_have_an_origin(older: Path, fresh: RunStore, tmp_path: Path) -> None:
    assert main(["merge", str(older), fresh.blobs.url, "--out", str(tmp_path / "both")]) == 0
    both = RunStore(str(tmp_path / "both"))
    assert verify(both) == []
    rows = [row for number in both.rounds(Table.INSTANCES) for row in both.read(Table.INSTANCES, number).rows]
    assert {(row.round > 0, row.origin) for row in rows} == {
        (False, Origin.SEED),
        (False, Origin.IMPORTED),
        (True, Origin.MODEL),
    }


@pytest.mark.parametrize(
    "lost",
    [
        (),
        ("instances/000003",),
        ("instances/000003", "labels/000003"),
        ("instances/000003", "instances/000002", "labels/000003", "candidates/000003"),
    ],
)
def test_it_is_carried_on(older: Path, fresh: RunStore, lost: tuple[str, ...]) -> None:
    for name in lost:
        (older / f"{name}.parquet").unlink()
    before = {path.relative_to(older): path.read_bytes() for path in older.rglob("*.parquet")}
    store = grow(older, TARGET)
    assert verify(store) == []
    assert digest(store, ADDED) == digest(fresh, ADDED)
    assert {path: (older / path).read_bytes() for path in before} == before
    made_by = {table: store.metadata(table, store.rounds(table)[-1]) for table in Table}
    assert {each.fingerprint for each in made_by.values()} == {store.metadata(Table.CANDIDATES, 0).fingerprint}
    for table, name in (column.split(".") for column in ADDED):
        last = store.rounds(Table(table))[-1]
        assert name in pq.read_schema(older / name_of(Table(table), last)).names
        values = {getattr(row, name) for row in store.read(Table(table), last).rows}
        assert name in ("thought", "constraint", "copied", "cell", "nearest_cosine") or None not in values
    assert main(["status", str(older)]) == main(["sample", str(older)]) == main(["verify", str(older)]) == 0


def test_the_command_carries_it_on(
    older: Path, tmp_path: Path, fresh: RunStore, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["generate", "--out", str(older), "--engine", "template", "--template.cut_rate", "0.15"]
    command += ["--seed", "5", "--target", str(TARGET), "--rounds.least", "2", "--prompts", str(DATA / "prompts")]
    command += ["--seeds", str(DATA / "seeds.jsonl"), "--replicas", "1", "--shards", "1"]
    assert main(command) == 2
    said = capsys.readouterr().err
    assert "pool: the run has '43265f19" in said
    assert "was begun before there was --reading, and goes on as it was (paper)" in said
    assert "was begun before there was --stop_repetition, and goes on as it was (False)" in said
    assert "was begun before there was --rules.echo, and goes on as it was (False)" in said
    assert "reading:" not in said
    assert main([*command, "--pool", str(DATA / "pool.jsonl")]) == 0
    assert digest(RunStore(str(older)), ADDED) == digest(fresh, ADDED)


def test_damaged_it_is_repaired_and_carried_on(
    older: Path, fresh: RunStore, capsys: pytest.CaptureFixture[str]
) -> None:
    torn = older / "labels/000003.parquet"
    torn.write_bytes(torn.read_bytes()[:999])
    assert main(["verify", str(older)]) == 6
    assert main(["repair", str(older)]) == 0
    assert "2 files removed" in capsys.readouterr().out
    assert digest(grow(older, TARGET), ADDED) == digest(fresh, ADDED)


def test_its_figures_as_data_have_no_key_less(older: Path, fresh: RunStore, tmp_path: Path) -> None:
    found = []
    for at, run in enumerate((str(older), fresh.blobs.url)):
        out = tmp_path / f"{at}.json"
        assert main(["report", run, "--out", str(tmp_path / "page.html"), f"--json={out}"]) == 0
        found.append(json.loads(out.read_text())["figures"].keys())
    assert found[0] == found[1]


def test_columns_that_there_are_not_cannot_be_left_out(older: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(older), "--digest", "--without", "instances.mood"]) == 2
    assert "--without: there is no column 'instances.mood'" in capsys.readouterr().err
    assert main(["verify", str(older), "--without", "instances.origin"]) == 2
    assert "--without: goes with --digest" in capsys.readouterr().err
