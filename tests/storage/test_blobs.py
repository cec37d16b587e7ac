"""Files appear whole, once, whoever races and whoever is killed; locally and on an S3 server."""

from __future__ import annotations

import hashlib
import itertools
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import selfinstruct
from selfinstruct.errors import FailureError, InputError
from selfinstruct.storage.blobs import Blobs, open_blobs

REPOSITORY = Path(selfinstruct.__file__).parents[1]


@pytest.fixture(params=["local", "file", "s3"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    if request.param == "s3":
        return open_blobs(request.getfixturevalue("bucket"))
    return open_blobs(str(tmp_path / "a run") if request.param == "local" else f"file://{tmp_path}/a%20run")


def test_a_file_is_put_once(blobs: Blobs) -> None:
    blobs.check_writable()
    assert blobs.put("t/2.parquet", b"first")
    assert not blobs.put("t/2.parquet", b"second")
    assert blobs.put("t/1.parquet", b"")
    assert blobs.get("t/2.parquet") == b"first"
    assert blobs.get("t/1.parquet") == b""
    assert blobs.names("t") == ["1.parquet", "2.parquet"]


def test_absent_names(blobs: Blobs) -> None:
    assert blobs.names("t") == []
    with pytest.raises(KeyError):
        blobs.get("t/1.parquet")
    with pytest.raises(KeyError):
        blobs.open("t/1.parquet")


def test_a_file_is_removed_and_an_absent_one_is_no_matter(blobs: Blobs) -> None:
    blobs.remove("t/1.parquet")
    blobs.put("t/1.parquet", b"")
    blobs.remove("t/1.parquet")
    blobs.remove("t/1.parquet")
    assert blobs.names("t") == []
    assert blobs.put("t/1.parquet", b"again")


def test_pyarrow_reads_columns_of_an_open_file(blobs: Blobs) -> None:
    sink = pa.BufferOutputStream()
    table = pa.table({"a": list(range(1000)), "b": ["text"] * 1000})
    pq.write_table(table, sink)
    blobs.put("t/1.parquet", sink.getvalue().to_pybytes())
    with blobs.open("t/1.parquet") as source, pq.ParquetFile(source) as file:
        assert file.metadata.num_rows == 1000
        assert file.read(columns=["b"]).equals(table.select(["b"]))


def test_remote_columns_fetch_ranges_only(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    blobs = open_blobs(bucket)
    sink = pa.BufferOutputStream()
    wide = [random.Random(i).randbytes(1000) for i in range(2000)]
    pq.write_table(pa.table({"a": list(range(2000)), "wide": wide}), sink)
    blobs.put("t/1.parquet", sink.getvalue().to_pybytes())
    fetched = []
    fetch = blobs.part  # type: ignore[attr-defined]
    monkeypatch.setattr(blobs, "part", lambda *key: fetched.append(fetch(*key)) or fetched[-1])
    with blobs.open("t/1.parquet") as source, pq.ParquetFile(source) as file:
        assert file.read(columns=["a"])["a"].to_pylist() == list(range(2000))
    assert 0 < sum(map(len, fetched)) < 200_000


@pytest.mark.parametrize("place", ["local", "s3"])
def test_of_racing_processes_exactly_one_wins(place: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    url = request.getfixturevalue("bucket") if place == "s3" else str(tmp_path / "run")
    racers, names = 6, 20
    script = f"""
import sys, time, pathlib
from selfinstruct.storage.blobs import open_blobs
blobs, me = open_blobs({url!r}), sys.argv[1]
pathlib.Path({str(tmp_path)!r}, "ready" + me).touch()
while not pathlib.Path({str(tmp_path)!r}, "go").exists(): time.sleep(0.001)
for i in range({names}):
    if blobs.put(f"t/{{i:06d}}.parquet", me.encode() * 100_000): print(i)
"""
    processes = [_python(script, str(me)) for me in range(racers)]
    _until(lambda: len(list(tmp_path.glob("ready*"))) == racers)
    (tmp_path / "go").touch()
    won = [[int(line) for line in process.communicate(timeout=600)[0].split()] for process in processes]
    assert all(process.returncode == 0 for process in processes)
    assert sorted(itertools.chain(*won)) == list(range(names))
    blobs = open_blobs(url)
    for me, mine in enumerate(won):
        assert all(blobs.get(f"t/{i:06d}.parquet") == str(me).encode() * 100_000 for i in mine)
    assert not list(tmp_path.glob("run/t/.*"))


def test_killed_writers_leave_nothing_half_written(tmp_path: Path) -> None:
    files, size = 60, 2_000_000
    script = f"""
from selfinstruct.storage.blobs import open_blobs
blobs = open_blobs({str(tmp_path)!r})
print("begun", flush=True)
for i in range({files}): blobs.put(f"t/{{i:06d}}.parquet", bytes([i]) * {size})
"""
    whole = {f"{i:06d}.parquet": hashlib.sha256(bytes([i]) * size).digest() for i in range(files)}
    blobs, draws = open_blobs(str(tmp_path)), random.Random(1)
    for _ in range(6):
        process = _python(script)
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        time.sleep(draws.uniform(0, 0.1))
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        for name in blobs.names("t"):
            assert hashlib.sha256(blobs.get(f"t/{name}")).digest() == whole[name]
    assert _python(script).wait() == 0
    assert blobs.names("t") == list(whole)
    assert not list(tmp_path.glob("t/.*"))


def test_leftovers_of_the_same_name_are_swept(tmp_path: Path) -> None:
    blobs = open_blobs(str(tmp_path))
    blobs.put("t/000001.parquet", b"")
    for name in (".000002.parquet.dead", ".000002.parquet.gone", ".000003.parquet.else"):
        (tmp_path / "t" / name).write_bytes(b"torn")
    assert blobs.names("t") == ["000001.parquet"]
    blobs.put("t/000002.parquet", b"whole")
    assert sorted(path.name for path in tmp_path.glob("t/.*")) == [".000003.parquet.else"]


@pytest.mark.parametrize("other_is_there", [True, False])
def test_a_swept_temporary_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other_is_there: bool) -> None:
    link = os.link

    def swept_at_first(temporary: Path, final: Path) -> None:
        monkeypatch.setattr(os, "link", link)
        temporary.unlink()
        if other_is_there:
            final.write_bytes(b"other")
        link(temporary, final)

    monkeypatch.setattr(os, "link", swept_at_first)
    blobs = open_blobs(str(tmp_path))
    assert blobs.put("t/1", b"mine") is not other_is_there
    assert blobs.get("t/1") == (b"other" if other_is_there else b"mine")


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    blobs = open_blobs(str(tmp_path))
    monkeypatch.setattr(os, "fsync", full)
    (tmp_path / "t").mkdir()
    with pytest.raises(FailureError, match="No space left"):
        blobs.put("t/1", b"data")
    assert not list((tmp_path / "t").iterdir())


@pytest.mark.parametrize("url", ["ftp://host/run", "http://host/run", "az://container/run", "s3:///run"])
def test_urls_that_cannot_work(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME", raising=False)
    with pytest.raises(InputError, match=url) as caught:
        open_blobs(url)
    _one_clear_line(caught.value)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for url in (str(tmp_path / "file" / "run"), "/proc/self/run"):  # these hold for root too
        with pytest.raises(InputError, match="cannot write here") as caught:
            open_blobs(url).check_writable()
        _one_clear_line(caught.value)
    with pytest.raises(InputError):
        open_blobs(str(tmp_path / "file")).names("t")


def test_a_file_system_without_put_if_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "link", lambda temporary, final: final.write_bytes(temporary.read_bytes()))
    with pytest.raises(InputError, match="hard links do not work"):
        open_blobs(str(tmp_path)).check_writable()
    assert not list(tmp_path.iterdir())


def test_a_missing_bucket(bucket: str) -> None:
    blobs = open_blobs("s3://no-such-bucket/run")
    for ask in (blobs.check_writable, lambda: blobs.names("t"), lambda: blobs.put("t/1", b"")):
        with pytest.raises(InputError, match="no such bucket") as caught:
            ask()
        _one_clear_line(caught.value)


def test_a_store_that_ignores_the_condition(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    blobs = open_blobs(bucket)
    monkeypatch.setattr(blobs, "_create", lambda *_: True)
    with pytest.raises(InputError, match="If-None-Match"):
        blobs.check_writable()


def test_missing_credentials(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(InputError, match="AWS_ACCESS_KEY_ID") as caught:
        open_blobs(bucket)
    _one_clear_line(caught.value)


def test_an_endpoint_that_does_not_answer(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(InputError, match="AWS_ENDPOINT_URL") as caught:
        open_blobs(bucket).check_writable()
    _one_clear_line(caught.value)


def _one_clear_line(error: InputError) -> None:
    assert len(str(error).splitlines()) == 1
    assert len(str(error)) < 500


def _python(script: str, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", script, *arguments], cwd=REPOSITORY, stdout=subprocess.PIPE)


def _until(condition: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
