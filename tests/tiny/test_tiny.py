"""The embedded model loads anywhere, answers the tiny prompts in a form that the parsers read, and can be retrained."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from selfinstruct.draws import Draws
from selfinstruct.prompts import TWO_STEPS, load_prompts
from selfinstruct.records import Kind
from selfinstruct.sources.seeds import SEED_TASKS, load_seeds
from selfinstruct.steps.screen import Screen, ScreenSettings
from selfinstruct.tiny import MODEL, grammar
from selfinstruct.tiny.templates import opening
from tests.tools.reading import TOLERANT_BASE, instances, proposals

PROMPTS = load_prompts("tiny")
SEEDS = load_seeds(SEED_TASKS)
TASKS = [grammar.sample(draws) for draws in [Draws("tests")] for _ in range(40)]


class Model:
    """Completes prompts one at a time by plain transformers, with the prompt set's sampling."""

    def __init__(self, folder: Path) -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        self.torch = torch
        self.model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        self.tokenizer: Any = AutoTokenizer.from_pretrained(folder)

    def complete(self, kind: Kind, suffix: str) -> tuple[str, bool]:
        """The completion, and whether it ended by itself."""
        prompt = PROMPTS[kind]
        sampling = prompt.sampling
        drawn = {"temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": 0}
        self.torch.manual_seed(0)
        ids = [i for text in (prompt.prefix, suffix, prompt.tail) for i in self._ids(text)]
        given = self.torch.tensor([ids])
        out = self.model.generate(
            given,
            attention_mask=self.torch.ones_like(given),
            do_sample=sampling.temperature > 0,
            max_new_tokens=sampling.max_tokens,
            **(drawn if sampling.temperature > 0 else {}),
        )
        made = out[0, len(ids) :].tolist()
        return self.tokenizer.decode(made, skip_special_tokens=True), made[-1] == self.tokenizer.eos_token_id

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids


@pytest.fixture(scope="module")
def model() -> Model:
    return Model(MODEL)


def test_the_checkpoint_is_small_and_complete() -> None:
    files = {path.name: path.stat().st_size for path in MODEL.iterdir()}
    assert sum(files.values()) < 5_000_000
    assert {"config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "README.md"} <= set(files)


def test_the_context_holds_prompts_of_our_seeds(model: Model) -> None:
    prompt = PROMPTS[Kind.PROPOSE]
    draws = Draws("prompts")
    for _ in range(300):
        shown = [seed.instruction for seed in draws.sample(SEEDS, 8)]
        ids = model.tokenizer(prompt.prefix + prompt.fill_demonstrations(shown), add_special_tokens=False)["input_ids"]
        assert len(ids) + prompt.sampling.max_tokens <= model.model.config.max_position_embeddings


def test_proposals_are_tasks_of_the_grammars_kind(model: Model) -> None:
    screen = Screen(ScreenSettings())
    shown = [seed.instruction for seed in Draws("shown").sample(SEEDS, 16)]
    for demonstrations in (shown[:8], shown[8:]):
        text, ended = model.complete(Kind.PROPOSE, PROMPTS[Kind.PROPOSE].fill_demonstrations(demonstrations))
        assert ended
        texts = proposals(TOLERANT_BASE, text)
        assert len(texts) == 8
        assert sum(screen(text) is None for text in texts) >= 7
        openings = {opening(text) for text in texts}
        assert len(openings) >= 4


def test_grammar_instructions_are_classified(model: Model) -> None:
    right = 0
    for task in TASKS:
        text, ended = model.complete(Kind.CLASSIFY, PROMPTS[Kind.CLASSIFY].fill(instruction=task.instruction))
        assert ended
        right += bool(TOLERANT_BASE.classification(text)) is task.is_classification
    assert right / len(TASKS) >= 0.95


def test_instances_parse(model: Model) -> None:
    parsed = 0
    for task in TASKS:
        kind = Kind.OUTPUT_FIRST if task.is_classification else Kind.INPUT_FIRST
        text, ended = model.complete(kind, PROMPTS[kind].fill(instruction=task.instruction))
        found = instances(TOLERANT_BASE, kind, text)
        parsed += ended and bool(found) and all(instance.output for instance in found)
    assert parsed / len(TASKS) >= 0.9


def test_training_lowers_the_loss_and_writes_a_checkpoint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from selfinstruct.tiny.train import main

    sizes = ["--vocabulary", "400", "--width", "64", "--layers", "1"]
    main(["--out", str(tmp_path), "--steps", "8", *sizes])
    losses = re.findall(r"held-out loss, \w+: ([\d.]+) before, ([\d.]+) after", capsys.readouterr().out)
    assert len(losses) == len(TWO_STEPS)
    assert all(float(after) < float(before) for before, after in losses)
    text, _ = Model(tmp_path).complete(Kind.CLASSIFY, PROMPTS[Kind.CLASSIFY].fill(instruction="Add two numbers."))
    assert isinstance(text, str)


def test_training_is_repeatable(tmp_path: Path) -> None:
    from selfinstruct.tiny.train import main

    sizes = ["--vocabulary", "400", "--width", "64", "--layers", "1", "--steps", "2", "--seed", "7"]
    for name in ("first", "second"):
        main(["--out", str(tmp_path / name), *sizes])
    first, second = (tmp_path / name / "model.safetensors" for name in ("first", "second"))
    assert first.read_bytes() == second.read_bytes()
