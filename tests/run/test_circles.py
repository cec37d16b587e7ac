"""Answers that were ended since they went in circles: what a whole run makes of them, and who is told."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jobs.main import main
from selfinstruct.errors import FingerprintError
from selfinstruct.pool import Pool
from selfinstruct.records import (
    Candidate,
    Finish,
    InstanceRow,
    Kind,
    Label,
    Origin,
    Proposal,
    Reason,
    RoundFile,
    Table,
)
from selfinstruct.run.facts import check_facts
from selfinstruct.run.settings import RunSettings
from selfinstruct.run.verdicts import Criteria, labelled, screened
from selfinstruct.settings import facts_of, fingerprint_of, with_facts
from selfinstruct.steps.readers.paper import PaperReader
from selfinstruct.steps.readers.tolerant import TolerantReader
from selfinstruct.storage.store import RunStore
from selfinstruct.storage.verify import verify
from tests.tools.server import Server, Trick, choice, saying, serving

TOLERANT, PAPER = TolerantReader(False, {}), PaperReader()
CRITERIA = Criteria.of(RunSettings(), [])
ROUND_AND_ROUND = " and round" * 40


def proposal(text: str, finish: Finish) -> Proposal:
    return Proposal("000001/00000", 1, "paper", ("a",) * 8, text, finish, 10, 96, None)


def label(text: str, finish: Finish, kind: Kind = Kind.INPUT_FIRST) -> Label:
    return Label("x/instances", 1, "x", kind, text, finish, 10, 96, None)


INSTRUCTION = Candidate("x", 1, "x", 0, Origin.MODEL, "Square the number.", True, None, None, None)
INSTANCES = "Example 1\nInput: 3\nOutput: 9\nExample 2\nInput: 4\nOutput: 16\nExample 3\nInput: 5\nOutput: 25"


@pytest.mark.parametrize("finish", [Finish.LENGTH, Finish.REPETITION])
def test_what_is_not_whole_is_dropped_as_what_it_was_ended_for(finish: Finish) -> None:
    reason = Reason.CUT_BY_LENGTH if finish is Finish.LENGTH else Reason.REPETITION
    text = f" Name three rivers of Europe.\n10. Add up two long numbers.\n11. Walk round{ROUND_AND_ROUND}"
    rows = screened([proposal(text, finish)], TOLERANT, CRITERIA, Pool().texts_of)
    assert [row.reason for row in rows] == [None, None, reason]
    (dropped,) = screened([proposal(text, finish)], PAPER, CRITERIA, Pool().texts_of)
    assert (dropped.reason, dropped.position) == (reason, None)
    found = list(labelled([INSTRUCTION], [label(INSTANCES, finish)], TOLERANT, CRITERIA))
    assert [row.reason for row in found] == [None, None, reason]
    assert [row.output for row in found] == ["9", "16", "25"]


def test_an_answer_that_ended_by_itself_is_whole() -> None:
    rows = labelled([INSTRUCTION], [label(INSTANCES, Finish.STOP)], TOLERANT, CRITERIA)
    assert [row.reason for row in rows] == [None] * 3


def test_instances_that_are_repeated_leave_one() -> None:
    text = "\n".join(["Example 1\nInput: 3\nOutput: 9"] * 12 + ["Example 1\nInput: 3\nOut"])
    rows = list(labelled([INSTRUCTION], [label(text, Finish.REPETITION)], TOLERANT, CRITERIA))
    assert [(row.input, row.output) for row in rows if row.accepted] == [("3", "9")]
    assert {row.reason for row in rows} == {None, Reason.DUPLICATE, Reason.REPETITION}


def test_a_thought_that_goes_in_circles_holds_no_answer() -> None:
    text = f"<think>Hm{ROUND_AND_ROUND}"
    (row,) = labelled([INSTRUCTION], [label(text, Finish.REPETITION)], TolerantReader(True, {}), CRITERIA)
    assert (row.reason, row.is_classification) == (Reason.REPETITION, None)


# the switch


def test_a_run_of_before_was_told_not_to(tmp_path: Path) -> None:
    now = facts_of(RunSettings())
    older = {key: fact for key, fact in now.items() if key != "stop_repetition"}
    assert with_facts(RunSettings(), older).stop_repetition is False
    store = RunStore(str(tmp_path / "run"))
    seed = Candidate("seed/a", 0, None, None, Origin.SEED, "Name a colour.", True, None, None, None)
    store.commit(RoundFile(Table.CANDIDATES, 0, (seed,), {"facts": older}), fingerprint_of(older))
    check_facts(store, {**now, "stop_repetition": False})
    with pytest.raises(FingerprintError, match="stop_repetition: the run has False, this command True"):
        check_facts(store, now)


# a whole run, behind a server that ends some answers so and says it


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving() as running:
        running.always = answer
        yield running


def answer(body: dict[str, Any]) -> Trick:
    """As a good model answers the set `base`, but that one answer in three goes in circles."""
    prompt, draw = body["prompt"], body["seed"] % 3
    if prompt.endswith("."):  # the number that is left open
        number = int(re.findall(r"(\d+)\.\Z", prompt)[0])
        words = re.findall("....", hashlib.shake_256(str(body["seed"]).encode()).hexdigest(64))
        tasks = [f"Describe {' '.join(words[at : at + 8])} in a line." for at in range(0, 32, 8)]
        text = " " + "\n".join(f"{at}. {task}" for at, task in enumerate(tasks, number)).partition(" ")[2]
        circle = f"\n{number + 4}. Go round{ROUND_AND_ROUND}"
    elif "Is it classification?" in prompt[-40:]:
        return saying(choice(" No"))
    else:
        text, circle = INSTANCES, f"\nExample 4\nInput: 6\nOutput: 36{ROUND_AND_ROUND}"
    return saying(choice(text + circle, "repetition") if draw == 0 else choice(text))


def read(store: RunStore, table: Table) -> list[Any]:
    return [row for number in store.rounds(table) if number for row in store.read(table, number).rows]


def test_a_run_keeps_what_was_whole_and_counts_the_rest(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "run")
    command = ["generate", "--engine", "openai", "--model", "m", "--openai.url", server.url, "--prompts", "base"]
    assert main([*command, "--out", out, "--replicas", "0", "--target", "40", "--rounds.least", "4"]) == 0
    assert re.search(r"went in circles: propose \d+%, input_first \d+%", capsys.readouterr().err)
    store = RunStore(out)
    assert verify(store) == []
    proposals, labels = read(store, Table.PROPOSALS), read(store, Table.LABELS)
    assert {row.finish for row in proposals} == {row.finish for row in labels} == {Finish.STOP, Finish.REPETITION}
    circled = {row.request_id for row in proposals if row.finish is Finish.REPETITION}
    candidates: list[Candidate] = read(store, Table.CANDIDATES)
    assert {row.request_id for row in candidates if row.reason is Reason.REPETITION} == circled
    assert circled <= {row.request_id for row in candidates if row.accepted}
    instances: list[InstanceRow] = read(store, Table.INSTANCES)
    for row in labels:
        if row.kind is Kind.INPUT_FIRST:
            reasons = [each.reason for each in instances if each.instruction_id == row.instruction_id]
            assert reasons == [None] * 3 + [Reason.REPETITION] * (row.finish is Finish.REPETITION)

    assert main(["status", out]) == 0
    shown = capsys.readouterr().out
    for key in (
        "requests.repetition",
        "input_first.repetition",
        "rejected.repetition",
        "instances.rejected.repetition",
    ):
        assert f"  {key}\n" in shown
    assert main(["sample", out, "--reason", "repetition", "--number", "1"]) == 0
    assert "Go round and round" in capsys.readouterr().out
    page, figures = tmp_path / "page.html", tmp_path / "figures.json"
    assert main(["report", out, "--out", str(page), f"--json={figures}"]) == 0
    cut = {each["kind"]: each for each in json.loads(figures.read_text())["figures"]["cut"]}
    assert cut["propose"]["repetition"] == len(circled)
    assert cut["propose"]["cut"] == 0
    assert "propose, in circles" in page.read_text()
