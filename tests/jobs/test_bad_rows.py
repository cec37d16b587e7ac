"""Bad files, one test for each command that reads rows: every kind of file, and the answer (docs/bad-days.md)."""

from __future__ import annotations

import gzip
import io
import json
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.main import main

TASK: dict[str, Any] = {
    "id": "a",
    "instruction": "Name a lake.",
    "instances": [{"input": "", "output": "Inari"}],
    "is_classification": False,
    "input": "",
    "output": "Inari",
    "response": "Ladoga",
    "target": ["Inari"],
}
packed = partial(gzip.compress, mtime=0)  # the same bytes each time: they are in the names of tests

LINE = json.dumps(TASK).encode()
"""A row that every command takes."""


def second(line: bytes) -> bytes:
    """A file whose second row is bad."""
    return LINE + b"\n" + line + b"\n" + LINE.replace(b'"a"', b'"b"').replace(b"lake", b"sea")


def changed(**changes: object) -> bytes:
    return json.dumps(TASK | {"id": "b"} | changes).encode()


def parquet(**columns: list[object]) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


FILES: dict[str, tuple[str, bytes, str]] = {
    "deep": ("a.jsonl", second(b'{"x": ' + b"[" * 3000 + b"]" * 3000 + b"}"), ":2: nested too deeply"),
    "huge number": (
        "a.jsonl",
        second(b'{"x": ' + b"9" * 5000 + b"}"),
        ":2: a number of 5,000 digits; 640 are the most",
    ),
    "invalid UTF-8": ("a.jsonl", second(LINE.replace(b"lake", b"l\xe4ke")), ":2: not UTF-8 at byte"),
    "no JSON": ("a.jsonl", second(b"{'id': 'b'}"), ":2: not JSON: "),
    "no object": ("a.jsonl", second(b"[1, 2]"), ":2: not an object but [1, 2]"),
    "long row": ("a.jsonl", second(b'{"x": "' + b"x" * 2**24 + b'"}'), ":2: has more than 16 MiB"),
    "long text": (
        "a.jsonl",
        second(changed(instruction="x" * 100_001, response="x" * 100_001)),
        " has 100,001 characters",
    ),
    "empty": ("a.jsonl", b"", ": holds no "),
    "blank lines": ("a.jsonl", b"\n \r\n", ": holds no "),
    "UTF-16": ("a.jsonl", LINE.decode().encode("utf-16"), ": is UTF-16; save it as UTF-8"),
    "web page": ("a.jsonl", b"<!doctype html><title>Not found</title>", ": is a web page"),
    "pointer": (
        "a.jsonl",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
        ": is a pointer of Git LFS",
    ),
    "Parquet": ("a.jsonl", parquet(instruction=["Name a lake."]), ": is a Parquet file; name "),
    "archive": ("a.jsonl", b"PK\x03\x04" + bytes(60), ": is a zip archive"),
    "program": ("a.jsonl", b"\x7fELF" + bytes(60), ": is a binary file"),
    "cut": ("a.jsonl.gz", packed(LINE)[:-9], ": cannot be read: Truncated"),
    "bomb": ("a.jsonl.gz", packed(b'{"x": "' + b"x" * 2**26, 1), ":1: has more than 16 MiB"),
    "absent": ("b.jsonl", b"", ": cannot be read: No such file or directory"),
    "folder": ("folder", b"", ": is a folder; name a file"),
    "folder with an ending": ("folder.jsonl", b"", ": is a folder; name a file"),
    "device": ("zero.jsonl", b"", ": is a device; name a file"),
    "named pipe": ("pipe.jsonl", b"", ": is a named pipe; name a file"),
}
ONLY_LINES = {"array": ("a.jsonl", b"[" + LINE + b"]", ": is a JSON array; write one object a line")}
MORE: dict[str, tuple[str, bytes, str]] = {
    "deep list": ("a.json", b"[" * 3000 + b"]" * 3000, ":1: nested too deeply"),
    "empty list": ("a.json", b"[]", ": holds no "),
    "broken list": ("a.json", b"[" + LINE + b",\n{]", ":2: not JSON: "),
    "other columns": ("a.parquet", parquet(row=[{"instruction": "Name a lake."}]), "row"),
    "no rows": ("a.parquet", parquet(instruction=[], response=[]), ": holds no "),
    "damaged Parquet": ("a.parquet", parquet(instruction=["a"], response=["a"])[:-20], ": cannot be read"),
    "no Parquet": ("a.parquet", LINE, ": is no Parquet file"),
    "another ending": ("a.csv", LINE, ".parquet, .jsonl, .json"),
}


