"""Runs whose instructions are answered from the documents that they came of."""

from __future__ import annotations

import json
import shutil
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import selfinstruct
from jobs.main import main
from selfinstruct.errors import InputError
from selfinstruct.novelty.rouge import tokenise
from selfinstruct.records import Finish, Kind, Reason, Table
from selfinstruct.steps.copying import Copies
from selfinstruct.storage.history import facts_by_round
from selfinstruct.storage.store import RunStore
from selfinstruct.storage.verify import digest, verify

WORDS = (
    "amber",
    "bridge",
    "copper",
    "dawn",
    "ember",
    "ferry",
    "garden",
    "harbour",
    "island",
    "jetty",
    "kettle",
    "ladder",
)
COUNT = 700


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Documents of which no two have six words in a row in common."""
    path = tmp_path_factory.mktemp("texts") / "texts.jsonl"
    path.write_text("".join(f"{json.dumps({'id': f'd{at}', 'text': text(at)})}\n" for at in range(COUNT)))
    return path


def text(at: int) -> str:
    return f"Report {at}: " + " ".join(f"{WORDS[(at + step) % len(WORDS)]}{at}x{step}" for step in range(30)) + "."


def make(folder: Path, texts: Path, target: int = 60, **options: Any) -> RunStore:
    """A run of the template engine in this process, three in five of whose requests show a document."""
    documents = {"files": [str(texts)], "id": "id", "licence": "CC0"} | options.pop("documents", {})
    given = {
        "engine": "template",
        "target": target,
        "replicas": 0,
        "rounds": {"least": 8, "most": 12, "max_failed": 1.0},
        "prompts": "chat",
        "strategies": {"paper": 0.4, "document": 0.6},
        "documents": documents,
        "template": {"cut_rate": 0.05, "failure_rate": 0.03},
    }
    selfinstruct.generate(str(folder), **(given | options))
    return RunStore(str(folder))


@pytest.fixture(scope="module")
def whole(texts: Path, tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    """Answers of one sample, in the midst of tasks."""
    return make(tmp_path_factory.mktemp("whole") / "run", texts, 150)


def rows(store: RunStore, table: Table) -> list[Any]:
    return [row for number in store.rounds(table) if number > 0 for row in store.read(table, number).rows]


def documents_of(store: RunStore) -> dict[str, str]:
    """The names of the documents of accepted instructions."""
    names = {
        row.request_id: row.sources[0].removeprefix("document:")
        for row in rows(store, Table.PROPOSALS)
        if row.strategy == "document"
    }
    accepted = [row for row in rows(store, Table.CANDIDATES) if row.accepted]
    return {row.id: names[row.request_id] for row in accepted if row.request_id in names}


def by_instruction(found: list[Any]) -> dict[str, list[Any]]:
    of = defaultdict(list)
    for row in found:
        of[row.instruction_id].append(row)
    return of


def test_what_came_of_a_document_is_answered_from_it_at_once(whole: RunStore) -> None:
    documents = documents_of(whole)
    assert len(documents) > 15
    labels = by_instruction(rows(whole, Table.LABELS))
    assert all([row.kind for row in labels[id]] == [Kind.DOCUMENT_ANSWER] for id in documents)
    assert all(row.kind is not Kind.DOCUMENT_ANSWER for id in labels.keys() - documents.keys() for row in labels[id])
    for id, name in documents.items():
        (label,), (instance,) = labels[id], by_instruction(rows(whole, Table.INSTANCES))[id]
        assert (label.request_id, instance.id, instance.input) == (f"{id}/answer/0", f"{id}/0", "")
        assert instance.is_classification is None
        if label.finish is Finish.STOP and instance.output:
            numbers = {word.partition("x")[0].lstrip("".join(map(chr, range(97, 123)))) for word in words_of(instance)}
            assert numbers == {name[1:]}, f"{id} is answered from another text than {name}"


def words_of(instance: Any) -> list[str]:
    """Those of an answer that are of a document."""
    return [word for word in tokenise(instance.output, "rouge") if any(char.isdigit() for char in word)]


def test_tokens_and_endings_are_counted(whole: RunStore) -> None:
    labels, totals = rows(whole, Table.LABELS), whole.totals()
    assert totals[Table.LABELS]["document_answer.requests"] == len(documents_of(whole))
    assert totals[Table.LABELS]["tokens.completion"] == sum(row.completion_tokens for row in labels)
    asked = sum(row.prompt_tokens for row in labels if row.kind is Kind.DOCUMENT_ANSWER)
    assert asked > 30 * len(documents_of(whole))  # the text is in the prompt
    unreadable = {row.instruction_id for row in rows(whole, Table.INSTANCES) if row.is_classification is None}
    assert totals[Table.INSTANCES]["unreadable"] <= len(unreadable - documents_of(whole).keys())


def test_what_is_copied_is_said_of_each_answer_from_a_document(whole: RunStore) -> None:
    documents, found = documents_of(whole), rows(whole, Table.INSTANCES)
    for row in found:
        name = documents.get(row.instruction_id)
        expected = None if name is None else Copies(text(int(name[1:])), "rouge").share(row.output)
        assert row.copied == expected
    assert len({row.copied for row in found if row.accepted}) > 2
    assert not [row for row in found if row.reason is Reason.COPIED]


def test_above_a_share_copies_are_dropped(texts: Path, whole: RunStore, tmp_path: Path) -> None:
    strict = make(tmp_path / "run", texts, 150, documents={"copied": 0.3})
    before = {row.id: row for row in rows(whole, Table.INSTANCES)}
    found = rows(strict, Table.INSTANCES)
    assert [row.id for row in found] == list(before)
    dropped = [row for row in found if row.reason is Reason.COPIED]
    assert dropped
    for row in found:
        copied = row.copied is not None and row.copied > 0.3
        assert (row.reason is Reason.COPIED) == (copied and before[row.id].accepted)
    assert strict.totals()[Table.INSTANCES]["instances.rejected.copied"] == len(dropped)


def test_several_answers_to_one_document(texts: Path, tmp_path: Path) -> None:
    store = make(tmp_path / "run", texts, label={"as": "answer", "samples": 3})
    labels, documents = by_instruction(rows(store, Table.LABELS)), documents_of(store)
    assert documents
    for id in documents:
        assert [row.request_id for row in labels[id]] == [f"{id}/answer/{at}" for at in range(3)]
        assert {row.kind for row in labels[id]} == {Kind.DOCUMENT_ANSWER}
    others = [labels[id] for id in labels.keys() - documents.keys()]
    assert all(each[0].kind is Kind.INPUT for each in others)


@pytest.mark.parametrize("prompts", ["base", "instruct"])
def test_other_prompt_sets_ask_it_too(texts: Path, tmp_path: Path, prompts: str) -> None:
    store = make(tmp_path / "run", texts, 30, prompts=prompts)
    answered = [row for row in rows(store, Table.INSTANCES) if row.accepted and row.copied is not None]
    assert answered
    assert verify(store) == []


def test_a_run_goes_on_as_if_it_had_never_been_ended(texts: Path, whole: RunStore, tmp_path: Path) -> None:
    for target in (10, 60, 150):
        store = make(tmp_path / "run", texts, target)
    assert digest(store) == digest(whole)


def test_it_may_be_labelled_as_any_other(texts: Path, tmp_path: Path) -> None:
    store = make(tmp_path / "run", texts, documents={"answer": False})
    assert documents_of(store)
    assert Kind.DOCUMENT_ANSWER not in {row.kind for row in rows(store, Table.LABELS)}
    assert {row.copied for row in rows(store, Table.INSTANCES)} == {None}


def test_a_set_that_cannot_ask_it_says_what_to_do(texts: Path, tmp_path: Path) -> None:
    own = Path(shutil.copytree(Path(selfinstruct.__file__).parent / "prompts/chat", tmp_path / "own"))
    (own / "document_answer.toml").unlink()
    with pytest.raises(InputError, match=r"'own' has no document_answer\.toml.*documents: \{answer: false\}"):
        make(tmp_path / "run", texts, prompts=str(own))
    assert documents_of(make(tmp_path / "run", texts, 20, prompts=str(own), documents={"answer": False}))


# ---- other commands


def test_reparsed_it_is_the_same(
    texts: Path, whole: RunStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["reparse", whole.blobs.url, "--out", str(tmp_path / "again")]
    named = ["--documents.files", str(texts), "--documents.id", "id"]
    assert main(command) == 2
    assert "answers of" in capsys.readouterr().err
    assert main([*command, "--documents.files", str(texts)]) == 2
    assert "are not those of" in capsys.readouterr().err
    assert not (tmp_path / "again" / "candidates").exists()
    assert main([*command, *named]) == 0
    assert digest(RunStore(str(tmp_path / "again"))) == digest(whole)
    strict = [*command[:3], str(tmp_path / "strict"), *named, "--change", "documents.copied=0.3"]
    assert main(strict) == 0
    dropped = RunStore(str(tmp_path / "strict")).totals()[Table.INSTANCES]["instances.rejected.copied"]
    assert dropped == sum(row.accepted and (row.copied or 0) > 0.3 for row in rows(whole, Table.INSTANCES))


def test_labelled_later_it_is_as_labelled_at_once(
    texts: Path, whole: RunStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = make(tmp_path / "bare", texts, 150, label={"as": "none"})
    same = ["--engine", "template", "--replicas", "0", "--template.failure_rate", "0.03", "--template.cut_rate", "0.05"]
    command = ["label", bare.blobs.url, "--out", str(tmp_path / "later"), *same, "--max_failed", "1"]
    assert main(command) == 2
    assert "--documents.files: answers of" in capsys.readouterr().err
    assert main([*command, "--documents.files", str(texts), "--documents.id", "id"]) == 0
    later = RunStore(str(tmp_path / "later"))
    assert digest(later) == digest(whole)
    key = f"prompts.{Kind.DOCUMENT_ANSWER}"
    assert dict(facts_by_round(later))[0][key] == dict(facts_by_round(whole))[0][key]


def test_documents_that_nobody_needs_are_refused(
    tmp_path: Path, texts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path / "run", texts, 20, documents={"answer": False})
    named = ["--documents.files", str(texts)]
    assert main(["reparse", str(tmp_path / "run"), "--out", str(tmp_path / "again"), *named]) == 2
    assert "is written from a document; leave them out" in capsys.readouterr().err


def test_what_is_merged_keeps_its_copies(
    texts: Path, whole: RunStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path / "other", texts, 30, seed=9)
    assert main(["merge", whole.blobs.url, str(tmp_path / "other"), "--out", str(tmp_path / "both")]) == 0
    both = RunStore(str(tmp_path / "both"))
    kept = {row.id: row.copied for row in rows(both, Table.INSTANCES)}
    assert all(kept[row.id] == row.copied for row in rows(whole, Table.INSTANCES))
    named = ["--documents.files", str(texts), "--documents.id", "id"]
    assert main(["reparse", str(tmp_path / "both"), "--out", str(tmp_path / "again"), *named]) == 2
    assert "was merged from runs whose answers" in capsys.readouterr().err


def test_polished_outputs_are_not_said_to_be_copied(whole: RunStore, tmp_path: Path) -> None:
    out = tmp_path / "polished"
    assert main(["polish", whole.blobs.url, "--out", str(out), "--engine", "template", "--replicas", "0"]) == 0
    before = {row.id: row for row in rows(whole, Table.INSTANCES)}
    for row in rows(RunStore(str(out)), Table.INSTANCES):
        assert row.copied == (None if before[row.id].accepted else before[row.id].copied)


# ---- datasets


def exported(run: RunStore, out: Path) -> tuple[str, list[dict[str, Any]]]:
    """The card, and the rows."""
    assert main(["export", run.blobs.url, "--out", str(out), "--license", "other"]) == 0
    return (out / "README.md").read_text(), pq.read_table(out / "default").to_pylist()


def test_rows_and_card_tell_documents_and_their_licences(tmp_path: Path) -> None:
    licences = ("CC0-1.0", "CC-BY-4.0", None)
    lines = [{"text": text(at), "id": at, "licence": licences[at % 3]} for at in range(COUNT)]
    path = tmp_path / "mixed.jsonl"
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    given = {"licence": "own", "licence_column": "licence"}
    run = make(tmp_path / "run", path, 150, documents=given)
    card, found = exported(run, tmp_path / "out")
    documents, counts = documents_of(run), Counter[str]()
    copied = {row.id: row.copied for row in rows(run, Table.INSTANCES)}
    for row in found:
        name = documents.get(row["instruction_id"])
        expected = None if name is None else licences[int(name) % 3] or "own"
        assert (row["source"], row["licence"], row["copied"]) == (name, expected, copied[row["id"]])
        counts.update([expected] if expected else [])
    assert len(counts) == 3
    assert f"- Documents of {counts.total()} rows" in card
    told = card.partition("## Licences")[2].splitlines()
    assert [line for line in told if line.startswith("  - ")] == [
        f"  - {licence}: {rows} row{'s' * (rows != 1)}"
        for licence, rows in sorted(counts.items(), key=lambda each: (-each[1], each[0]))
    ]


def test_what_is_merged_of_runs_with_documents_is_not_ours_to_license(
    texts: Path, whole: RunStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "texts.jsonl"
    other.write_text("".join(texts.read_text().splitlines(keepends=True)[:300]))
    make(tmp_path / "other", other, 60, seed=9, documents={"licence": ""})
    assert main(["merge", whole.blobs.url, str(tmp_path / "other"), "--out", str(tmp_path / "both")]) == 0
    assert main(["export", str(tmp_path / "both"), "--out", str(tmp_path / "none")]) == 2
    assert "--license" in capsys.readouterr().err
    card, found = exported(RunStore(str(tmp_path / "both")), tmp_path / "out")
    assert f"  - CC0: {sum(row['licence'] == 'CC0' for row in found)} rows" in card
    assert "  - licence not said: " in card


def test_a_dataset_without_documents_has_no_such_columns(tmp_path: Path) -> None:
    run = tmp_path / "run"
    selfinstruct.generate(str(run), engine="template", target=20, replicas=0, rounds={"least": 8})
    card, found = exported(RunStore(str(run)), tmp_path / "out")
    assert not {"source", "licence", "copied"} & found[0].keys()
    assert "Documents of" not in card


def test_show_says_what_is_copied(whole: RunStore, capsys: pytest.CaptureFixture[str]) -> None:
    id = next(row.instruction_id for row in rows(whole, Table.INSTANCES) if row.copied)
    assert main(["show", whole.blobs.url, id]) == 0
    shown = capsys.readouterr().out
    assert "copied from the document:" in shown
    assert "prompt: that of document_answer.toml" in shown
