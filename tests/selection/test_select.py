"""`select`: a run or a file in, a file of chosen ids out, which other commands take."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from jobs.main import main
from selfinstruct.finetune.examples import read_examples
from selfinstruct.records import Judgement, Table
from selfinstruct.selection.candidates import of_run
from selfinstruct.selection.ways import by_draw, by_k_centre
from selfinstruct.semantic.table import shipped_table
from selfinstruct.steps.judging import overall
from selfinstruct.storage.checks import check_sets
from selfinstruct.storage.store import RunStore
from tests.tools.runs import make_run

MODEL = ["--by", "model", "--engine", "template", "--replicas", "0", "--group", "6"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    """A run with a check of every row."""
    folder = tmp_path_factory.mktemp("checked") / "run"
    store = make_run(folder)
    assert main(["check", str(folder), "--engine", "template", "--replicas", "0", "--rubric", "base"]) == 0
    return store


def rows_of(path: Path) -> list[dict[str, Any]]:
    return pq.read_table(path).to_pylist()


def ids_of(path: Path) -> list[str]:
    return [row["id"] for row in rows_of(path)]


def instances(store: RunStore) -> list[dict[str, Any]]:
    """The accepted ones that the run made."""
    columns = ["id", "instruction_id", "instruction"]
    numbers = [number for number in store.rounds(Table.INSTANCES) if number > 0]
    return [
        row
        for number in numbers
        for row in store.read_columns(Table.INSTANCES, number, columns, accepted_only=True).to_pylist()
    ]


def passing(store: RunStore) -> set[str]:
    """Instances that the check passed."""
    (checks,) = check_sets(store)
    return {
        row.id
        for number in checks.rounds()
        for row in checks.read(number)
        if overall(list(map(Judgement, row.judgements))) is Judgement.YES
    }


def exported(store: RunStore, only: str, out: Path) -> set[str]:
    command = ["export", store.blobs.url, "--out", str(out), "--validation", "0", "--only", only]
    assert main(command) == 0
    return set(pq.read_table(out / "default")["id"].to_pylist())


def test_a_choice_is_of_instructions_that_have_instances(run: RunStore, tmp_path: Path) -> None:
    out = tmp_path / "chosen.parquet"
    assert main(["select", run.blobs.url, "--number", "20", "--by", "random", "--out", str(out)]) == 0
    texts = {row["instruction_id"]: row["instruction"] for row in instances(run)}
    chosen = rows_of(out)
    assert len(chosen) == 20
    assert {row["id"]: row["text"] for row in chosen}.items() <= texts.items()
    assert {(row["by"], row["group"]) for row in chosen} == {("random", None)}
    assert ids_of(out) == sorted(ids_of(out))


def test_k_centre_waits_for_a_check(run: RunStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "chosen.parquet"
    command = ["select", run.blobs.url, "--number", "20", "--by", "kcentre", "--out", str(out)]
    assert main(command) == 2
    assert "no task; give --only" in capsys.readouterr().err
    assert not out.exists()
    good = {row["instruction_id"] for row in instances(run) if row["id"] in passing(run)}
    (checks,) = check_sets(run)
    assert main([*command, "--check", checks.name]) == 0
    assert set(ids_of(out)) <= good
    candidates = [each for each in of_run(run) if each.id in good]
    vectors = shipped_table().embed([each.text for each in candidates])
    assert set(ids_of(out)) == {candidates[at].id for at in by_k_centre(vectors, 20)}
    assert main([*command, "--force"]) == 0
    assert not set(ids_of(out)) <= good


def test_other_ways_are_shown_beside(run: RunStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "chosen.parquet"
    command = ["select", run.blobs.url, "--number", "20", "--by", "quality", "--out", str(out)]
    assert main([*command, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["figures"]["ways"]
    assert list(told) == ["quality", "random", "kcentre"]
    assert told["kcentre"]["radius"] <= told["random"]["radius"]
    assert {way["chosen"] for way in told.values()} == {20}
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert [line.split()[0] for line in printed.splitlines()[2:5]] == ["quality", "random", "kcentre"]


def test_quality_is_what_a_check_passed(run: RunStore, tmp_path: Path) -> None:
    out = tmp_path / "chosen.parquet"
    assert main(["select", run.blobs.url, "--number", "20", "--by", "quality", "--out", str(out)]) == 0
    good = {row["instruction_id"] for row in instances(run) if row["id"] in passing(run)}
    assert set(ids_of(out)) <= good


def test_export_and_finetune_take_the_instances_of_the_chosen(run: RunStore, tmp_path: Path) -> None:
    out = tmp_path / "chosen.parquet"
    assert main(["select", run.blobs.url, "--number", "20", "--by", "random", "--out", str(out)]) == 0
    chosen = set(ids_of(out))
    of_chosen = {row["id"] for row in instances(run) if row["instruction_id"] in chosen}
    assert exported(run, str(out), tmp_path / "set") == of_chosen
    card = (tmp_path / "set" / "README.md").read_text()
    assert "`chosen.parquet`" in card
    assert str(tmp_path) not in card
    tuned = read_examples([run.blobs.url], seeds=False, only=str(out)).examples
    assert {example.id for example in tuned} == of_chosen
    both = exported(run, f"{out} and checks.all == yes", tmp_path / "both")
    assert both == of_chosen & passing(run)
    assert both != of_chosen


def test_a_file_of_one_s_own_names_instructions_or_instances(run: RunStore, tmp_path: Path) -> None:
    first, *_, last = instances(run)
    own = tmp_path / "own.jsonl"
    own.write_text("".join(json.dumps({"id": id}) + "\n" for id in (first["id"], last["instruction_id"])))
    wanted = {row["id"] for row in instances(run) if row["instruction_id"] == last["instruction_id"]} | {first["id"]}
    assert exported(run, str(own), tmp_path / "set") == wanted


def test_a_choice_of_another_run_is_refused(run: RunStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "chosen.parquet"
    assert main(["select", run.blobs.url, "--number", "20", "--by", "random", "--out", str(out)]) == 0
    other = make_run(tmp_path / "other", seed=1)
    assert main(["export", other.blobs.url, "--out", str(tmp_path / "set"), "--only", str(out)]) == 2
    assert "it was chosen from another run" in capsys.readouterr().err
    assert main(["export", run.blobs.url, "--out", str(tmp_path / "set"), "--only", "nowhere.parquet"]) == 2
    assert "nowhere.parquet" in capsys.readouterr().err
    assert not (tmp_path / "set").exists()


def test_a_model_names_the_best_of_each_group(
    run: RunStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "chosen.parquet"
    command = ["select", run.blobs.url, "--number", "30", *MODEL, "--out", str(out), "--json"]
    assert main(command) == 0
    told = json.loads(capsys.readouterr().out)["figures"]
    chosen = rows_of(out)
    assert len(chosen) == 30
    by = {row["group"]: row["by"] for row in chosen}
    assert set(by.values()) == {"model", "draw"}
    assert sum(each == "draw" for each in by.values()) == told["unreadable"]
    assert told["asked"] == len(by)
    assert 0 < told["places"]["groups"] <= 20
    assert 0.5 < told["places"]["moved"] <= 1  # it answers by the place
    before = files(tmp_path)
    assert main(command) == 0
    assert "asking" not in capsys.readouterr().err
    assert files(tmp_path) == before


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_a_killed_choice_lacks_is_asked_and_nothing_else(
    run: RunStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, answers = tmp_path / "chosen.parquet", tmp_path / "chosen.answers" / "answers"
    command = ["select", run.blobs.url, "--number", "30", *MODEL, "--out", str(out)]
    assert main(command) == 0
    whole, (part,) = out.read_bytes(), sorted(answers.iterdir())
    lines = part.read_text().splitlines(keepends=True)
    part.write_text("".join(lines[:11]))
    out.unlink()
    capsys.readouterr()
    assert main(command) == 0
    assert f"{len(lines) - 11} of {len(lines)} prompts" in capsys.readouterr().err
    assert out.read_bytes() == whole
    asked = [json.loads(line)["request_id"] for path in sorted(answers.iterdir()) for line in path.open()]
    assert len(asked) == len(set(asked)) == len(lines)


def test_a_model_s_answers_are_not_taken_for_another_choice(
    run: RunStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "chosen.parquet"
    assert main(["select", run.blobs.url, "--number", "30", *MODEL, "--out", str(out)]) == 0
    before = files(tmp_path)
    assert main(["select", run.blobs.url, "--number", "31", *MODEL, "--out", str(out)]) == 2
    assert "number: the run has 30" in capsys.readouterr().err
    assert files(tmp_path) == before


def test_documents_are_chosen_whatever_their_order(tmp_path: Path) -> None:
    texts = [f"Note {at}: about {word} and {other}." for at, (word, other) in enumerate(WORDS)]
    found = []
    for seed in range(3):
        random.Random(seed).shuffle(texts)
        source = tmp_path / f"{seed}.jsonl"
        source.write_text("".join(json.dumps({"body": text}) + "\n" for text in texts))
        out = tmp_path / f"{seed}.parquet"
        command = ["select", str(source), "--number", "9", "--by", "kcentre", "--field", "body", "--out", str(out)]
        assert main(command) == 0
        assert all(texts[int(row["id"].rpartition(":")[2]) - 1] == row["text"] for row in rows_of(out))
        found.append([row["text"] for row in rows_of(out)])
    assert found[0] == found[1] == found[2]
    assert len(set(found[0])) == 9


THINGS = ("rivers", "taxes", "violins", "bread", "planets", "law")
WORDS = [(one, other) for one in THINGS for other in THINGS]


def test_documents_come_as_parquet_too_and_have_no_checks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pq.write_table(pa.table({"text": [" ".join(each) for each in WORDS]}), tmp_path / "documents.parquet")
    command = [
        "select",
        str(tmp_path / "documents.parquet"),
        "--number",
        "5",
        "--out",
        str(tmp_path / "chosen.parquet"),
    ]
    assert main([*command, "--by", "random"]) == 0
    assert len(rows_of(tmp_path / "chosen.parquet")) == 5
    assert main([*command, "--by", "quality"]) == 2
    assert "nothing of it was checked" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--number", "36", "--by", "random"], "has 36 to choose from"),
        (["--number", "5", "--by", "random", "--embedding", "nowhere"], "there is no folder nowhere"),
        (["--number", "5", "--by", "random", "--field", "body"], "no text under 'body'"),
        (["--number", "5", "--by", "random", "--out", "documents.jsonl"], "is there and is no selection"),
        (["--number", "5", "--by", "random", "--out", "no/folder.parquet"], "there is no folder no"),
        (["--number", "0", "--by", "random"], "--number: is 0"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    options: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("documents.jsonl").write_text("".join(json.dumps({"text": " ".join(each)}) + "\n" for each in WORDS))
    before = files(tmp_path)
    assert main(["select", "documents.jsonl", *options]) == 2
    assert told in capsys.readouterr().err
    assert files(tmp_path) == before


def test_another_encoder_selects_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    encoder = tmp_path / "encoder"
    encoder.mkdir()
    found = Tokenizer(
        WordLevel({"<unk>": 0, **{word: at for at, word in enumerate(THINGS, start=1)}}, unk_token="<unk>")
    )
    found.pre_tokenizer = Whitespace()
    found.save(str(encoder / "tokenizer.json"))
    save_file({"embeddings": np.eye(7, dtype=np.float32)}, encoder / "model.safetensors")
    source, out = tmp_path / "documents.jsonl", tmp_path / "chosen.parquet"
    source.write_text("".join(json.dumps({"text": f"{word} {word}"}) + "\n" for word in THINGS * 5))
    command = [
        "select",
        str(source),
        "--number",
        "6",
        "--by",
        "kcentre",
        "--embedding",
        str(encoder),
        "--out",
        str(out),
    ]
    assert main([*command, "--json"]) == 0
    ways: Mapping[str, Any] = json.loads(capsys.readouterr().out)["figures"]["ways"]
    assert {row["text"].split()[0] for row in rows_of(out)} == set(THINGS)
    assert ways["kcentre"]["radius"] == 0
    assert ways["kcentre"]["cells"] is None


def test_a_run_of_instructions_alone_is_chosen_from(run: RunStore, tmp_path: Path) -> None:
    """Before anything is labelled; nothing can have been checked then."""
    folder, out = tmp_path / "run", tmp_path / "chosen.parquet"
    shutil.copytree(run.blobs.url, folder)
    for number in run.rounds(Table.INSTANCES)[1:]:
        for table in (Table.LABELS, Table.INSTANCES):
            (folder / table / f"{number:06d}.parquet").unlink()
    shutil.rmtree(folder / "checks")
    assert main(["select", str(folder), "--number", "20", "--by", "random", "--out", str(out)]) == 0
    numbers = run.rounds(Table.CANDIDATES)[1:]
    all_ids = [
        id
        for number in numbers
        for id in run.read_columns(Table.CANDIDATES, number, ["id"], accepted_only=True)["id"].to_pylist()
    ]
    assert ids_of(out) == [all_ids[at] for at in sorted(by_draw(len(all_ids), 20, 0))]
