"""What somebody sees of a command at work, on a pseudo-terminal and on a pipe."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

from jobs.main import main
from selfinstruct.records import Table
from selfinstruct.storage.store import RunStore
from selfinstruct.storage.verify import verify
from tests.tools.runs import make_run
from tests.tools.terminal import ROOT, Session

SLOW = ["--engine", "template", "--template.batch", "8", "--replicas", "0", "--rounds.least", "8", "--rounds.most", "8"]


def generate(out: Path, target: int, latency: float) -> list[str]:
    return ["generate", *SLOW, "--template.latency", str(latency), "--target", str(target), "--out", str(out)]


def test_a_panel_tells_what_is_known_and_stays_whole_when_the_terminal_gets_narrow(tmp_path: Path) -> None:
    session = Session(generate(tmp_path / "run", 150, 0.25), width=100)
    session.until(lambda each: "0/150" in each.seen)
    known = " ".join(session.screen.rows)
    assert "%" not in known
    assert "left" not in known
    session.until(lambda each: "left" in each.seen and "labelled" in each.seen)
    for width in (61, 38, 90, 24):
        session.resize(width)
        before = session.seen.count("labelled")
        session.until(lambda each, before=before: each.seen.count("labelled") > before + 2)  # type: ignore[misc]
    assert session.finish() == 0
    for beginning in ("accepted ", "labelled ", "rounds: "):
        assert sum(row.startswith(beginning) for row in session.screen.rows) == 1, session.screen.rows
    assert sum("tasks, template engine" in row.replace("\n", "") for row in ["".join(session.screen.rows)]) == 1
    assert "A few of the accepted" in "".join(session.screen.rows)


def test_an_interrupt_is_acknowledged_and_ends_with_the_command_that_goes_on(tmp_path: Path) -> None:
    command = generate(tmp_path / "run", 120, 0.3)
    session = Session(command)
    session.until(lambda each: "labelled" in each.seen)
    session.process.send_signal(signal.SIGINT)
    session.until(lambda each: "selfinstruct generate: ending; Ctrl-C again ends at once" in each.seen, 10)
    assert session.finish() == 130
    rows = [row for row in session.screen.rows if row.strip()]
    assert "interrupted; what is committed stays" in "".join(rows)
    assert "".join(rows).endswith(f"  selfinstruct {' '.join(command)}")
    assert main([*command, "--template.latency", "0"]) == 0
    assert verify(RunStore(str(tmp_path / "run"))) == []


def test_a_second_interrupt_ends_at_once(tmp_path: Path) -> None:
    program = """
import sys, time
from jobs.command_line import run
from jobs.commands import Command
from jobs.status import StatusSettings

def work(settings):
    try:
        print("at work", flush=True)
        time.sleep(60)
    finally:
        time.sleep(60)

run(Command("status", StatusSettings), work, ["run"])
"""
    process = subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert process.stderr
    assert process.stdout.readline() == "at work\n"
    process.send_signal(signal.SIGINT)
    assert process.stderr.readline().startswith("selfinstruct status: ending")
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130
    process.communicate()


def test_a_pipe_gets_plain_lines(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "jobs.main", *generate(tmp_path / "run", 20, 0.0)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0
    assert "\x1b" not in done.stdout + done.stderr
    assert done.stdout.lstrip().startswith("A few of the accepted tasks:")
    assert any(line.startswith("accepted ") and "/20 | " in line for line in done.stderr.splitlines())


def test_status_follows_a_run_to_its_end(tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = [sys.executable, "-m", "jobs.main", *generate(out, 150, 0.5)]
    at_work = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not RunStore(str(out)).rounds(Table.CANDIDATES):
            assert at_work.poll() is None
        following = [sys.executable, "-m", "jobs.main", "status", str(out), "--follow"]
        done = subprocess.run(following, cwd=ROOT, capture_output=True, text=True, timeout=900)
    finally:
        code = at_work.wait(120)
    assert (code, done.returncode) == (0, 0)
    assert "of 150 accepted" in done.stderr
    accepted = RunStore(str(out)).totals()[Table.CANDIDATES]["accepted"]
    assert done.stdout.startswith(f"{out}: {accepted} of ")  # nothing was at work any more


def test_a_command_that_takes_a_while_has_a_bar(tmp_path: Path) -> None:
    texts = tmp_path / "texts.jsonl"
    rows = [
        json.dumps({"instruction": f"Describe the city of number {n} in the {n % 97}th year."}) for n in range(10000)
    ]
    texts.write_text("\n".join(rows))
    session = Session(["dedup", str(texts), "--out", str(tmp_path / "out"), "--novelty.threshold", "1"])
    assert session.finish() == 0
    assert "judging" in session.seen
    assert "/10000" in session.seen.replace(",", "")
    shown = "\n".join(session.screen.rows)
    assert "judging" not in shown, "it goes when the work is done"
    assert "10,000 texts: " in shown


def test_a_model_that_is_asked_has_a_bar_with_its_pace(tmp_path: Path) -> None:
    make_run(tmp_path / "run", target=60)
    slow = ["--template.latency", "0.4", "--template.batch", "4"]
    session = Session(["check", str(tmp_path / "run"), "--engine", "template", "--replicas", "0", *slow])
    session.until(lambda each: "tokens/s" in each.seen)
    assert session.finish() == 0
    assert "left" in session.seen
    assert "instances judged" in "".join(session.screen.rows)
