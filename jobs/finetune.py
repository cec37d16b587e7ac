"""`selfinstruct finetune`: tune a model on a run's accepted instances, on the same cluster."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tyro.conf import Positional

from cluster.settings import RaySettings
from jobs.command_line import run
from jobs.commands import Command, Outcome
from jobs.panel import Bar, drawn
from jobs.voice import log
from selfinstruct.engines import EMBEDDED, EngineSettings, TransformersOptions
from selfinstruct.errors import InputError
from selfinstruct.finetune.settings import TuneSettings
from selfinstruct.settings import MOST_ACTORS, group, option
from selfinstruct.wording import counted

if TYPE_CHECKING:
    from selfinstruct.finetune.folder import ModelFolder
    from selfinstruct.finetune.plan import Plan

PACKAGES = ("torch", "transformers", "trl", "peft", "accelerate", "ray")


@dataclass(frozen=True, kw_only=True)
class FinetuneSettings(TuneSettings):
    """Tune a model on accepted instances and seed tasks. The same command goes on with a training that was ended.

    Args:
        data: Runs, or files of tasks (.jsonl, .json, .parquet: instruction, input and output, or instances).
        model: Name or folder of the base model (tiny: the embedded demonstration model).
        out: Local folder for the tuned model.
        revision: Branch, tag or commit of a model from the hub.
        trust_remote_code: Run code that comes with the model.
        workers: Processes that share each step's examples, one device each.
        storage: Folder or URL for checkpoints that all workers reach (default: checkpoints in --out).
        keep_checkpoints: Do not remove them at the end.
        retries: How often workers may die before the command gives up.
    """

    data: Positional[tuple[str, ...]] = option((), alters_data=False)
    model: str = option(EMBEDDED, alters_data=False)
    out: str = option("", alters_data=False)
    revision: str = option("main", alters_data=False)
    trust_remote_code: bool = option(False, alters_data=False)
    workers: int = option(1, least=1, most=MOST_ACTORS, alters_data=False)
    storage: str | None = option(None, alters_data=False)
    keep_checkpoints: bool = option(False, alters_data=False)
    retries: int = option(3, least=0, alters_data=False)
    ray: RaySettings = group(RaySettings, alters_data=False)


COMMAND = Command(
    "finetune",
    FinetuneSettings,
    needs=("data", "out"),
    shown={
        "the model": ("model",),
        "the training": ("epochs", "steps", "batch", "rate", "lora.rank", "max_length", "chat"),
        "what is learnt from": ("only", "check", "seeds"),
        "where it works": ("workers", "ray.address"),
    },
    examples=(
        "selfinstruct finetune runs/first --model /models/llama-3-8b --out models/llama-si",
        "selfinstruct finetune runs/first --model /models/llama-3-8b --out models/llama-si --workers 4 --fsdp",
    ),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Finetune, or go on; returns the exit code."""
    return run(COMMAND, finetune, argv)


def finetune(settings: FinetuneSettings) -> Outcome:
    """Check everything, train, and leave a model folder."""
    from selfinstruct.finetune.folder import ModelFolder

    _check(settings)
    with closing(ModelFolder(settings.out)) as folder:
        folder.hold()
        return _tune(settings, folder)


