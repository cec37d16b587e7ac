"""The one reader of rows: every form gives the same rows, and whatever bytes come, the answer is one clear line."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import os
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from selfinstruct.errors import CorruptError, InputError, SelfInstructError
from selfinstruct.evaluation.answers import BEGUN, FOLDER, Answers
from selfinstruct.evaluation.predictions import read_predictions
from selfinstruct.evaluation.ratings import read_ratings
from selfinstruct.evaluation.superni import read_benchmark
from selfinstruct.evaluation.user_tasks import read_user_tasks
from selfinstruct.quality.sheets import read_answers
from selfinstruct.reuse.imports import read_original
from selfinstruct.sources.documents import read_document
from selfinstruct.sources.evaluation_sets import read_evaluation
from selfinstruct.sources.files import read_local
from selfinstruct.sources.limits import (
    CHUNK,
    DEEPEST,
    MOST_CHARACTERS,
    MOST_COUNTED,
    MOST_DIGITS,
    MOST_ROW,
    UNPACKED_ANYWAY,
)
from selfinstruct.sources.rows import parsed
from selfinstruct.sources.seeds import load_seeds
from selfinstruct.sources.texts import read_tasks

packed = partial(gzip.compress, mtime=0)  # the same bytes each time: they are in the names of tests

ROWS: list[dict[str, Any]] = [
    {"instruction": "Name a lake.", "number": 1, "list": [1, {"a": None}]},
    {"instruction": 'Zähle bis drei: "eins", \\zwei\\,\n[drei] {} \u2028 \U0001f600', "number": -2.5e3, "list": []},
    {"instruction": "", "number": 10**MOST_DIGITS // 10, "list": [True, False]},
]
LINES = "\n".join(map(json.dumps, ROWS)).encode()


def zstd(data: bytes) -> bytes:
    return pa.compress(data, "zstd", asbytes=True)


def parquet(rows: list[dict[str, Any]], **options: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), sink, **options)
    return sink.getvalue()


def written(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    return str(path)


def values_in(url: str) -> list[Any]:
    return list(parsed([url], lambda row: (row.number, dict(row.values)), "holds nothing"))


def refusal(url: str | Path, read: Callable[[str], object] = values_in) -> str:
    """The lines of the refusal, each of which begins with the file."""
    with pytest.raises(InputError) as caught:
        read(str(url))
    assert all(problem.startswith((str(url), "and ")) for problem in caught.value.problems)
    assert all("\n" not in problem and len(problem) < 1000 for problem in caught.value.problems)
    return "\n".join(problem.removeprefix(str(url)) for problem in caught.value.problems)


# ---- what is read


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.jsonl", LINES),
        ("a.jsonl", LINES.replace(b"\n", b"\r\n") + b"\r\n"),
        ("a.jsonl", b"\xef\xbb\xbf" + LINES),
        ("a.jsonl", "\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS).encode()),
        ("a.jsonl", json.dumps(ROWS).encode()),
        ("a.json", json.dumps(ROWS).encode()),
        ("a.json", b"\xef\xbb\xbf \n" + json.dumps(ROWS, indent=2, ensure_ascii=False).encode() + b"\n\n"),
        ("a.json", LINES),
        ("a.jsonl.gz", packed(b"\xef\xbb\xbf" + LINES)),
        ("a.jsonl.gz", packed(LINES[:50]) + packed(LINES[50:])),
        ("a.jsonl.gz", LINES),
        ("a.jsonl", packed(LINES)),
        ("a.json.zst", zstd(json.dumps(ROWS).encode())),
        ("a.jsonl.bz2", bz2.compress(LINES)),
    ],
)
def test_every_form_gives_the_same_rows(tmp_path: Path, name: str, data: bytes) -> None:
    assert values_in(written(tmp_path / name, data)) == list(enumerate(ROWS, start=1))


def test_the_number_of_a_line_is_its_own(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", b"\n \n" + LINES.replace(b"\n", b"\n\n"))
    assert [number for number, _ in values_in(path)] == [3, 5, 7]


@pytest.mark.parametrize("indent", [None, 1])
def test_an_object_over_many_lines_is_one_row(tmp_path: Path, indent: int | None) -> None:
    assert values_in(written(tmp_path / "a.json", json.dumps(ROWS[0], indent=indent).encode())) == [(1, ROWS[0])]


def test_parquet_gives_rows_of_the_columns_that_are_asked_for(tmp_path: Path) -> None:
    rows = [{"a": f"text {n}", "b": [{"c": n}], "d": 0} for n in range(100)]
    path = written(tmp_path / "a.parquet", parquet(rows, row_group_size=30))
    assert [values for _, values in values_in(path)] == rows
    read = parsed([path], lambda row: dict(row.values), "", columns=["b", "a", "x"], required="a")
    assert list(read) == [{"a": row["a"], "b": row["b"]} for row in rows]
    categories = pa.table({"a": pa.array([row["a"] for row in rows]).dictionary_encode()})
    pq.write_table(categories, tmp_path / "b.parquet")
    assert [values["a"] for _, values in values_in(str(tmp_path / "b.parquet"))] == [row["a"] for row in rows]


@pytest.mark.parametrize("cut", range(48))
def test_a_list_is_read_whatever_row_a_chunk_ends_in(tmp_path: Path, cut: int) -> None:
    row = {"a": "\u00e9\U0001f600\\", "b": [1.5e3, True, None]}
    text = json.dumps(row, ensure_ascii=cut % 2 == 0).encode()
    long = json.dumps("x" * (CHUNK - cut - len('["",'))).encode()
    path = written(tmp_path / "a.json", b'[{"long":' + long[: -len('{"long":}')] + b'"},' + text + b" , " + text + b"]")
    assert [values for _, values in values_in(path)][1:] == [row, row]


JSON_TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | JSON_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(JSON_TEXT, inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.dictionaries(JSON_TEXT, JSON, max_size=4), min_size=1, max_size=4),
    indent=st.sampled_from([None, 0, 2]),
    ascii_only=st.booleans(),
)
def test_lists_and_lines_are_what_json_says(
    tmp_path: Path, rows: list[dict[str, Any]], indent: int | None, ascii_only: bool
) -> None:
    wanted = list(enumerate(rows, start=1))
    array = json.dumps(rows, indent=indent, ensure_ascii=ascii_only).encode()
    assert values_in(written(tmp_path / "a.json", array)) == wanted
    lines = "\n".join(json.dumps(row, ensure_ascii=ascii_only) for row in rows).encode()
    assert values_in(written(tmp_path / "a.jsonl", lines)) == wanted


def test_nan_and_infinity_are_read_as_ever(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", b'{"instruction": "a", "weight": NaN, "other": -Infinity}')
    assert [task.instruction for task in read_tasks([path])] == ["a"]


@contextmanager
def a_pipe(data: bytes) -> Iterator[str]:
    """What a shell's <(...) leads to; the bytes come in two pieces."""
    read, write = os.pipe()

    def fill() -> None:
        with os.fdopen(write, "wb", buffering=0) as file:
            file.write(data[:1])
            file.write(data[1:])

    thread = threading.Thread(target=fill)
    thread.start()
    try:
        yield f"/dev/fd/{read}"
    finally:
        os.close(read)
        thread.join()


