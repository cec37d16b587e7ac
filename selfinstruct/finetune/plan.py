"""A finetuning before it begins: everything read, checked and encoded, and what the tuned model depends on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any

from selfinstruct.engines import EMBEDDED, EngineSettings, pinned
from selfinstruct.engines.checkpoint import context, fingerprint, locate
from selfinstruct.errors import InputError
from selfinstruct.finetune.encoding import EncodedSet, encode, end_tokens
from selfinstruct.finetune.examples import SEED, ExampleSet, order, read_examples
from selfinstruct.finetune.settings import TuneSettings, check
from selfinstruct.places import local_path
from selfinstruct.settings import Facts, facts_of

NAMED = 5
"""Ids of examples that were cut, as far as they are told."""


@dataclass(frozen=True)
class Job:
    """What every process of a training has to know.

    Args:
        base: The model to tune, at its commit.
        steps: Steps of the optimiser in all.
        workers: Processes in all.
        epoch: Examples in an epoch.
    """

    base: EngineSettings
    settings: TuneSettings
    steps: int
    workers: int
    epoch: int


@dataclass(frozen=True)
class Plan:
    """A finetuning, ready to begin. `order` are indices of encoded examples, `batch` of them for each step."""

    job: Job
    examples: ExampleSet
    encoded: EncodedSet
    order: Sequence[int]
    facts: Facts

    def account(self) -> dict[str, int]:
        """What became of the examples."""
        return {
            "given": sum(source.given for source in self.examples.sources),
            "duplicates": self.examples.duplicates,
            "examples": len(self.encoded.examples),
            "seeds": sum(each.id.startswith(SEED) for each in self.examples.examples),
            "cut": len(self.encoded.cut),
            "left_out": len(self.encoded.empty),
            "steps": self.job.steps,
            "examples_per_step": self.job.settings.batch,
        }

    def warnings(self) -> list[str]:
        """What a user should know of rows that are not used, and of examples that are too long."""
        limit = f"--max_length {self.job.settings.max_length}"
        told = list(self.examples.notes)
        if self.encoded.cut:
            told.append(f"{len(self.encoded.cut)} completions lose their end to {limit}: {_some(self.encoded.cut)}")
        if self.encoded.empty:
            told.append(
                f"{len(self.encoded.empty)} examples are left out, nothing of their completion fits {limit}: "
                f"{_some(self.encoded.empty)}"
            )
        return told

    def table(self) -> Any:
        """The encoded examples, each once, as a `pa.Table` of input_ids and labels."""
        import pyarrow as pa

        kind = pa.list_(pa.int32())
        return pa.table(
            {
                "input_ids": pa.array([each.input_ids for each in self.encoded.examples], kind),
                "labels": pa.array([each.labels for each in self.encoded.examples], kind),
            }
        )


def prepare(data: Sequence[str], base: EngineSettings, settings: TuneSettings, workers: int) -> Plan:
    """Read and encode the examples, find the model.

    Args:
        data: Runs and files (`examples.read_examples`).
        base: The model to tune, for the transformers engine.

    Raises:
        InputError: options, data or model are wrong.
    """
    from selfinstruct.engines.opening import check_model, open_tokenizer

    check(settings, workers)
    examples = read_examples(data, settings.seeds, settings.only, settings.check)
    identity = fingerprint(base)
    base = _absolute(pinned(base, identity))
    at = locate(base)
    _check_context(base, settings.max_length)
    tokenizer = open_tokenizer(at)
    if find_spec("accelerate"):  # without which nothing is trained, as is said later
        check_model(at)
    ends = end_tokens(at.folder, tokenizer)
    encoded = encode(examples.examples, tokenizer, ends, settings.max_length, settings.chat, settings.seed)
    epoch = len(encoded.examples)
    steps = settings.steps if settings.steps is not None else math.ceil(settings.epochs * epoch / settings.batch)
    facts = {
        **facts_of(settings),
        "rate": settings.highest_rate,
        "examples": examples.digest,
        **{f"base.{key}": value for key, value in identity.items()},
    }
    job = Job(base, settings, steps, workers, epoch)
    return Plan(job, examples, encoded, list(order(epoch, steps * settings.batch, settings.seed)), facts)


def _absolute(base: EngineSettings) -> EngineSettings:
    """A folder as a process with another working folder finds it."""
    folder = None if base.model == EMBEDDED else local_path(base.model)
    return replace(base, model=str(folder.absolute())) if folder is not None and folder.is_dir() else base


def _check_context(base: EngineSettings, max_length: int) -> None:
    room = context(base)
    if room is not None and max_length > room:
        raise InputError(f"--max_length: is {max_length}, the model's context is {room} tokens; take no more")


def _some(ids: Sequence[str]) -> str:
    return ", ".join(ids[:NAMED]) + (" ..." if len(ids) > NAMED else "")