def make(folder: Path, name: str, data: bytes) -> str:
    """The file, folder, device or pipe of a case."""
    path = folder / name
    if name.startswith("folder"):
        path.mkdir(exist_ok=True)
    elif name == "zero.jsonl":
        path.unlink(missing_ok=True)
        path.symlink_to("/dev/zero")
    elif name == "pipe.jsonl":
        path.unlink(missing_ok=True)
        os.mkfifo(path)
    elif name != "b.jsonl":
        path.write_bytes(data)
    return str(path)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A run of a few imported tasks, for the commands that look at one."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "set.jsonl").write_bytes(LINE)
    assert main(["import", str(folder / "set.jsonl"), "--out", str(folder / "run")]) == 0
    return str(folder / "run")


HERE = ["--engine", "template", "--replicas", "0"]
COMMANDS: dict[str, Callable[[str, str, str], Sequence[str]]] = {
    "dedup": lambda file, out, run: ["dedup", file, "--out", out],
    "import": lambda file, out, run: ["import", file, "--no_check_pool", "--out", out],
    "score": lambda file, out, run: [
        "score",
        file,
        "--prediction",
        "response",
        "--reference",
        "target",
        f"--json={out}",
    ],
    "rate page": lambda file, out, run: ["rate", "page", file, "--out", out],
    "rate judge": lambda file, out, run: ["rate", "judge", file, *HERE, "--out", out],
    "rate read": lambda file, out, run: ["rate", "read", file, "--predictions", file, f"--json={out}"],
    "evaluate tasks": lambda file, out, run: ["evaluate", "tasks", *HERE, "--tasks", file, "--out", out],
    "finetune": lambda file, out, run: ["finetune", file, "--out", out],
    "generate --pool": lambda file, out, run: ["generate", "--engine", "template", "--pool", file, "--out", out],
    "generate --decontaminate": lambda file, out, run: [
        *("generate", "--engine", "template", "--decontaminate", file, "--out", out)
    ],
    "export": lambda file, out, run: ["export", run, "--decontaminate", file, "--out", out],
    "reparse": lambda file, out, run: ["reparse", run, "--decontaminate", file, "--out", out],
    "generate --seeds": lambda file, out, run: ["generate", "--engine", "template", "--seeds", file, "--out", out],
    "try --seeds": lambda file, out, run: ["try", "--engine", "template", "--seeds", file],
}
FOLDERS_ARE_READ = ("rate", "generate --pool", "generate --decontaminate", "export", "reparse", "import", "finetune")
"""A folder is no mistake here: of predictions, of an evaluation's tasks, of the original code's outputs, a run."""


