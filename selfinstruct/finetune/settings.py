"""The options of finetuning. No heavy imports, so that `--help` starts at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from selfinstruct.errors import InputError
from selfinstruct.settings import option


@dataclass(frozen=True)
class LoraSettings:
    """Low-rank adapters in place of all weights; what is saved is the whole model with the adapters merged into it.

    Args:
        rank: Rank of the adapters of every linear layer but the output's; 0 tunes all weights.
        alpha: The adapters' weight is alpha / rank.
        dropout: Share of an adapter's inputs that is left out at random.
    """

    rank: int = 0
    alpha: float = 32.0
    dropout: float = 0.0


@dataclass(frozen=True, kw_only=True)
class TuneSettings:
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

    epochs: float = 2.0
    steps: int | None = None
    batch: int = 32
    device_batch: int = option(0, alters_data=False)
    rate: float | None = None
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    warmup: float = 0.03
    weight_decay: float = 0.0
    clip: float = 1.0
    max_length: int = 1024
    chat: bool = False
    seeds: bool = True
    seed: int = 0
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    gradient_checkpointing: bool | None = option(None, alters_data=False)
    fsdp: bool = False
    save_every: int = option(200, alters_data=False)
    log_every: int = option(10, alters_data=False)
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
    least: dict[str, tuple[float, float]] = {
        "workers": (workers, 1),
        "batch": (settings.batch, 1),
        "device_batch": (settings.device_batch, 0),
        "max_length": (settings.max_length, 2),
        "save_every": (settings.save_every, 1),
        "log_every": (settings.log_every, 1),
        "lora.rank": (settings.lora.rank, 0),
        "steps": (1 if settings.steps is None else settings.steps, 1),
    }
    problems = [
        f"--{key}: is {value}, must be at least {bound}" for key, (value, bound) in least.items() if value < bound
    ]
    if settings.epochs <= 0:
        problems.append(f"--epochs: is {settings.epochs:g}, must be above 0")
    if not 0 <= settings.warmup < 1:
        problems.append(f"--warmup: is {settings.warmup:g}, must be at least 0 and below 1: a share of the steps")
    if not 0 <= settings.lora.dropout < 1:
        problems.append(f"--lora.dropout: is {settings.lora.dropout:g}, must be at least 0 and below 1")
    if settings.highest_rate <= 0:
        problems.append(f"--rate: is {settings.rate}, must be above 0")
    if not problems and settings.batch % (workers * settings.device_examples(workers) or settings.batch + 1):
        problems.append(
            f"--batch: {settings.batch} examples cannot be shared evenly: make it a multiple of --workers"
            f" ({workers}) times --device_batch ({settings.device_batch or 'a worker’s whole share'})"
        )
    if problems:
        raise InputError(*problems)
