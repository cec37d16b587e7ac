"""Data kept clear of evaluation sets, while it is generated and when it is exported."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pyarrow.dataset as ds
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.main import main
from selfinstruct.novelty.index import NoveltySettings
from selfinstruct.novelty.rouge import rouge_l, tokenise
from selfinstruct.records import Candidate, InstanceRow, Origin, Reason, Table
from selfinstruct.sources.contamination import SHORTEST, Contamination, EvaluationTask
from selfinstruct.sources.evaluation_sets import read_evaluation
from selfinstruct.storage.store import RunStore
from selfinstruct.storage.verify import digest, verify
from tests.tools.runs import make_run

TOKENS = st.lists(st.sampled_from("abc"), max_size=14)


@settings(max_examples=200)
@given(st.lists(TOKENS, min_size=1, max_size=4), TOKENS, st.integers(2, 6))
def test_n_grams_are_found_as_by_looking_at_every_place(texts: list[list[str]], tokens: list[str], n: int) -> None:
    def runs(words: list[str], size: int) -> set[tuple[str, ...]]:
        return {tuple(words[at : at + size]) for at in range(len(words) - size + 1)}

    tasks = [EvaluationTask(f"set:{at}", " ".join(words), ()) for at, words in enumerate(texts)]
    contamination = Contamination(tasks, NoveltySettings(), n)
    expected = {
        task.id
        for task, words in zip(tasks, texts, strict=True)
        if len(words) >= min(SHORTEST, n) and runs(words, min(n, len(words))) & runs(tokens, min(n, len(words)))
    }
    found = contamination.overlap(" ".join(tokens))
    assert (found in expected) if expected else found is None


def test_a_short_evaluation_text_is_hit_where_it_occurs_whole() -> None:
    ten = "Which of the two rivers is the longer one, please?"
    contamination = Contamination([EvaluationTask("set:1", ten, ("Too short to be found.",))], NoveltySettings())
    assert contamination.overlap(f"Say it: {ten.upper()} Thanks.") == "set:1"
    assert contamination.overlap("which of the two rivers is the longer") is None
    assert contamination.overlap("Too short to be found.") is None


def test_an_instruction_in_other_words_is_hit_by_rouge_l() -> None:
    tasks = [EvaluationTask("set:1", "Name three birds of the open sea.", ())]
    hit = Contamination(tasks, NoveltySettings()).of_instruction("Name three birds of the sea.")
    assert hit is not None
    assert (hit.id, hit.rouge_l) == ("set:1", pytest.approx(12 / 13))
    assert Contamination(tasks, NoveltySettings(threshold=0.95)).of_instruction("Name three birds of the sea.") is None


def test_words_of_any_script_are_compared_as_the_novelty_check_does() -> None:
    tasks = [EvaluationTask("set:1", "बड़ी नदी के किनारे बैठे दो छोटे बच्चों के नाम लिखो", ())]
    same_consonants = "बड़े नाद का कनर बाठ दे छोटा बाच्च का नमी लेखा"
    contamination = Contamination(tasks, NoveltySettings(tokeniser="unicode"))
    assert contamination.overlap(unicodedata.normalize("NFD", tasks[0].instruction)) == "set:1"
    assert contamination.of_instruction(same_consonants) is None


def test_evaluation_sets_of_all_forms_are_read(tmp_path: Path) -> None:
    rows = [
        {"instruction": "Mend it.", "instances": [{"input": "a", "output": "b"}]},
        {"question": "How many?", "answer": "42"},
    ]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    folder = tmp_path / "tasks"
    folder.mkdir()
    task = {"Definition": ["In this task, sort the words."], "Instances": [{"input": "x", "output": ["y"]}]}
    (folder / "task001_sort.json").write_text(json.dumps(task))
    (folder / "README.md").write_text("")
    found = read_evaluation([str(tmp_path / "rows.jsonl"), str(folder), str(folder / "task001_sort.json")])
    assert [(task.id, task.instruction, task.texts) for task in found] == [
        ("rows.jsonl:1", "Mend it.", ("a", "b")),
        ("rows.jsonl:2", "How many?", ("42",)),
        ("tasks:task001_sort", "In this task, sort the words.", ()),
        ("task001_sort.json:1", "In this task, sort the words.", ()),
    ]
    assert [task.texts for task in read_evaluation([str(tmp_path / "rows.json")])] == [("a", "b"), ("42",)]


def test_a_bad_evaluation_set_is_named_before_any_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.jsonl").write_text('{"instruction": "Name a bird."}\n{"x": 1}\n')
    (tmp_path / "empty").mkdir()
    for path, said in (("bad.jsonl", "bad.jsonl:2: no text"), ("empty", "holds no"), ("none.jsonl", "cannot be read")):
        out = str(tmp_path / "run")
        assert main(["generate", "--engine", "template", "--out", out, "--decontaminate", str(tmp_path / path)]) == 2
        assert said in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set of what the template engine writes without being asked not to, in part in other words."""
    store = make_run(tmp_path_factory.mktemp("plain"), 60)
    texts = [
        row.text
        for n in store.rounds(Table.CANDIDATES)
        if n > 0
        for row in store.read_accepted(Table.CANDIDATES, n).rows
    ]
    long = [text for text in texts if len(text.split()) > 8]
    path = tmp_path_factory.mktemp("set") / "held_out.jsonl"
    rows = [{"instruction": f"{text} Thank you."} for text in long[:6]]
    outputs = [row.output for row in store.read(Table.INSTANCES, 1).rows if row.accepted]
    rows.append({"instruction": "Say nothing at all.", "output": max(outputs, key=len)})
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def test_generation_rejects_what_is_near_to_an_evaluation_set(evaluation: Path, tmp_path: Path) -> None:
    store = make_run(tmp_path / "run", 60, decontaminate=(str(evaluation),))
    assert verify(store) == []
    files = [cast(Sequence[Candidate], store.read(Table.CANDIDATES, n).rows) for n in store.rounds(Table.CANDIDATES)]
    rejected = [row for rows in files for row in rows if row.reason is Reason.CONTAMINATED]
    assert len(rejected) >= 4
    assert all(str(row.nearest_id).startswith("evaluation/held_out.jsonl:") for row in rejected)
    assert store.totals()[Table.CANDIDATES]["rejected.contaminated"] == len(rejected)
    held_out = [tokenise(task.instruction, "rouge") for task in read_evaluation([str(evaluation)])]
    for row in (row for rows in files[1:] for row in rows if row.accepted):
        assert all(rouge_l(tokenise(row.text, "rouge"), text) <= 0.7 for text in held_out)
    assert store.totals()[Table.INSTANCES]["instances.rejected.contaminated"] >= 1


