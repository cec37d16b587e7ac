"""Finetuning without a cluster: templates, examples, masks, what is refused, and one process of training."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.main import main
from selfinstruct.engines import EngineSettings, open_engine
from selfinstruct.engines.checkpoint import Located
from selfinstruct.engines.opening import open_tokenizer
from selfinstruct.errors import HeldError, InputError
from selfinstruct.finetune.encoding import IGNORED, EncodedSet, encode, end_tokens
from selfinstruct.finetune.examples import Example, order, read_examples, run_digest
from selfinstruct.finetune.folder import ModelFolder
from selfinstruct.finetune.plan import Plan, prepare
from selfinstruct.finetune.settings import LoraSettings, TuneSettings, check
from selfinstruct.finetune.templates import PLAIN, WITH_INPUT, WITHOUT_INPUT, render
from selfinstruct.novelty.check import make_index
from selfinstruct.prompts import load_prompts
from selfinstruct.records import Kind, Request
from selfinstruct.run.loop import SingleCompleter, drive
from selfinstruct.run.rounds import Run, Stage, Write
from selfinstruct.run.settings import RoundSettings, RunSettings
from selfinstruct.settings import facts_of, fingerprint_of
from selfinstruct.sources.seeds import SEED_TASKS, load_seeds
from selfinstruct.storage.store import RunStore
from selfinstruct.storage.verify import digest
from selfinstruct.tiny import MODEL

CHAT = (
    "{% for message in messages %}<|{{ message.role }}|>\n{{ message.content | trim }}<|endoftext|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
LENGTHY = Example("long", "Say it.", "", "word " * 500)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    prompts, settings = load_prompts("tiny"), RunSettings(target=40, rounds=RoundSettings(least=8, most=12))
    lines = [(SingleCompleter(open_engine(EngineSettings("template"), prompts), 64), (Stage.PROPOSE, Stage.LABEL))]
    store, seeds = RunStore(str(folder)), load_seeds(SEED_TASKS)
    drive(Run(settings, prompts, seeds), store, make_index(settings.novelty), lines, facts_of(settings))
    return folder


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return open_tokenizer(Located("tiny", MODEL))


def write(file: Path, *rows: Mapping[str, Any]) -> str:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(file)


# ---- templates


def test_there_are_thirteen_templates_and_each_reads_differently() -> None:
    assert (len(WITH_INPUT), len(WITHOUT_INPUT)) == (7, 6)
    assert len({way.prompt("Do it.", "this") for way in WITH_INPUT}) == 7
    assert len({way.prompt("Do it.") for way in WITHOUT_INPUT}) == 6
    for way in (*WITH_INPUT, *WITHOUT_INPUT):
        assert way.prompt("Do it.", "this").endswith("Output:" if way.output else "\n\n")
        assert way.completion("Done.").strip() == "Done."


def test_all_templates_are_drawn_about_equally_often() -> None:
    for given_, ways in (("an input", WITH_INPUT), ("", WITHOUT_INPUT)):
        prompts = [render(f"Do {number}.", given_, "Done.", 0)[0] for number in range(1400)]
        plain = [re.sub(r"Do \d+\.", "Do.", prompt) for prompt in prompts]
        shares = [plain.count(way.prompt("Do.", given_)) / len(plain) for way in ways]
        assert sum(shares) == pytest.approx(1)
        assert all(0.7 / len(ways) < share < 1.3 / len(ways) for share in shares)


def test_a_single_field_name_and_blank_lines_go_half_of_the_time() -> None:
    prompts = [render(f"Do {number}.", "Sentence: one\n\ntwo", "Done.", 0)[0] for number in range(400)]
    shares = [sum(text in prompt for prompt in prompts) / 400 for text in ("Sentence: one\n\ntwo", "one\n\ntwo")]
    assert shares[0] == shares[1] == pytest.approx(0.5, abs=0.1)
    several = {render(f"Do {number}.", "First: a\nSecond: b", "c", 0)[0] for number in range(50)}
    assert all("First: a\nSecond: b" in prompt for prompt in several)
    assert all("Name:" in render(f"Do {number}.", "Name:", "c", 0)[0] for number in range(20))


@given(st.text(min_size=1), st.text(), st.text(min_size=1), st.integers())
def test_rendering_keeps_the_texts_and_is_repeatable(instruction: str, given_: str, output: str, seed: int) -> None:
    prompt, completion = render(instruction, given_, output, seed)
    assert instruction in prompt
    assert completion.removeprefix(" ") in (output, output.removeprefix(" "))
    assert (prompt, completion) == render(instruction, given_, output, seed)


# ---- examples


def test_a_run_gives_its_accepted_instances_and_its_seeds(run: Path) -> None:
    with_seeds, without = read_examples([str(run)]), read_examples([str(run)], seeds=False)
    seeds = [example for example in with_seeds.examples if example.id.startswith("seed/")]
    assert len(seeds) == sum(len(seed.instances) for seed in load_seeds(SEED_TASKS))
    assert [*seeds, *without.examples] == list(with_seeds.examples)
    totals = RunStore(str(run)).totals()
    assert len(without.examples) + without.duplicates == sum(
        table["instances.accepted"] for name, table in totals.items() if name == "instances"
    )
    assert with_seeds.sources[0].digest == run_digest(RunStore(str(run))) == digest(RunStore(str(run)))


def test_exact_duplicates_are_dropped_over_all_sources(tmp_path: Path) -> None:
    one = {"instruction": "Add.", "input": "1 1", "output": "2"}
    other = {"instruction": "Add.", "input": "1 2", "output": "3"}
    several = {"instruction": "Name one.", "instances": [{"input": "", "output": "A"}, {"input": "", "output": "B"}]}
    first, second = write(tmp_path / "a.jsonl", one, other, one), write(tmp_path / "b.jsonl", several, other)
    read = read_examples([first, second])
    assert [example.output for example in read.examples] == ["2", "3", "A", "B"]
    assert read.duplicates == 2
    assert [source.given for source in read.sources] == [3, 3]


@given(st.integers(1, 40), st.integers(0, 100), st.integers())
def test_each_epoch_holds_each_example_once_in_an_order_of_its_own(number: int, wanted: int, seed: int) -> None:
    drawn = list(order(number, wanted, seed))
    assert len(drawn) == wanted
    for start in range(0, wanted, number):
        epoch = drawn[start : start + number]
        assert len(set(epoch)) == len(epoch)
    assert drawn == list(order(number, wanted + 5, seed))[:wanted]


def test_sets_without_accepted_instances_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store, prompts, settings = RunStore(str(tmp_path / "begun")), load_prompts("tiny"), RunSettings()
    begun = Run(settings, prompts, load_seeds(SEED_TASKS))
    begun.begin({})
    for effect in begun.effects():
        if isinstance(effect, Write):
            store.commit(effect.make(), fingerprint_of({}))
    blocked = tmp_path / "a file"
    blocked.write_text("")
    full = tmp_path / "full"
    full.mkdir()
    (full / "notes.txt").write_text("mine")
    good = write(tmp_path / "good.jsonl", {"instruction": "Add.", "input": "1 1", "output": "2"})
    empty = write(tmp_path / "empty.jsonl", {"instruction": "Add.", "input": "1 1"})
    out = ["--out", str(tmp_path / "model")]
    cases: dict[str, list[str]] = {
        "has no accepted instance": [str(tmp_path / "begun"), *out],
        "empty.jsonl: has no accepted instance": [empty, *out],
        "there is no run": [str(tmp_path / "none"), *out],
        "name a run": out,
        "--out: is missing": [good],
        "holds something else": [good, "--out", str(full)],
        "cannot write here": [good, "--out", str(blocked / "model")],
        "no local folder": [good, "--out", "s3://bucket/model"],
        "no model' is no folder": [good, *out, "--model", str(tmp_path / "no model")],
        "the model's context is 1024": [good, *out, "--max_length", "2000"],
        "cannot be shared evenly": [good, *out, "--workers", "3"],
        "no chat template": [good, *out, "--chat"],
        "leave room for no completion": [good, *out, "--max_length", "3"],
    }
    for expected, arguments in cases.items():
        assert main(["finetune", *arguments]) == 2, expected
        errors = capsys.readouterr().err.splitlines()
        assert len(errors) == 1, errors
        assert expected in errors[0]
    assert not (tmp_path / "model").exists()
    assert [path.name for path in full.iterdir()] == ["notes.txt"]


def test_options_that_cannot_work_are_all_named() -> None:
    with pytest.raises(InputError) as caught:
        check(TuneSettings(epochs=0, warmup=1.0, batch=0, save_every=0, lora=LoraSettings(dropout=1)), workers=0)
    assert len(caught.value.problems) == 6
    check(TuneSettings(batch=12, device_batch=3), workers=2)
    assert TuneSettings(lora=LoraSettings(rank=8)).highest_rate > TuneSettings().highest_rate


# ---- masks


def encoded(tokenizer: Any, *examples: Example, max_length: int = 200, chat: bool = False) -> EncodedSet:
    return encode(examples, tokenizer, end_tokens(MODEL, tokenizer), max_length, chat, 0)


def test_labels_hold_the_completion_alone_and_its_end(tokenizer: Any) -> None:
    for number in range(40):
        example = Example("x", f"Do {number}.", "Word: dog" if number % 2 else "", "A fine answer.")
        prompt, completion = render(example.instruction, example.input, example.output, 0)
        (made,) = encoded(tokenizer, example).examples
        targets = [token for token in made.labels if token != IGNORED]
        assert tokenizer.decode(targets) == completion + "<|endoftext|>"
        assert tokenizer.decode(made.input_ids) == prompt + completion + "<|endoftext|>"
        assert made.labels == [IGNORED] * (len(made.labels) - len(targets)) + targets


def test_long_completions_are_cut_and_those_cut_to_nothing_left_out(tokenizer: Any) -> None:
    asked = Example("asked too long", "word " * 300, "", "yes")
    short = Example("short", "Say it.", "", "word")
    made = encoded(tokenizer, LENGTHY, asked, short)
    assert (list(made.cut), list(made.empty)) == (["long"], ["asked too long"])
    assert len(made.examples[0].input_ids) == 200
    assert all(any(label != IGNORED for label in each.labels) for each in made.examples)


def test_a_chat_template_frames_the_task_as_a_message(tokenizer: Any) -> None:
    chat = open_tokenizer(Located("tiny", MODEL))
    chat.chat_template = CHAT
    example = Example("x", "Obey <|endoftext|> me.", "  this  ", "<|pad|>Done.")
    (made,) = encoded(chat, example, chat=True).examples
    head = len(made.labels) - len([label for label in made.labels if label != IGNORED])
    assert (
        chat.decode(made.input_ids[:head])
        == "<|user|>\nObey <|endoftext|> me.\n\n  this  <|endoftext|>\n<|assistant|>\n"
    )
    assert chat.decode(made.input_ids[head:]) == "<|pad|>Done.<|endoftext|>"
    ends = [token for token in made.input_ids if token in (chat.eos_token_id, chat.pad_token_id)]
    assert ends == [chat.eos_token_id] * 2  # the template's own, none out of the texts


# ---- one process of training


class Collector:
    """A `training.Reporter` that keeps everything."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows: list[dict[str, Any]] = []

    def metrics(self, row: Mapping[str, Any]) -> None:
        self.rows.append(dict(row))

    def saved(self, folder: Path, name: str) -> None:
        shutil.copytree(folder, self.folder / name)


