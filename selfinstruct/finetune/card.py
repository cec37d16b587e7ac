"""The model card of a tuned model: what it was made from, so that nobody has to guess."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from selfinstruct.engines import EMBEDDED, EngineSettings
from selfinstruct.engines.checkpoint import locate
from selfinstruct.finetune.plan import Plan


def card(plan: Plan, model: str, outcome: Mapping[str, Any]) -> str:
    """Markdown with YAML front matter, as model hubs read it.

    Args:
        model: The base model as it was named.
        outcome: `loss` (the last step's), `versions`.
    """
    settings, job = plan.job.settings, plan.job
    header: dict[str, Any] = {"library_name": "transformers", "pipeline_tag": "text-generation"}
    if model != EMBEDDED and not Path(model).exists():  # a hub's name
        header["base_model"] = model
    if (licence := _licence(plan.job.base)) is not None:
        header["license"] = licence
    header["tags"] = ["self-instruct", "sft", *(["lora"] if settings.lora.rank else [])]
    weights = f"low-rank adapters (rank {settings.lora.rank}, alpha {settings.lora.alpha:g}), merged"
    account = plan.account()
    sources = "\n".join(f"| {source.name} | {source.given} | `{source.digest}` |" for source in plan.examples.sources)
    form = "the model's chat template" if settings.chat else "the thirteen templates of Self-Instruct, mixed"
    base = "\n".join(f"- {key.removeprefix('base.')}: `{plan.facts[key]}`" for key in plan.facts if "base." in key)
    versions = ", ".join(f"{name} {version}" for name, version in outcome["versions"].items())
    front = "\n".join(f"{key}: {json.dumps(value)}" for key, value in header.items())
    return f"""---
{front}
---

# {_name(model)}, tuned on its own instructions

Finetuned by [Self-Instruct](https://arxiv.org/abs/2212.10560) on instructions and instances that a language model
wrote. What the data hold of errors and prejudice, the model has learnt; nobody has checked them one by one.

## Base model

`{model}`, {f"under {licence}" if licence else "whose card names no licence"}
{base}

## Data

| source | instances | SHA-256 of the content |
|---|--:|---|
{sources}

{account["given"]} instances, of which {account["duplicates"]} were exact duplicates; {account["examples"]} examples,
{account["cut"]} of them cut at {settings.max_length} tokens, {account["left_out"]} left out because nothing of their
completion fitted. Written in {form}; loss on the completions alone.

## Training

- {job.steps} steps of {settings.batch} examples ({job.steps * settings.batch / job.epoch:.2f} epochs),
  {weights if settings.lora.rank else "all weights"}
- AdamW, highest rate {settings.highest_rate:g}, {settings.schedule} schedule, warm-up {settings.warmup:g},
  weight decay {settings.weight_decay:g}, gradients clipped at {settings.clip:g}, seed {settings.seed}
- loss of the last steps: {outcome["loss"]:.4f} nats per token
- {versions}
"""


def _licence(base: EngineSettings) -> str | None:
    """What the base model's own card names, if its folder has one."""
    from huggingface_hub import ModelCard

    try:
        licence = ModelCard.load(locate(base).folder / "README.md").data.license
    except (OSError, ValueError):  # no card, or none that can be read
        return None
    return licence if isinstance(licence, str) else None


def _name(model: str) -> str:
    return "The embedded model" if model == EMBEDDED else Path(model).name