@pytest.mark.parametrize("command", COMMANDS)
def test_bad_files_are_one_line_and_leave_nothing(
    command: str, run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    takes_lines = command.endswith("--seeds")
    for kind, (name, data, said) in {**FILES, **(ONLY_LINES if takes_lines else MORE)}.items():
        file, out = make(tmp_path, name, data), tmp_path / "out"
        assert main(list(COMMANDS[command](file, str(out), run))) == 2, kind
        told = capsys.readouterr()
        lines = told.err.splitlines()
        assert 1 <= len(lines) <= 21, (kind, lines)
        assert all(line.startswith("selfinstruct ") and len(line) < 1000 for line in lines), (kind, lines)
        if not (name.startswith("folder") and command.startswith(FOLDERS_ARE_READ)):
            assert said in told.err.replace(file, ""), (kind, lines)
        assert not told.out, kind
        assert not out.exists(), kind


@pytest.mark.parametrize("command", ["dedup", "import", "generate --seeds"])
def test_files_of_several_forms_are_read(command: str, run: str, tmp_path: Path) -> None:
    files = {"a.jsonl": b"\xef\xbb\xbf" + LINE, "b.jsonl.gz": packed(b"\xef\xbb\xbf" + LINE)}
    if command != "generate --seeds":
        files |= {"c.json": LINE + b"\n" + LINE, "d.jsonl": json.dumps([TASK], indent=1).encode()}
        for name, data in files.items():
            out = str(tmp_path / f"{name} out")
            assert main(list(COMMANDS[command](make(tmp_path, name, data), out, run))) == 0, name
    else:
        for name, data in files.items():
            assert main(["try", "--engine", "template", "--seeds", make(tmp_path, name, data), "--number", "3"]) == 0


def test_a_classification_that_is_no_truth_value_begins_no_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = make(tmp_path, "a.jsonl", second(changed(is_classification="maybe")))
    for command in ("import", "generate --pool", "finetune"):
        assert main(list(COMMANDS[command](file, str(tmp_path / "out"), ""))) == 2
        assert f"{file}:2: 'is_classification' must be true or false" in capsys.readouterr().err
        assert not (tmp_path / "out").exists()


DOCUMENTS: dict[str, tuple[bytes, str]] = {
    "deep": (b"[" * 3000, ": nested too deeply"),
    "huge number": (b'{"a":\n' + b"9" * 5000 + b"}", ":2: a number of 5,000 digits"),
    "invalid UTF-8": (b'{"a":\n"\xff"}', ":2: not UTF-8 at byte 1"),
    "no JSON": (b"{", ": is not JSON: "),
    "empty": (b"", ": is not JSON: "),
    "another value": (b"[1]", ": "),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\n", ": is a pointer of Git LFS"),
}


@pytest.mark.parametrize("command", ["rate read", "report", "superni", "decontaminate"])
def test_bad_documents_are_one_line_and_leave_nothing(
    command: str, run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    predictions = make(tmp_path, "predictions.jsonl", LINE)
    (tmp_path / "splits/default").mkdir(parents=True)
    (tmp_path / "tasks").mkdir()
    (tmp_path / "splits/default/test_tasks.txt").write_text("a")
    out, file = tmp_path / "out", tmp_path / "tasks/a.json"
    commands = {
        "rate read": ["rate", "read", str(file), "--predictions", predictions, f"--json={out}"],
        "report": ["report", run, "--review", str(file), "--out", str(out)],
        "superni": ["evaluate", "superni", *HERE, "--tasks", str(tmp_path), "--out", str(out)],
        "decontaminate": ["export", run, "--decontaminate", str(tmp_path / "tasks"), "--out", str(out)],
    }
    for kind, (data, said) in DOCUMENTS.items():
        file.write_bytes(data)
        assert main(commands[command]) == 2, kind
        told = capsys.readouterr().err
        assert len(told.splitlines()) == 1, (kind, told)
        assert said in told.replace(str(file), ""), (kind, told)
        assert not out.exists(), kind


def test_sets_of_nothing_are_an_error(run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nobody = {"format": "selfinstruct-ratings/1", "kind": "person", "rater": "ann", "ratings": {}, "unparsable": 0}
    ratings = make(tmp_path, "ratings.json", json.dumps(nobody).encode())
    review = make(tmp_path, "review.json", b'{"answers": []}')
    sheet = make(tmp_path, "review.csv", b"id,task,input,output\n")
    predictions = make(tmp_path, "predictions.jsonl", LINE)
    for said, command in {
        "holds no rating": ["rate", "read", ratings, "--predictions", predictions],
        "review.json: holds no answer": ["report", run, "--review", review, "--out", str(tmp_path / "out")],
        "review.csv: holds no answer": ["report", run, "--review", sheet, "--out", str(tmp_path / "out")],
    }.items():
        assert main(command) == 2
        assert said in capsys.readouterr().err


def test_a_file_of_results_that_is_none_is_left_out_with_a_note(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tasks = make(tmp_path, "tasks.jsonl", LINE)
    for number, data in enumerate([b"[" * 3000, b'{"model": "a", "asked": 1}', b"[]"]):
        (tmp_path / f"out/{number}").mkdir(parents=True)
        (tmp_path / f"out/{number}/results.json").write_bytes(data)
    assert main(["evaluate", "tasks", *HERE, "--tasks", tasks, "--out", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().err.count("holds no results and is left out") == 3