@pytest.mark.parametrize("data", [LINES, json.dumps(ROWS).encode(), packed(LINES)])
def test_a_pipe_of_a_shell_is_read(data: bytes) -> None:
    with a_pipe(data) as url:
        assert values_in(url) == list(enumerate(ROWS, start=1))


def test_rows_of_an_object_store(bucket: str) -> None:
    from selfinstruct.storage.blobs import open_blobs

    blobs = open_blobs(bucket)
    blobs.put("a.jsonl", LINES)
    blobs.put("a.parquet", parquet([{"a": "b"}]))
    assert values_in(f"{bucket}/a.jsonl") == list(enumerate(ROWS, start=1))
    assert values_in(f"{bucket}/a.parquet") == [(1, {"a": "b"})]
    assert "cannot be read" in refusal(f"{bucket}/b.jsonl")
    assert "is a folder" in refusal(bucket)


# ---- what is refused


def deep(levels: int) -> bytes:
    return b"[" * levels + b"]" * levels


HTML = b"\n<!DOCTYPE html><html><body>404</body></html>"
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 132735\n"
ROW = b'{"a": 1}'


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("a.jsonl", ROW + b"\n" + b'{"a": ' + deep(DEEPEST) + b"}", ":2: nested too deeply"),
        ("a.jsonl", ROW + b"\n" + b'{"a": ' + deep(3000) + b"}\n{", ":3: not JSON"),
        ("a.json", deep(3000), ":1: nested too deeply"),
        ("a.json", b"[" + ROW + b"," + deep(DEEPEST + 1) + b"]", ":2: nested too deeply"),
        ("a.json", b'{\n"a": ' + deep(3000) + b"}", ":1: nested too deeply"),
        ("a.jsonl", ROW + b'\n{"a": -' + b"9" * 5000 + b"}", ":2: a number of 5,000 digits; 640 are the most"),
        ("a.json", b"[" + ROW + b', {"a": ' + b"9" * 5000 + b"}]", ":2: a number of 5,000 digits"),
        ("a.jsonl", ROW + b'\n{"a": "x\xff"}', ":2: not UTF-8 at byte 8"),
        ("a.json", b"[\n" + ROW + b',\n{"a": "x\xff"}]', ":2: not UTF-8 (line 3, character 9)"),
        ("a.json", b"[\n" + ROW + b",\xff]", ":2: not UTF-8 (line 2, character 10); save it as UTF-8"),
        ("a.jsonl", ROW + b"\n{oops\n[1]\n3", ":2: not JSON: Expecting property name"),
        ("a.jsonl", ROW + b"\n{oops\n[1]\n3", ":3: not an object but [1]"),
        ("a.json", b"[" + ROW + b",\n" + ROW + b"\n" + ROW + b"]", ":2: not JSON: Expecting ',' or ']' (line 3, "),
        ("a.json", b"[" + ROW + b",]", ":2: not JSON: Expecting value (line 1, character 11)"),
        ("a.json", b"[" + ROW, ":1: not JSON: Expecting ',' or ']' (line 1, character 10)"),
        ("a.json", b"[" + ROW + b"]\n" + ROW, ":2: not JSON: there is more after the list's end"),
        ("a.json", b"[]" + ROW, ":1: not JSON: there is more after the list's end"),
        ("a.json", b'[{"a": "never ends}]', ":1: not JSON: Unterminated string"),
        ("a.json", b'{\n"a": 1\n', ":1: not JSON: Expecting ',' delimiter at line 3, character 1"),
        ("a.json", b"[3, 4.5, " + ROW + b"]", ":1: not an object but 3"),
        ("a.jsonl", b"", ": holds nothing"),
        ("a.jsonl", b" \n\r\n", ": holds nothing"),
        ("a.json", b" [ ]\n", ": holds nothing"),
        ("a.parquet", parquet([{"a": 1}]).replace(b"a", b"a")[:0], ": is no Parquet file"),
        ("a.jsonl", HTML, ": is a web page"),
        ("a.parquet", HTML, ": is a web page"),
        ("a.jsonl", LFS, ": is a pointer of Git LFS"),
        ("a.parquet", LFS, ": is a pointer of Git LFS"),
        ("a.jsonl", parquet([{"a": 1}]), ": is a Parquet file; name the file itself, with the ending .parquet"),
        ("a.json.gz", packed(packed(ROW)), ": is packed; unpack it once"),
        ("a.parquet", packed(parquet([{"a": 1}])), ": is packed; unpack it once"),
        ("a.parquet", LINES, ": is no Parquet file"),
        ("a.jsonl", ROW.decode().encode("utf-16"), ": is UTF-16; save it as UTF-8"),
        ("a.jsonl", ROW.decode().encode("utf-32"), ": is UTF-32; save it as UTF-8"),
        ("a.jsonl", b"PK\x03\x04" + b"\0" * 40, ": is a zip archive"),
        ("a.jsonl", b"\x7fELF" + b"\0" * 40, ": is a binary file"),
        ("a.jsonl.gz", packed(LINES)[:-9], ": cannot be read: Truncated"),
        ("a.jsonl.gz", packed(LINES)[:-8] + b"\0" * 8, ": cannot be read"),
        ("a.jsonl.zst", zstd(LINES)[:20], ": cannot be read"),
        ("a.parquet", parquet([{"a": 1}])[:-9], ": cannot be read"),
        ("a.csv", b"a,b\n", ": is none of .parquet, .jsonl, .json"),
    ],
)
def test_what_is_no_row_is_named_by_file_and_number(tmp_path: Path, name: str, data: bytes, said: str) -> None:
    told = refusal(written(tmp_path / name, data))
    assert any(line.startswith(said) for line in told.splitlines()), told


