"""The options of finetuning. No heavy imports, so that `--help` starts at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from selfinstruct.errors import InputError
from selfinstruct.quality.settings import OnlySettings
from selfinstruct.settings import SEEDS, option, problems_of


@dataclass(frozen=True)
class LoraSettings:
    """Low-rank adapters in place of all weights; what is saved is the whole model with the adapters merged into it.

    Args:
        rank: Rank of the adapters of every linear layer but the output's; 0 tunes all weights.
        alpha: The adapters' weight is alpha / rank.
        dropout: Share of an adapter's inputs that is left out at random.
    """

    rank: int = option(0, least=0, most=65_536)
    alpha: float = option(32.0, above=0)
    dropout: float = option(0.0, least=0, below=1)


@dataclass(frozen=True, kw_only=True)
class TuneSettings(OnlySettings):
    """What a tuned model depends on, beside the base model and the data, and how the work is laid out.

    Args:
        epochs: How often each example is seen.
        steps: Steps of the optimiser instead, whatever that is in epochs.
        batch: Examples in one step, over all workers.
        device_batch: Examples that one device takes at once; the rest of a step is accumulated (0: its whole share).
        rate: Highest learning rate (default: 2e-5, and 2e-4 for LoRA).
        schedule: How the rate falls.
        warmup: Share of the steps in which the rate rises.
        weight_decay: Of AdamW.
        clip: Most norm of the gradients.
        max_length: Most tokens of prompt and completion; longer completions are cut, and those cut to nothing are
            left out, counted and named.
        chat: Write examples in the model's chat template, the task as the user's message, instead of the thirteen
            templates.
        seeds: A run's seed tasks are examples too.
        seed: Seed of templates, order and adapters.
        dtype: Arithmetic (auto: bfloat16 on GPUs that have it, else float32). Tuned weights are kept in float32 and
            saved in the base model's format.
        gradient_checkpointing: Compute activations twice instead of keeping them (default: on GPUs only).
        fsdp: Share weights, gradients and optimiser among the workers (FSDP) instead of copying them to each.
        save_every: Steps between checkpoints, from which a killed training goes on.
        log_every: Steps between lines of metrics.
    """

    epochs: float = option(2.0, above=0, most=10_000)
    steps: int | None = option(None, least=1)
    batch: int = option(32, least=1)
    device_batch: int = option(0, least=0, alters_data=False)
    rate: float | None = option(None, above=0, most=1)
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    warmup: float = option(0.03, least=0, below=1)
    weight_decay: float = option(0.0, least=0, most=1)
    clip: float = option(1.0, least=0)
    max_length: int = option(1024, least=2)
    chat: bool = False
    seeds: bool = True
    seed: int = option(0, least=SEEDS[0], most=SEEDS[1])
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    gradient_checkpointing: bool | None = option(None, alters_data=False)
    fsdp: bool = False
    save_every: int = option(200, least=1, alters_data=False)
    log_every: int = option(10, least=1, alters_data=False)
    lora: LoraSettings = field(default_factory=LoraSettings)

    @property
    def highest_rate(self) -> float:
        """The learning rate, defaults filled in."""
        return self.rate if self.rate is not None else 2e-4 if self.lora.rank else 2e-5

    def device_examples(self, workers: int) -> int:
        """Examples that one of so many workers takes at once."""
        return self.device_batch or self.batch // workers


def check(settings: TuneSettings, workers: int) -> None:
    """InputError for what the types of the options let through."""
    problems = problems_of(settings)
    if workers < 1:
        problems.append(f"--workers: is {workers}, must be at least 1")
    if not problems and settings.batch % (workers * settings.device_examples(workers) or settings.batch + 1):
        problems.append(
            f"--batch: {settings.batch} examples cannot be shared evenly: make it a multiple of --workers"
            f" ({workers}) times --device_batch ({settings.device_batch or 'a worker’s whole share'})"
        )
    if problems:
        raise InputError(*problems)
