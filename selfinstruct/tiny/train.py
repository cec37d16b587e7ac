"""Train the embedded model: `python -m selfinstruct.tiny.train --out FOLDER [--minutes N | --steps N]`.

The training text is made of the prompt set `tiny`, of the grammar and of the seed tasks, exactly as the engine
will show it and as the pipeline's parsers read it, so that training and use cannot drift apart. A run by `--steps`
can be repeated with the same seed; one by `--minutes` takes as many steps as the machine manages.
"""

from __future__ import annotations

import argparse
import math
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch.nn import functional
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from selfinstruct.prompts import PromptSet, load_prompts
from selfinstruct.records import Kind, SeedTask
from selfinstruct.sources.seeds import SEED_TASKS, load_seeds
from selfinstruct.tiny import dialect, grammar
from selfinstruct.tiny.templates import Task

END, PAD = "<|endoftext|>", "<|pad|>"
CONTEXT = 1024
LONGEST = {Kind.PROPOSE: CONTEXT, Kind.CLASSIFY: 256, Kind.INPUT_FIRST: 320, Kind.OUTPUT_FIRST: 320}
"""Tokens of the longest example of each kind; longer ones (of long seed tasks) are left out."""

ROWS = {Kind.PROPOSE: 3, Kind.CLASSIFY: 3, Kind.INPUT_FIRST: 14, Kind.OUTPUT_FIRST: 6}
"""Examples of each kind in one step."""

PROMPT_WEIGHT = 0.1
"""The loss of a prompt's token, against 1 for a completion's."""


class Rolls:
    """`random.Random` as the grammar's source."""

    def __init__(self, seed: int | str) -> None:
        self.random = random.Random(seed)

    def below(self, n: int) -> int:
        """A uniform integer in [0, n)."""
        return int(self.random.random() * n)


@dataclass(frozen=True, slots=True)
class Example:
    """One training text: prefix and suffix of a prompt, and the completion wanted."""

    kind: Kind
    prefix: str
    suffix: str
    completion: str
    prompt_weight: float = PROMPT_WEIGHT


@dataclass(frozen=True, slots=True)
class Encoded:
    """Token ids, where the completion begins, and the weight of the loss before that."""

    ids: list[int]
    start: int
    prompt_weight: float


class Examples:
    """Draws training examples."""

    def __init__(self, prompts: PromptSet, seeds: Sequence[SeedTask], rolls: Rolls) -> None:
        self._prompts = prompts
        self._seeds = seeds
        self._rolls = rolls

    def draw(self, kind: Kind) -> Example:
        """A random example of one kind."""
        if kind is Kind.PROPOSE:
            return self._propose()
        if kind is Kind.CLASSIFY:
            return self._classify()
        return self._instances(kind)

    def _example(self, kind: Kind, suffix: str, completion: str, prompt_weight: float = PROMPT_WEIGHT) -> Example:
        return Example(kind, self._prompts[kind].prefix, suffix, completion, prompt_weight)

    def _propose(self) -> Example:
        # the first round shows eight seed tasks, later ones six and two generated; other mixtures make it robust,
        # and a user with few seed tasks shows fewer than eight; a list without seeds is learned from its start
        rolls = self._rolls
        shown_in_all = 8 if rolls.below(12) else 1 + rolls.below(7)
        seeds = min((8, 6, 6, 0, 0, rolls.below(9))[rolls.below(6)], shown_in_all)
        shown = [self._seed_instruction() for _ in range(seeds)]
        shown += grammar.sample_instructions(rolls, shown_in_all - seeds)
        rolls.random.shuffle(shown)
        suffix = self._prompts[Kind.PROPOSE].fill_demonstrations(shown)
        new = grammar.sample_instructions(rolls, 8)
        completion = dialect.numbered(new, first=len(shown) + 1)
        return self._example(Kind.PROPOSE, suffix, completion, PROMPT_WEIGHT if seeds else 1.0)

    def _seed_instruction(self) -> str:
        """A seed's instruction; at times the beginning of one and the end of another, for seeds of other people."""
        first = self._seed().instruction
        if self._rolls.below(2):
            return " ".join(first.split())
        head, tail = first.split(), self._seed().instruction.split()
        cut = self._rolls.below(len(head)) + 1
        return " ".join(head[:cut] + tail[self._rolls.below(len(tail)) :])

    def _seed(self) -> SeedTask:
        return self._seeds[self._rolls.below(len(self._seeds))]

    def _classify(self) -> Example:
        if self._rolls.below(4):
            task = grammar.sample(self._rolls)
            instruction, answer = task.instruction, task.is_classification
        else:
            seed = self._seed()
            instruction, answer = " ".join(seed.instruction.split()), bool(seed.is_classification)
        suffix = self._prompts[Kind.CLASSIFY].fill(instruction=instruction)
        return self._example(Kind.CLASSIFY, suffix, dialect.yes_or_no(answer))

    def _instances(self, kind: Kind) -> Example:
        wanted = kind is Kind.OUTPUT_FIRST
        source = self._seed if not self._rolls.below(16) else lambda: grammar.sample(self._rolls)
        task: SeedTask | Task = source()
        while task.is_classification is not wanted:
            task = source()
        made = dialect.output_first(task.instances) if wanted else dialect.input_first(task.instances)
        suffix = self._prompts[kind].fill(instruction=" ".join(task.instruction.split()))
        return self._example(kind, suffix, made)


