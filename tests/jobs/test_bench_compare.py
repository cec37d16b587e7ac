"""Sets of rows compared by what a model that is tuned on them comes to."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch

from jobs.bench.arms import halves
from jobs.bench.compare import CompareSettings, rows_of, tasks_of
from jobs.main import main
from selfinstruct.engines import EMBEDDED, EngineSettings
from selfinstruct.engines.checkpoint import locate
from selfinstruct.engines.generation import load
from selfinstruct.errors import InputError
from selfinstruct.finetune.examples import Example, read_examples
from selfinstruct.finetune.loss import reference_loss
from selfinstruct.finetune.templates import render
from selfinstruct.sources.seeds import SEED_TASKS, load_seeds
from tests.tools.runs import make_run

SHOWN = load_seeds(SEED_TASKS)[:40]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> str:
    return make_run(tmp_path_factory.mktemp("run") / "run", target=60).blobs.url


def test_sets_are_compared(run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seeds = tmp_path / "seeds.jsonl"
    lines = SEED_TASKS.read_text(encoding="utf-8").splitlines(keepends=True)
    seeds.write_text("".join(lines[:24]), encoding="utf-8")
    few = ["--seeds", str(seeds), "--rows", "8", "--tokens", "200", "--batch", "4", "--ray.gpus", "0"]
    places = ["--work", str(tmp_path / "work"), "--out", str(tmp_path)]
    options = ["bench", "compare", *few, *places, "--answers", "--answer_tokens", "4"]
    assert main([*options, "--repeats", "2"]) == 0
    step = json.loads((tmp_path / "compare.json").read_text())["detectable"]
    assert f"loss of {step:.4f} four times in five" in capsys.readouterr().out
    assert main([*options, "--repeats", "1", "--run", run, "--of", "kcentre"]) == 0
    said = capsys.readouterr().out
    assert "seeds-0/model: is there already" in said
    figures = json.loads((tmp_path / "compare.json").read_text())
    assert list(figures["sets"]) == ["seeds", "kcentre"]
    assert figures["held_out"] == len(tasks_of(halves(load_seeds(seeds))[1]))
    for name, each in figures["sets"].items():
        (score,) = each["scores"]
        assert score["rows"] == 8
        assert 0 < score["tokens"] < 900
        assert 0 < score["loss"] != figures["not tuned"]["loss"]
        assert 0 <= score["rouge_l"] <= 100
        assert f"{name:<14}{score['tokens']:>10,.0f}" in said
    assert "kcentre - seeds: loss" in said
    assert figures["against seeds"]["kcentre"]["verdict"] == "no verdict"


def test_rows_are_as_many_and_none_is_near_to_a_held_out_task(run: str, tmp_path: Path) -> None:
    own = tmp_path / "own.jsonl"
    near = SHOWN[0].instruction
    rows = [{"instruction": f"Spell number {at}.", "output": str(at)} for at in range(12)]
    own.write_text("".join(json.dumps(each) + "\n" for each in [*rows, {"instruction": near, "output": "x"}]))
    held_out = [Example("held out", near, "", "")]
    settings = CompareSettings(sets=(f"own={own}",), run=run, rows=11, work=tmp_path)
    for arm in ("seeds", "random", "rules", "kcentre", "own"):
        first, left_out = rows_of(settings, arm, 0, SHOWN, held_out)
        assert len({each.id for each in first}) == 11
        assert near not in {each.instruction for each in first}
        assert left_out == (arm in ("own", "seeds"))
        assert rows_of(settings, arm, 0, SHOWN, held_out)[0] == first
    accepted = {each.id for each in read_examples([run], seeds=False).examples}
    assert {each.id for each in rows_of(settings, "rules", 1, SHOWN, held_out)[0]} <= accepted
    more = CompareSettings(sets=(f"own={own}",), rows=13, work=tmp_path)
    with pytest.raises(InputError, match="the set own has 12 rows that are not near"):
        rows_of(more, "own", 0, SHOWN, held_out)


def test_the_loss_is_that_of_the_outputs_alone() -> None:
    task = Example("one", "Write the word in capital letters.", "river", "RIVER")
    tokenizer, network = load(locate(EngineSettings(model=EMBEDDED)), EngineSettings(model=EMBEDDED).transformers)
    prompt, completion = render(task.instruction, task.input, task.output, 0)
    before, after = (tokenizer.encode(text, add_special_tokens=False) for text in (prompt, completion))
    after.append(tokenizer.eos_token_id)
    with torch.inference_mode():
        likely = network(input_ids=torch.tensor([before + after])).logits[0].log_softmax(-1)
    by_hand = [-float(likely[len(before) - 1 + at, token]) for at, token in enumerate(after)]
    found = reference_loss(EngineSettings(model=EMBEDDED), [task], 512, chat=False)
    assert found == pytest.approx(math.fsum(by_hand) / len(by_hand), rel=1e-4)
    assert reference_loss(EngineSettings(model=EMBEDDED), [task] * 3, 512, chat=False) == pytest.approx(found)


def test_sets_without_a_place_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "compare", "mine", "seeds=a.jsonl", "--of", "best"]) == 2
    said = capsys.readouterr().err
    assert "'mine' is not of the form NAME=DATA" in said
    assert "'seeds=a.jsonl' is not" in said
    assert "there is no set 'best' (there are: random, rules, kcentre" in said


def test_seed_tasks_are_examples() -> None:
    (first, *_) = tasks_of(SHOWN)
    assert (first.instruction, first.output) == (SHOWN[0].instruction, SHOWN[0].instances[0].output)
