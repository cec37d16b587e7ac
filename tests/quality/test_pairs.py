"""Sheets of pairs: made from a run, of all bands alike, read back with what follows for the gate."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.main import main
from selfinstruct.errors import InputError
from selfinstruct.quality.diversity import instructions
from selfinstruct.quality.intervals import wilson
from selfinstruct.quality.make_pairs import made_pairs
from selfinstruct.quality.pairs import (
    BANDS,
    SHIPPED,
    Band,
    Pair,
    band_of,
    bands_of,
    cosine_reached,
    pairs_of,
    read_pairs,
    sheet,
    stratified,
)
from selfinstruct.semantic.index import VectorIndex
from selfinstruct.semantic.table import shipped_table
from selfinstruct.semantic.vectors import cosines
from selfinstruct.storage.store import RunStore
from tests.tools.runs import make_run

TABLE = shipped_table()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    return make_run(tmp_path_factory.mktemp("run") / "run")


def test_each_pair_is_an_instruction_and_the_nearest_before_it(run: RunStore) -> None:
    texts = [text for _, text in instructions(run)]
    pairs = pairs_of(run, TABLE, 10_000, seed=1)
    assert len(pairs) == len(texts) - 1
    near = cosines(TABLE.embed(texts), TABLE.embed(texts))
    for pair in pairs:
        at = texts.index(pair.second)
        assert pair.first == texts[int(near[at, :at].argmax())]
    assert pairs_of(run, TABLE, 20, seed=1) == pairs_of(run, TABLE, 20, seed=1) != pairs_of(run, TABLE, 20, seed=2)


@given(st.lists(st.floats(-1, 1), max_size=60), st.integers(1, 40))
def test_bands_have_as_many_pairs_as_they_can(found: list[float], number: int) -> None:
    chosen = stratified(found, number)
    assert len(set(chosen)) == len(chosen) == min(number, len(found))
    bands = band_of(np.array(found, np.float64)).tolist()
    there, taken = Counter(bands), Counter(bands[at] for at in chosen)
    for band in there:
        if taken[band] < there[band]:
            assert all(taken[other] <= taken[band] + 1 for other in there)


def test_nearest_before_over_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("selfinstruct.semantic.index._ROWS", 3)
    monkeypatch.setattr("selfinstruct.semantic.index._COLUMNS", 4)
    texts = [pair.first for pair in read_pairs(SHIPPED)[:20]] * 2
    index = VectorIndex(TABLE)
    index.insert(0, texts)
    asked = [7, 39, 0, 20, 21, 3]
    ordinals, found = index.before(np.array(asked))
    near = cosines(TABLE.embed(texts), TABLE.embed(texts))
    for at, ordinal, cosine in zip(asked, ordinals, found, strict=True):
        expected = int(near[at, :at].argmax()) if at else -1
        assert ordinal == expected
        assert not at or cosine == near[at, expected]


def test_the_cosine_is_where_all_bands_above_hold() -> None:
    def bands(*answers: tuple[int, int]) -> list[Band]:
        return [
            Band(low, pairs, pairs, same) for low, (pairs, same) in zip((0.8, 0.85, 0.9, 0.95), answers, strict=True)
        ]

    assert cosine_reached(bands((20, 19), (20, 10), (20, 18), (20, 20))) == 0.9
    assert cosine_reached(bands((20, 18), (20, 18), (20, 18), (0, 0))) == 0.8
    assert cosine_reached(bands((20, 20), (0, 0), (20, 18), (20, 20))) == 0.9
    assert cosine_reached(bands((20, 20), (20, 20), (20, 20), (20, 17))) is None
    assert cosine_reached(bands((0, 0), (0, 0), (0, 0), (0, 0))) is None


def test_a_sheet_is_filled_in_and_read_back(tmp_path: Path, run: RunStore, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "pairs.csv"
    assert main(["pairs", run.blobs.url, "--out", str(path), "--number", "30"]) == 0
    pairs = read_pairs(path)
    assert [each.same for each in pairs] == [None] * 30
    assert main(["pairs", run.blobs.url, "--out", str(path)]) == 2
    assert "may be filled in" in capsys.readouterr().err
    filled = [replace(each, same=False, by="people") for each in pairs[:-3]] + pairs[-3:]
    path.write_text(sheet(filled))
    assert main(["pairs", str(path)]) == 0
    said = capsys.readouterr().out
    assert "30 pairs, by people" in said
    assert "no cosine here from which on 90% of the pairs ask for the same" in said
    assert main(["pairs", str(path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["figures"]
    assert sum(each["answered"] for each in told["bands"]) == 27
    for each in told["bands"]:
        assert each["interval"] == list(wilson(each["same"], each["answered"]))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("first,second\na,b\n", "pairs.csv:1: the column 'same' is missing"),
        ("first,second,same\na,b,perhaps\n", "pairs.csv:2: must have two texts, and yes, no or nothing"),
        ("first,second,same\n,b,yes\n", "pairs.csv:2: must have two texts"),
        ("first,second,same\n", "holds no pair"),
    ],
)
def test_a_bad_sheet_is_one_line(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_pairs(path)
    assert problem in str(caught.value)


def test_the_shipped_sheet_is_made_from_what_is_committed() -> None:
    pairs = made_pairs()
    assert SHIPPED.read_text() == sheet(pairs)
    assert len({frozenset((each.first, each.second)) for each in pairs}) == 200
    assert {each.by for each in pairs} == {"author"}
    bands = bands_of(pairs, TABLE)
    assert all(band.answered >= 10 for band in bands)
    assert [band.low for band in bands] == [-1.0, *BANDS]
    assert read_pairs(SHIPPED) == [Pair(each.first, each.second, each.same, "author") for each in pairs]
