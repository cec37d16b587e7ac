"""Outputs of the original code, and instruction sets, as runs: the same instances kept, and all else works on them."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.main import main
from selfinstruct.engines import EngineSettings, open_engine
from selfinstruct.prompts import load_prompts
from selfinstruct.records import Kind, Request
from selfinstruct.reuse import imports
from selfinstruct.steps.instantiate import InstanceSettings, filter_instances
from selfinstruct.steps.readers.original import OriginalReader
from selfinstruct.tiny import grammar


def released_rule(kind: Kind, raw: str, cut: bool) -> set[tuple[str, str]]:
    """What the original code's rules keep, written as naively as they read, for comparison; any number of instances."""
    found: list[tuple[str, str]] = []
    if kind is Kind.OUTPUT_FIRST:
        for piece in raw.split("Class label:")[1:]:
            lines = piece.strip().split("\n")
            found.append(("\n".join(lines[1:]).strip(), lines[0].strip()))
    else:
        pieces = [piece for piece in re.split(r"Example\s?\d*\.?", raw.strip()) if piece.strip()]
        if not re.search(r"Example", raw) and not re.search(r"Output\s*\d*\s*:", raw):
            pieces = []
        for piece in pieces:
            parts = re.split(r"Output\s*\d*\s*:", piece.strip())
            before, after = ("", parts[0]) if len(parts) == 1 else (parts[0].strip(), parts[1])
            after = re.split(r"Input\s*\d*\s*:", after)[0].strip()
            found.append((re.sub(r"^Input\s*\d*\s*:", "", before).strip(), after))
    if cut:
        found = found[:-1]
    found = [(a, b) for a, b in found if a != b and b and not a.endswith(":") and not b.endswith(":")]
    if any(a and a == c and b != d for a, b in found for c, d in found):
        return set()
    return set(found)


MARKS = ["Example 1", "Example", "Example 2.", "Examples", "Input:", "Input 2 :", "Output:", "Output 1:", "Output :"]
WORDS = ["Class label:", "a", "b", "cats and dogs", "List:", "Sentence: so", ":", "an Example of it", "\n", "\n\n", " "]
PIECES = st.sampled_from(MARKS + WORDS)


@settings(max_examples=300)
@given(st.lists(PIECES, max_size=24), st.sampled_from([Kind.INPUT_FIRST, Kind.OUTPUT_FIRST]), st.booleans())
def test_the_instances_kept_are_those_of_the_released_rules(pieces: list[str], kind: Kind, cut: bool) -> None:
    raw = "".join(pieces)
    verdicts = filter_instances(OriginalReader().instances(kind, raw, cut), InstanceSettings(), 0, "000001/00000/00")
    kept = {(instance.input, instance.output) for instance, reason in verdicts if reason is None}
    expected = released_rule(kind, raw, cut)
    assert kept <= expected
    assert len(kept) == min(5, len(expected))