def test_folders_devices_and_named_pipes_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.jsonl")
    (tmp_path / "b.jsonl").symlink_to("/dev/zero")
    (tmp_path / "c.jsonl").mkdir()
    for place, said in {
        tmp_path: "is a folder",
        tmp_path / "a.jsonl": "is a named pipe",
        tmp_path / "b.jsonl": "is a device",
        tmp_path / "c.jsonl": "is a folder",
        tmp_path / "absent.jsonl": "cannot be read: No such file or directory",
        tmp_path / ("long" * 100 + ".jsonl"): "cannot be read: File name too long",
        "/dev/zero": "is a device",
        "nowhere://x/a.jsonl": "cannot be read",
    }.items():
        assert said in refusal(place)
        if "://" not in str(place):
            assert said in refusal(place, lambda url: load_seeds(Path(url)))
    with pytest.raises(InputError, match="cannot be read"):
        values_in("a\0.jsonl")


def test_rows_that_no_memory_should_hold(tmp_path: Path) -> None:
    large = b'{"a": "' + b"x" * MOST_ROW + b'"}'
    assert refusal(written(tmp_path / "a.jsonl", ROW + b"\n" + large)).startswith(":2: has more than 16 MiB")
    assert refusal(written(tmp_path / "a.json", b"[" + ROW + b"," + large + b"]")).startswith(
        ":2: has more than 16 MiB"
    )
    assert refusal(written(tmp_path / "b.json", b"[" + b" " * (3 * MOST_ROW))).startswith(":1: has more than 16 MiB")
    assert refusal(written(tmp_path / "b.jsonl", b"\n" * (MOST_ROW + 2))).endswith(
        ": has more than 16 MiB; shorten it, or leave it out"
    )
    rows = parquet([{"a": "short"}, {"a": "x" * MOST_ROW}], compression="none")
    assert refusal(written(tmp_path / "a.parquet", rows)).startswith(":2: has more than 16 MiB")


