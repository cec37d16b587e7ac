"""The loop in miniature, beyond its models: scores, intervals, and examples near held-out tasks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jobs.bench.loop import CONDITIONS, Score, ask, known_tasks, score, summarise, without_near, write_tasks
from selfinstruct.engines import EMBEDDED
from selfinstruct.finetune.examples import Example, read_examples
from selfinstruct.tiny import grammar
from selfinstruct.tiny.heldout import held_out_families, held_out_tasks

TASKS = list(held_out_tasks(2))


def test_scores_are_those_of_the_benchmarks() -> None:
    task = next(task for task in TASKS if task.family == "good_luck")
    exact, none, part = score([task] * 3, [task.output.upper().replace("!", ""), "", task.output.split("!")[0]])
    assert (exact.rouge_l, exact.exact_match) == (1.0, 1.0)
    assert (none.rouge_l, none.exact_match) == (0.0, 0.0)
    assert 0 < part.rouge_l < 1 > part.exact_match


def test_the_control_is_of_the_grammar() -> None:
    tasks = list(known_tasks(3))
    assert len({task.family for task in tasks}) == len(held_out_families())
    assert all(grammar.recognise(task.instruction) for task in tasks)


def test_intervals_hold_their_means() -> None:
    runs = {
        name: [[Score(f"family {n}", n / 20 + seed / 50, float(n % 2)) for n in range(12)] for seed in range(3)]
        for name in CONDITIONS
    }
    runs["accepted"] = [[Score(one.family, one.rouge_l + 0.2, one.exact_match) for one in run] for run in runs["base"]]
    summary = summarise(runs)
    for figures in summary["conditions"].values():
        low, high = figures["rouge_l"]["interval"]
        assert low < figures["rouge_l"]["mean"] < high
    gain = summary["differences"]["accepted - base"]
    assert gain["rouge_l"] == {"mean": 20.0, "interval": [20.0, 20.0]}
    assert gain["exact_match"]["mean"] == 0
    single = summarise({name: each[:1] for name, each in runs.items()})
    assert "interval" not in single["conditions"]["base"]["rouge_l"]


def test_examples_near_a_held_out_task_are_left_out(tmp_path: Path) -> None:
    examples = [
        Example("near", TASKS[0].instruction + " Thanks!", "", "x"),
        Example("far", "Name a river in Europe.", "", "The Loire."),
    ]
    far, left_out = without_near(examples, TASKS)
    assert ([each.id for each in far], left_out) == (["far"], 1)
    (read,) = read_examples([str(write_tasks(tmp_path / "far.jsonl", far))]).examples
    assert (read.instruction, read.output) == ("Name a river in Europe.", "The Loire.")


@pytest.mark.parametrize("own_words", [False, True])
def test_a_model_is_asked_every_task(own_words: bool) -> None:
    scores = ask(EMBEDDED, TASKS[:6], own_words)
    assert [each.family for each in scores] == [task.family for task in TASKS[:6]]


def test_the_documents_has_the_figures_of_the_committed_bench() -> None:
    root = Path(__file__).parents[2]
    document = (root / "docs/train.md").read_text(encoding="utf-8")
    figures = json.loads((root / "docs/bench/loop.json").read_text())
    for what in ("conditions", "differences"):
        for name in figures["held out"][what]:
            cells = [name]
            for group in ("held out", "of the grammar"):
                score = figures[group][what][name]["rouge_l"]
                interval = " ({:.1f} to {:.1f})".format(*score["interval"]) if "interval" in score else ""
                cells.append(f"{score['mean']:{'+' * (what == 'differences')}.1f}{interval}")
            assert f"| {' | '.join(cells)} |" in document
