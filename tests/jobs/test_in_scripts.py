"""Commands in scripts: one JSON object of figures, silence, levels of what is told, and exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from jobs.completion import every
from jobs.main import main
from selfinstruct.version import __version__
from tests.tools.commands import HERE, commands, make_place


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_place(tmp_path_factory.mktemp("place"))


def said(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> dict[str, Any]:
    """What a command says as JSON; nothing else may stand on stdout."""
    capsys.readouterr()
    assert main([*arguments, "--json"]) == code, capsys.readouterr().err
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert told.keys() == {"command", "version", "exit_code", "figures", "problems"}
    assert (told["version"], told["exit_code"]) == (__version__, code)
    assert bool(told["problems"]) is bool(code and not told["figures"])
    return told


SLOW = {"finetune", "doctor"}
"""These start Ray; that they speak is seen at an error of theirs, as with the benches that measure for long."""

NAMES = sorted(commands(Path(), Path()))


def test_no_command_is_forgotten() -> None:
    others = {command.name for command in every() if command.name not in NAMES}
    assert {name for name in others if not name.startswith("bench ")} == SLOW


@pytest.mark.parametrize("name", NAMES)
def test_a_command_gives_its_figures(
    name: str, place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = said(capsys, *name.split(), *commands(place, tmp_path)[name])
    assert told["command"] == name
    assert told["figures"]


@pytest.mark.parametrize("name", [command.name for command in every()])
def test_an_error_is_json_too(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    told = said(capsys, *name.split(), "--config", "nowhere.yaml", code=2)
    assert told["figures"] == {}
    assert "nowhere.yaml" in " ".join(told["problems"])


def test_figures_of_a_run_are_under_the_same_names(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = said(capsys, "generate", *commands(place, tmp_path)["generate"])["figures"]
    seen = said(capsys, "status", str(tmp_path / "out"))["figures"]
    assert made["tables"] == seen["tables"]
    assert made["reached"]
    assert made["tables"]["candidates"]["accepted"] >= 20


def test_figures_go_to_a_file_beside_the_words(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "figures.json"
    assert main(["status", str(place / "run"), f"--json={file}"]) == 0
    assert "candidates accepted" in capsys.readouterr().out
    assert json.loads(file.read_text())["figures"] == said(capsys, "status", str(place / "run"))["figures"]
    assert main(["status", str(place / "none"), f"--json={tmp_path / 'none.json'}"]) == 2
    assert not (tmp_path / "none.json").exists()
    assert main(["status", str(place / "run"), f"--json={file}/below.json"]) == 2
    assert capsys.readouterr().err.count("\n") == 2


def test_quiet_is_quiet(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = commands(place, tmp_path)["generate"]
    assert main(["generate", *options, "--quiet"]) == 0
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "")
    assert main(["generate", *options, "--quiet", "--instances.most", "3"]) == 2
    assert "instances.most" in capsys.readouterr().err


@pytest.mark.parametrize(("level", "notes", "warnings"), [("info", 1, 1), ("warning", 0, 1), ("error", 0, 0)])
def test_levels(level: str, notes: int, warnings: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    foreign = tmp_path / "foreign.jsonl"
    foreign.write_text(
        json.dumps({"id": "x", "instruction": "Назови красный плод.", "instances": [{"input": "", "output": "вишня"}]})
        + "\n"
    )
    options = [*HERE, "--out", str(tmp_path / "run"), "--seeds", str(foreign), "--target", "5"]
    assert main(["generate", *options, "--log_level", level]) in (0, 4)
    told = capsys.readouterr().err.splitlines()
    assert sum("in this process" in line for line in told) == notes
    assert min(1, sum(line.startswith("warning: ") for line in told)) == warnings


def test_there_are_four_levels(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "run", "--log_level", "loud"]) == 2
    assert "--log_level: takes one of debug, info, warning, error, not 'loud'" in capsys.readouterr().err