def train_tokenizer(texts: Iterator[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer with single digits."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[END, PAD],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END,
        pad_token=PAD,
        model_max_length=CONTEXT,
        clean_up_tokenization_spaces=False,
    )


def make_model(tokenizer: PreTrainedTokenizerFast, width: int, layers: int) -> LlamaForCausalLM:
    """A Llama with random weights; every head is 32 wide, and three share keys and values."""
    heads = width // 32
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=width * 7 // 3,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads // 3 if heads % 3 == 0 else heads,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = LlamaForCausalLM(config)
    model.generation_config = GenerationConfig(
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id, max_new_tokens=448
    )
    return model


def encode(example: Example, tokenizer: PreTrainedTokenizerFast) -> Encoded:
    """Encode as engines do: prefix and suffix each by itself; the completion ends with the end-of-text token."""

    def ids(text: str) -> list[int]:
        return list(tokenizer(text, add_special_tokens=False)["input_ids"])

    prompt = ids(example.prefix) + ids(example.suffix)
    return Encoded([*prompt, *ids(example.completion), tokenizer.eos_token_id], len(prompt), example.prompt_weight)


def batches(examples: Examples, tokenizer: PreTrainedTokenizerFast) -> Iterator[list[list[Encoded]]]:
    """Steps without end; the batches of a step hold rows of like length, so that little is padded."""
    while True:
        rows: list[Encoded] = []
        for kind, number in ROWS.items():
            drawn = 0
            while drawn < number:
                row = encode(examples.draw(kind), tokenizer)
                if len(row.ids) <= LONGEST[kind]:
                    rows.append(row)
                    drawn += 1
        rows.sort(key=lambda row: len(row.ids))
        proposals = ROWS[Kind.PROPOSE]
        half = (len(rows) - proposals) // 2
        yield [rows[:half], rows[half:-proposals], rows[-proposals:]]


def losses(model: LlamaForCausalLM, rows: Sequence[Encoded]) -> tuple[torch.Tensor, torch.Tensor]:
    """Cross-entropy of every token but the first, and its weight: both (rows, longest - 1), in nats."""
    longest = max(len(row.ids) for row in rows)
    ids = torch.full((len(rows), longest), model.config.pad_token_id)
    weights = torch.zeros(len(rows), longest)
    for number, row in enumerate(rows):
        ids[number, : len(row.ids)] = torch.tensor(row.ids)
        weights[number, : row.start] = row.prompt_weight
        weights[number, row.start : len(row.ids)] = 1.0
    # padding stands on the right, where no token can see it
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(input_ids=ids[:, :-1], use_cache=False).logits.float()
    each = functional.cross_entropy(logits.transpose(1, 2), ids[:, 1:], reduction="none")
    return each, weights[:, 1:]


@torch.no_grad()
def held_out(model: LlamaForCausalLM, rows: Sequence[Encoded]) -> float:
    """Mean loss of the completions' tokens, in nats."""
    model.eval()
    total = count = 0.0
    for row in rows:
        each, _ = losses(model, [row])
        total += float(each[:, row.start - 1 :].sum())
        count += len(row.ids) - row.start
    model.train()
    return total / count


@dataclass(frozen=True, slots=True)
class Figures:
    """What a training run came to; losses are means per kind of the completions' tokens, in nats."""

    seed: int
    steps: int
    tokens: int
    minutes: float
    before: dict[Kind, float]
    after: dict[Kind, float]


def train(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    prompts: PromptSet,
    seeds: Sequence[SeedTask],
    *,
    seed: int,
    rate: float,
    minutes: float,
    steps: int | None,
) -> Figures:
    """Train in place with Muon, AdamW and a cosine schedule over `steps`, or over `minutes` where that is None."""
    checks = Examples(prompts, seeds, Rolls(f"held out {seed}"))
    held = {kind: [encode(checks.draw(kind), tokenizer) for _ in range(24)] for kind in prompts.kinds}
    held = {kind: [row for row in rows if len(row.ids) <= LONGEST[kind]] for kind, rows in held.items()}
    before = {kind: held_out(model, rows) for kind, rows in held.items()}

    # Muon learns from far fewer tokens than AdamW, and is meant for the layers' matrices alone
    matrices = [weight for weight in model.model.layers.parameters() if weight.ndim == 2]
    inner = {id(weight) for weight in matrices}
    others = [weight for weight in model.parameters() if id(weight) not in inner]
    optimizers: list[torch.optim.Optimizer] = [
        torch.optim.Muon(matrices, lr=rate, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=rate, betas=(0.9, 0.98), weight_decay=0.0),
    ]
    step = tokens = 0
    begun = reported = time.monotonic()
    for step, parts in enumerate(batches(Examples(prompts, seeds, Rolls(seed)), tokenizer)):
        elapsed = (time.monotonic() - begun) / 60
        progress = step / steps if steps is not None else elapsed / minutes
        if progress >= 1:
            break
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate * min((step + 1) / 50, 0.5 + 0.5 * math.cos(math.pi * progress))
        scale = sum(len(row.ids) - row.start for part in parts for row in part)
        total = 0.0
        for part in parts:
            each, weights = losses(model, part)
            loss = (each * weights).sum() / scale
            loss.backward()  # type: ignore[no-untyped-call]
            total += float((each.detach() * (weights == 1.0)).sum() / (weights == 1.0).sum()) / len(parts)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        tokens += sum(len(row.ids) for part in parts for row in part)
        if time.monotonic() - reported > 15:
            reported = time.monotonic()
            where = f"step {step + 1}  {progress:4.0%}  {elapsed:5.1f} min  {tokens:,} tokens"
            print(f"{where}  loss {total:.3f}", flush=True)
    after = {kind: held_out(model, rows) for kind, rows in held.items()}
    return Figures(seed, step, tokens, (time.monotonic() - begun) / 60, before, after)


def write_card(folder: Path, model: LlamaForCausalLM, figures: Figures) -> None:
    """Write the model card."""
    table = "\n".join(f"| {kind} | {figures.before[kind]:.3f} | {figures.after[kind]:.3f} |" for kind in figures.before)
    config = model.config
    card = f"""---
license: apache-2.0
library_name: transformers
tags: [self-instruct, demonstration]
---

# The embedded model

A demonstration model and nothing more: it lets the whole Self-Instruct pipeline run on a laptop in a minute,
without a download. It writes tasks of one small grammar, tells whether they are classification, and gives
instances for them. It knows nothing else, its facts are not to be relied on, and data made with it are of no use
for tuning another model.

- Architecture: Llama, {model.num_parameters():,} parameters, width {config.hidden_size},
  {config.num_hidden_layers} layers, {config.num_attention_heads} heads on {config.num_key_value_heads} key-value heads,
  tied embeddings, context {CONTEXT}; weights in float16.
- Tokenizer: byte-level BPE, {config.vocab_size} entries, digits single.
- Trained from random weights by `python -m selfinstruct.tiny.train`, on text that the grammar of
  `selfinstruct/tiny` and the project's own seed tasks give in the form of the prompt set `tiny`. No other data.
- Seed {figures.seed}, {figures.steps:,} steps, {figures.tokens:,} tokens, {figures.minutes:.0f} minutes on a CPU.
- Licence: Apache-2.0.

Loss of the completions on held-out samples of the same kind, in nats per token:

| prompt | before | after |
|---|---|---|
{table}
"""
    (folder / "README.md").write_text(card)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m selfinstruct.tiny.train", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for the checkpoint")
    parser.add_argument("--minutes", type=float, default=60.0, help="training time (default: %(default)s)")
    parser.add_argument("--steps", type=int, help="train for this many steps instead")
    parser.add_argument("--seed", type=int, default=1, help="of weights and data (default: %(default)s)")
    parser.add_argument(
        "--seeds", type=Path, default=SEED_TASKS, help="seed tasks, JSON Lines (default: the project's own)"
    )
    # nearly every word of the grammar is one token: shorter texts, and no words that do not exist
    parser.add_argument("--vocabulary", type=int, default=3072, help="entries of the tokenizer (default: %(default)s)")
    parser.add_argument("--width", type=int, default=192, help="a multiple of 32 (default: %(default)s)")
    parser.add_argument("--layers", type=int, default=5, help="(default: %(default)s)")
    parser.add_argument("--rate", type=float, default=5e-3, help="highest learning rate (default: %(default)s)")
    options = parser.parse_args(arguments)
    torch.manual_seed(options.seed)
    prompts = load_prompts("tiny")
    seeds = load_seeds(options.seeds)
    examples = Examples(prompts, seeds, Rolls(f"tokenizer {options.seed}"))
    drawn = (examples.draw(kind) for _ in range(1500) for kind in (Kind.PROPOSE, Kind.INPUT_FIRST, Kind.OUTPUT_FIRST))
    tokenizer = train_tokenizer((e.prefix + e.suffix + e.completion for e in drawn), options.vocabulary)
    model = make_model(tokenizer, options.width, options.layers)
    print(f"{model.num_parameters():,} parameters, {len(tokenizer)} tokens in the vocabulary", flush=True)
    figures = train(
        model,
        tokenizer,
        prompts,
        seeds,
        seed=options.seed,
        rate=options.rate,
        minutes=options.minutes,
        steps=options.steps,
    )
    for kind in figures.before:
        print(f"held-out loss, {kind}: {figures.before[kind]:.3f} before, {figures.after[kind]:.3f} after")
    model.half().save_pretrained(options.out)
    tokenizer.save_pretrained(options.out)
    write_card(options.out, model, figures)
    size = sum(path.stat().st_size for path in options.out.iterdir())
    print(f"{figures.steps} steps in {figures.minutes:.1f} minutes; {size / 1e6:.2f} MB in {options.out}")


if __name__ == "__main__":
    main()
