"""Places that are none: a line and exit code 2 from every command, and nothing is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.main import main
from tests.tools.runs import make_run

LONG = "x" * 300

ANYWHERE = {
    "~no-such-user/x": "there is no such user's home folder; name the folder itself",
    "s3:/bucket/x": "is no local path, and a URL has two slashes; give a local path where no URL may be",
    "file://host/x": "names the machine 'host'; a file:// URL has three slashes, file:///folder",
    LONG: "File name too long",
}
LOCAL = {place: said for place, said in ANYWHERE.items() if place != "file://host/x"}
STORES = {
    **ANYWHERE,
    "s3://": "must be like s3://bucket/folder, with a bucket's name and no key in it",
    "s3://key:secret@bucket/x": "must be like s3://bucket/folder, with a bucket's name and no key in it",
    "ftp://host/x": "unknown scheme ftp://",
    "/dev/null/x": "choose a folder that you may",
}

GENERATE = "generate --engine template --replicas 0 --target 5 --out"
COMMANDS = {
    **dict.fromkeys([f"{GENERATE} PLACE", "reparse RUN --out PLACE", "merge RUN OTHER --out PLACE"], STORES),
    **dict.fromkeys(["status PLACE", "verify PLACE", "repair PLACE"], STORES),
    **dict.fromkeys([f"{GENERATE} OUT --pool PLACE", "import PLACE --out OUT", "dedup PLACE --out OUT"], ANYWHERE),
    **dict.fromkeys([f"{GENERATE} OUT --seeds PLACE", f"{GENERATE} OUT --config PLACE"], LOCAL),
    **dict.fromkeys(["export RUN --out PLACE", "select RUN --number 5 --by random --out PLACE.parquet"], LOCAL),
    **dict.fromkeys(["finetune RUN --out PLACE", "try --number 3 --model PLACE"], LOCAL),
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "one"
    make_run(folder, target=10)
    make_run(folder.with_name("other"), target=10, seed=1)
    return folder


@pytest.mark.parametrize("command", COMMANDS)
def test_a_place_that_is_none(
    command: str, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for place, said in COMMANDS[command].items():
        given = {"RUN": str(run), "OTHER": str(run.with_name("other")), "OUT": "out"}
        words = [given.get(word, word.replace("PLACE", place)) for word in command.split()]
        assert main(words) == 2, place
        (line,) = capsys.readouterr().err.splitlines()
        assert said in line or "must be" in line, place
        assert "secret" not in line
    assert list(tmp_path.iterdir()) == []


def test_a_home_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "gone"))
    assert main([*GENERATE.split(), "~/run"]) == 2
    assert "~/run: its home folder is not there; name the folder itself" in capsys.readouterr().err
    assert not (tmp_path / "gone").exists()


def test_urls_of_this_machine(tmp_path: Path) -> None:
    for url in (f"file://{tmp_path}/a", f"file://localhost{tmp_path}/b"):
        assert main([*GENERATE.split(), url]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"a", "b"}


def test_what_a_submitted_job_writes_is_not_put_where_ray_removes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    unpacked = tmp_path / "working_dir_files" / "_ray_pkg_0123"
    unpacked.mkdir(parents=True)
    monkeypatch.chdir(unpacked)
    command = ["generate", "--engine", "template", "--replicas", "0", "--target", "5", "--out"]
    assert main([*command, "runs/first"]) == 2
    assert "--out: runs/first would lie in this job's own folder" in capsys.readouterr().err
    assert list(unpacked.iterdir()) == []
    assert main([*command, str(tmp_path / "whole")]) == 0
