"""A full disk, a process that is told to end, and a run that was damaged: what the user sees, and what stays."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.main import main
from selfinstruct.errors import FailureError
from selfinstruct.records import Table
from selfinstruct.storage.blobs import open_blobs
from selfinstruct.storage.repair import damaged_from, with_followers
from selfinstruct.storage.segments import read_segments
from selfinstruct.storage.store import RunStore
from selfinstruct.storage.verify import digest, verify
from tests.tools.disks import leave, small_disk
from tests.tools.simulator.whole import whole_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "run"
    whole_run(str(folder), target=12)
    return folder


# ---- a full disk


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk") as folder:
        yield folder


def test_a_full_disk_is_waited_for(disk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    blobs = open_blobs(str(disk / "run"), patience=60)
    threading.Timer(1.0, (disk / "ballast").unlink).start()
    assert blobs.put("t/1", b"x" * 100_000)
    assert blobs.get("t/1") == b"x" * 100_000
    assert "the disk is full; waiting up to 60 s for space" in capsys.readouterr().err


def test_a_disk_that_stays_full_is_one_clear_line_and_leaves_nothing(disk: Path) -> None:
    blobs = open_blobs(str(disk / "run"), patience=1)
    with pytest.raises(FailureError, match=r"No space left on device for 1 s; make space and run the same command"):
        blobs.put("t/1", b"x" * 100_000)
    assert [path.name for path in disk.rglob("*") if path.is_file()] == ["ballast"]


def test_a_run_goes_on_when_there_is_space_again(disk: Path, run: Path) -> None:
    leave(disk, kilobytes=80)
    with pytest.raises(FailureError, match="No space left"):
        whole_run(str(disk / "run"), target=12)
    stopped = RunStore(str(disk / "run"))
    assert verify(stopped) == []
    assert 0 < len(stopped.rounds(Table.CANDIDATES)) < len(RunStore(str(run)).rounds(Table.CANDIDATES))
    subprocess.run(["mount", "-o", "remount,size=4m", disk], check=True)
    assert digest(whole_run(str(disk / "run"), target=12)) == digest(RunStore(str(run)))


# ---- the whole command


def generate(folder: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "jobs.generate", "--out", str(folder), "--engine", "template"]
    command += ["--template.latency", "0.05", "--rounds.least", "4", "--rounds.most", "8", "--target", "60", *options]
    return subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def test_the_command_says_what_to_do_about_a_full_disk(disk: Path) -> None:
    leave(disk, kilobytes=80)  # the seed tasks fit, the run does not
    process = generate(disk / "run", "--wait_for_space", "1")
    output, _ = process.communicate(timeout=900)
    assert process.returncode == 5, output
    assert "waiting up to 1 s for space" in output
    assert "make space and run the same command again" in output
    assert output.splitlines()[-1].endswith("; the same command goes on")
    assert verify(RunStore(str(disk / "run"))) == []
    assert not list((disk / "run").rglob(".*.parquet.*"))


def test_sigterm_ends_the_command_in_time_with_a_clear_line(tmp_path: Path) -> None:
    process = generate(tmp_path / "run", "--target", "100000")
    try:
        while not (tmp_path / "run/candidates/000001.parquet").exists():
            assert process.poll() is None, process.communicate()[0]
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=300)
    finally:
        process.kill()
    assert process.returncode == 143, output
    *_, last, command = output.splitlines()
    assert command.startswith(f"  selfinstruct generate --out {tmp_path / 'run'} ")
    in_flight = r"(, [\d,]+ requests? in flight (is|are) made again)?"
    kept = rf"what is committed stays, [\d,]+ answers? of rounds under way (is|are) kept{in_flight}"
    assert re.search(rf"told to end \(SIGTERM\); {kept}; the same command goes on$", last), last
    assert "Traceback" not in output
    store = RunStore(str(tmp_path / "run"))
    assert verify(store) == []
    assert f" {sum(len(segment.answers) for segment in read_segments(store.blobs)):,} answer" in last


# ---- repair


@pytest.fixture
def damaged(run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run, tmp_path / "run"))


def command(*arguments: object) -> int:
    return main([str(each) for each in arguments])


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_whole_run_is_left_alone(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = files(run)
    assert command("repair", run) == 0
    assert "nothing to be removed" in capsys.readouterr().out
    assert files(run) == before


@pytest.mark.parametrize("name", ["proposals/000002", "candidates/000002", "labels/000001", "instances/000000"])
@pytest.mark.parametrize("harm", ["torn", "gone"])
def test_what_follows_from_damage_goes_and_the_run_goes_on(run: Path, damaged: Path, name: str, harm: str) -> None:
    path = damaged / f"{name}.parquet"
    content = path.read_bytes()
    path.unlink() if harm == "gone" else path.write_bytes(content[:-100])
    assert command("verify", damaged) == 6
    assert command("repair", damaged) == 0
    assert verify(RunStore(str(damaged))) == []
    aside = damaged.with_name("run-removed-1")
    assert files(damaged) | files(aside) == files(run) - ({f"{name}.parquet"} if harm == "gone" else set())
    assert not files(damaged) & files(aside)
    whole_run(str(damaged), target=12)
    assert digest(RunStore(str(damaged))) == digest(RunStore(str(run)))


def test_labels_that_are_torn_cost_no_proposals(run: Path, damaged: Path) -> None:
    (damaged / "labels/000002.parquet").write_bytes(b"torn")
    assert command("repair", damaged) == 0
    assert files(run) - files(damaged) == {
        name for name in files(run) if name.startswith(("labels", "instances")) and name[-14:] >= "000002.parquet"
    }


def test_to_round_cuts_all_tables_and_a_dry_run_does_not(run: Path, damaged: Path) -> None:
    assert command("repair", damaged, "--to_round", 1, "--dry_run") == 0
    assert files(damaged) == files(run)
    assert command("repair", damaged, "--to_round", 1) == 0
    store = RunStore(str(damaged))
    assert [list(store.rounds(table))[-1] for table in Table] == [1, 1, 1, 1]
    assert command("repair", damaged, "--to_round", 0) == 0
    assert files(damaged) == {"candidates/000000.parquet", "instances/000000.parquet"}
    assert files(damaged.with_name("run-removed-2"))
    whole_run(str(damaged), target=12)
    assert digest(store) == digest(RunStore(str(run)))


def test_files_of_other_names_are_put_aside(damaged: Path) -> None:
    (damaged / "labels/notes.txt").write_text("mine")
    assert command("repair", damaged) == 0
    assert (damaged.with_name("run-removed-1") / "labels/notes.txt").read_text() == "mine"


def test_an_altered_file_is_found_by_the_one_that_was_made_after_it() -> None:
    problem = "proposals/000005.parquet: candidates/000004.parquet was altered since: it is not the file that ..."
    ends = with_followers(damaged_from([problem]))
    assert ends == {Table.PROPOSALS: 5, Table.CANDIDATES: 4, Table.LABELS: 4, Table.INSTANCES: 4}


def test_nothing_good_is_said(damaged: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (damaged / "candidates/000000.parquet").write_bytes(b"torn")
    assert command("repair", damaged) == 6
    assert "nothing is good, not even round 0" in capsys.readouterr().err
    assert command("repair", tmp_path / "absent") == 2
    assert command("repair", damaged, "--to_round", -1) == 2


@pytest.mark.parametrize("torn", [False, True])
def test_an_incomplete_beginning_is_named_and_taken_back(
    run: Path, damaged: Path, torn: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in files(run) - {"candidates/000000.parquet"}:
        (damaged / name).unlink()
    begun = damaged / "candidates/000000.parquet"
    if torn:
        begun.write_bytes(begun.read_bytes()[:-100])
    assert command("verify", damaged) == 6
    assert "candidates/000000.parquet: the run's beginning is incomplete" in capsys.readouterr().err
    assert command("repair", damaged) == 0
    assert files(damaged) == set()
    assert files(damaged.with_name("run-removed-1")) == {"candidates/000000.parquet"}
    whole_run(str(damaged), target=12)
    assert digest(RunStore(str(damaged))) == digest(RunStore(str(run)))


FIRST, FIRST_INSTANCES = "candidates/000000.parquet", "instances/000000.parquet"


@pytest.mark.parametrize("content", [b"", b"PAR1", None], ids=["empty", "cut", "missing"])
@pytest.mark.parametrize("name", [FIRST, FIRST_INSTANCES])
def test_one_of_the_first_files_is_bad(
    run: Path, damaged: Path, name: str, content: bytes | None, capsys: pytest.CaptureFixture[str]
) -> None:
    for other in files(run) - {FIRST, FIRST_INSTANCES}:
        (damaged / other).unlink()
    if content is None:
        (damaged / name).unlink()
    else:
        (damaged / name).write_bytes(content)
    assert command("verify", damaged) == 6
    assert name in capsys.readouterr().err
    assert command("repair", damaged) == 0
    assert files(damaged) == set()
    whole_run(str(damaged), target=12)
    assert digest(RunStore(str(damaged))) == digest(RunStore(str(run)))


@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_what_is_no_file_is_not_waited_for(damaged: Path, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = damaged / FIRST
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
    assert command("verify", damaged) == 6
    assert f"{path}: is no file but a folder, a pipe or a device" in capsys.readouterr().err
    assert command("repair", damaged) == 6


@pytest.mark.parametrize("name", ["loop", "n" * 300])
def test_a_run_whose_name_leads_nowhere(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / name
    if name == "loop":
        path.symlink_to(path)
    asked = [["verify", path], ["status", path], ["export", path, "--out", tmp_path / "out"]]
    asked += [["generate", "--engine", "template", "--pool", path, "--out", tmp_path / "out"]]
    asked += [["generate", "--model", path, "--out", tmp_path / "out"], ["import", path, "--out", tmp_path / "out"]]
    for each in asked:
        assert command(*each) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert str(path) in line
    assert not (tmp_path / "out").exists()


def test_a_run_in_a_bucket_is_repaired(bucket: str, run: Path) -> None:
    whole_run(bucket, target=12)
    assert command("repair", bucket, "--to_round", 1) == 0
    assert verify(RunStore(bucket)) == []
    assert open_blobs(f"{bucket}-removed-1").names("candidates")[0] == "000002.parquet"
    whole_run(bucket, target=12)
    assert digest(RunStore(bucket)) == digest(RunStore(str(run)))
