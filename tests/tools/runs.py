"""Runs of the template engine in this process, small and quickly made."""

from __future__ import annotations

from pathlib import Path

from cluster.settings import GenerateSettings
from selfinstruct.engines import TemplateOptions, open_engine
from selfinstruct.novelty.check import make_index
from selfinstruct.run.inputs import read_inputs
from selfinstruct.run.loop import SingleCompleter, drive
from selfinstruct.run.rounds import Run, Stage
from selfinstruct.run.settings import RoundSettings
from selfinstruct.storage.store import RunStore


def make_run(
    folder: Path, target: int = 120, seed: int = 0, decontaminate: tuple[str, ...] = (), **facts: str
) -> RunStore:
    settings = GenerateSettings(
        out=str(folder),
        seed=seed,
        target=target,
        decontaminate=decontaminate,
        engine="template",
        rounds=RoundSettings(least=6, most=8, max_failed=1.0),
        template=TemplateOptions(failure_rate=0.05, cut_rate=0.05),
    )
    inputs, store = read_inputs(settings), RunStore(str(folder))
    engine = open_engine(inputs.proposer, inputs.prompts)
    lines = [(SingleCompleter(engine, 64), (Stage.PROPOSE, Stage.LABEL))]
    run = Run(settings, inputs.prompts, inputs.seeds, evaluation=inputs.evaluation)
    drive(run, store, make_index(settings.novelty), lines, {**inputs.facts, **facts})
    return store