def test_imported_tasks_are_kept_clear_too_and_seed_tasks_stay(evaluation: Path, tmp_path: Path) -> None:
    held_out = [json.loads(line) for line in evaluation.open()]
    tasks = [
        {"instruction": held_out[0]["instruction"], "output": "Something."},
        {"instruction": "Write down how the storm went by.", "input": "", "output": held_out[-1]["output"]},
        {"instruction": "Write down how the storm went by.", "input": "", "output": "It went by."},
    ]
    pool = tmp_path / "pool.json"
    pool.write_text(json.dumps(tasks))
    options = ["--pool", str(pool), "--decontaminate", str(evaluation), "--target", "5"]
    assert main(["generate", "--engine", "template", "--out", str(tmp_path / "run"), *options]) == 0
    store = RunStore(str(tmp_path / "run"))
    assert verify(store) == []
    given = cast(Sequence[Candidate], store.read(Table.CANDIDATES, 0).rows)
    assert [row.reason for row in given if row.origin is Origin.IMPORTED] == [Reason.CONTAMINATED, None, Reason.SIMILAR]
    own = cast(Sequence[InstanceRow], store.read(Table.INSTANCES, 0).rows)
    assert [row.reason for row in own if row.id.startswith("imported/")] == [Reason.CONTAMINATED]
    again = ["reparse", store.blobs.url, "--out", str(tmp_path / "again")]
    assert main(again) == 2  # the sets have to be given again
    assert main([*again, "--decontaminate", str(evaluation)]) == 0
    assert digest(RunStore(str(tmp_path / "again"))) == digest(store)


def test_the_sets_are_part_of_the_fingerprint_by_their_content(
    evaluation: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = make_run(tmp_path / "plain", 10)
    assert "evaluation" not in plain.metadata(Table.CANDIDATES, 0).notes["facts"]
    moved = tmp_path / "moved"
    moved.mkdir()
    (moved / "held_out.jsonl").write_bytes(evaluation.read_bytes())
    places = (str(evaluation), str(moved / "held_out.jsonl"))
    runs = [make_run(tmp_path / str(at), 10, decontaminate=(place,)) for at, place in enumerate(places)]
    facts = [run.metadata(Table.CANDIDATES, 0).notes["facts"] for run in runs]
    assert facts[0] == facts[1]
    assert digest(runs[0]) == digest(runs[1])
    command = ["generate", "--engine", "template", "--out", plain.blobs.url, "--decontaminate", str(evaluation)]
    assert main(command) == 2
    assert "evaluation: the run has None" in capsys.readouterr().err


def exported(folder: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = ds.dataset(folder / "default", format="parquet").to_table().to_pylist()
    return rows


def test_export_drops_what_is_near_and_the_card_counts_it(evaluation: Path, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", 60).blobs.url
    assert main(["export", run, "--out", str(tmp_path / "all")]) == 0
    assert main(["export", run, "--out", str(tmp_path / "clean"), "--decontaminate", str(evaluation)]) == 0
    before, after = exported(tmp_path / "all"), exported(tmp_path / "clean")
    dropped = {row["id"] for row in before} - {row["id"] for row in after}
    held_out = [json.loads(line)["instruction"].removesuffix(" Thank you.") for line in evaluation.open()]
    assert {row["id"] for row in before if row["instruction"] in held_out} <= dropped
    assert len(dropped) == len(before) - len(after) >= 6
    card = (tmp_path / "clean/README.md").read_text()
    assert "`held_out.jsonl` (7 tasks)" in card
    assert f"{len(dropped)} rows in all" in card
    assert "Not checked." in (tmp_path / "all/README.md").read_text()