def test_a_row_in_the_midst_of_a_large_list_is_named(tmp_path: Path) -> None:
    """Not taken for one that is only cut off, nor for one that is too large."""
    good = b'{"a": "' + b"x" * 1000 + b'"},'
    path = written(tmp_path / "a.json", b"[" + good * 3000 + b"{'a': 1}," + good * 30000 + ROW + b"]")
    assert refusal(path).startswith(":3001: not JSON: Expecting property name enclosed in double quotes (line 1, ")


BOMBS = """
import pyarrow as pa, pyarrow.parquet as pq
from selfinstruct.errors import InputError
from selfinstruct.sources.rows import parsed
def read(path):
    try:
        list(parsed([path], lambda row: None, "holds nothing"))
    except InputError as error:
        return str(error).partition(": ")[2]
def packed(name, codec, start, piece, times):
    with pa.CompressedOutputStream(name, codec) as file:
        file.write(start)
        for _ in range(times):
            file.write(piece)
    return read(name)
large = 2**22
assert "has more than 16 MiB" in packed("blanks.jsonl.gz", "gzip", b"", b" " * large, 64)
assert "has more than 16 MiB" in packed("line.jsonl.gz", "gzip", b'{"a": "', b"x" * large, 64)
assert "has more than 16 MiB" in packed("line.jsonl.zst", "zstd", b'{"a": "', b"x" * large, 256)
assert "has more than 16 MiB" in packed("list.json.bz2", "bz2", b'[{"a": "', b"x" * large, 16)
assert "is a binary file" in packed("zeros.jsonl.zst", "zstd", b"", b"\\0" * large, 256)
row = b'{"a": "' + b"x" * 2**19 + b'"}\\n'
assert "unpacks to more than 200 times its size" in packed("rows.jsonl.zst", "zstd", b"", row, 2000)
repeated = pa.DictionaryArray.from_arrays(pa.array([0] * 900_000, pa.int32()), pa.array(["x" * 2**20]))
pq.write_table(pa.table({"a": repeated}), "repeated.parquet", store_schema=False)
assert "unpacks to more than 200 times its size" in read("repeated.parquet"), read("repeated.parquet")
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
"""