def _tune(settings: FinetuneSettings, folder: ModelFolder) -> Outcome:
    from selfinstruct.finetune.folder import CHECKPOINTS
    from selfinstruct.finetune.plan import prepare

    options = TransformersOptions(revision=settings.revision, trust_remote_code=settings.trust_remote_code)
    plan = prepare(
        settings.data, EngineSettings(model=settings.model, transformers=options), settings, settings.workers
    )
    for warning in plan.warnings():
        log.warning(warning)
    if folder.begin(plan.facts, {"base": settings.model, "sources": _sources(plan), "account": plan.account()}):
        print(f"{settings.out}: is there already, made from the same data with the same options")
        return Outcome({"out": settings.out, **plan.account(), "loss": _loss(folder)})
    account = plan.account()
    log.info(
        f"{settings.out}: {counted(account['examples'], 'example')} ({account['seeds']:,} of seed tasks,"
        f" {counted(account['duplicates'], 'duplicate')} dropped),"
        f" {counted(account['steps'], 'step')} of {settings.batch}, model {settings.model},"
        f" {counted(settings.workers, 'worker')} on Ray"
    )
    storage = settings.storage or str(folder.path / CHECKPOINTS)
    _train(settings, plan, folder, storage)
    prompts = f" --prompts {settings.model}" if settings.model == EMBEDDED else ""  # others are too long for it
    command = f"selfinstruct generate --model {settings.out}{prompts} --out RUN"
    print(f"the tuned model is in {settings.out}; `{command}` asks it")
    return Outcome({"out": settings.out, **account, "loss": _loss(folder)})


def _check(settings: FinetuneSettings) -> None:
    problems = []
    if not settings.data:
        problems.append("finetune: name a run, or a file of tasks")
    if not settings.out:
        problems.append("--out: is missing; name the folder of the tuned model, for example --out models/first")
    if "://" in settings.out:
        problems.append(f"--out: {settings.out} is no local folder; --storage may be a URL")
    if problems:
        raise InputError(*problems)


def _train(settings: FinetuneSettings, plan: Plan, folder: ModelFolder, storage: str) -> None:
    try:
        from cluster.train import clean, fit
    except ImportError as error:
        raise InputError(f"finetune: needs more packages ({error}): pip install 'selfinstruct[finetune]'") from error
    from selfinstruct.finetune.card import card

    with drawn(Training(folder, plan.job.steps)) as training:
        fit(plan, storage, settings.ray, settings.retries, training, folder.fresh())
    loss = _loss(folder)
    outcome = {"steps": plan.job.steps, "loss": float("nan") if loss is None else loss, "versions": _versions()}
    folder.publish(card(plan, settings.model, outcome), outcome)
    if not settings.keep_checkpoints:
        clean(storage)


def _loss(folder: ModelFolder) -> float | None:
    """The last one that was written down."""
    losses = [row["loss"] for row in folder.metrics()]
    return losses[-1] if losses else None


class Training(Bar):
    """A `cluster.train.Watch`: metrics to the folder, and to the terminal or, line by line, to the log."""

    def __init__(self, folder: ModelFolder, steps: int) -> None:
        super().__init__("training", steps, before="starting")
        self._folder = folder
        self._steps = steps
        self._step = 0
        self._told = ""
        self._from = (0, time.monotonic())

    def begun(self, step: int) -> None:
        """Say where a training goes on, and forget what comes again."""
        self._folder.rewind(step)
        self._from = (step, time.monotonic())
        self._reach(step)
        if step:
            print(f"going on from step {step} of {self._steps}", flush=True)

    def metrics(self, row: Mapping[str, Any]) -> None:
        """Keep the row and show it."""
        self._folder.add(row)
        step, since = self._from
        pace = (row["step"] - step) / max(1e-9, time.monotonic() - since)
        left = (self._steps - row["step"]) / pace if pace else 0.0
        self._told = f"loss {row['loss']:.4f}, {pace:.2f} steps/s"
        self._reach(row["step"])
        if not self.is_drawn:
            print(
                f"step {row['step']}/{self._steps} | epoch {row['epoch']:.2f} | loss {row['loss']:.4f}"
                f" | rate {row['rate']:.2e} | {pace:.2f} steps/s | {left:.0f} s left",
                flush=True,
            )

    def beside(self) -> str:
        """Loss and pace, and the time left."""
        return ", ".join(part for part in (self._told, super().beside()) if part)

    def _reach(self, step: int) -> None:
        self.count(step - self._step)
        self._step = step


def _sources(plan: Plan) -> list[dict[str, Any]]:
    return [{"name": each.name, "digest": each.digest, "given": each.given} for each in plan.examples.sources]


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    return {name: version(name) for name in PACKAGES}


if __name__ == "__main__":
    sys.exit(main())