def response(text: str, finish: str | None = "stop") -> dict[str, Any]:
    choice = {"text": text, "index": 0, **({"finish_reason": finish} if finish else {})}
    return {"prompt": "Come up with a series of tasks:", "response": {"choices": [choice]}, "created_at": "x"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A batch as the original code leaves it, with answers of the template engine, clean and dirty."""
    folder, draw = tmp_path_factory.mktemp("batch"), random.Random(3)
    engine, prompts = open_engine(EngineSettings("template"), load_prompts("base")), load_prompts("base")

    def ask(kind: Kind, suffix: str) -> str:
        engine.add([Request("r", kind, suffix, draw.getrandbits(60))])
        return engine.step()[0].text

    written, questions, answers = [], [], []
    for batch in range(30):
        raw = ask(Kind.PROPOSE, prompts[Kind.PROPOSE].fill_demonstrations(["Name a bird."] * 8))
        for text in re.split(r"\n\d+\s?\. ", raw):
            text = " ".join(text.split()).capitalize()
            known = text in [line["instruction"] for line in written]
            if len(text.split()) > 3 and text[0].isascii() and not known and draw.random() < 0.9:
                finish = None if batch % 3 == 0 else "stop"
                written.append({"instruction": text, "metadata": response(raw, finish), "request_idx": batch // 5})
    for line in written:
        text = line["instruction"]
        family = next(iter(grammar.recognise(text) or ()), None)
        kind = Kind.OUTPUT_FIRST if family and family.is_classification else Kind.INPUT_FIRST
        raw = ask(kind, prompts[kind].fill(instruction=text))
        finish = draw.choice(["length", "stop", None])
        questions.append({"instruction": text, "is_classification": " Yes" if kind is Kind.OUTPUT_FIRST else " No"})
        answers.append({"instruction": text, "raw_instances": raw, "instance_metadata": response(raw, finish)})
    for name, lines in {
        "machine_generated_instructions.jsonl": written,
        "is_clf_or_not_davinci_template_1.jsonl": questions[:-2],
        "machine_generated_instances.jsonl": answers[:-1],
    }.items():
        (folder / name).write_text("\n".join(map(json.dumps, lines)) + "\n")
    return folder


def rows(run: Path, table: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ds.dataset(run / table).to_table().to_pylist()
    return found


@pytest.fixture(scope="module")
def imported(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(imports, "REQUESTS", 12)  # several rounds of so small a set
        out = tmp_path_factory.mktemp("run") / "run"
        assert main(["import", str(folder), "--out", str(out)]) == 0
    return out


def test_a_batch_of_the_original_code_becomes_a_run(folder: Path, imported: Path) -> None:
    assert main(["verify", str(imported)]) == 0
    lines = [json.loads(line) for line in (folder / "machine_generated_instructions.jsonl").open()]
    candidates = [row for row in rows(imported, "candidates") if row["origin"] == "model"]
    texts = {row["text"].casefold() for row in candidates}
    assert all(line["instruction"].casefold() in texts for line in lines)
    raw = {line["metadata"]["response"]["choices"][0]["text"] for line in lines}
    assert {row["text"] for row in rows(imported, "proposals")} == raw
    assert {row["round"] for row in candidates} == {1, 2, 3}
    reasons = {row["reason"] for row in candidates}
    assert {None, "similar", "too_short"} <= reasons


@pytest.mark.parametrize(("answer", "yes"), [("Yes", True), ("Yes.", False), ("No", False)])
def test_a_task_is_stored_as_what_its_instances_were_asked_for_as(tmp_path: Path, answer: str, yes: bool) -> None:
    """The original code takes `Yes.` for no, and so asked for the input first."""
    instruction = "Say whether the word is a verb or a noun."
    raw = "Class label: verb\nrun" if yes else "Example 1\nWord: run\nOutput: verb"
    lines = {
        "machine_generated_instructions": {"instruction": instruction, "metadata": response(instruction)},
        "is_clf_or_not_davinci_template_1": {"instruction": instruction, "is_classification": answer},
        "machine_generated_instances": {
            "instruction": instruction,
            "raw_instances": raw,
            "instance_metadata": response(raw),
        },
    }
    for name, line in lines.items():
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(line) + "\n")
    assert main(["import", str(tmp_path), "--out", str(tmp_path / "run")]) == 0
    (row,) = [row for row in rows(tmp_path / "run", "instances") if row["round"] > 0]
    assert (row["is_classification"], row["output"], row["accepted"]) == (yes, "verb", True)


def test_the_instances_of_a_batch_are_those_that_the_original_code_keeps(folder: Path, imported: Path) -> None:
    questions = {
        json.loads(line)["instruction"].casefold(): "Yes" in json.loads(line)["is_classification"]
        for line in (folder / "is_clf_or_not_davinci_template_1.jsonl").open()
    }
    accepted = {row["text"].casefold(): row["id"] for row in rows(imported, "candidates") if row["accepted"]}
    instances = [row for row in rows(imported, "instances") if row["round"] > 0]
    compared = 0
    for line in map(json.loads, (folder / "machine_generated_instances.jsonl").open()):
        key = line["instruction"].casefold()
        if key not in accepted or key not in questions:
            continue
        finish = line["instance_metadata"]["response"]["choices"][0].get("finish_reason")
        kind = Kind.OUTPUT_FIRST if questions[key] else Kind.INPUT_FIRST
        expected = released_rule(kind, line["raw_instances"], finish == "length")
        ours = [row for row in instances if row["instruction_id"] == accepted[key]]
        kept = {(row["input"], row["output"]) for row in ours if row["accepted"]}
        assert kept <= expected
        assert len(kept) == min(5, len(expected))
        assert all(row["is_classification"] == questions[key] for row in ours)
        compared += len(kept)
    assert compared > 100


def test_what_was_never_asked_is_said(folder: Path, imported: Path) -> None:
    lines = [json.loads(line) for line in (folder / "machine_generated_instructions.jsonl").open()]
    asked = {line["instruction"].casefold() for line in lines[:-2]}
    instances = [row for row in rows(imported, "instances") if row["round"] > 0]
    lost = {
        row["instruction"].casefold(): row["reason"] for row in instances if row["reason"] in ("not_asked", "failed")
    }
    assert lost
    assert not asked & lost.keys()
    half_asked = lines[-2]["instruction"].casefold()  # there is an answer, but not the question before it
    assert lost.get(half_asked, "failed") == "failed"


def test_an_imported_run_is_carried_on_with_any_model_and_then_with_no_other(
    imported: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    before = {name: len(rows(imported, name)) for name in ("proposals", "candidates", "instances")}
    accepted = sum(row["accepted"] and row["origin"] == "model" for row in rows(imported, "candidates"))
    command = ["generate", "--out", str(imported), "--engine", "template", "--target", str(accepted + 10)]
    assert main([*command, "--screen.longest", "9"]) == 2
    assert "screen.longest" in capsys.readouterr().err
    assert main([*command, "--prompts", "chat", "--replicas", "1", "--shards", "1"]) == 0
    assert main(["verify", str(imported)]) == 0
    capsys.readouterr()
    assert main([*command, "--target", "9999", "--prompts", "base"]) == 2
    assert "prompts: the run has" in capsys.readouterr().err
    assert len(rows(imported, "instances")) > before["instances"]
    out = tmp_path / "set"
    terms = ["--license", "other", "--model_license", "davinci=OpenAI's terms", "--model_outputs", "davinci=No rivals."]
    assert main(["export", str(imported), "--out", str(out), "--validation", "0", *terms]) == 0
    found = ds.dataset(out / "default", format="parquet").to_table().to_pylist()
    makers = {row["round"]: (row["proposer"], row["prompts"]) for row in found}
    assert makers == {
        **dict.fromkeys((1, 2, 3), ("davinci", "original")),
        **{number: ("selfinstruct-template", "chat") for number in makers if number > 3},
    }
    assert len(makers) > 3


def test_a_second_import_goes_on_after_a_first_that_was_killed(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "REQUESTS", 12)
    runs = [str(tmp_path / name) for name in ("whole", "killed")]
    for run in runs:
        assert main(["import", str(folder), "--out", run]) == 0
    for name in ("instances/000003", "labels/000003", "candidates/000003", "instances/000002"):
        (tmp_path / f"killed/{name}.parquet").unlink()
    assert main(["generate", "--out", runs[1], "--engine", "template"]) == 2
    assert "`selfinstruct import` has not finished it" in capsys.readouterr().err
    assert main(["import", str(folder), "--out", runs[1]]) == 0
    digests = []
    for run in runs:
        capsys.readouterr()
        assert main(["verify", run, "--digest"]) == 0
        digests.append(capsys.readouterr().out)
    assert digests[0] == digests[1]


def test_lines_without_responses_and_with_odd_ones_become_requests_of_their_own(tmp_path: Path) -> None:
    lines = [
        {"instruction": "Name a bird of the far north."},
        {"instruction": "Name a fish of the deep sea.", "metadata": {"response": None}},
        {
            "instruction": "Say hello in half a \ud83d smile.",
            "metadata": response(" Say hello in half a \ud83d smile."),
        },
        {"instruction": "Count to a hundred by threes.", "metadata": response("Something else entirely, my friend.")},
        {"instruction": "Mend this broken sentence for me.", "metadata": response("Mend this brok", "length")},
    ]
    (tmp_path / "machine_generated_instructions.jsonl").write_text("\n".join(map(json.dumps, lines)))
    run = tmp_path / "run"
    assert main(["import", str(tmp_path), "--out", str(run)]) == 0
    assert main(["verify", str(run)]) == 0
    accepted = {row["text"] for row in rows(run, "candidates") if row["round"] > 0 and row["accepted"]}
    expected = {line["instruction"] for line in lines} | {"Something else entirely, my friend."}
    assert accepted == {text.replace("\ud83d", "\ufffd") for text in expected}
    assert {row["reason"] for row in rows(run, "instances") if row["round"] > 0} == {"not_asked"}
    lost = [row["reason"] for row in rows(run, "candidates") if row["reason"] == "cut_by_length"]
    assert len(lost) == 1


def test_bad_lines_are_named_and_nothing_is_begun(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    batch = tmp_path / "batch"
    batch.mkdir()
    command = ["import", str(batch), "--out", str(tmp_path / "run")]
    assert main(command) == 2
    assert "machine_generated_instructions.jsonl: cannot be read" in capsys.readouterr().err
    (batch / "machine_generated_instructions.jsonl").write_text('{"instruction": "Name a bird."}\n{"x": 1}\n')
    (batch / "is_clf_or_not_davinci_template_1.jsonl").write_text('{"instruction": "Name a bird."}\n[]\n{oops\n')
    assert main(command) == 2
    errors = capsys.readouterr().err.splitlines()
    assert [line.split(": ")[1].rpartition(":")[2] for line in errors] == ["2", "1", "2", "3"]
    assert not (tmp_path / "run").exists()


def test_an_alpaca_file_becomes_a_run_with_its_instances(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tasks = [
        {"instruction": "Name the capital of the country.", "input": "Peru", "output": "Lima"},
        {"instruction": "Explain how a lock on a canal works.", "input": "", "output": "It lifts boats."},
        {"instruction": "Name the capital of the country.", "input": "Chad", "output": "N'Djamena"},
        {"instruction": "Name the capital of that country.", "input": "Cuba", "output": "Havana"},
    ]
    (tmp_path / "alpaca.json").write_text(json.dumps(tasks))
    run = tmp_path / "run"
    assert main(["import", str(tmp_path / "alpaca.json"), "--out", str(run)]) == 0
    assert "2 instructions accepted, 1 rejected, 3 instances" in capsys.readouterr().out
    assert main(["verify", str(run)]) == 0
    own = [row for row in rows(run, "instances") if row["id"].startswith("imported/")]
    assert [(row["input"], row["output"]) for row in own] == [
        ("Peru", "Lima"),
        ("Chad", "N'Djamena"),
        ("", "It lifts boats."),
    ]
    terms = ["--pool_license", "cc-by-nc-4.0", "--license", "cc-by-nc-4.0", "--validation", "0"]
    assert main(["export", str(run), "--out", str(tmp_path / "set"), *terms]) == 0
    found = ds.dataset(tmp_path / "set/alpaca", format="parquet").to_table(["instruction", "input", "output"])
    assert sorted(found.to_pylist(), key=str) == sorted(tasks[:3], key=str)


def test_answers_of_a_chat_api_are_one_request_each(tmp_path: Path) -> None:
    raw = (
        " Name three gulls of the harbour wall.\n10. Explain to a child how locks work.\n11. Write a note to a miller."
    )
    parts = [{"type": "text", "text": "List four kinds of bread you know.\n10. Say how a sail is mended."}]
    contents = [raw, raw, parts, None]
    texts = ["Name three gulls of the harbour wall.", "Explain to a child how locks work."]
    texts += ["List four kinds of bread you know.", "Describe the smell of a bakery."]
    lines = [
        {
            "instruction": text,
            "request_idx": at // 2,
            "metadata": {
                "response": {
                    "choices": [{"message": {"role": "assistant", "content": content}, "finish_reason": "stop"}]
                }
            },
        }
        for at, (text, content) in enumerate(zip(texts, contents, strict=True))
    ]
    (tmp_path / imports.INSTRUCTIONS).write_text("\n".join(map(json.dumps, lines)))
    out = tmp_path / "out"
    assert main(["import", str(tmp_path), "--out", str(out)]) == 0
    proposals = rows(out, "proposals")
    assert [row["text"] for row in proposals] == [raw, parts[0]["text"], texts[3]]  # the last has no answer: itself
    candidates = [row for row in rows(out, "candidates") if row["origin"] == "model"]
    assert [row["text"] for row in candidates] == [
        *texts[:2],
        "Write a note to a miller.",
        texts[2],
        "Say how a sail is mended.",
        texts[3],
    ]
    assert {row["request_id"] for row in candidates[:3]} == {proposals[0]["request_id"]}


def test_lines_of_code_are_kept_and_rows_of_one_instruction_merged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = "Finish the body:\n```python\ndef thrice(x):\n    ...\n```"
    answer = "    y = 3 * x\n    return y"
    given = [
        {"instruction": code, "input": "", "output": answer},
        {"instruction": " ".join(code.split()), "output": 3},
        {"instruction": "Name a lake in the far north.", "answer": None},
    ]
    file = tmp_path / "set.jsonl"
    file.write_text("\n".join(map(json.dumps, given)))
    out = tmp_path / "out"
    assert main(["import", str(file), "--out", str(out)]) == 0
    told = capsys.readouterr()
    assert f"warning: {file}: 1 of 3 rows had no output (row 3)" in told.err
    assert "2 instructions accepted, 0 rejected, 2 instances" in told.out
    (first, _) = (row for row in rows(out, "candidates") if row["origin"] == "imported")
    assert first["text"] == code
    found = [row for row in rows(out, "instances") if row["instruction_id"] == first["id"]]
    assert [(row["instruction"], row["output"]) for row in found] == [(code, answer), (code, "3")]
    assert main(["show", str(out), first["id"]]) == 0
    shown = capsys.readouterr().out
    assert f"    {' '.join(code.split())}\n" in shown
    assert "classification or not is unknown" in shown
    licences = ["--pool_license", "mit", "--license", "mit"]
    assert main(["export", str(out), "--out", str(tmp_path / "set"), *licences]) == 0
    exported = ds.dataset(tmp_path / "set/default").to_table().to_pylist()
    assert (code, answer) in [(row["instruction"], row["output"]) for row in exported]
