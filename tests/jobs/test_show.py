"""`selfinstruct show`: from an id to everything that led to it and came of it, safe for a terminal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jobs.main import main
from selfinstruct.engines import EngineSettings, open_engine
from selfinstruct.novelty.check import make_index
from selfinstruct.prompts import load_prompts
from selfinstruct.records import Candidate, Finish, Kind, Label, Origin, Proposal, RoundFile, Table
from selfinstruct.run.loop import SingleCompleter, drive
from selfinstruct.run.rounds import Run, Stage
from selfinstruct.run.settings import RoundSettings, RunSettings
from selfinstruct.settings import facts_of, fingerprint_of
from selfinstruct.sources.seeds import SEED_TASKS, load_seeds
from selfinstruct.storage.store import RunStore


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    prompts, seeds = load_prompts("tiny"), load_seeds(SEED_TASKS)[:30]
    settings = RunSettings(target=60, rounds=RoundSettings(least=6, most=8))
    store = RunStore(str(tmp_path_factory.mktemp("run")))
    engine = open_engine(EngineSettings("template"), prompts)
    lines = [(SingleCompleter(engine, 64), (Stage.PROPOSE, Stage.LABEL))]
    facts = {**facts_of(settings), "prompts": prompts.digest}
    drive(Run(settings, prompts, seeds), store, make_index(settings.novelty), lines, facts)
    return store


def shown(capsys: pytest.CaptureFixture[str], *options: str) -> str:
    assert main(["show", *options]) == 0
    return capsys.readouterr().out


def test_an_instruction_is_shown_with_its_lineage(store: RunStore, capsys: pytest.CaptureFixture[str]) -> None:
    instance = next(row for row in store.read(Table.INSTANCES, 2).rows if row.accepted and row.input)
    proposals = {row.request_id: row for row in store.read(Table.PROPOSALS, 2).rows}
    proposal = proposals[instance.instruction_id.rpartition("/")[0]]
    text = shown(capsys, store.blobs.url, instance.instruction_id)
    assert f"[{instance.instruction_id}] accepted, model, round 2\n    {instance.instruction}\n" in text
    assert [text.index(f"[{id}]") for id in proposal.demonstrations] == sorted(
        text.index(f"[{id}]") for id in proposal.demonstrations
    )
    assert "    9.\n" in text  # the prompt's open item
    assert proposal.text.strip().splitlines()[-1] in text
    assert f"classify {instance.instruction_id}/classify: stop" in text
    assert f"[{instance.id}] accepted" in text
    assert instance.output.splitlines()[0] in text
    for id in (instance.id, f"{instance.instruction_id}/classify", f"{instance.instruction_id}/instances"):
        assert shown(capsys, store.blobs.url, id) == text


def test_a_rejected_one_names_its_cause(store: RunStore, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [row for number in store.rounds(Table.CANDIDATES) for row in store.read(Table.CANDIDATES, number).rows]
    texts = {row.id: row.text for row in rows}
    similar = next(row for row in rows if row.reason == "similar")
    text = shown(capsys, store.blobs.url, similar.id)
    assert f"[{similar.id}] rejected, similar" in text
    assert f"ROUGE-L {similar.rouge_l:.3f} to [{similar.nearest_id}]\n    {texts[similar.nearest_id]}\n" in text


def test_a_request_is_shown_with_all_it_gave(store: RunStore, capsys: pytest.CaptureFixture[str]) -> None:
    rows = store.read(Table.CANDIDATES, 1).rows
    request = rows[0].request_id
    text = shown(capsys, store.blobs.url, request)
    assert all(f"[{row.id}] " in text for row in rows if row.request_id == request)


def test_a_seed_is_shown_with_its_instances(store: RunStore, capsys: pytest.CaptureFixture[str]) -> None:
    seed = store.read(Table.CANDIDATES, 0).rows[0]
    text = shown(capsys, store.blobs.url, seed.id)
    assert f"[{seed.id}] accepted, seed, round 0" in text
    assert f"[{seed.id}/0] accepted" in text
    assert "request" not in text


def test_prompts_are_shown_whole_or_named(store: RunStore, capsys: pytest.CaptureFixture[str]) -> None:
    id = next(row.id for row in store.read(Table.CANDIDATES, 1).rows if row.accepted)
    prefix = load_prompts("tiny")[Kind.CLASSIFY].prefix.strip()
    assert prefix not in shown(capsys, store.blobs.url, id)
    assert prefix in shown(capsys, store.blobs.url, id, "--prefixes")
    assert main(["show", store.blobs.url, id, "--prompts", "base"]) == 2
    assert "base is not the set that this run was made with" in capsys.readouterr().err


def test_an_id_that_is_not_there_is_one_line(store: RunStore, capsys: pytest.CaptureFixture[str]) -> None:
    for id in ("000001/99999/00", "000999/00000/00", "seed/none", "", "²/1/2"):
        assert main(["show", store.blobs.url, id]) == 2
        errors = capsys.readouterr().err.splitlines()
        assert len(errors) == 1
        assert "no row has the id" in errors[0]


HOSTILE = "a\x1b]0;title\x07b\x1b[2Jc\r\nd\x9b31me\u202ef\x00g\u2028h\x7f"


def test_no_text_steers_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = RunStore(str(tmp_path / "run"))
    seed = Candidate(f"seed/{HOSTILE}", 0, None, None, Origin.SEED, HOSTILE, True, None, None, None)
    proposal = Proposal("000001/00000", 1, HOSTILE, (seed.id,), HOSTILE, Finish.FAILED, 3, 4, HOSTILE)
    row = Candidate("000001/00000/00", 1, proposal.request_id, 0, Origin.MODEL, HOSTILE, True, None, seed.id, 0.5)
    label = Label(f"{row.id}/classify", 1, row.id, Kind.CLASSIFY, HOSTILE, Finish.STOP, 3, 1, None)
    for file in (
        RoundFile(Table.CANDIDATES, 0, (seed,), {"facts": {}}),
        RoundFile(Table.INSTANCES, 0, ()),
        RoundFile(Table.PROPOSALS, 1, (proposal,)),
        RoundFile(Table.CANDIDATES, 1, (row,)),
        RoundFile(Table.LABELS, 1, (label,)),
    ):
        store.commit(file, fingerprint_of({}))
    text = shown(capsys, store.blobs.url, row.id)
    assert "\\x1b]0;title" in text
    assert "name the set's folder with --prompts" in text
    assert "(not labelled yet)" in text
    assert all(char.isprintable() or char == "\n" for char in text)
    found = json.loads(shown(capsys, store.blobs.url, row.id, "--json"))
    assert found["figures"]["lineages"][0]["candidate"]["text"] == HOSTILE
