"""`selfinstruct evaluate constraints`: what is asked, how answers are counted, and CoDI-Eval's form."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from jobs.main import main
from selfinstruct.constraints import holds, read
from selfinstruct.evaluation.codi import Keywords, Length, read_codi
from selfinstruct.evaluation.constraints import demands, said
from selfinstruct.quality.intervals import wilson
from selfinstruct.records import Completion, Finish, SeedTask
from selfinstruct.sources.seeds import SEED_TASKS, load_seeds

COMMAND = ["evaluate", "constraints", "--replicas", "0", "--engine", "template", "--name", "grammar"]

LENGTHS = [
    {"instruction": "A text of about 20 words:", "mode": "around", "label": [18.0, 22.0]},
    {"instruction": "At least three words.", "mode": "at least", "label": [3, 10000]},
]
KEYWORDS = [
    {"instruction": "A sentence with walk and pole.", "label": ["walk", "pole"]},
    {"instruction": "Use sea or lake, not boat.", "label": ["sea or lake"], "anti_label": "boat"},
]


def write_lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def predictions(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "grammar/predictions.jsonl").read_text().splitlines()]


def results(out: Path) -> dict[str, Any]:
    figures: dict[str, Any] = json.loads((out / "grammar/results.json").read_text())
    return figures


def test_seed_tasks_are_asked_and_counted_and_answers_are_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*COMMAND, "--out", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    rows, figures = predictions(tmp_path), results(tmp_path)
    seeds = {seed.id: seed for seed in load_seeds(SEED_TASKS) if not seed.is_classification}
    assert {row["id"] for row in rows} == set(seeds)
    counts: Counter[tuple[str, bool]] = Counter()
    for row in rows:
        constraints = read(row["constraint"])
        assert row["instruction"].startswith(seeds[row["id"]].instruction.rstrip())
        assert row["instruction"].endswith(" ".join(each.wording for each in constraints))
        assert row["instruction"] in row["prompt"]
        kept = {each.kind: holds(each, row["response"].strip()) for each in constraints}
        assert row["kept"] == kept
        counts.update({*kept.items(), ("all", all(kept.values()))})
    assert 0.1 < sum(len(row["kept"]) == 2 for row in rows) / len(rows) < 0.35
    overall = figures["overall"]
    assert (overall["asked"], overall["kept"]) == (len(rows), counts["all", True])
    assert (overall["low"], overall["high"]) == wilson(overall["kept"], overall["asked"])
    assert 0 < overall["kept"] < overall["asked"]
    for kind, group in figures["kinds"].items():
        assert (group["kept"], group["asked"]) == (counts[kind, True], counts[kind, True] + counts[kind, False])
        assert kind in shown
    again = (tmp_path / "grammar/results.json").read_bytes()
    assert main([*COMMAND, "--out", str(tmp_path)]) == 0
    assert "asking" not in capsys.readouterr().err
    assert (tmp_path / "grammar/results.json").read_bytes() == again
    assert main([*COMMAND, "--out", str(tmp_path), "--seed", "1"]) == 2
    assert "other options" in capsys.readouterr().err


def test_what_was_answered_before_a_kill_is_not_asked_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    for out in (whole, cut):
        assert main([*COMMAND, "--out", str(out)]) == 0
    for name in ("predictions.jsonl", "results.json"):
        (cut / "grammar" / name).unlink()
    part = min((cut / "grammar/answers").glob("*.jsonl"))
    lines = part.read_text().splitlines(keepends=True)
    part.write_text("".join(lines[:30]))
    capsys.readouterr()
    assert main([*COMMAND, "--out", str(cut)]) == 0
    assert f"asking tiny {len(lines) - 30} of" in capsys.readouterr().err
    assert results(cut) == results(whole)
    assert predictions(cut) == predictions(whole)


def test_a_set_of_ones_own_and_released_ones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tasks = [{"instruction": f"Tell me about {word}.", "output": "It is."} for word in ("bees", "rivers", "salt")]
    own = write_lines(tmp_path / "own.jsonl", [*tasks, {**tasks[0], "is_classification": True}])
    codi = [
        write_lines(tmp_path / "length_lite.jsonl", LENGTHS),
        write_lines(tmp_path / "keyword_lite.jsonl", KEYWORDS),
    ]
    files = ["--codi", *map(str, codi)]
    assert main([*COMMAND, "--out", str(tmp_path / "both"), "--tasks", str(own), *files]) == 0
    assert [row["id"] for row in predictions(tmp_path / "both")] == [
        *("0:1", "0:2", "0:3"),
        *("length_lite/00001", "length_lite/00002", "keyword_lite/00001", "keyword_lite/00002"),
    ]
    assert main([*COMMAND, "--out", str(tmp_path / "released"), *files]) == 0
    figures = results(tmp_path / "released")
    assert {kind: group["asked"] for kind, group in figures["kinds"].items()} == {
        "codi keyword": 2,
        "codi keyword: one forbidden": 1,
        "codi keyword: plain": 1,
        "codi length": 2,
        "codi length: around": 1,
        "codi length: at least": 1,
    }
    assert figures["overall"]["asked"] == 4
    write_lines(own, [{**tasks[0], "is_classification": True}])
    assert main([*COMMAND, "--out", str(tmp_path / "none"), "--tasks", str(own)]) == 2
    assert "has only classification tasks" in capsys.readouterr().err


def kept(question: Length | Keywords, answer: str) -> bool:
    ((_, family), (_, part)) = question.verdicts(answer)
    assert family is part
    return family


def test_released_lengths_are_counted_as_there(tmp_path: Path) -> None:
    around, least = read_codi([write_lines(tmp_path / "length_lite.jsonl", LENGTHS)])
    assert [kept(around, "word " * count) for count in (17, 18, 22, 23)] == [False, True, True, False]
    assert kept(around, f"Here is such a text, as you wished:\n\n{'word ' * 20}")
    assert not kept(around, f"Here it is, and a few words more: {'word ' * 16}")
    assert [kept(least, text) for text in ("One - two.", "One two.", "")] == [True, False, False]


def test_released_keywords_may_have_other_forms(tmp_path: Path) -> None:
    plain, forbidden = read_codi([write_lines(tmp_path / "keyword_lite.jsonl", KEYWORDS)])
    assert [kept(plain, text) for text in ("She WALKED to two poles.", "A walk.")] == [True, False]
    answers = ("The lake.", "The lakes, and the sea!", "A lake with boats.", "Water.")
    assert [kept(forbidden, text) for text in answers] == [True, True, False, False]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"instruction": "x", "label": "walk"}, "'label' must be a list"),
        ({"instruction": "x", "label": [1, 2], "mode": "exactly"}, "'mode' must be one of"),
        ({"instruction": "x", "label": ["a"], "anti_label": 3}, "'anti_label' a word"),
        ({"instruction": 1, "label": ["a"]}, "'instruction'"),
    ],
    ids=["label", "mode", "forbidden", "instruction"],
)
def test_rows_of_another_form_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], row: dict[str, Any], said: str
) -> None:
    file = write_lines(tmp_path / "keyword_lite.jsonl", [KEYWORDS[0], row])
    assert main([*COMMAND, "--out", str(tmp_path / "out"), "--codi", str(file)]) == 2
    line = capsys.readouterr().err
    assert f"{file}:2" in line
    assert said in line
    assert not (tmp_path / "out").exists()


def test_what_is_drawn_depends_on_seed_and_task_alone() -> None:
    tasks = [SeedTask(str(at), f"Tell tale {at}", (), None) for at in range(50)]
    told = {each.question.id: each.told for each in demands(tasks, 0, 0.3)}
    assert {each.question.id: each.told for each in demands(tasks[::-1], 0, 0.3)} == told
    assert {each.question.id: each.told for each in demands(tasks, 1, 0.3)} != told


def test_thoughts_are_no_part_of_an_answer() -> None:
    answer = Completion("1", "<think>\nLong thoughts.\n</think>\n\nshort", Finish.STOP, 1, 1)
    assert said(answer) == "short"
    assert said(Completion("1", "<think>\nnever ends", Finish.LENGTH, 1, 1)) == ""