def test_bombs_take_no_memory(tmp_path: Path) -> None:
    """Files of some hundred kB that unpack to hundreds of MB, or to a GB."""
    done = subprocess.run([sys.executable, "-c", BOMBS], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 400_000  # kB at most, pyarrow's own 100,000 included


def varint(number: int) -> bytes:
    """As a footer has it (Thrift's compact protocol, field of 64 bits that follows the one before)."""
    number, found = 2 * number, b"\x16"
    while number > 127:
        found += bytes([number & 127 | 128])
        number >>= 7
    return found + bytes([number])


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        (10**12, ": declares 1,000,000,000,000 rows in "),
        (900_000, ": declares 900,000 rows and holds 4,660"),
        (3, ": declares 3 rows and holds 4,660"),
    ],
)
def test_a_footer_that_lies_about_its_rows(tmp_path: Path, declared: int, said: str) -> None:
    data = parquet([{"a": f"text {number}"} for number in range(4660)])
    size = struct.unpack("<I", data[-8:-4])[0]
    body, footer = data[: -8 - size], data[-8 - size : -8]
    assert footer.count(varint(4660)) == 3  # of the file, its rows and its column
    footer = footer.replace(varint(4660), varint(declared), 1)
    path = written(tmp_path / "a.parquet", body + footer + struct.pack("<I", len(footer)) + b"PAR1")
    assert refusal(path).startswith(said)


def test_a_parquet_file_without_the_column_lists_those_that_there_are(tmp_path: Path) -> None:
    rows = [{f"column {n} {'x' * n}": 1 for n in range(60)}]
    told = refusal(written(tmp_path / "a.parquet", parquet(rows)), lambda url: read_tasks([url]))
    assert told.startswith(": no column is one of answer, completion, context, conversation, conversations, input, ")
    assert " (there are: column 0, column 1 x, " in told
    assert told.endswith("...); name one so")
    assert len(told) < 500


