"""Runs that measure what their instructions are about, and runs that drop by it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from cluster.settings import GenerateSettings
from jobs.main import main
from selfinstruct.engines import TemplateOptions, open_engine
from selfinstruct.errors import InputError
from selfinstruct.records import Candidate, Neighbour, Reason, Table
from selfinstruct.run.inputs import Inputs, read_inputs
from selfinstruct.run.loop import SingleCompleter, drive
from selfinstruct.run.measuring import pool_index, vector_index
from selfinstruct.run.rounds import Run, Stage
from selfinstruct.run.settings import RoundSettings
from selfinstruct.semantic.cells import cells_of
from selfinstruct.semantic.index import Meanings, nearest_of
from selfinstruct.semantic.settings import SemanticSettings
from selfinstruct.semantic.table import shipped_table
from selfinstruct.semantic.vectors import cosines
from selfinstruct.storage.store import RunStore
from selfinstruct.storage.verify import digest, verify

COLUMNS = ("candidates.cell", "candidates.nearest_cosine")


def settings_of(**semantic: Any) -> GenerateSettings:
    return GenerateSettings(
        out="run",
        seed=7,
        target=90,
        engine="template",
        rounds=RoundSettings(least=5, most=7, max_failed=1.0),
        template=TemplateOptions(failure_rate=0.05, cut_rate=0.05),
        semantic=SemanticSettings(**semantic),
    )


def go(
    folder: Path, settings: GenerateSettings, inputs: Inputs | None = None, index: Any = None, lives: int = 1
) -> RunStore:
    """A run, of so many lives that each end after a round, and a last one."""
    inputs, store = inputs or read_inputs(settings), RunStore(str(folder))
    for life in range(lives):
        line = SingleCompleter(open_engine(inputs.proposer, inputs.prompts), 64)
        run = Run(settings, inputs.prompts, inputs.seeds, evaluation=inputs.evaluation)
        enough = (lambda: True) if life < lives - 1 else None
        drive(
            run,
            store,
            index() if index else pool_index(settings.novelty, settings.semantic),
            [(line, (Stage.PROPOSE, Stage.LABEL))],
            inputs.facts,
            enough=enough,
        )
    assert verify(store) == []
    return store


def candidates(store: RunStore) -> list[Candidate]:
    files = (store.read(Table.CANDIDATES, number) for number in store.rounds(Table.CANDIDATES))
    return [row for file in files for row in cast(Sequence[Candidate], file.rows)]


class Parts:
    """A `MeasuringIndex` of several, as shards are."""

    def __init__(self, count: int, settings: GenerateSettings) -> None:
        self._words = pool_index(settings.novelty, SemanticSettings())
        self._parts = [vector_index() for _ in range(count)]

    def insert(self, first: int, texts: Sequence[str]) -> None:
        self._words.insert(first, texts)
        for at, text in enumerate(texts, first):
            self._parts[at % len(self._parts)].insert(at // len(self._parts), [text])

    def nearest(self, size: int, texts: Sequence[str], without: Sequence[int | None] = ()) -> list[Neighbour | None]:
        return self._words.nearest(size, texts, without)

    def meanings(self, size: int, texts: Sequence[str], without: Sequence[int | None] = ()) -> Meanings:
        assert not without
        count = len(self._parts)
        return nearest_of(
            part.meanings(len(range(at, size, count)), texts, True, (), at, count)
            for at, part in enumerate(self._parts)
        )


@pytest.fixture(scope="module")
def gated(tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    return go(tmp_path_factory.mktemp("gated"), settings_of(measure=True, gate=True, cosine=0.55))


def test_measuring_adds_two_columns_and_alters_nothing(tmp_path: Path) -> None:
    plain = go(tmp_path / "plain", settings_of())
    measured = go(tmp_path / "measured", settings_of(measure=True))
    assert digest(plain, COLUMNS) == digest(measured, COLUMNS)
    assert digest(plain) != digest(measured)
    assert all(row.cell is None and row.nearest_cosine is None for row in candidates(plain))
    _check(measured, limit=2.0)


def test_a_gate_drops_what_is_too_near_and_nothing_else(gated: RunStore) -> None:
    reasons = [row.reason for row in candidates(gated)]
    assert reasons.count(Reason.PARAPHRASE) > 5
    assert reasons.count(Reason.SIMILAR) > 5
    assert gated.totals()[Table.CANDIDATES]["rejected.paraphrase"] == reasons.count(Reason.PARAPHRASE)
    _check(gated, limit=0.55)


def _check(store: RunStore, limit: float) -> None:
    """Brute force: every measured row against all that was accepted before it."""
    table, pool, ids = shipped_table(), [np.zeros((0, 256), np.int8)], list[str]()
    for row in candidates(store):
        vector = table.embed([row.text])
        asked = row.accepted or row.reason in (Reason.SIMILAR, Reason.PARAPHRASE)
        if row.round == 0 or not asked:
            assert row.cell is None
            assert row.nearest_cosine is None
        else:
            near = cosines(vector, np.concatenate(pool))[0]
            assert (row.cell, row.nearest_cosine) == (cells_of(vector)[0], near.max())
            assert row.nearest_cosine is not None
            if row.accepted:
                assert row.nearest_cosine <= limit
            if row.reason is Reason.PARAPHRASE:
                assert row.nearest_cosine > limit
                assert (row.nearest_id, row.rouge_l) == (ids[near.argmax()], None)
        if row.accepted:
            pool.append(vector)
            ids.append(row.id)


@pytest.mark.parametrize(("parts", "lives"), [(3, 1), (1, 4), (2, 3)])
def test_verdicts_do_not_depend_on_shards_and_lives(tmp_path: Path, gated: RunStore, parts: int, lives: int) -> None:
    settings = settings_of(measure=True, gate=True, cosine=0.55)
    assert digest(go(tmp_path, settings, index=partial(Parts, parts, settings), lives=lives)) == digest(gated)


def test_what_is_measured_by_is_a_fact(gated: RunStore) -> None:
    facts = gated.metadata(Table.CANDIDATES, 0).facts
    assert (facts["semantic.table"], facts["semantic.search"]) == (shipped_table().digest, 1)
    assert "semantic.table" not in read_inputs(settings_of()).facts


def test_reparse_measures_a_run_that_did_not(tmp_path: Path) -> None:
    plain = go(tmp_path / "plain", settings_of())
    out = str(tmp_path / "out")
    assert main(["reparse", plain.blobs.url, "--out", out, "--change", "semantic.measure=true"]) == 0
    measured = go(tmp_path / "measured", settings_of(measure=True))
    assert digest(RunStore(out)) == digest(measured)
    again = ["reparse", out, "--out", str(tmp_path / "again"), "--change", "semantic.measure=false"]
    assert main(again) == 0
    assert digest(RunStore(str(tmp_path / "again"))) == digest(plain)


def test_merged_runs_measure_nothing(tmp_path: Path, gated: RunStore) -> None:
    other = go(tmp_path / "other", replace(settings_of(measure=True, gate=True, cosine=0.55), seed=8, target=20))
    out = str(tmp_path / "out")
    assert main(["merge", gated.blobs.url, other.blobs.url, "--out", out]) == 0
    merged = RunStore(out)
    assert not [key for key in merged.metadata(Table.CANDIDATES, 0).facts if key.startswith("semantic.")]
    assert all(row.cell is None for row in candidates(merged))
    assert verify(merged) == []


def test_without_the_table_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("selfinstruct.semantic.table.distribution", gone)
    with pytest.raises(InputError) as caught:
        read_inputs(settings_of(measure=True))
    (line,) = caught.value.problems
    assert "wordllama" in line
    assert "pip install 'selfinstruct[semantic]'" in line
    assert read_inputs(settings_of()).facts


def test_a_gate_needs_what_it_drops_by(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("version: 1\nsemantic: {gate: true}\n")
    code = main(["generate", "--recipe", str(recipe), "--out", str(tmp_path / "run"), "--engine", "template"])
    assert code == 2
    assert "semantic.gate: drops by what is measured; set semantic.measure, too" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