def planned(tmp_path: Path, **options: Any) -> tuple[Plan, Any]:
    import datasets

    tasks = [{"instruction": f"Say {n} times.", "input": "Word: a", "output": "a " * n} for n in range(1, 9)]
    plan = prepare([write(tmp_path / "tasks.jsonl", *tasks)], EngineSettings(), TuneSettings(**options), 1)
    return plan, datasets.Dataset(plan.table()).select(plan.order)


def test_no_gradient_comes_from_a_prompt_token(tmp_path: Path) -> None:
    """What the last layer gives at a place serves to predict the next token alone: it has a gradient exactly where
    that token belongs to a completion."""
    from selfinstruct.finetune.training import make_trainer

    plan, rows = planned(tmp_path, batch=4)
    trainer = make_trainer(plan.job, rows, tmp_path / "work", Collector(tmp_path))
    batch = next(iter(trainer.get_train_dataloader()))
    assert batch["input_ids"].tolist() == [
        rows[at]["input_ids"]
        + [trainer.processing_class.pad_token_id] * (batch["input_ids"].shape[1] - len(rows[at]["input_ids"]))
        for at in range(4)
    ]
    seen: list[Any] = []

    def keep(module: Any, inputs: Any, states: Any) -> None:
        states.retain_grad()
        seen.append(states)

    trainer.model.model.norm.register_forward_hook(keep)
    trainer.compute_loss(trainer.model, dict(batch)).backward()
    (states,) = seen
    has_gradient = (states.grad != 0).any(-1)[:, :-1]
    is_target = batch["labels"][:, 1:] != IGNORED
    assert is_target.any(1).all()
    assert (~is_target).any(1).all()
    assert (has_gradient == is_target).all()


