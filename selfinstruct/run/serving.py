"""A run of what was read for it, and which engine serves which of its stages: one for all, or one for each that is
another model."""

from __future__ import annotations

from dataclasses import dataclass

from selfinstruct.engines import EngineSettings
from selfinstruct.prompts import PromptSet
from selfinstruct.run.inputs import Inputs
from selfinstruct.run.rounds import Run, Stage
from selfinstruct.run.settings import RunSettings


@dataclass(frozen=True, slots=True)
class Served:
    """An engine, what it does in a run, and the prompts that it is opened with."""

    engine: EngineSettings
    stages: tuple[Stage, ...]
    prompts: PromptSet


def run_of(settings: RunSettings, inputs: Inputs) -> Run:
    """The run that these inputs make, at its beginning."""
    return Run(
        settings,
        inputs.prompts,
        inputs.seeds,
        inputs.imported,
        inputs.evaluation,
        judge=inputs.judge,
        material=inputs.material,
    )


def served(inputs: Inputs) -> list[Served]:
    """The different engines of a run, the proposer first, each with its stages, the first one first in line."""
    asked = {Stage.PROPOSE: inputs.proposer, Stage.LABEL: inputs.labeller}
    if inputs.judging is not None:
        asked[Stage.CHECK] = inputs.judging
    engines: list[EngineSettings] = []
    for engine in asked.values():
        engines += [engine] if engine not in engines else []
    return [_served(inputs, engine, tuple(each for each in asked if asked[each] == engine)) for engine in engines]


def _served(inputs: Inputs, engine: EngineSettings, stages: tuple[Stage, ...]) -> Served:
    if inputs.judge is None or Stage.CHECK not in stages:
        return Served(engine, stages, inputs.prompts)
    rubric = inputs.judge.rubric.prompts
    return Served(engine, stages, rubric if stages == (Stage.CHECK,) else inputs.prompts.beside(rubric))
