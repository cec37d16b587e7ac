"""Deduplicating instruction sets that exist already: the verdicts of the run's own check, in input order."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.main import main
from tests.tools.texts import one_by_one, reworded_seeds

TEXTS = reworded_seeds(400, seed=5)


def write_set(folder: Path, ending: str) -> Path:
    rows = [{"number": n, "instruction": text, "nested": {"a": [1]}} for n, text in enumerate(TEXTS)]
    path = folder / f"set{ending}"
    if ending == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif ending == ".json":
        path.write_text(json.dumps(rows))
    else:
        text = "\n\n".join(map(json.dumps, rows))
        path.write_bytes(gzip.compress(text.encode()) if ending.endswith(".gz") else text.encode())
    return path


def dedup(out: Path, *options: str) -> list[dict[str, object]]:
    assert main(["dedup", "--out", str(out), *options]) == 0
    rows: list[dict[str, object]] = pq.read_table(out / "verdicts.parquet").to_pylist()
    return rows


@pytest.mark.parametrize("ending", [".jsonl", ".jsonl.gz", ".json", ".parquet"])
def test_verdicts_are_those_of_brute_force_in_input_order(tmp_path: Path, ending: str) -> None:
    path = write_set(tmp_path, ending)
    rows = dedup(tmp_path / "out", str(path), "--seeds", "none", "--no_screen")
    assert [row["text"] for row in rows] == TEXTS
    assert [row["accepted"] for row in rows] == [new for new, _ in one_by_one(TEXTS)]
    assert all(row["reason"] == (None if row["accepted"] else "similar") for row in rows)
    ids = {row["id"] for row in rows}
    assert all(row["nearest_id"] in ids for row in rows if not row["accepted"])


def test_shards_on_ray_give_the_same_verdicts(tmp_path: Path) -> None:
    path = str(write_set(tmp_path, ".jsonl"))
    assert dedup(tmp_path / "one", path) == dedup(tmp_path / "three", path, "--shards", "3")


def test_seeds_and_the_screen_count_too(tmp_path: Path) -> None:
    path = tmp_path / "set.jsonl"
    seeds = tmp_path / "seeds.jsonl"
    seed = {"id": "s1", "instruction": "Name three birds of the sea.", "is_classification": False}
    seeds.write_text(json.dumps(seed | {"instances": [{"input": "", "output": "Gull, tern, puffin."}]}))
    texts = ["Name three birds of the sea now.", "Draw a bird of the sea.", "Sing.", "Sort the letters of this word."]
    path.write_text("\n".join(json.dumps({"q": text}) for text in texts))
    rows = dedup(tmp_path / "out", str(path), "--field", "q", "--seeds", str(seeds))
    assert [(row["reason"], row["nearest_id"]) for row in rows] == [
        ("similar", "seed/s1"),
        ("banned_word", None),
        ("too_short", None),
        (None, None),
    ]


def test_lines_do_not_hide_from_the_screen_and_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "set.jsonl"
    texts = [
        "\nFinish the body of this:\n    def f():",
        "Say when to go\nto the shore.",
        "\n(Name a bird of the shore.)",
    ]
    path.write_text("\n".join(json.dumps({"instruction": text}) for text in texts))
    rows = dedup(tmp_path / "out", str(path), "--seeds", "none")
    assert [(row["text"], row["reason"]) for row in rows] == list(
        zip(texts, [None, "banned_word", "starts_with_punctuation"], strict=True)
    )


def test_bad_input_is_named_and_nothing_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = str(write_set(tmp_path, ".jsonl"))
    broken, empty, wrong = tmp_path / "broken.jsonl", tmp_path / "empty.jsonl", tmp_path / "notes.txt"
    broken.write_text('{"instruction": "Name a bird."}\n{oops\n')
    empty.write_text('{"instruction": null}\n3\n')
    wrong.write_text("")
    cases = {
        f"{broken}:2: not JSON": str(broken),
        f"{empty}:1: no text under 'instruction'": str(empty),
        f"{wrong}: is none of": str(wrong),
        f"{tmp_path}/absent.parquet: cannot be read": f"{tmp_path}/absent.parquet",
    }
    for expected, path in cases.items():
        assert main(["dedup", good, path, "--out", str(tmp_path / "out")]) == 2
        assert expected in capsys.readouterr().err
    assert not (tmp_path / "out/verdicts.parquet").exists()


def test_verdicts_are_never_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(write_set(tmp_path, ".jsonl"))
    dedup(tmp_path / "out", path)
    assert main(["dedup", path, "--out", str(tmp_path / "out")]) == 2
    assert "is there already" in capsys.readouterr().err


def test_a_run_that_begins_with_instructions_that_exist_already(tmp_path: Path) -> None:
    pool = tmp_path / "pool.jsonl"
    rows = [
        {"instruction": "Name three lakes in the north.", "input": "", "output": "Ladoga, Onega, Inari."},
        {"instruction": "Name three lakes in the north.", "input": "", "output": "Again."},
        {"instruction": "Sort the  words by length.", "instances": [{"input": "bee, ox", "output": "ox, bee"}]},
        {"instruction": "Explain how a lock on a canal works."},
    ]
    pool.write_text("\n".join(map(json.dumps, rows)))
    run = [tmp_path / name for name in ("checked", "verbatim")]
    options = ["--engine", "template", "--target", "20", "--pool", str(pool)]
    assert main(["generate", "--out", str(run[0]), *options]) == 0
    candidates = [row for row in read(run[0], "candidates") if row["origin"] == "imported"]
    assert [(row["id"], row["reason"]) for row in candidates] == [
        ("imported/0:1", None),
        ("imported/0:2", "similar"),
        ("imported/0:3", None),
        ("imported/0:4", None),
    ]
    instances = [row for row in read(run[0], "instances") if row["id"].startswith("imported")]
    assert [(row["instruction"], row["output"], row["reason"]) for row in instances] == [
        ("Name three lakes in the north.", "Ladoga, Onega, Inari.", None),
        ("Sort the words by length.", "ox, bee", None),
        ("Explain how a lock on a canal works.", "", "empty_output"),
    ]
    assert main(["verify", str(run[0])]) == 0
    assert main(["generate", "--out", str(run[1]), *options, "--no_check_pool"]) == 0
    assert sum(row["accepted"] for row in read(run[1], "candidates") if row["origin"] == "imported") == 4
    assert main(["generate", "--out", str(run[1]), *options]) == 2  # checking alters the data


def read(run: Path, table: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(run / table / "000000.parquet").to_pylist()
    return rows
