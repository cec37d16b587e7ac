"""Runs that somebody altered by hand: a line that names the damage from every command, no traceback and no wait."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.main import main
from selfinstruct.storage.store import KEY, encode
from selfinstruct.storage.tables import content_digest
from tests.tools.runs import make_run

FIRST, NEXT, FAR = "candidates/000000.parquet", "proposals/000099.parquet", "labels/999999.parquet"
HOSTILE = "labels/a\x1b[2J\nb\u202e.parquet"

Alteration = Callable[[Path], object]

COMMANDS = [["status"], ["show", "000001/00000/00"], ["sample"], ["plan", "--target", "900"], ["repair", "--dry_run"]]
READERS = [["reparse", "--out", "OUT"], ["export", "--out", "OUT"]]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "whole"
    make_run(folder)
    return folder


def newest(run: Path, table: str) -> Path:
    return max((run / table).glob("*.parquet"))


def rewritten(path: Path, change: Callable[[dict[str, Any]], object], rows: pa.Table | None = None) -> None:
    """The file with other metadata, or other rows, of which it says the digest."""
    with pq.ParquetFile(path) as file:
        metadata = json.loads(file.metadata.metadata[KEY])
        there = file.read().replace_schema_metadata(None)
    change(metadata)
    if rows is not None:
        metadata["content"] = content_digest(rows)
    path.write_bytes(encode(there if rows is None else rows, json.dumps(metadata).encode()))


def fact(key: str, value: object) -> Alteration:
    return lambda run: rewritten(run / FIRST, lambda metadata: metadata["notes"]["facts"].update({key: value}))


def said(table: str, key: str, value: object) -> Alteration:
    return lambda run: rewritten(newest(run, table), lambda metadata: metadata.update({key: value}))


def row(name: str, column: str, value: object) -> Alteration:
    """Another value in the first row, of which the file says the digest."""

    def alter(run: Path) -> None:
        rows = pq.read_table(run / name).replace_schema_metadata(None)
        at = rows.schema.get_field_index(column)
        cells = [value, *rows[column].to_pylist()[1:]]
        field = rows.schema.field(at)
        rewritten(run / name, lambda _: None, rows.set_column(at, field, pa.array(cells, field.type)))

    return alter


def placed(name: str, make: Callable[[Path], object]) -> Alteration:
    """Something else in a file's or folder's place."""

    def alter(run: Path) -> None:
        path = run / name
        if path.is_dir():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        make(path)

    return alter


def huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


THINGS: dict[str, Callable[[Path], object]] = {
    "folder": lambda path: (path.mkdir(), (path / "x").write_text("x")),
    "pipe": os.mkfifo,
    "link to nothing": lambda path: path.symlink_to("/nonexistent/x"),
    "link to itself": lambda path: path.symlink_to(path.name),
    "link to a device": lambda path: path.symlink_to("/dev/zero"),
    "empty": Path.touch,
    "text": lambda path: path.write_text("hello"),
    "other Parquet": lambda path: pq.write_table(pa.table({"a": [1]}), path),
    "huge": huge,
}

ALTERED: dict[str, Alteration] = {
    **{
        f"fact {key} {value!r:.9}": fact(key, value)
        for key, value in {
            "novelty.tokeniser": "cl100k",
            "novelty.threshold": {"a": 1},
            "planner": None,
            "seeds": 10**30,
            "origin": [1],
            "label.as": True,
            "unknown": "x",
        }.items()
    },
    **{
        f"{key} {value!r:.9}": said("candidates", key, value)
        for key, value in [
            ("counts", {"accepted": 10**12}),
            ("counts", {"accepted": "x"}),
            ("total", {"accepted": -1}),
            ("notes", [1]),
            ("versions", {"python": []}),
            ("writer", {"id": 1, "host": "a", "pid": 2}),
            ("fingerprint", "0" * 64),
        ]
    },
    "id of a seed": row(FIRST, "id", "seed/other"),
    "request of no round": row("proposals/000001.parquet", "request_id", "x"),
    "unknown kind": row("labels/000001.parquet", "kind", "9" * 200),
    "candidate without a score": row("candidates/000001.parquet", "nearest_id", "x"),
    **{
        f"{what} at {name}": placed(name, make)
        for what, make in THINGS.items()
        for name in ((FIRST, NEXT, FAR) if what in ("folder", "text", "pipe") else (NEXT,))
        if (what, name) != ("link to nothing", FIRST)
    },
    "a table that is a file": placed("candidates", lambda path: path.write_text("x")),
    "a table that is a link to itself": placed("instances", lambda path: path.symlink_to(path.name)),
    "a name that steers": placed(HOSTILE, Path.touch),
}


@pytest.mark.parametrize("alteration", ALTERED)
def test_every_command_has_one_line_for_it(
    alteration: str, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    ALTERED[alteration](run)
    assert main(["verify", str(run)]) == 6
    capsys.readouterr()
    readers = READERS if alteration in ("id of a seed", "request of no round") else []
    for name, *options in [*COMMANDS, *readers]:
        given = [str(tmp_path / name) if each == "OUT" else each for each in options]
        code = main([name, str(run), *given])
        told = capsys.readouterr().err
        assert code in (0, 6), told
        if code:
            assert len(told.splitlines()) == 1
            assert told[:-1].isprintable()
