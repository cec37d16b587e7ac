"""How many different things a run says: figures by brute force, in status, report and plan, and references refused."""

from __future__ import annotations

import json
import os
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.main import main
from selfinstruct.errors import InputError
from selfinstruct.quality.diversity import Diversity, Step, diversity_of, measured
from selfinstruct.quality.reference import KNOWN, digest_of_text, read_reference
from selfinstruct.records import Candidate, Table
from selfinstruct.semantic.diversity import effective_cells, leaders, reach, steps, vendi
from selfinstruct.semantic.make_cells import made_up, shipped_seeds
from selfinstruct.semantic.table import shipped_table
from selfinstruct.semantic.vectors import cosines
from selfinstruct.storage.store import RunStore
from tests.tools.runs import make_run

TABLE = shipped_table()
VECTORS = TABLE.embed(made_up(TABLE, shipped_seeds(), 700, "diversity"))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    return make_run(tmp_path_factory.mktemp("run") / "run")


def accepted(store: RunStore) -> list[str]:
    rounds = store.rounds(Table.CANDIDATES)[1:]
    rows = [row for number in rounds for row in store.read_accepted(Table.CANDIDATES, number).rows]
    return [row.text for row in rows if isinstance(row, Candidate)]


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 60), max_size=40), st.floats(0.2, 1.0))
def test_leaders_are_those_of_a_loop(rows: list[int], cosine: float) -> None:
    vectors = VECTORS[rows]
    kept: list[int] = []
    for row in range(len(rows)):
        if not any(cosines(vectors[[row]], vectors[[other]])[0, 0] > cosine for other in kept):
            kept.append(row)
    assert leaders(vectors, cosine).tolist() == kept


def test_leaders_go_over_blocks() -> None:
    kept = leaders(VECTORS, 0.5)
    assert kept[-1] > 256
    near = cosines(VECTORS, VECTORS[kept]) > 0.5
    assert near.any(axis=1).all()
    assert near[kept].diagonal().all()
    assert np.triu(near[kept], 1).sum() == 0
    assert (leaders(VECTORS[:300], 0.5) == kept[kept < 300]).all()


def test_the_vendi_score_is_that_of_the_kernel() -> None:
    kernel = cosines(VECTORS, VECTORS) / len(VECTORS)
    values = np.linalg.eigvalsh(kernel)
    values = values[values > 1e-9]
    assert vendi(VECTORS) == pytest.approx(np.exp(-(values * np.log(values)).sum()), rel=1e-6)
    assert vendi(VECTORS[[0, 0, 0]]) == pytest.approx(1, rel=1e-9)
    assert vendi(VECTORS[:0]) == 0


def test_cells_that_are_as_full_count_whole() -> None:
    assert effective_cells(np.array([3, 0, 3, 3])) == pytest.approx(3)
    assert 1 < effective_cells(np.array([9, 1, 0])) < 2
    assert effective_cells(np.zeros(4, np.int64)) == 0


def test_reach_is_the_mean_of_the_best() -> None:
    reference = TABLE.embed(["Sing a song.", "Bake bread for a wedding."])
    found = reach(VECTORS, reference, [1, 300, 700])
    for rows, mean in zip([1, 300, 700], found, strict=True):
        assert mean == pytest.approx(cosines(reference, VECTORS[:rows]).max(axis=1).mean(), rel=1e-12)
    assert found == sorted(found)


def test_steps_double() -> None:
    assert steps(2500, 10_000) == [500, 1000, 2000, 2500]
    assert steps(99_000, 2000) == [500, 1000, 2000]
    assert steps(3, 2000) == [3]
    assert steps(0, 2000) == []


def test_distinct_rows_go_on_as_a_power() -> None:
    found = Diversity(2000, 0.9, 9, 9, 9.0, 9, 9.0, [Step(1000, 900.0), Step(2000, 900 * 2**0.5)], None, None)
    assert found.exponent == pytest.approx(0.5)
    assert found.distinct_at(8000) == pytest.approx(900 * 8**0.5)
    few = Diversity(9, 0.9, 9, 9, 9.0, 9, 9.0, [Step(9, 9.0)], None, None)
    assert (few.exponent, few.distinct_at(100)) == (None, None)


def test_any_run_has_figures_without_columns(run: RunStore) -> None:
    texts = accepted(run)
    found = diversity_of(run, TABLE, ["Write a letter to a friend."])
    assert (found.instructions, found.sample) == (len(texts), len(texts))
    vectors = TABLE.embed(texts)
    assert found.growth == [Step(len(texts), len(leaders(vectors, 0.9)))]
    assert found.vendi == pytest.approx(vendi(vectors))
    assert found.reach is not None
    assert found.reach[-1].rows == len(texts)
    assert found == diversity_of(run, TABLE, ["Write a letter to a friend."])
    assert measured(run) is None


