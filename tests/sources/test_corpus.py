"""Texts by their numbers: each row has one, and no more is read than is asked for."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfinstruct.draws import permuted
from selfinstruct.errors import InputError
from selfinstruct.sources.corpus import Columns, Corpus

TEXT = Columns("text")


@given(st.integers(1, 300), st.text(), st.integers())
def test_a_permutation_is_a_bijection(n: int, key: str, seed: int) -> None:
    assert sorted(permuted(n, at, key, seed) for at in range(n)) == list(range(n))


def test_other_keys_permute_otherwise() -> None:
    orders = {tuple(permuted(50, at, "key", key) for at in range(50)) for key in range(20)}
    assert len(orders) == 20


def lines(path: Path, count: int, *, end: str = "\n") -> str:
    rows = (json.dumps({"text": f"text {at} of {path.name}", "id": at}) for at in range(count))
    path.write_text("\n".join(rows) + end)
    return str(path)


def table(path: Path, count: int, group: int) -> str:
    rows = {"text": [f"text {at} of {path.name}" for at in range(count)], "id": [f"t{at}" for at in range(count)]}
    pq.write_table(pa.table(rows), path, row_group_size=group)
    return str(path)


@pytest.mark.parametrize("end", ["\n", ""])
@pytest.mark.parametrize("count", [1, 1023, 1024, 1025, 2048, 2500])
def test_every_row_has_one_number(tmp_path: Path, count: int, end: str) -> None:
    files = [lines(tmp_path / "a.jsonl", count, end=end), table(tmp_path / "b.parquet", 70, 32)]
    corpus = Corpus(files, TEXT, 5)
    found = [text for at in range(len(corpus)) if (text := corpus[at])]
    assert sorted(each.name for each in found) == sorted(
        [f"a.jsonl:{at + 1}" for at in range(count)] + [f"b.parquet:{at + 1}" for at in range(70)]
    )
    assert all(each.text == f"text {int(each.name.split(':')[1]) - 1} of {each.name.split(':')[0]}" for each in found)


def test_numbers_may_be_asked_for_in_any_order(tmp_path: Path) -> None:
    files = [lines(tmp_path / "a.jsonl", 3000), table(tmp_path / "b.parquet", 100, 10)]
    once = [Corpus(files, Columns("text", "id"), 5)[at] for at in (7, 3050, 7, 0, 2999, 3099)]
    corpus = Corpus(files, Columns("text", "id"), 5)
    assert [corpus[at] for at in (7, 3050, 7, 0, 2999, 3099)] == once
    assert {type(each.name) for each in once if each} == {str}


def test_a_row_without_a_fit_text_is_none(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "good"}\n\n{"text": 5}\nnot JSON\n{"text": " "}\n[1]\n{"text": "a\\u0000b"}\n')
    corpus = Corpus([str(path)], TEXT, 1)
    assert [text.text for at in range(len(corpus)) if (text := corpus[at])] == ["good"]
    assert len(corpus) == 7


def test_the_digest_is_of_what_is_read_and_of_names_and_not_of_places(tmp_path: Path) -> None:
    for folder, count in (("x", 5), ("y", 5), ("z", 6)):
        (tmp_path / folder).mkdir()
        lines(tmp_path / folder / "a.jsonl", count)
    x, y, z = (Corpus([str(tmp_path / each / "a.jsonl")], TEXT, 1).digest for each in "xyz")
    assert x == y != z
    assert Corpus([str(tmp_path / "x" / "a.jsonl")], Columns("text", "id"), 1).digest != x


def test_mistakes_are_one_line_each(tmp_path: Path) -> None:
    good = lines(tmp_path / "a.jsonl", 3)
    for name, data in (("e.jsonl", b""), ("n.jsonl", b'{"body": "x"}\n'), ("t.txt", b"x"), ("p.jsonl", b"PAR1")):
        (tmp_path / name).write_bytes(data)
    for name, columns, said in (
        ("e.jsonl", TEXT, "holds no row"),
        ("n.jsonl", TEXT, "n.jsonl:1: must hold a text in 'text'"),
        ("t.txt", TEXT, "must be JSON lines (.jsonl) or Parquet"),
        ("p.jsonl", TEXT, "must be JSON lines (.jsonl) or Parquet"),
        ("nothing.jsonl", TEXT, "cannot be read"),
    ):
        with pytest.raises(InputError) as caught:
            Corpus([good, str(tmp_path / name)], columns, 1)
        assert said in str(caught.value)
        assert len(caught.value.problems) == 1
    with pytest.raises(InputError, match="no column 'body'"):
        Corpus([table(tmp_path / "b.parquet", 3, 3)], Columns("body"), 1)
    with pytest.raises(InputError, match="must be a local file"):
        Corpus(["s3://bucket/a.jsonl"], TEXT, 1)
