"""Runs whose requests are made in other ways than the paper's: what their tables hold, and that they are repeatable."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import selfinstruct
from cluster.settings import GenerateSettings
from jobs.main import main
from selfinstruct.errors import InputError
from selfinstruct.face.options import settings_of
from selfinstruct.novelty.rouge import rouge_l, tokenise
from selfinstruct.records import Table
from selfinstruct.run.inputs import read_inputs
from selfinstruct.semantic.cells import cells_of
from selfinstruct.semantic.table import shipped_table
from selfinstruct.sources.corpus import Columns, Corpus
from selfinstruct.sources.slots import read_slots
from selfinstruct.storage.store import RunStore
from selfinstruct.storage.verify import verify
from tests.tools.kills import killed_at

ROUNDS = {"least": 8, "most": 12, "max_failed": 1.0}


def make(folder: Path, target: int = 60, **options: Any) -> RunStore:
    """A run of the template engine in this process."""
    given = {"engine": "template", "target": target, "replicas": 0, "rounds": ROUNDS, "prompts": "chat"} | options
    selfinstruct.generate(str(folder), **given)
    return RunStore(str(folder))


def proposals(store: RunStore) -> list[Any]:
    return [row for number in store.rounds(Table.PROPOSALS) for row in store.read(Table.PROPOSALS, number).rows]


def contents(store: RunStore) -> dict[tuple[Table, int], str]:
    return {(table, number): store.metadata(table, number).content for table in Table for number in store.rounds(table)}


# ---- slots


def test_values_of_slots_are_drawn_and_named(tmp_path: Path) -> None:
    slots = {"topic": "builtin", "task_type": "builtin"}
    store = make(tmp_path / "run", prompts="topics", slots=slots)
    known = {name: set(read_slots([f"{name}=builtin"])[name].names) for name in slots}
    rows = proposals(store)
    for row in rows:
        topic, task_type = row.sources
        assert topic.removeprefix("topic:") in known["topic"]
        assert task_type.removeprefix("task_type:") in known["task_type"]
        assert row.strategy == "paper"
    assert len({row.sources for row in rows}) > len(rows) // 2


def test_a_run_goes_on_with_the_same_values_wherever_they_lie(tmp_path: Path) -> None:
    for name, text in (("a", "wood\nstone\n"), ("b", "wood\nstone\n"), ("c", "wood\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "things.txt").write_text(text)

    def go_on(folder: str, name: str, target: int) -> RunStore:
        slots = {"topic": str(tmp_path / name / "things.txt"), "task_type": "builtin"}
        return make(tmp_path / folder, target, prompts="topics", slots=slots)

    whole = contents(go_on("whole", "a", 120))
    go_on("parts", "a", 30)
    assert contents(go_on("parts", "b", 120)) == whole
    with pytest.raises(InputError, match=r"slots\.topic: the run has"):
        go_on("parts", "c", 200)


def test_a_slot_without_values_is_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"topics/propose\.toml: holds the slot {topic}"):
        make(tmp_path / "run", prompts="topics", slots={"task_type": "builtin"})
    assert not (tmp_path / "run").exists()


# ---- demonstrations


def test_demonstrations_may_be_generated_ones_alone(tmp_path: Path) -> None:
    rows = proposals(make(tmp_path / "run", 200, propose={"seeds": 0, "generated": 8}))
    first = [row for row in rows if row.round == 1]
    assert all(len(row.demonstrations) == 8 for row in rows)
    assert all(id.startswith("seed/") for row in first for id in row.demonstrations)
    assert not any(id.startswith("seed/") for id in rows[-1].demonstrations)


def test_a_prompt_shows_one_demonstration_at_least(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a prompt shows one demonstration at least"):
        make(tmp_path / "run", propose={"seeds": 0, "generated": 0})


# ---- mixes

MIX = {"paper": 0.4, "query": 0.3, "evolve": 0.3}


def accepted(store: RunStore) -> list[Any]:
    return [row for n in store.rounds(Table.CANDIDATES) for row in store.read(Table.CANDIDATES, n).rows if row.accepted]


@pytest.mark.parametrize("prompts", ["chat", "instruct"])
def test_a_mix_of_strategies_in_one_run(tmp_path: Path, prompts: str) -> None:
    store = make(tmp_path / "run", 150, strategies=MIX, prompts=prompts)
    rows, known = proposals(store), {row.id: row for row in accepted(store)}
    counts = Counter(row.strategy for row in rows)
    assert set(counts) == set(MIX)
    requests = {row.request_id: row for row in rows}
    made = Counter(requests[row.request_id].strategy for row in known.values() if row.request_id)
    assert set(made) == set(MIX)
    near = 0
    for row in rows:
        if row.strategy == "query":
            assert (row.demonstrations, row.sources) == ((), ())
        if row.strategy == "evolve":
            (parent,) = row.demonstrations
            assert row.sources[0] == f"parent:{parent}"
            children = [child for child in known.values() if child.request_id == row.request_id]
            near += sum(rouge(child.text, known[parent].text) > 0.7 for child in children)
            assert len(children) <= 1
    assert near  # they would have died of being like their parents


def test_accepted_instructions_are_new_to_all_but_their_parents(tmp_path: Path) -> None:
    store = make(tmp_path / "run", 150, strategies={"paper": 0.3, "evolve": 0.7})
    parents = {row.request_id: row.demonstrations[0] for row in proposals(store) if row.strategy == "evolve"}
    rows = accepted(store)
    for later, row in enumerate(rows):
        for earlier in rows[:later] if row.origin == "model" else ():
            limit = 0.9 if parents.get(row.request_id) == earlier.id else 0.7
            assert rouge(row.text, earlier.text) <= limit, f"{row.id} and {earlier.id}"


def rouge(a: str, b: str) -> float:
    return rouge_l(tokenise(a, "rouge"), tokenise(b, "rouge"))


def test_a_mix_goes_on_as_if_it_had_never_been_ended(tmp_path: Path) -> None:
    whole = contents(make(tmp_path / "whole", 120, strategies=MIX))
    for target in (20, 60, 120):
        store = make(tmp_path / "parts", target, strategies=MIX)
    assert contents(store) == whole
    with pytest.raises(InputError, match=r"strategies\.paper: the run has 0\.4"):
        make(tmp_path / "parts", 130)


def test_a_mix_that_is_reparsed_is_the_same_run(tmp_path: Path) -> None:
    store = make(tmp_path / "run", 80, strategies=MIX)
    assert (
        main(["reparse", str(tmp_path / "run"), "--out", str(tmp_path / "again"), "--change", "rules.prompt=false"])
        == 0
    )
    again = RunStore(str(tmp_path / "again"))
    assert [row.id for row in accepted(again)] == [row.id for row in accepted(store)]


@pytest.mark.parametrize(
    ("strategies", "said"),
    [
        ({"query": 0.5}, "the shares sum to 1.5 (paper 1, query 0.5), must sum to 1; paper has 1 unless it is named"),
        ({"paper": 0}, "the shares sum to 0 (all are 0)"),
        ({"magpie": 1}, "'strategies.magpie' is no option here"),
        ({"paper": 0, "query": -1}, "must be at least 0"),
    ],
)
def test_a_mix_that_is_none_is_one_line(tmp_path: Path, strategies: dict[str, float], said: str) -> None:
    with pytest.raises(InputError) as caught:
        make(tmp_path / "run", strategies=strategies)
    assert said in str(caught.value)


def test_an_engine_that_takes_conversations_alone_is_asked_no_query(tmp_path: Path) -> None:
    query = {"paper": 0, "query": 1}
    with pytest.raises(InputError, match=r"whose query\.toml says what stands before a user's turn"):
        read_inputs(settings_for("openai", query))
    with pytest.raises(InputError, match=r"'tiny' has no query\.toml"):
        make(tmp_path / "run", strategies=query, prompts="tiny")


def settings_for(engine: str, strategies: dict[str, float]) -> GenerateSettings:
    given = {"strategies": strategies, "prompts": "chat", "model": "m", "engine": engine}
    return settings_of(GenerateSettings(out="run"), given, "generate")


def test_show_names_the_parent_and_the_operation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = make(tmp_path / "run", 60, strategies=MIX)
    row = next(row for row in proposals(store) if row.strategy == "evolve")
    assert main(["show", str(tmp_path / "run"), row.request_id]) == 0
    text = capsys.readouterr().out
    assert all(source in text for source in row.sources)
    assert "strategy evolve" in text


# ---- spread


def test_spread_shows_instructions_of_many_cells(tmp_path: Path) -> None:
    mix = {"paper": 0.5, "spread": 0.5}
    store = make(tmp_path / "run", 250, strategies=mix)
    known = {row.id: row.text for row in accepted(store)}
    cells, table = {}, shipped_table()
    for id, text in known.items():
        (cells[id],) = cells_of(table.embed([text])).tolist()
    shown = [row for row in proposals(store) if row.strategy == "spread" and row.round > 3]
    assert shown
    for row in shown:
        others = [id for id in row.demonstrations if not id.startswith("seed/")]
        assert len(others) == len({cells[id] for id in others}) == 6
    for target in (40, 250):
        parts = make(tmp_path / "parts", target, strategies=mix)
    assert contents(parts) == contents(store)


# ---- documents

DOCUMENT = {"paper": 0.4, "document": 0.6}


def write_documents(folder: Path, count: int) -> str:
    rows = [
        {"id": f"d{at}", "text": f"Document {at} says that {at} is the number of this document."} for at in range(count)
    ]
    (folder / "texts.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return str(folder / "texts.jsonl")


def documents_of(rows: list[Any]) -> list[str]:
    return [each for row in rows for each in row.sources if each.startswith("document:")]


def test_each_document_is_used_once_and_none_is_skipped(tmp_path: Path) -> None:
    given = {"files": [write_documents(tmp_path, 5000)], "id": "id", "licence": "CC0"}
    store = make(tmp_path / "run", 90, strategies=DOCUMENT, documents=given)
    rows = [row for row in proposals(store) if row.strategy == "document"]
    order = Corpus(given["files"], Columns("text", "id"), 0)
    expected = [order[at] for at in range(len(rows))]
    assert documents_of(rows) == [f"document:{each.name}" for each in expected if each]
    assert all("licence:CC0" in row.sources for row in rows)
    for target in (10, 30, 90):
        parts = make(tmp_path / "parts", target, strategies=DOCUMENT, documents=given)
    assert contents(parts) == contents(store)
    assert {row.request_id for row in accepted(store)} & {row.request_id for row in rows}


def test_where_documents_end_the_paper_goes_on(tmp_path: Path) -> None:
    given = {"files": [write_documents(tmp_path, 7)]}
    store = make(tmp_path / "run", 60, strategies={"paper": 0, "document": 1}, documents=given)
    rows = proposals(store)
    assert sorted(documents_of(rows)) == [f"document:texts.jsonl:{at}" for at in range(1, 8)]
    assert [row.strategy for row in rows] == ["document"] * 7 + ["paper"] * (len(rows) - 7)


def test_documents_without_a_share_and_a_share_without_documents_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no documents\.files"):
        make(tmp_path / "run", strategies=DOCUMENT)
    with pytest.raises(InputError, match="has no share in strategies"):
        make(tmp_path / "run", documents={"files": [write_documents(tmp_path, 3)]})


def test_other_documents_are_another_run(tmp_path: Path) -> None:
    given = {"files": [write_documents(tmp_path, 500)]}
    make(tmp_path / "run", 20, strategies=DOCUMENT, documents=given)
    write_documents(tmp_path, 501)
    with pytest.raises(InputError, match="documents: the run has"):
        make(tmp_path / "run", 40, strategies=DOCUMENT, documents=given)


def test_a_dataset_names_documents_and_their_licence(tmp_path: Path) -> None:
    given = {"files": [write_documents(tmp_path, 300)], "licence": "CC0"}
    make(tmp_path / "run", 60, strategies=DOCUMENT, documents=given)
    out = tmp_path / "data"
    export = ["export", str(tmp_path / "run"), "--out", str(out)]
    assert main(export) == 2  # what is made of documents is not ours to license
    assert main([*export, "--license", "cc0-1.0"]) == 0
    tables = [pq.read_table(path) for path in (out / "default").rglob("*.parquet")]
    rows = [row for table in tables for row in table.to_pylist() if row["strategy"] == "document"]
    assert f"- Documents of {len(rows)} rows, which" in (out / "README.md").read_text()
    assert rows
    assert all(
        row["sources"][0].startswith("document:texts.jsonl:") and row["sources"][1] == "licence:CC0" for row in rows
    )


# ---- kills


def test_killed_again_and_again_a_mix_ends_the_same(tmp_path: Path) -> None:
    recipe = tmp_path / "mix.yaml"
    shares = "{paper: 0.2, spread: 0.2, query: 0.2, evolve: 0.2, document: 0.2, auto: true}"
    files = write_documents(tmp_path, 2000)
    more = f"documents: {{files: [{files}], copied: 0.3}}\nfeedback: {{lookback: 2}}"
    recipe.write_text(f"version: 1\nstrategies: {shares}\n{more}\n")

    def command(out: Path) -> list[str]:
        options = ["generate", "--out", str(out), "--engine", "template", "--prompts", "chat", "--replicas", "0"]
        options += ["--seed", "3", "--target", "60", "--rounds.least", "4", "--rounds.most", "6"]
        return [*options, "--recipe", str(recipe)]

    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert main(command(whole)) == 0
    slow = ["--template.latency", "0.1", "--template.batch", "8", "--in_flight", "24"]
    assert killed_at([*command(killed), *slow], killed, (3, 9, 15, 22)) >= 2
    assert main(command(killed)) == 0
    assert verify(RunStore(str(killed))) == []
    assert contents(RunStore(str(killed))) == contents(RunStore(str(whole)))
