"""One process of the training: TRL's SFTTrainer over rows whose masks, lengths and order are settled already.

What the library decides is left little: rows come encoded (`encoding`), in the order in which they are to be seen, as
many as the steps hold, and no row is cut, packed, shuffled or masked again. The loss of a step is the mean over all
completion tokens of its examples, whatever the number of workers and the accumulation.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Protocol

import torch
from transformers import TrainerCallback
from transformers.trainer_callback import PrinterCallback
from transformers.utils import logging as transformers_logging
from trl import SFTConfig, SFTTrainer

from selfinstruct.engines.checkpoint import FILES, locate
from selfinstruct.engines.contents import CONFIG
from selfinstruct.engines.opening import check_vocabulary, open_config, open_model, open_tokenizer
from selfinstruct.finetune.plan import Job
from selfinstruct.finetune.settings import TuneSettings

MODEL = "model"
"""The folder, beside checkpoints, of the tuned model."""

_METRICS = {"loss": "loss", "learning_rate": "rate", "grad_norm": "gradient", "mean_token_accuracy": "accuracy"}
"""What is kept of the trainer's metrics, and our names for them."""


class Reporter(Protocol):
    """Who is told how a training goes; called in every process."""

    def metrics(self, row: Mapping[str, Any]) -> None:
        """A row of metrics."""

    def saved(self, folder: Path, name: str) -> None:
        """This process has written its part of a checkpoint, or of the tuned model (`MODEL`)."""


def train(job: Job, rows: Any, reporter: Reporter, resume: Path | None) -> None:
    """Train to the end, from a checkpoint if there is one, and hand over the tuned model.

    Args:
        rows: A `datasets.Dataset` of `input_ids` and `labels`, in the order in which they are seen; steps x batch.
        resume: Folder of the newest checkpoint.
    """
    transformers_logging.disable_progress_bar()
    with tempfile.TemporaryDirectory(prefix="tune-") as work:
        trainer = make_trainer(job, rows, Path(work), reporter)
        trainer.train(resume_from_checkpoint=str(resume) if resume else None)
        raw, final = Path(work, "raw"), Path(work, MODEL)
        trainer.save_model(str(raw))  # in all processes: they may hold parts
        final.mkdir()
        if trainer.is_world_process_zero():
            write_model(job, raw, final)
        reporter.saved(final, MODEL)


def make_trainer(job: Job, rows: Any, work: Path, reporter: Reporter) -> Any:
    """The trainer, its model loaded."""
    settings, at = job.settings, locate(job.base)
    tokenizer, model = open_tokenizer(at), open_model(at, torch.float32)
    check_vocabulary(at, tokenizer, model)
    on_gpu = torch.cuda.is_available()
    keep = not on_gpu if settings.gradient_checkpointing is None else not settings.gradient_checkpointing
    device = settings.device_examples(job.workers)
    arguments = SFTConfig(
        output_dir=str(work),
        # rows are complete, and this is what they were made by
        max_length=settings.max_length,
        completion_only_loss=True,
        packing=False,
        dataset_kwargs={"skip_prepare_dataset": True},
        train_sampling_strategy="sequential",
        max_steps=job.steps,
        per_device_train_batch_size=device,
        gradient_accumulation_steps=settings.batch // (device * job.workers),
        learning_rate=settings.highest_rate,
        lr_scheduler_type=settings.schedule if settings.schedule != "constant" else "constant_with_warmup",
        warmup_steps=round(settings.warmup * job.steps),
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.clip,
        optim="adamw_torch",
        bf16=settings.dtype == "bfloat16" or (settings.dtype == "auto" and on_gpu and torch.cuda.is_bf16_supported()),
        gradient_checkpointing=not keep,
        use_cpu=not on_gpu,
        fsdp=settings.fsdp or None,
        ddp_find_unused_parameters=False,
        seed=settings.seed,
        save_strategy="steps",
        save_steps=settings.save_every,
        save_total_limit=1,
        logging_strategy="steps",
        logging_steps=settings.log_every,
        logging_first_step=True,
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=on_gpu,
    )
    trainer = SFTTrainer(
        model=model,
        args=arguments,
        train_dataset=rows,
        processing_class=tokenizer,
        peft_config=_adapters(settings),
        callbacks=[_Callback(job, reporter)],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def write_model(job: Job, raw: Path, final: Path) -> None:
    """The tuned model as any engine loads it: adapters merged, the base's number format, its tokenizer as it was."""
    at = locate(job.base)
    config = open_config(at)  # training alters some of it
    if job.settings.lora.rank:
        from peft import PeftModel

        model = PeftModel.from_pretrained(open_model(at, torch.float32), raw).merge_and_unload()
    else:
        model = open_model(replace(at, folder=raw), torch.float32, config)
    model.to(config.dtype if isinstance(config.dtype, torch.dtype) else torch.float32).save_pretrained(final)
    for file in at.folder.iterdir():
        if file.name != CONFIG and any(
            fnmatch(file.name, pattern) for pattern in (*FILES, *(["*.py"] if at.code else []))
        ):
            shutil.copyfile(file, final / file.name)


def _adapters(settings: TuneSettings) -> Any:
    if not settings.lora.rank:
        return None
    from peft import LoraConfig

    return LoraConfig(
        r=settings.lora.rank,
        lora_alpha=settings.lora.alpha,
        lora_dropout=settings.lora.dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )


class _Callback(TrainerCallback):  # type: ignore[misc]
    """Passes metrics and checkpoints on."""

    def __init__(self, job: Job, reporter: Reporter) -> None:
        self._job = job
        self._reporter = reporter

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._reporter.metrics({"begin": state.global_step})

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        control.should_log |= state.global_step >= state.max_steps  # the last one is in any case

    def on_log(self, args: Any, state: Any, control: Any, logs: Mapping[str, Any] | None = None, **_: Any) -> None:
        logs = logs or {}
        if "loss" in logs:
            seen = state.global_step * self._job.settings.batch
            values = {ours: float(logs[theirs]) for theirs, ours in _METRICS.items() if theirs in logs}
            self._reporter.metrics({"step": state.global_step, "epoch": round(seen / self._job.epoch, 4), **values})

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        name = f"checkpoint-{state.global_step}"
        self._reporter.saved(Path(args.output_dir, name), name)