def test_twenty_are_named_and_the_others_counted(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", b"oops\n" * 500)
    told = refusal(path).splitlines()
    assert [line.split(":")[1] for line in told[:-1]] == [str(number) for number in range(1, 21)]
    assert told[-1] == "and 480 more bad lines"
    endless = refusal(written(tmp_path / "b.jsonl", b"oops\n" * (3 * MOST_COUNTED))).splitlines()
    assert endless[-1] == f"and {MOST_COUNTED:,} more bad lines"


def test_all_files_are_looked_over_before_anything_is_said(tmp_path: Path) -> None:
    good, bad = written(tmp_path / "a.jsonl", ROW), written(tmp_path / "b.jsonl", b"oops")
    with pytest.raises(InputError) as caught:
        list(parsed([bad, good, str(tmp_path / "c.jsonl"), str(tmp_path)], lambda row: None, "holds nothing"))
    assert [problem.removeprefix(str(tmp_path))[:9] for problem in caught.value.problems] == [
        "/b.jsonl:",
        "/c.jsonl:",
        ": is a fo",
    ]


def test_documents_and_texts_have_their_lines(tmp_path: Path) -> None:
    for data, said in {
        b'{"a":\n1,}': ": is not JSON: Expecting property name enclosed in double quotes (line 2, character 3)",
        b"[\n\n" + b"9" * 5000 + b"]": ":3: a number of 5,000 digits; 640 are the most",
        deep(3000): ": nested too deeply; 200 levels are the most",
        b'{"a":\n"x\xff"}': ":2: not UTF-8 at byte 2; save it as UTF-8",
        b"": ": is not JSON: Expecting value (line 1, character 1)",
        LFS: ": is a pointer of Git LFS, not the file itself; fetch that with `git lfs pull`",
    }.items():
        assert refusal(written(tmp_path / "a.json", data), read_document) == said
    assert read_document(written(tmp_path / "a.json", b"\xef\xbb\xbf" + packed(b"")[:0] + b"[1]")) == [1]
    large = tmp_path / "large.json"
    with large.open("wb") as file:
        file.truncate(2**40)  # takes no room on disk
    assert refusal(large, read_document).startswith(": is a binary file")
    assert refusal(written(tmp_path / "b.json.gz", packed(b"[" + b" " * 2**27, 1)), read_document).endswith(
        ("MiB; split it, or name another file", "unpack it if that is right")
    )
    assert read_local(tmp_path / "a.json", 6) == b"\xef\xbb\xbf[1]"
    assert "is larger than 5 bytes" in refusal(tmp_path / "a.json", lambda url: read_local(Path(url), 5))


def test_texts_have_a_length(tmp_path: Path) -> None:
    long = "x" * (MOST_CHARACTERS + 1)
    for key in ("instruction", "input", "output"):
        row = {"instruction": "a", "input": "b", "output": "c"} | {key: long}
        path = written(tmp_path / "a.jsonl", json.dumps(row).encode())
        assert (
            refusal(path, lambda url: read_tasks([url])) == f":1: '{key}' has 100,001 characters; 100,000 is the most"
        )
        assert refusal(path, read_user_tasks).endswith("has 100,001 characters; 100,000 is the most")
        assert refusal(path, lambda url: read_evaluation([url])).endswith("100,001 characters; 100,000 is the most")


# ---- whatever bytes come


def seed_line(**changes: object) -> bytes:
    instances = [{"input": "", "output": "b"}]
    seed = {"id": "a", "instruction": "a", "instances": instances, "is_classification": False}
    return json.dumps(seed | {"input": "c", "output": "d", "response": "e", "target": ["f"]} | changes).encode()


GOOD = {
    ".jsonl": [seed_line(), seed_line(id="b", instruction="b"), b'{"a": [1.5e3, NaN, "\\ud83d"]}'],
    ".json": [json.dumps([json.loads(seed_line())], indent=1).encode(), b'{"a": {"b": [{}]}}'],
    ".jsonl.gz": [
        packed(seed_line()),
        packed(seed_line())[:-5],
        zstd(seed_line()),
        bz2.compress(b"{}"),
    ],
    ".parquet": [
        parquet([json.loads(seed_line()) | {"at": None}] * 20, store_schema=False),
        parquet([{"instruction": "a", "instances": None}] * 3, compression="none", use_dictionary=False),
    ],
}
ODD = [
    b"\xff",
    b"\0",
    b"[" * 300,
    b"9" * 700,
    b"\n",
    b'"',
    b"{",
    b"}",
    b"\xef\xbb\xbf",
    b"\xed\xa0\x80",
    b"NaN",
    b"\\u",
]


@st.composite
def damaged(draw: st.DrawFn, ending: str) -> bytes:
    """A good file with a few bytes changed, put in or cut off; or any bytes."""
    data = draw(st.sampled_from(GOOD[ending]) | st.binary(max_size=100))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data)))
        piece = draw(st.sampled_from(ODD) | st.binary(max_size=3))
        data = data[:at] + piece + data[at + draw(st.sampled_from([0, len(piece), 50])) :]
    return data


def only_ours(read: Callable[[], object], error: type[SelfInstructError] = InputError) -> None:
    with suppress(error):
        read()


READERS: dict[str, Callable[[str], object]] = {
    "rows": values_in,
    "seeds": lambda url: load_seeds(Path(url)),
    "tasks": lambda url: read_tasks([url]),
    "predictions": lambda url: [each.id for each in read_predictions([url])],
    "users' tasks": read_user_tasks,
    "evaluation sets": lambda url: read_evaluation([url]),
}


@pytest.mark.parametrize("ending", GOOD)
@pytest.mark.parametrize("reader", READERS)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_bytes_are_rows_or_an_input_error(tmp_path: Path, reader: str, ending: str, data: st.DataObject) -> None:
    path = written(tmp_path / f"a{ending}", data.draw(damaged(ending)))
    only_ours(lambda: READERS[reader](path))


