"""Whole runs behind a server that answers oddly: what becomes of its answers, and what the last line says."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jobs.main import main
from selfinstruct.engines import openai
from selfinstruct.records import Candidate, Finish, InstanceRow, Label, Proposal, Reason, Row, Table
from selfinstruct.storage.store import RunStore
from selfinstruct.storage.verify import verify
from tests.tools.server import Server, Trick, choice, error, saying, serving


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(openai, "FIRST_WAIT", 0.01)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving() as running:
        running.says = well
        yield running


def tasks(prompt: str, seed: int) -> list[str]:
    """Eight that nobody has asked for before."""
    words = re.findall("....", hashlib.shake_256(f"{seed} {prompt}".encode()).hexdigest(128))
    return [f"Describe {' '.join(words[at : at + 8])} in a line." for at in range(0, 64, 8)]


def well(prompt: str, seed: int) -> str:
    """As a good model answers the sets `instruct` and `base`."""
    if "Write eight more tasks" in prompt:
        return json.dumps({"tasks": tasks(prompt, seed)})
    if "The task: " in prompt:
        instances = [{"input": "", "output": f"It is {seed}."}]
        return json.dumps({"classification": False, "labels": [], "instances": instances})
    if prompt.endswith("."):  # the number that is left open
        number = int(re.findall(r"(\d+)\.\Z", prompt)[0])
        return "".join(f"\n{at}. {task}" for at, task in enumerate(tasks(prompt, seed), number)).removeprefix(
            f"\n{number}."
        )
    return " No" if "Is it classification?" in prompt[-40:] else "Example 1\nInput: 3\nOutput: 9"


def generate(server: Server, out: Path, *options: str, prompts: str = "instruct") -> int:
    command = ["generate", "--engine", "openai", "--model", "m", "--openai.url", server.url, "--prompts", prompts]
    return main([*command, "--out", str(out), "--replicas", "0", "--target", "40", *options])


def rows(out: Path, table: Table) -> list[Any]:
    store = RunStore(str(out))
    found: list[Row] = []
    for number in store.rounds(table):
        found += store.read(table, number).rows
    return found


def one_in_five(answer: Trick) -> Any:
    """Played for the same prompts each time."""

    def always(body: dict[str, Any]) -> Trick | None:
        prompt = body["messages"][-1]["content"]
        return answer if sum(prompt.encode()) % 5 == 0 else None

    return always


def without_content(finish: str, **message: object) -> Trick:
    return saying({"choices": [{"finish_reason": finish, "message": {"role": "assistant", **message}}]})


def test_requests_whose_thoughts_took_all_tokens_are_cut_and_the_run_goes_on(server: Server, tmp_path: Path) -> None:
    server.always = one_in_five(without_content("length", reasoning_content="Hm."))
    assert generate(server, tmp_path / "run") == 0
    assert verify(RunStore(str(tmp_path / "run"))) == []
    proposals: list[Proposal] = rows(tmp_path / "run", Table.PROPOSALS)
    empty = {row.request_id for row in proposals if not row.text}
    assert {row.finish for row in proposals if row.request_id in empty} == {Finish.LENGTH}
    assert {row.error for row in proposals if row.request_id in empty} == {
        "no answer: all that the model wrote is in reasoning_content"
    }
    candidates: list[Candidate] = rows(tmp_path / "run", Table.CANDIDATES)
    assert {row.reason for row in candidates if row.request_id in empty} == {Reason.CUT_BY_LENGTH}
    labels: list[Label] = rows(tmp_path / "run", Table.LABELS)
    cut = {row.instruction_id for row in labels if row.finish is Finish.LENGTH}
    instances: list[InstanceRow] = rows(tmp_path / "run", Table.INSTANCES)
    assert empty
    assert cut
    assert {row.reason for row in instances if row.instruction_id in cut} == {Reason.CUT_BY_LENGTH}


def test_answers_without_content_end_no_run(server: Server, tmp_path: Path) -> None:
    server.always = one_in_five(without_content("stop", content=None, reasoning_content="Hm."))
    assert generate(server, tmp_path / "run") == 0
    assert Reason.NOTHING_PARSED in {row.reason for row in rows(tmp_path / "run", Table.CANDIDATES)}


def test_a_server_without_system_messages_serves_a_run(server: Server, tmp_path: Path) -> None:
    refusal = saying({"object": "error", "message": "System role not supported", "code": 400}, 400)
    server.always = lambda body: refusal if body["messages"][0]["role"] == "system" else None
    assert generate(server, tmp_path / "run") == 0
    assert {row.finish for row in rows(tmp_path / "run", Table.PROPOSALS)} == {Finish.STOP}


def test_an_end_of_turn_that_the_server_leaves_is_not_in_the_data(server: Server, tmp_path: Path) -> None:
    server.says = lambda prompt, seed: well(prompt, seed) + "</s>"
    assert generate(server, tmp_path / "run", prompts="base") == 0
    made: list[InstanceRow] = [row for row in rows(tmp_path / "run", Table.INSTANCES) if row.round]
    assert {(row.input, row.output, row.accepted) for row in made} == {("3", "9", True)}
    assert not [row for row in rows(tmp_path / "run", Table.CANDIDATES) if "</s>" in row.text]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (without_content("length"), r"All 75 answers were empty: their tokens were used up.*max_tokens"),
        (without_content("length", reasoning="Hm."), r"most often with 'no answer: all .* in reasoning': their tokens"),
        (without_content("stop", content=""), r"All 75 answers were empty; `selfinstruct try` shows"),
        (saying(choice('{"tasks": ["Draw."]}', chat=True)), r"Most often the reason was too_short \(75 of 75\)"),
        (saying(choice('{"tasks": ["Add the two numbers, then say it."]}', chat=True)), r"More varied seeds"),
    ],
    ids=["cut", "thoughts", "empty", "short", "one task"],
)
def test_the_last_line_of_a_run_that_gives_nothing_says_why(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str], answer: Trick, said: str
) -> None:
    server.always = lambda body: answer
    assert generate(server, tmp_path / "run", "--rounds.patience", "3") == 4
    last = capsys.readouterr().err.splitlines()[-1]
    assert "the last 3 rounds accepted nothing" in last
    assert re.search(said, last)
    assert ("More varied seeds" in last) is said.startswith("More")


def test_a_round_that_fails_whole_is_not_to_be_allowed(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.always = lambda body: error(400, "max_tokens is unknown; give max_completion_tokens")
    assert generate(server, tmp_path / "run") == 5
    said = capsys.readouterr().err
    assert "requests for proposals failed, most often with '400: max_tokens is unknown" in said
    assert "max_failed" not in said


@pytest.mark.parametrize(
    ("answer", "word"),
    [(error(400, "unfathomable"), "unfathomable"), (without_content("stop", content=None, refusal="Never."), "Never")],
)
def test_a_trial_shows_what_the_server_says(
    server: Server, capsys: pytest.CaptureFixture[str], answer: Trick, word: str
) -> None:
    server.always = lambda body: answer
    command = ["try", "--engine", "openai", "--model", "m", "--openai.url", server.url, "--prompts", "instruct"]
    assert main([*command, "--number", "3"]) == 0
    assert capsys.readouterr().out.count(word) == 3
