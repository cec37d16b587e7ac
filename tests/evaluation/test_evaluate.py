"""`selfinstruct evaluate`: what is asked, kept and scored, through real engines; kills; files that are wrong."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from jobs.main import main
from selfinstruct.errors import CorruptError, FingerprintError, HeldError, InputError
from selfinstruct.evaluation.answers import Answers
from selfinstruct.evaluation.questions import PromptSettings, Question, prompt_text
from selfinstruct.evaluation.superni import read_benchmark
from selfinstruct.evaluation.user_tasks import read_user_tasks
from selfinstruct.records import Completion, Finish
from selfinstruct.tiny import MODEL

HERE = ["--replicas", "0"]  # in this process


def write_lines(path: Path, rows: Sequence[object]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def read_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def task_file(name: str, category: str, instances: int) -> dict[str, object]:
    """In the benchmark's form, with more than is read."""
    return {
        "Contributors": ["nobody"],
        "Categories": [category],
        "Definition": [f"Do what {name} asks for. \n"],
        "Positive Examples": [{"input": "shown", "output": "never", "explanation": ""}],
        "Instances": [
            {"id": f"{name}-{n}", "input": f"input {n} ", "output": ["first", f"Output {n}"]} for n in range(instances)
        ],
    }


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout of natural-instructions with three test tasks, one of them short, and one that is none."""
    folder = tmp_path / "natural-instructions"
    (folder / "tasks").mkdir(parents=True)
    (folder / "splits/default").mkdir(parents=True)
    sizes = {"task001_b": ("Title Generation", 130), "task002_a": ("Textual Entailment", 120)}
    sizes |= {"task003_c": ("Title Generation", 3), "task004_train": ("Title Generation", 9)}
    for name, (category, size) in sizes.items():
        (folder / f"tasks/{name}.json").write_text(json.dumps(task_file(name, category, size)))
    (folder / "splits/default/test_tasks.txt").write_text("task002_a\ntask001_b\ntask003_c\n")
    return folder


# ---- what is asked


def test_a_checkout_is_read_as_it_is(checkout: Path) -> None:
    benchmark = read_benchmark(checkout)
    assert [question.task for question in benchmark.questions[::100]] == ["task002_a", "task001_b", "task003_c"]
    assert len(benchmark.questions) == 203
    assert benchmark.questions[101] == Question(
        id="task001_b/001",
        task="task001_b",
        category="Title Generation",
        instruction="Do what task001_b asks for.",
        input="input 1",
        references=("first", "Output 1"),
    )
    assert any("names 3 tasks, the paper's has 119" in note for note in benchmark.notes)
    assert any("1 tasks have fewer than 100" in note for note in benchmark.notes)
    assert [question.id for question in read_benchmark(checkout, tasks=2, instances=1).questions] == [
        "task002_a/000",
        "task001_b/000",
    ]


def test_a_folder_that_is_no_checkout_is_one_clear_line(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = checkout.parent / "out"
    asked = ["evaluate", "superni", *HERE, "--engine", "template", "--out", str(out)]
    assert main([*asked, "--tasks", str(checkout / "tasks")]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert "is no checkout of natural-instructions" in lines[0]
    (checkout / "tasks/task001_b.json").write_text("{")
    (checkout / "tasks/task002_a.json").write_text('{"Definition": "x", "Categories": [], "Instances": [{"input": 1}]}')
    (checkout / "tasks/task003_c.json").unlink()
    assert main([*asked, "--tasks", str(checkout)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert [line.split("/")[-1].split(":")[0] for line in lines] == [
        "task002_a.json",
        "task001_b.json",
        "task003_c.json",
    ]
    assert "'Categories' must be" in lines[0]
    assert "Instances[0] must have" in lines[0]
    assert not out.exists()


def test_prompts_are_those_of_the_released_predictions() -> None:
    question = Question("q", "q", "", "Add {input} up.", "1 {instruction}", ())
    assert prompt_text(question, PromptSettings()) == "Add {input} up.\n\nInput: 1 {instruction}\nOutput:"
    question = Question("q", "q", "", "Sing.", "", ())
    assert prompt_text(question, PromptSettings()) == "Sing.\nOutput:"


def test_users_tasks_of_several_forms(tmp_path: Path) -> None:
    rows = [
        {
            "id": "one",
            "motivation_app": "Mail",
            "instruction": " Reply. ",
            "instances": [{"input": "Hi", "output": "Ho"}],
        },
        {"instruction": "Sing.", "instances": [{"input": "", "output": "la"}, {"input": "loud\ud800", "output": "LA"}]},
        {"instruction": "Dance.", "output": ""},
    ]
    path = write_lines(tmp_path / "mine.jsonl", rows)
    questions = read_user_tasks(str(path))
    assert questions[0] == Question("one", "one", "Mail", "Reply.", "Hi", ("Ho",))
    assert [question.id for question in questions[1:]] == ["mine/00002/0", "mine/00002/1", "mine/00003"]
    assert questions[2].input == "loud\ufffd"
    assert questions[3].references == ()


def test_bad_users_tasks_are_all_named(tmp_path: Path) -> None:
    good = {"id": "one", "instruction": "Sing.", "instances": [{"input": "", "output": "la"}]}
    rows = [good, {**good, "instances": []}, {**good, "instances": [3]}, {**good, "instruction": " "}]
    with pytest.raises(InputError) as caught:
        read_user_tasks(str(write_lines(tmp_path / "bad.jsonl", rows)))
    assert [problem.split(":")[1] for problem in caught.value.problems] == ["2", "3", "4"]
    with pytest.raises(InputError, match="'one' is there more than once"):
        read_user_tasks(str(write_lines(tmp_path / "twice.jsonl", [good, good])))
    with pytest.raises(InputError, match="holds no task"):
        read_user_tasks(str(write_lines(tmp_path / "none.jsonl", [])))


# ---- a model's answers, kept and scored


def by_transformers(prompts: Sequence[Sequence[str]], max_tokens: int, folder: Path = MODEL) -> list[str]:
    """Greedy answers by plain transformers, one prompt at a time, its pieces encoded on their own."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    texts = []
    for prompt in prompts:
        ids = torch.tensor([[id for piece in prompt for id in tokenizer.encode(piece, add_special_tokens=False)]])
        mask = torch.ones_like(ids)
        out = model.generate(ids, attention_mask=mask, do_sample=False, max_new_tokens=max_tokens)
        texts.append(tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True))
    return texts