RATINGS = {"format": "selfinstruct-ratings/1", "kind": "person", "rater": "ann", "ratings": {"x": "A"}, "unparsable": 0}
REVIEW = {"run": "r", "answers": [{"id": "a", "task": True, "input": None, "output": "no"}]}
TASK = {"Definition": ["a"], "Categories": ["b"], "Instances": [{"input": "c", "output": ["d"]}]}
DOCUMENTS: dict[str, tuple[object, Callable[[Path], object]]] = {
    "ratings": (RATINGS, lambda path: read_ratings([path], [])),
    "review": (REVIEW, lambda path: read_answers(path, "r")),
    "task": (TASK, lambda path: read_evaluation([str(path)])),
}


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), name=st.sampled_from(sorted(DOCUMENTS)))
def test_any_document_is_read_or_an_input_error(tmp_path: Path, data: st.DataObject, name: str) -> None:
    good, read = DOCUMENTS[name]
    path = tmp_path / "a.json"
    path.write_bytes(data.draw(damaged_document(good)))
    only_ours(lambda: read(path))


@st.composite
def damaged_document(draw: st.DrawFn, good: object) -> bytes:
    """A good document with a value in it replaced, or with a byte changed."""

    def replaced(value: Any) -> Any:
        if draw(st.integers(0, 5)) == 0:
            return draw(JSON | st.just("\ud800") | st.just(10**500) | st.just(float("nan")))
        if isinstance(value, dict):
            return {key: replaced(inner) for key, inner in value.items()}
        return [replaced(inner) for inner in value] if isinstance(value, list) else value

    data = json.dumps(replaced(good)).encode()
    at = draw(st.integers(0, len(data)))
    return data[:at] + draw(st.sampled_from([b"", b"", *ODD])) + data[at:]


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text("id,task;input\n\r\0\"'yesno\u2028", max_size=60) | st.binary(max_size=40).map(str))
def test_any_sheet_is_read_or_an_input_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"id,task,input,output\n" + text.encode())
    only_ours(lambda: read_answers(path, "r"))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_folder_of_the_original_code_is_read_or_an_input_error(tmp_path: Path, data: st.DataObject) -> None:
    line = {"instruction": "a", "request_idx": 1, "is_classification": "Yes", "raw_instances": "b"}
    answer = {"response": {"choices": [{"text": "c", "finish_reason": "length"}]}}
    good = line | {"metadata": answer, "instance_metadata": answer}
    for name in ("machine_generated_instructions", "is_clf_or_not_x", "machine_generated_instances"):
        (tmp_path / f"{name}.jsonl").write_bytes(data.draw(damaged_document(good)))
    only_ours(lambda: read_original(tmp_path))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_checkout_is_read_or_an_input_error(tmp_path: Path, data: st.DataObject) -> None:
    (tmp_path / "tasks").mkdir(exist_ok=True)
    (tmp_path / "splits/default").mkdir(parents=True, exist_ok=True)
    (tmp_path / "splits/default/test_tasks.txt").write_bytes(data.draw(st.just(b"a\n") | st.binary(max_size=10)))
    (tmp_path / "tasks/a.json").write_bytes(data.draw(damaged_document(TASK)))
    only_ours(lambda: read_benchmark(tmp_path))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_kept_answers_are_read_or_damaged(tmp_path: Path, data: st.DataObject) -> None:
    answer = {"request_id": "a", "text": "b", "finish": "stop", "prompt_tokens": 1, "completion_tokens": 1}
    (tmp_path / FOLDER).mkdir(exist_ok=True)
    (tmp_path / BEGUN).write_bytes(data.draw(st.just(b'{"a": 1}') | damaged_document({"a": 1})))
    (tmp_path / FOLDER / "000000.jsonl").write_bytes(data.draw(damaged_document(answer)))
    only_ours(lambda: Answers(str(tmp_path), {"a": 1}), SelfInstructError)
    assert issubclass(CorruptError, SelfInstructError)


def test_what_may_come_out_of_a_small_file_is_read(tmp_path: Path) -> None:
    """A million rows that are alike are no bomb."""
    line = b'{"instruction": "a"}\n'
    number = UNPACKED_ANYWAY // len(line) // 30
    path = written(tmp_path / "a.jsonl.gz", packed(line * number, 1))
    assert len(read_tasks([path])) == number
