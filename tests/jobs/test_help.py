"""Help: what one needs first, everything on demand, and a page of all options that is current."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

import selfinstruct
from jobs.command_line import run
from jobs.commands import Command, Outcome
from jobs.completion import every
from jobs.helping import GENERAL, Page, short_page, whole_page
from jobs.main import COMMANDS, GROUPS, main
from tests.tools.reference import FILE, reference

EVERY = {command.name: command for command in every()}
MOST = 16
"""Options on a page that one reads."""

LOAD_TESTS = {"template.latency", "template.batch", "template.failure_rate", "template.cut_rate", "template.words"}


def keys_of(page: Page) -> list[str]:
    return [each.key for each in [*page.needed, *(each for group in page.groups for each in group.options)]]


@pytest.mark.parametrize("name", EVERY)
def test_a_page_is_short_and_shows_how_to_begin(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    command = EVERY[name]
    page = short_page(command)
    assert len(keys_of(page)) <= MOST
    assert not LOAD_TESTS & {*keys_of(page)}
    assert {*keys_of(page)} <= {*keys_of(whole_page(command))}
    assert main([*name.split(), "--help"]) == 0
    shown = capsys.readouterr().out
    required = " ".join(each.usage for each in page.needed)
    assert shown.splitlines()[0].startswith(f"usage: selfinstruct {name} {required}".rstrip())
    assert str(Path(selfinstruct.__file__).parent) not in shown
    if not name.startswith("bench "):
        assert len(page.examples) >= 2


@pytest.mark.parametrize("name", EVERY)
def test_everything_is_shown_on_demand(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*name.split(), "--help-all"]) == 0
    shown = capsys.readouterr().out
    page = whole_page(EVERY[name])
    for each in [*page.needed, *(each for group in page.groups for each in group.options), *GENERAL]:
        assert each.usage in shown
        assert each.text, f"{name}: nothing is said of {each.key}"
    assert str(Path(selfinstruct.__file__).parent) not in shown
    assert all(len(line) <= 100 for line in shown.partition("examples:")[0].splitlines()[1:])


def test_load_tests_are_told_of_on_demand() -> None:
    assert {*keys_of(whole_page(EVERY["generate"]))} >= LOAD_TESTS


@pytest.mark.parametrize(("name", "example"), [(name, each) for name in EVERY for each in EVERY[name].examples])
def test_examples_are_commands(name: str, example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # --json=FILE writes there
    words = shlex.split(example.partition(" > ")[0])
    assert words[: 1 + len(name.split())] == ["selfinstruct", *name.split()]
    command: Command[object] = EVERY[name]
    assert run(command, lambda _: Outcome({}), words[1 + len(name.split()) :]) == 0


def test_commands_stand_in_groups(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    places = [shown.index(f"\n{heading}:\n") for heading in GROUPS]
    assert places == sorted(places)
    assert all(f"\n  {name} " in shown for name in COMMANDS)
    assert {name.partition(" ")[0] for name in EVERY} == {*COMMANDS}


def test_generate_never_gets_more_options() -> None:
    assert len([*keys_of(whole_page(EVERY["generate"])), *GENERAL]) <= 78


def test_the_reference_is_current() -> None:
    assert FILE.read_text(encoding="utf-8") == reference(), "run python -m tests.tools.reference"


def test_a_shell_completes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "bash"]) == 0
    (tmp_path / "script").write_text(capsys.readouterr().out)
    asked = f"""
source {tmp_path}/script
complete -p selfinstruct > /dev/null || exit 1
for line in "ex" "evaluate su" "export --val" "generate --novelty.index pre" "status --qu"; do
    COMP_WORDS=(selfinstruct $line) COMPREPLY=()
    COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
    _tyro_selfinstruct
    echo "${{COMPREPLY[@]}}"
done
"""
    done = subprocess.run(["bash", "-c", asked], capture_output=True, text=True, timeout=600)
    assert done.stdout.splitlines() == ["export", "superni", "--validation", "prefix", "--quiet"], done.stderr