def test_superni_by_a_model_on_ray(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = checkout.parent / "out"
    asked = ["evaluate", "superni", "--tasks", str(checkout), "--out", str(out), "--limit", "2"]
    asked += ["--prompt.max_tokens", "6", "--ray.cpus", "0", "--per_task"]
    assert main(asked) == 0
    shown = capsys.readouterr()
    assert "note: the split names 3 tasks" in shown.err
    for text in ("Textual Entailment", "task003_c", "6 asked: 0 failed"):
        assert text in shown.out
    rows = read_lines(out / "tiny/predictions.jsonl")
    assert [row["id"] for row in rows] == [
        f"{t}/00{n}" for t in ("task002_a", "task001_b", "task003_c") for n in (0, 1)
    ]
    assert rows[1]["prompt"] == "Do what task002_a asks for.\n\nInput: input 1\nOutput:"
    assert rows[1]["target"] == ["first", "Output 1"]
    assert [row["response"] for row in rows] == by_transformers([[row["prompt"]] for row in rows], 6)
    results = json.loads((out / "tiny/results.json").read_text())
    assert results["overall"]["number"] == 6
    assert results["categories"]["Title Generation"]["number"] == 4
    assert set(results["tasks"]) == {"task001_b", "task002_a", "task003_c"}
    # the other command's scores of the same predictions are the same
    scores = checkout.parent / "scores.json"
    again = ["score", str(out / "tiny/predictions.jsonl"), "--prediction", "response", "--reference", "target"]
    assert main([*again, f"--json={scores}"]) == 0
    assert json.loads(scores.read_text())["figures"] == results["overall"]


def test_a_chat_model_is_asked_in_its_template(tmp_path: Path) -> None:
    model = tmp_path / "chatty"
    shutil.copytree(MODEL, model)
    (model / "chat_template.jinja").write_text("{% for m in messages %}Q: {{ m['content'] }}{% endfor %}{{ '\\nA:' }}")
    tasks = write_lines(tmp_path / "tasks.jsonl", [{"id": "one", "instruction": "Name a fruit.", "output": "fig"}])
    asked = ["evaluate", "tasks", *HERE, "--tasks", str(tasks), "--model", str(model), "--out", str(tmp_path / "out")]
    asked += ["--prompt.max_tokens", "12", "--prompt.chat", "--prompt.without_input", "{instruction}"]
    assert main(asked) == 0
    (row,) = read_lines(tmp_path / "out/chatty/predictions.jsonl")
    assert row["prompt"] == "Name a fruit."
    assert [row["response"]] == by_transformers([["Q: ", "Name a fruit.", "\nA:"]], 12, model)


def test_a_model_without_room_for_answers_is_one_clear_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tasks = write_lines(tmp_path / "tasks.jsonl", [{"id": "one", "instruction": "Sing.", "output": "la"}])
    assert main(["evaluate", "tasks", *HERE, "--tasks", str(tasks), "--out", str(tmp_path / "out")]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert "its context of 1024 tokens has no room for a prompt and 1024 new tokens" in lines[0]
    assert not list((tmp_path / "out").rglob("*.json"))  # a smaller number may be given next


def test_failed_requests_count_as_empty_and_many_of_them_as_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"id": str(n), "instruction": f"Say {n}.", "output": f"{n}"} for n in range(100)]
    asked = ["evaluate", "tasks", *HERE, "--engine", "template", "--template.failure_rate", "0.2"]
    asked += ["--tasks", str(write_lines(tmp_path / "tasks.jsonl", rows)), "--out", str(tmp_path)]
    assert main(asked) == 5
    assert "of 100 requests failed, most often with 'the template engine was told" in capsys.readouterr().err
    assert not (tmp_path / "tiny/results.json").exists()
    assert main([*asked, "--max_failed", "1"]) == 0
    results = json.loads((tmp_path / "tiny/results.json").read_text())
    failed = results["finish"]["failed"]
    assert 5 < failed < 40
    assert results["overall"]["number"] == results["asked"] == 100
    assert sum(row["response"] == "" for row in read_lines(tmp_path / "tiny/predictions.jsonl")) >= failed


