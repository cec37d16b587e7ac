"""Several answers to each instruction, exported: the best, pass rates, thoughts, and pairs that TRL tunes on."""

from __future__ import annotations

import shutil
from collections import defaultdict
from pathlib import Path
from typing import Any

import datasets
import pytest

from jobs.main import main
from selfinstruct.records import Judgement, Table
from selfinstruct.steps.judging import overall
from selfinstruct.storage.checks import the_check
from selfinstruct.storage.store import RunStore
from selfinstruct.tiny import MODEL


@pytest.fixture(scope="module")
def unjudged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("samples") / "run"
    command = ["generate", "--out", str(run), "--engine", "template", "--prompts", "chat", "--replicas", "0"]
    command += ["--target", "50", "--rounds.least", "4", "--label.as", "answer", "--label.samples", "5"]
    assert main(command) == 0
    return run


@pytest.fixture(scope="module")
def run(unjudged: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, and every row judged."""
    judged = tmp_path_factory.mktemp("judged") / "run"

    shutil.copytree(unjudged, judged)
    assert main(["check", str(judged), "--engine", "template", "--replicas", "0"]) == 0
    return judged


@pytest.fixture(scope="module")
def verdicts(run: Path) -> dict[str, Judgement]:
    """What the check says of each row in all."""
    check = the_check(RunStore(str(run)))
    return {row.id: overall(row.judgements) for number in check.rounds() for row in check.read(number)}


def accepted(run: Path) -> dict[str, list[Any]]:
    """The accepted rows of each instruction of the model."""
    store, found = RunStore(str(run)), defaultdict(list)
    for number in store.rounds(Table.INSTANCES):
        for row in store.read(Table.INSTANCES, number).rows if number else ():
            if row.accepted:
                found[row.instruction_id].append(row)
    return found


def load(folder: Path, config: str, split: str = "train") -> Any:
    return datasets.load_dataset(str(folder), config, split=split)


def test_the_best_is_the_first_that_passes(run: Path, verdicts: dict[str, Judgement], tmp_path: Path) -> None:
    assert main(["export", str(run), "--out", str(tmp_path / "set"), "--samples", "best", "--validation", "0"]) == 0
    expected = {
        next(row.id for row in rows if verdicts[row.id] == Judgement.YES)
        for rows in accepted(run).values()
        if any(verdicts[row.id] == Judgement.YES for row in rows)
    }
    assert set(load(tmp_path / "set", "default")["id"]) == expected
    assert "there is the best one alone" in (tmp_path / "set" / "README.md").read_text()


def test_without_a_check_the_best_is_the_first(unjudged: Path, tmp_path: Path) -> None:
    out = tmp_path / "set"
    assert main(["export", str(unjudged), "--out", str(out), "--samples", "best", "--validation", "0"]) == 0
    rows = load(out, "default")
    assert set(rows["id"]) == {rows[0].id for rows in accepted(unjudged).values()}
    assert "pass_rate" not in rows.column_names


def test_rows_say_how_many_of_their_instruction_s_pass(
    run: Path, verdicts: dict[str, Judgement], tmp_path: Path
) -> None:
    assert main(["export", str(run), "--out", str(tmp_path / "set"), "--validation", "0"]) == 0
    of = accepted(run)
    rows = load(tmp_path / "set", "default")
    assert len(rows) == sum(map(len, of.values()))
    for row in rows:
        told = [verdicts[each.id] for each in of[row["instruction_id"]]]
        judged = [each for each in told if each in (Judgement.YES, Judgement.NO)]
        assert row["pass_rate"] == (judged.count(Judgement.YES) / len(judged) if judged else None)
    assert len(set(rows["pass_rate"])) > 3
    assert load(tmp_path / "set", "messages")["pass_rate"] == rows["pass_rate"]


def test_thoughts_are_given_where_they_are_asked_for(run: Path, tmp_path: Path) -> None:
    assert main(["export", str(run), "--out", str(tmp_path / "with"), "--thoughts"]) == 0
    assert main(["export", str(run), "--out", str(tmp_path / "without")]) == 0
    known = {row.id: row.thought for rows in accepted(run).values() for row in rows}
    assert len({thought is None for thought in known.values()}) == 2
    for row in load(tmp_path / "with", "messages"):
        user, assistant = row["messages"]
        assert assistant["reasoning_content"] == known[row["id"]]
        assert user["reasoning_content"] is None
    assert {row["id"]: row["thought"] for row in load(tmp_path / "with", "default")}.items() <= known.items()
    for config in ("default", "messages", "prompt_completion", "alpaca"):
        assert "Let me see" not in str(load(tmp_path / "without", config)[:])


@pytest.fixture(scope="module")
def pairs(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("pairs") / "set"
    assert main(["export", str(run), "--out", str(out), "--preference", "--validation", "0.2"]) == 0
    return out


def test_pairs_are_a_sample_that_passed_and_one_that_failed(
    run: Path, pairs: Path, verdicts: dict[str, Judgement], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    of = accepted(run)
    texts = {row.id: row.output for rows in of.values() for row in rows}
    rows = [row for split in ("train", "validation") for row in load(pairs, "preference", split)]
    for row in rows:
        first = of[row["instruction_id"]][0]
        asked = f"{first.instruction}\n\n{first.input}" if first.input else first.instruction
        assert row["prompt"] == [{"role": "user", "content": asked}]
        assert (verdicts[row["id"]], verdicts[row["rejected_id"]]) == (Judgement.YES, Judgement.NO)
        assert row["chosen"] == [{"role": "assistant", "content": texts[row["id"]]}]
        assert row["rejected"] == [{"role": "assistant", "content": texts[row["rejected_id"]]}]
    both = {id for id, samples in of.items() if {verdicts[row.id] for row in samples} >= {Judgement.YES, Judgement.NO}}
    assert sorted(row["instruction_id"] for row in rows) == sorted(both)
    assert main(["export", str(run), "--out", str(tmp_path / "again"), "--preference", "--validation", "0.2"]) == 0
    assert f"instructions without one: {len(of) - len(both):,}" in capsys.readouterr().out
    again = load(tmp_path / "again", "preference")
    assert again["rejected_id"] == load(pairs, "preference")["rejected_id"]
    validation = set(load(pairs, "default", "validation")["instruction_id"])
    assert set(load(pairs, "preference", "validation")["instruction_id"]) <= validation
    assert not set(again["instruction_id"]) & validation


TEMPLATE = (
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}{{ eos_token }}{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


def test_trl_tunes_on_pairs(pairs: Path, tmp_path: Path) -> None:
    from transformers import AutoTokenizer
    from trl import DPOConfig, DPOTrainer

    tokenizer = AutoTokenizer.from_pretrained(MODEL)
    tokenizer.chat_template = TEMPLATE
    options = DPOConfig(
        output_dir=str(tmp_path),
        report_to=[],
        max_steps=2,
        per_device_train_batch_size=2,
        use_cpu=True,
        bf16=False,
        logging_steps=1,
        save_strategy="no",
    )
    trainer = DPOTrainer(str(MODEL), args=options, train_dataset=load(pairs, "preference"), processing_class=tokenizer)
    done = trainer.train()
    assert done.global_step == 2
    assert 0 < done.training_loss < 10


def test_pairs_take_a_check_and_several_answers(
    unjudged: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", str(unjudged), "--out", str(tmp_path / "set"), "--preference"]) == 2
    assert "nothing of it was checked yet" in capsys.readouterr().err
    single = tmp_path / "single"
    command = ["generate", "--out", str(single), "--engine", "template", "--replicas", "0", "--target", "20"]
    assert main(command) == main(["check", str(single), "--engine", "template", "--replicas", "0"]) == 0
    assert main(["export", str(single), "--out", str(tmp_path / "set"), "--preference"]) == 2
    assert "--preference: none of" in capsys.readouterr().err
    assert not (tmp_path / "set").exists()