def said(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(list(words)) == 0
    return capsys.readouterr().out


def test_status_and_plan_and_report_say_it(tmp_path: Path, run: RunStore, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "measured")
    said(capsys, "reparse", run.blobs.url, "--out", out, "--change", "semantic.measure=true")
    about = measured(RunStore(out))
    assert about is not None
    assert about.line in said(capsys, "status", out)
    assert json.loads(said(capsys, "status", out, "--json"))["figures"]["diversity"]["cells"] == about.cells
    assert "cells" not in said(capsys, "status", run.blobs.url)
    assert "Distinct at a cosine of 0.9: " in said(capsys, "plan", run.blobs.url, "--target", "5000")
    plan = json.loads(said(capsys, "plan", run.blobs.url, "--target", "5000", "--json"))["figures"]
    assert plan["diversity"]["instructions"] == len(accepted(run))
    reference = tmp_path / "reference.jsonl"
    reference.write_text(json.dumps({"instruction": "Plan a trip for two."}) + "\n")
    page, figures = tmp_path / "page.html", tmp_path / "figures.json"
    words = ["report", run.blobs.url, "--out", str(page), f"--json={figures}", "--reference", str(reference)]
    assert "mean best cosine of 1 reference texts" in said(capsys, *words)
    assert 'id="diversity"' in page.read_text()
    assert "reference texts" in page.read_text()
    assert json.loads(figures.read_text())["figures"]["diversity"]["reference"] == 1


def test_without_the_table_each_says_so(
    tmp_path: Path, run: RunStore, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(name: str) -> Any:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("selfinstruct.semantic.table.distribution", gone)
    assert "pip install" in said(capsys, "plan", run.blobs.url, "--target", "5000")
    assert "pip install" in said(capsys, "report", run.blobs.url, "--out", str(tmp_path / "page.html"))
    assert "was not computed: " in (tmp_path / "page.html").read_text()


@pytest.mark.parametrize("text", ["Name the capital of Chad, please.", "name the CAPITAL of chad please"])
def test_a_reference_that_is_an_evaluation_set_is_refused(tmp_path: Path, run: RunStore, text: str) -> None:
    sheet, reference = tmp_path / "held.jsonl", tmp_path / "reference.jsonl"
    sheet.write_text(json.dumps({"instruction": "Name the capital of Chad, please."}) + "\n")
    reference.write_text("".join(json.dumps({"instruction": each}) + "\n" for each in (text, "Sing.", "Sing.")))
    assert read_reference(str(reference), [], run) == [text, "Sing."]
    with pytest.raises(InputError, match=r"has 1 of its 2 texts in common with held\.jsonl"):
        read_reference(str(reference), [str(sheet)], run)


def test_the_paper_s_user_tasks_are_known(tmp_path: Path, run: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(KNOWN.read_text().split()) > 252
    known = tmp_path / "known.txt"
    known.write_text(digest_of_text("Rate my poem.\nRoses are red.") + "\n")
    monkeypatch.setattr("selfinstruct.quality.reference.KNOWN", known)
    reference = tmp_path / "reference.jsonl"
    reference.write_text(json.dumps({"instruction": "Rate my poem.\n\nRoses are red."}) + "\n")
    with pytest.raises(InputError, match="the paper's user tasks"):
        read_reference(str(reference), [], run)


def test_the_released_user_tasks_are_no_reference(run: RunStore) -> None:
    folder = os.environ.get("SELFINSTRUCT_RELEASED_DATA")
    if not folder:
        pytest.skip("SELFINSTRUCT_RELEASED_DATA is not set")
    with pytest.raises(InputError, match=r"has 25[0-2] of its 25[0-2] texts in common with the paper's user tasks"):
        read_reference(f"{folder}/user_oriented_instructions.jsonl", [], run)


def test_a_run_that_was_kept_clear_wants_its_sets_again(tmp_path: Path) -> None:
    sheet = tmp_path / "held.jsonl"
    sheet.write_text(json.dumps({"instruction": "Name the capital of Chad, please."}) + "\n")
    clear = make_run(tmp_path / "run", target=10, decontaminate=(str(sheet),))
    with pytest.raises(InputError, match="give them again"):
        read_reference(str(sheet), [], clear)