def test_models_in_one_folder_are_shown_side_by_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"id": str(n), "instruction": f"Say {n}.", "output": f"{n}"} for n in range(5)]
    asked = ["evaluate", "tasks", *HERE, "--engine", "template", "--out", str(tmp_path / "out")]
    asked += ["--tasks", str(write_lines(tmp_path / "tasks.jsonl", rows))]
    assert main([*asked, "--name", "first"]) == 0
    capsys.readouterr()
    assert main([*asked, "--name", "second"]) == 0
    assert "first" in capsys.readouterr().out
    assert main([*asked, "--name", "a/b"]) == 2
    assert main([*asked, "--prompt.without_input", "none"]) == 2
    assert "--prompt.without_input: must hold {instruction}" in capsys.readouterr().err


# ---- nothing is asked twice


def completion(id: str, text: str = "x") -> Completion:
    return Completion(id, text, Finish.STOP, 1, 1)


def test_answers_are_there_again(tmp_path: Path) -> None:
    answers = Answers(str(tmp_path), {"model": "a"})
    answers.add([completion("1", "\ud7ff\u2028\n")])
    answers.flush()
    answers.flush()
    answers.add([completion("2")])
    answers.flush()
    again = Answers(str(tmp_path), {"model": "a"})
    assert again["1"] == completion("1", "\ud7ff\u2028\n")
    assert "2" in again
    assert "3" not in again
    with pytest.raises(FingerprintError, match="model: the run has 'a', this command 'b'"):
        Answers(str(tmp_path), {"model": "b"})


def test_two_at_once_do_not_overwrite_each_other(tmp_path: Path) -> None:
    one, other = Answers(str(tmp_path), {}), Answers(str(tmp_path), {})
    one.add([completion("1")])
    one.flush()
    other.add([completion("2")])
    with pytest.raises(HeldError, match="another process writes here"):
        other.flush()
    assert "2" not in Answers(str(tmp_path), {})


def test_a_damaged_part_is_named(tmp_path: Path) -> None:
    answers = Answers(str(tmp_path), {})
    answers.add([completion("1")])
    answers.flush()
    part = tmp_path / "answers/000000.jsonl"
    part.write_bytes(part.read_bytes()[:-9])
    with pytest.raises(CorruptError, match=r"answers/000000\.jsonl: is damaged"):
        Answers(str(tmp_path), {})


def test_a_killed_evaluation_goes_on_and_asks_nothing_twice(checkout: Path) -> None:
    out = checkout.parent / "out"
    asked = ["superni", *HERE, "--tasks", str(checkout), "--engine", "template", "--template.batch", "4"]
    command = [sys.executable, "-m", "jobs.evaluate", *asked, "--template.latency", "0.15"]

    def parts() -> dict[str, list[str]]:
        return {
            path.name: [row["request_id"] for row in read_lines(path)]
            for path in sorted((out / "killed/tiny/answers").glob("*.jsonl"))
        }

    process = subprocess.Popen([*command, "--out", str(out / "killed")], stderr=subprocess.DEVNULL)
    end = time.monotonic() + 600
    while not parts() and time.monotonic() < end:
        time.sleep(0.05)
    assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = parts()
    assert 0 < len(before["000000.jsonl"]) < 203
    assert main(["evaluate", *asked, "--out", str(out / "killed")]) == 0
    assert main(["evaluate", *asked, "--out", str(out / "whole")]) == 0
    after = parts()
    assert {name: after[name] for name in before} == before
    everything = [id for ids in after.values() for id in ids]
    assert len(everything) == len(set(everything)) == 203
    for name in ("predictions.jsonl", "results.json"):
        assert (out / "killed/tiny" / name).read_bytes() == (out / "whole/tiny" / name).read_bytes()


def test_the_released_tasks_are_answered_as_they_are(tmp_path: Path) -> None:
    folder = os.environ.get("SELFINSTRUCT_RELEASED_DATA")
    if not folder:
        pytest.skip("SELFINSTRUCT_RELEASED_DATA is not set")
    asked = ["evaluate", "tasks", *HERE, "--engine", "template", "--out", str(tmp_path)]
    assert main([*asked, "--tasks", f"{folder}/user_oriented_instructions.jsonl"]) == 0
    rows = read_lines(tmp_path / "tiny/predictions.jsonl")
    assert len(rows) == 252
    assert all(row["target"][0] for row in rows)