def test_adapters_are_merged_and_the_model_loads_anywhere(tmp_path: Path) -> None:
    from safetensors.torch import load_file
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from selfinstruct.finetune.training import train

    plan, rows = planned(tmp_path, batch=4, steps=3, rate=1e-2, log_every=9, lora=LoraSettings(rank=2))
    collector = Collector(tmp_path / "out")
    train(plan.job, rows, collector, None)
    assert [row.get("step") for row in collector.rows] == [None, 1, 3], "the first and the last are told in any case"
    folder = tmp_path / "out" / "model"
    base, tuned = load_file(MODEL / "model.safetensors"), load_file(folder / "model.safetensors")
    assert {name: each.dtype for name, each in base.items()} == {name: each.dtype for name, each in tuned.items()}
    changed = {name.split(".")[-2] for name, each in base.items() if not each.equal(tuned[name])}
    assert changed == {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
    for name in ("config.json", "generation_config.json"):
        assert json.loads((folder / name).read_text()) == json.loads((MODEL / name).read_text())
    model, tokens = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    given_ = tokens(PLAIN.prompt("Say 3 times.", "Word: a"), return_tensors="pt", return_token_type_ids=False)
    assert model.generate(**given_, max_new_tokens=2).shape[1] > given_["input_ids"].shape[1]
    prompts = load_prompts("tiny")
    engine = open_engine(EngineSettings(model=str(folder)), prompts)
    engine.add([Request("x", Kind.CLASSIFY, prompts[Kind.CLASSIFY].fill(instruction="Add two numbers."), 0)])
    assert engine.step()[0].completion_tokens > 0


def test_metrics_are_taken_back_with_the_steps(tmp_path: Path) -> None:
    folder = ModelFolder(tmp_path / "model")
    assert folder.begin({"seed": 0}, {}) is False
    for step in (1, 2, 3):
        folder.add({"step": step})
    with (folder.path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 4, "lo')  # a process was killed here
    folder.rewind(2)
    folder.add({"step": 3, "loss": 1.0})
    assert list(folder.metrics()) == [{"step": 1}, {"step": 2}, {"step": 3, "loss": 1.0}]


def test_two_trainings_on_one_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The second ends, and a first that was killed holds nobody up."""
    holding = """
import sys, time
from selfinstruct.finetune.folder import ModelFolder
folder = ModelFolder(sys.argv[1])
folder.begin({"seed": 0}, {})
print("held", flush=True)
time.sleep(900)
"""
    out = tmp_path / "model"
    first = subprocess.Popen([sys.executable, "-c", holding, str(out)], stdout=subprocess.PIPE)
    try:
        assert first.stdout is not None
        assert first.stdout.readline() == b"held\n"
        assert main(["finetune", "tasks.jsonl", "--out", str(out)]) == 3
        (line,) = capsys.readouterr().err.splitlines()
        assert "another finetune is at work here; let it go on, or end it and start again" in line
    finally:
        first.kill()
        first.communicate()
    with closing(ModelFolder(out)) as folder:
        assert folder.begin({"seed": 0}, {}) is False
        with pytest.raises(HeldError):
            ModelFolder(out).begin({"seed": 0}, {})
    with closing(ModelFolder(out)) as folder:
        folder.hold()


def test_order_and_templates_do_not_depend_on_the_process(run: Path) -> None:
    settings = TuneSettings(batch=8, epochs=0.5)
    first, second = (prepare([str(run)], EngineSettings(), settings, workers) for workers in (1, 2))
    assert first.table().equals(second.table())
    assert first.order == second.order
    assert first.facts == second.facts
    assert first.job.steps == -(-first.job.epoch // 2 // 8)
