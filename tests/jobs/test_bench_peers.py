"""`bench peers` on few rows: each client makes them, and what the server saw is told. Figures are not judged."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

import pytest

from jobs.bench import loopback, peers, released_loop
from jobs.main import main
from selfinstruct.errors import FailureError

ROOT = Path(__file__).parents[2]


def test_bench_peers_measures_each_client(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--rows", "64", "--latencies", "0.05", "--under_way", "8", "--repeats", "1", "--limit", "60"]
    assert main(["bench", "peers", *options, "--out", str(tmp_path)]) == 0
    figures = json.loads((tmp_path / "peers.json").read_text())
    assert figures["server_requests_per_processor_second"] > 0
    lines = {line["who"]: peers.Figures(**line) for line in figures["lines"]}
    assert list(lines) == ["base", "instruct", "ray", "released"]
    shown = capsys.readouterr().out
    for line in lines.values():
        assert line.rows >= 64
        assert 1 < line.most_under_way <= 8
        assert 0 < line.start_seconds < line.first_row_seconds <= line.whole_seconds
        assert 0 < (line.of_latency or 0) <= 1.01
        assert peers.row(line) in shown
    proposals = lines["instruct"].requests - lines["instruct"].rows
    assert lines["ray"].requests >= lines["ray"].rows
    assert lines["base"].requests == proposals + 2 * lines["base"].rows
    assert lines["released"].requests * loopback.LISTED >= lines["released"].rows


def test_a_python_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "peers", "--distilabel", "/no/such/python"]) == 2
    assert "--distilabel: there is no Python /no/such/python" in capsys.readouterr().err


def test_a_python_that_lacks_a_package_is_told_of_before_anything_is_measured(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["bench", "peers", "--distilabel", sys.executable]) == 2  # the tests' own has no distilabel
    said = capsys.readouterr()
    assert f"--distilabel: {sys.executable} must have distilabel, openai, requests" in said.err
    assert said.out == ""


def test_a_client_that_fails_ends_the_bench_with_what_it_said() -> None:
    with pytest.raises(FailureError, match=r"failed: .*no rows today"):
        peers._process([sys.executable, "-c", "raise SystemExit('no rows today')"])


def test_the_released_loop_reads_what_the_server_writes() -> None:
    text = loopback.numbered(random.Random(1))
    parsed = released_loop.parsed(text)
    assert len(parsed) == loopback.LISTED
    assert all(task.split()[0] in loopback.OPENINGS for task in parsed)
    assert released_loop.similarity(parsed[0], parsed[0]) == 1


def test_each_kind_of_request_gets_its_answer() -> None:
    answers = loopback.Answers()

    def said(body: bytes) -> str:
        answer = json.loads(answers.to(body).partition(b"\r\n\r\n")[2])
        (choice,) = answer["choices"]
        return str(choice.get("text") or choice["message"]["content"])

    assert len(json.loads(said(b'{"messages": "Write eight more tasks"}'))["tasks"]) == 8
    assert said(b'{"prompt": "Task: x\\nIs it classification?"}') == " No"
    assert len(said(b'{"messages": "Develop 8 user queries that"}').splitlines()) == 8
    assert len(said(b'{"messages": "Explain this."}').split()) == 30
    first, second = (said(b'{"prompt": "Here is a list of many different tasks"}') for _ in range(2))
    assert first != second


@pytest.mark.parametrize("name", ["peers.json", "peers-40000.json"])
def test_the_documents_have_the_figures_of_the_committed_benches(name: str) -> None:
    figures = json.loads((ROOT / "docs/bench" / name).read_text())
    lines = [peers.row(peers.Figures(**line)) for line in figures["lines"]]
    document = (ROOT / "docs/benchmarks.md").read_text(encoding="utf-8")
    assert "\n".join([*peers.HEAD, *lines]) in document
