"""Runs put together, and runs made again from what they hold: what must stay stays, and the rest is judged anew."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
import pytest

from jobs.main import main
from selfinstruct.novelty.rouge import rouge_l, tokenise
from selfinstruct.records import Table
from selfinstruct.steps.readers.tolerant import TolerantReader
from selfinstruct.storage.store import RunStore
from selfinstruct.storage.verify import digest, verify
from tests.tools.runs import make_run


def rows(store: RunStore, table: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ds.dataset(Path(store.blobs.url) / table).to_table().to_pylist()
    return sorted(found, key=lambda row: str(row.get("id", row.get("request_id"))))


def accepted(store: RunStore) -> list[dict[str, Any]]:
    return [row for row in rows(store, "candidates") if row["accepted"] and row["origin"] == "model"]


def instances(store: RunStore) -> dict[str, list[tuple[str, str, str | None]]]:
    """By instruction."""
    found: dict[str, list[tuple[str, str, str | None]]] = {}
    for row in rows(store, "instances"):
        found.setdefault(row["instruction"], []).append((row["input"], row["output"], row["reason"]))
    return found


def merge(out: Path, *sources: RunStore, options: Sequence[str] = ()) -> RunStore:
    assert main(["merge", *(source.blobs.url for source in sources), "--out", str(out), *options]) == 0
    store = RunStore(str(out))
    assert verify(store) == []
    return store


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunStore, RunStore]:
    return tuple(make_run(tmp_path_factory.mktemp(f"run{seed}"), 90, seed=seed) for seed in (1, 2))  # type: ignore[return-value]


def test_the_first_run_stays_and_of_the_second_what_is_new(sources: tuple[RunStore, RunStore], tmp_path: Path) -> None:
    first, second = sources
    merged = merge(tmp_path / "merged", first, second)
    length = len(first.rounds(Table.CANDIDATES))
    assert len(merged.rounds(Table.CANDIDATES)) == length + len(second.rounds(Table.CANDIDATES)) - 1
    for table in Table:
        for number in first.rounds(table):
            assert merged.read(table, number).rows == first.read(table, number).rows
    later = [row for row in rows(merged, "candidates") if row["round"] >= length]
    before = {row["text"] for row in accepted(second)}
    assert {row["text"] for row in later if row["accepted"]} < before
    turned = [row for row in later if row["reason"] == "similar" and row["text"] in before]
    texts = {row["id"]: row["text"] for row in rows(merged, "candidates")}
    for row in turned:
        assert rouge_l(tokenise(row["text"], "rouge"), tokenise(texts[row["nearest_id"]], "rouge")) > 0.7
    assert turned
    tokens = [tokenise(row["text"], "rouge") for row in accepted(merged)]
    assert all(rouge_l(a, b) <= 0.7 for at, a in enumerate(tokens) for b in tokens[:at])
    theirs, ours = instances(second), instances(merged)
    assert all(ours[row["text"]] == theirs[row["text"]] for row in later if row["accepted"])
    assert len(rows(merged, "labels")) == len(rows(first, "labels")) + len(rows(second, "labels"))
    shown = {id for row in rows(merged, "proposals") for id in row["demonstrations"]}
    assert shown <= set(texts)


def test_a_copy_adds_nothing(sources: tuple[RunStore, RunStore], tmp_path: Path) -> None:
    shutil.copytree(sources[0].blobs.url, tmp_path / "copy")
    merged = merge(tmp_path / "merged", sources[0], RunStore(str(tmp_path / "copy")))
    assert [row["id"] for row in accepted(merged)] == [row["id"] for row in accepted(sources[0])]
    assert instances(merged) == instances(sources[0])


def test_a_merge_that_was_killed_goes_on(sources: tuple[RunStore, RunStore], tmp_path: Path) -> None:
    whole = merge(tmp_path / "whole", *sources)
    shutil.copytree(tmp_path / "whole", tmp_path / "killed")
    newest = len(whole.rounds(Table.CANDIDATES)) - 1
    for table, number in ((Table.INSTANCES, newest), (Table.LABELS, newest), (Table.INSTANCES, newest - 1)):
        (tmp_path / "killed" / table / f"{number:06d}.parquet").unlink()
    assert digest(merge(tmp_path / "killed", *sources)) == digest(whole)


def test_other_seeds_imports_and_settings_are_put_together(
    sources: tuple[RunStore, RunStore], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seeds = [
        {"instruction": "Say what a lighthouse is for.", "instances": [{"output": "It warns ships."}]},
        {"instruction": "Name a wind of the Adriatic.", "instances": [{"output": "The bora."}]},
    ]
    pool = [
        {"instruction": "Count the sheep of my uncle.", "input": "two and three", "output": "five"},
        {"instruction": accepted(sources[0])[0]["text"], "input": "", "output": "Later."},
    ]
    files = {}
    for name, lines in (("seeds", seeds), ("pool", pool)):
        files[name] = tmp_path / f"{name}.jsonl"
        given = [{"id": f"{at}", "is_classification": False, **line} for at, line in enumerate(lines)]
        files[name].write_text("\n".join(map(json.dumps, given)))
    command = ["import", str(files["pool"]), "--seeds", str(files["seeds"]), "--out", str(tmp_path / "set")]
    assert main(command) == 0
    other = RunStore(str(tmp_path / "set"))
    merged = merge(tmp_path / "merged", sources[0], other)
    again = merge(tmp_path / "again", merged, other, options=["--novelty.index", "prefix"])
    for store in (merged, again):
        given = [row for row in rows(store, "candidates") if row["round"] == 0]
        texts = [row["text"] for row in given if row["accepted"]]
        assert len(texts) == len(set(texts)) == 200 + 2 + 2
        assert instances(store)["Count the sheep of my uncle."] == [("two and three", "five", None)]
        assert instances(store)["Name a wind of the Adriatic."] == [("", "The bora.", None)]
    capsys.readouterr()
    assert main(["merge", sources[0].blobs.url, sources[0].blobs.url, "--out", str(tmp_path / "x")]) == 2
    assert "each of them once" in capsys.readouterr().err
    assert main(["merge", sources[0].blobs.url, other.blobs.url, "--out", again.blobs.url]) == 2
    assert "origin: the run has" in capsys.readouterr().err


def test_a_merged_run_is_carried_on_and_exported_with_everyones_models(
    sources: tuple[RunStore, RunStore], tmp_path: Path
) -> None:
    theirs = {"proposer.engine": "openai", "proposer.model": "owner/big"}
    other = make_run(tmp_path / "other", 40, seed=5, **theirs)
    merged = merge(tmp_path / "merged", sources[0], other)
    count = len(merged.rounds(Table.CANDIDATES))
    make_run(tmp_path / "merged", len(accepted(merged)) + 10, seed=9)
    assert verify(merged) == []
    assert len(merged.rounds(Table.CANDIDATES)) > count
    terms = ["--license", "other", "--model_license", "owner/big=MIT", "--model_outputs", "owner/big=None."]
    assert main(["export", str(tmp_path / "merged"), "--out", str(tmp_path / "set"), *terms]) == 0
    found = ds.dataset(tmp_path / "set/default", format="parquet").to_table().to_pylist()
    middle = range(len(sources[0].rounds(Table.CANDIDATES)), count)
    for row in found:
        ours = row["round"] not in middle
        assert row["proposer"] == ("selfinstruct-template" if ours else "owner/big")
        assert row["labeller"] == "selfinstruct-template"


def reparse(out: Path, source: RunStore, *options: str) -> RunStore:
    assert main(["reparse", source.blobs.url, "--out", str(out), *options]) == 0
    store = RunStore(str(out))
    assert verify(store) == []
    return store


def test_without_a_change_the_run_is_the_same(sources: tuple[RunStore, RunStore], tmp_path: Path) -> None:
    assert digest(reparse(tmp_path / "again", sources[0])) == digest(sources[0])


def test_a_lower_threshold_drops_and_a_higher_one_accepts_what_was_never_asked_about(
    sources: tuple[RunStore, RunStore], tmp_path: Path
) -> None:
    source = sources[0]
    strict = reparse(tmp_path / "strict", source, "--change", "novelty.threshold=0.4", "instances.most=1")
    assert len(accepted(strict)) < len(accepted(source))
    kept = Counter(row["instruction_id"] for row in rows(strict, "instances") if row["accepted"] and row["round"] > 0)
    assert set(kept.values()) == {1}
    loose = reparse(tmp_path / "loose", source, "--change", "novelty.threshold=0.99")
    before, now = {row["text"] for row in accepted(source)}, {row["text"] for row in accepted(loose)}
    assert before < now
    theirs, ours = instances(source), instances(loose)
    assert all(ours[text] == theirs[text] for text in before)
    assert all(ours[text] == [("", "", "not_asked")] for text in now - before)
    assert digest(reparse(tmp_path / "back", loose, "--change", "novelty.threshold=0.7")) == digest(source)


def test_answers_follow_their_instruction_when_a_parser_changes(
    sources: tuple[RunStore, RunStore], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = TolerantReader.proposals
    monkeypatch.setattr(
        TolerantReader, "proposals", lambda reader, *asked, **named: before(reader, *asked, **named)[1:]
    )
    changed = reparse(tmp_path / "changed", sources[0])
    places = {row["text"]: row["id"] for row in accepted(sources[0])}
    kept = [row for row in accepted(changed) if row["text"] in places]
    assert len(kept) > 50
    assert sum(row["id"] != places[row["text"]] for row in kept) > 0.8 * len(kept)  # some requests said one thing twice
    theirs, ours = instances(sources[0]), instances(changed)
    same = [set(ours[row["text"]]) == set(theirs[row["text"]]) for row in kept]
    assert sum(same) > 0.9 * len(same)  # a choice among more than five is drawn anew, by the new id


def test_changes_that_cannot_be_are_named(
    sources: tuple[RunStore, RunStore], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["reparse", sources[0].blobs.url, "--out", str(tmp_path / "x"), "--change"]
    assert main([*command, "novelty.treshold=0.5", "novelty.threshold=high", "proposer.grammar=x"]) == 2
    errors = capsys.readouterr().err
    assert "did you mean 'novelty.threshold'?" in errors
    assert "'novelty.threshold' takes one number, not the text 'high'" in errors
    assert "'proposer.grammar=x' is no option" in errors
    assert main(["reparse", sources[0].blobs.url, "--out", sources[0].blobs.url]) == 2
    assert not (tmp_path / "x").exists()


def test_a_reparsed_run_is_carried_on_with_its_own_model_only(
    sources: tuple[RunStore, RunStore], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    again = reparse(tmp_path / "again", sources[0])
    grown = make_run(tmp_path / "again", 140, seed=1)
    assert verify(grown) == []
    assert len(accepted(grown)) >= 140 > len(accepted(sources[0]))
    options = ["--seed", "1", "--template.failure_rate", "0.5"]
    assert main(["generate", "--out", again.blobs.url, "--engine", "template", *options]) == 2
    assert "proposer.failure_rate: the run has" in capsys.readouterr().err


def test_what_counts_as_a_word_follows_the_tokeniser(sources: tuple[RunStore, RunStore], tmp_path: Path) -> None:
    def words(store: RunStore) -> tuple[Any, Any]:
        facts = store.metadata(Table.CANDIDATES, 0).notes["facts"]
        return facts["tokeniser"], facts.get("tables")

    other = reparse(tmp_path / "other", sources[0], "--change", "novelty.tokeniser=unicode")
    merged = merge(tmp_path / "merged", other, sources[1], options=["--novelty.tokeniser", "unicode"])
    assert words(other) == words(merged) == (2, f"regex {version('regex')}")
    assert words(reparse(tmp_path / "back", other, "--change", "novelty.tokeniser=rouge")) == (1, None)
    assert words(merge(tmp_path / "plain", other, sources[1], options=["--novelty.tokeniser", "rouge"])) == (1, None)
