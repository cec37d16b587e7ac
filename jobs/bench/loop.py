"""`selfinstruct bench loop`: does the embedded model gain by being tuned on what it wrote? Self-Instruct in miniature.

For each seed the embedded model generates a run, and another one without novelty check and screen. Four models are
tuned for the same number of steps, with the same options:

    (base)        not tuned; asked in the words of the template, and in the words that it was trained on
    seeds         on the seed tasks alone
    accepted      on the seed tasks and what the run accepted
    unfiltered    on the seed tasks and as many instances of the other run, whatever their verdicts

All of them are asked held-out tasks (`tiny/data/held_out.json`), greedily: families that neither the model's grammar
nor any seed task has. Examples whose instruction is near one of those are left out, and counted. As a control they
are asked fresh tasks of as many families of the grammar, which show whether tuning works at all. An answer ends at
its first blank line, and is scored against its reference by ROUGE-L (F, stemmed) and exact match (lower case, no
punctuation).

Intervals are 95 %: of a condition by Student's t over seeds, of a difference between two by bootstrap over families,
since tasks of one family are no independent evidence. What it shows is whether the loop works as a whole, on a model
of two million parameters that has seen nothing but one grammar: the format and the will to answer can be learnt from
its own texts, knowledge cannot. It says nothing on how large models gain.
"""

from __future__ import annotations

import dataclasses
import json
import os
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cluster.settings import GenerateSettings, RaySettings
from jobs.command_line import run
from jobs.commands import Command, Outcome
from selfinstruct.draws import Draws, seed_of
from selfinstruct.engines import EMBEDDED, EngineSettings
from selfinstruct.finetune.templates import PLAIN
from selfinstruct.novelty.check import make_index
from selfinstruct.novelty.index import NoveltySettings
from selfinstruct.prompts import Prompt, PromptSet, Sampling
from selfinstruct.records import Kind, Request, Table
from selfinstruct.settings import option
from selfinstruct.steps.screen import ScreenSettings
from selfinstruct.tiny.families import families
from selfinstruct.tiny.heldout import HeldOutTask, held_out_families, held_out_tasks
from selfinstruct.tiny.templates import sample_from

if TYPE_CHECKING:
    from selfinstruct.finetune.examples import Example

TUNED = ("seeds", "accepted", "unfiltered")
CONDITIONS = ("base", "base, own words", *TUNED)
PAIRS = (("accepted", "base"), ("accepted", "base, own words"), ("accepted", "seeds"), ("accepted", "unfiltered"))
SCORES = ("rouge_l", "exact_match")
RESAMPLES = 10_000
GREEDY = Sampling(0.0, 0.0, 0.0, 0.0, 64, ("\n\n",))


@dataclass(frozen=True)
class LoopSettings:
    """Measure whether the embedded model gains by being tuned on what it wrote.

    Args:
        out: Folder for loop.json; without it there is the table only.
        work: Folder for runs and models, with which the same command goes on (default: a temporary one).
        seeds: How many times everything is done, each with another seed.
        target: Accepted instructions of each run.
        steps: Steps of each tuning.
        batch: Examples in one step.
        rate: Highest learning rate.
        each: Held-out tasks of each family.
        quick: A smoke test of a few minutes, whose figures mean nothing.
    """

    out: str | None = None
    work: str | None = None
    seeds: int = option(3, least=1)
    target: int = option(400, least=1)
    steps: int = option(60, least=1)
    batch: int = option(32, least=1)
    rate: float = option(1e-3, above=0, most=1)
    each: int = option(20, least=1)
    quick: bool = False


@dataclass(frozen=True, slots=True)
class Score:
    """One answer's scores, in [0, 1]."""

    family: str
    rouge_l: float
    exact_match: float


COMMAND = Command("bench loop", LoopSettings)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure; returns the exit code."""
    return run(COMMAND, bench, argv)


def bench(settings: LoopSettings) -> Outcome:
    """Measure, print a table and write JSON."""
    from jobs.bench.machine import machine

    if settings.quick:
        settings = dataclasses.replace(settings, seeds=1, target=16, steps=4, batch=8, each=2)
    held_out, known = list(held_out_tasks(settings.each)), list(known_tasks(settings.each))
    tasks = [*held_out, *known]
    begun = time.monotonic()
    scores: dict[str, list[list[Score]]] = {name: [] for name in CONDITIONS}
    counts = []
    with _folder(settings.work) as work:
        scores["base"] = [ask(EMBEDDED, tasks)]
        scores["base, own words"] = [ask(EMBEDDED, tasks, own_words=True)]
        for seed in range(settings.seeds):
            models, count = tune(settings, work / str(seed), seed, held_out)
            counts.append(count)
            for name, model in models.items():
                scores[name].append(ask(str(model), tasks))
    at = len(held_out)
    summaries = {
        "held out": summarise({name: [each[:at] for each in runs] for name, runs in scores.items()}),
        "of the grammar": summarise({name: [each[at:] for each in runs] for name, runs in scores.items()}),
    }
    for name, summary in summaries.items():
        _print(f"families {name}", summary, counts)
    n = len(held_out_families())
    print(
        f"\n{settings.seeds} seeds, {settings.steps} steps of {settings.batch}, {settings.each} tasks of each of"
        f" {n} + {n} families; intervals over seeds, those of differences over families"
    )
    figures = {
        "settings": dataclasses.asdict(settings),
        "machine": machine(),
        "minutes": round((time.monotonic() - begun) / 60, 1),
        "examples": counts,
        **summaries,
    }
    if settings.out is not None:
        Path(settings.out).mkdir(parents=True, exist_ok=True)
        Path(settings.out, "loop.json").write_text(json.dumps(figures, indent=1) + "\n")
    return Outcome(figures)


@contextmanager
def _folder(work: str | None) -> Iterator[Path]:
    if work is not None:
        yield Path(work)
        return
    with tempfile.TemporaryDirectory(prefix="loop-") as folder:
        yield Path(folder)


# ---- making models


def tune(
    settings: LoopSettings, work: Path, seed: int, tasks: Sequence[HeldOutTask]
) -> tuple[dict[str, Path], dict[str, int]]:
    """The tuned models of one seed, by condition, and how many examples they had."""
    from jobs.finetune import FinetuneSettings, finetune
    from selfinstruct.finetune.examples import read_examples

    cores = min(2, os.cpu_count() or 1)
    runs = {name: generate(settings, work / name, seed, name == "accepted") for name in ("accepted", "unfiltered")}
    accepted = list(read_examples([runs["accepted"]], seeds=False).examples)
    seeds = [each for each in read_examples([runs["accepted"]]).examples if each.id.startswith("seed/")]
    unfiltered = Draws("unfiltered", seed).sample(list(everything(runs["unfiltered"])), len(accepted))
    models: dict[str, Path] = {}
    counts: dict[str, int] = {}
    for name, own in zip(TUNED, ([], accepted, unfiltered), strict=True):
        examples, near = without_near([*seeds, *own], tasks)
        data = write_tasks(work / f"{name}.jsonl", examples)
        models[name] = work / f"{name}-model"
        counts |= {name: len(examples), f"{name}, left out as near": near}
        finetune(
            FinetuneSettings(
                data=(str(data),),
                out=str(models[name]),
                steps=settings.steps,
                batch=settings.batch,
                rate=settings.rate,
                seed=seed,
                max_length=512,
                workers=cores,
                log_every=max(1, settings.steps // 4),
                ray=RaySettings(gpus=0),
            )
        )
    return models, counts


def generate(settings: LoopSettings, out: Path, seed: int, filtered: bool) -> str:
    """A run of the embedded model, with or without its filters on instructions; returns its folder."""
    from cluster import generating
    from jobs.display import Display
    from jobs.panel import is_told
    from selfinstruct.run.inputs import read_inputs

    off: dict[str, Any] = {
        "novelty": NoveltySettings(threshold=1.0),
        "screen": ScreenSettings(shortest=0, longest=sys.maxsize, banned=(), ascii_start=False),
    }
    options = GenerateSettings(
        out=str(out), target=settings.target, seed=seed, ray=RaySettings(gpus=0), **({} if filtered else off)
    )
    inputs = read_inputs(options)
    store = generating.open_store(options, inputs.facts)
    with Display(options.target, store.totals(), shown=is_told()) as display:
        generating.generate(options, inputs, store, display)
    return str(out)


def everything(run_folder: str) -> Iterator[Example]:
    """All generated instances of a run that have an output, whatever their verdicts."""
    from selfinstruct.finetune.examples import Example
    from selfinstruct.storage.store import open_run

    store = open_run(run_folder)
    columns = ["id", "instruction", "input", "output"]
    for number in store.rounds(Table.INSTANCES):
        for row in store.read_columns(Table.INSTANCES, number, columns).to_pylist():
            if row["output"] and not row["id"].startswith("seed/"):
                yield Example(**row)


def without_near(
    examples: Sequence[Example], tasks: Sequence[HeldOutTask] | Sequence[Example]
) -> tuple[list[Example], int]:
    """The examples whose instruction is not near a held-out one, and how many others there were."""
    settings = NoveltySettings(index="prefix")
    index = make_index(settings)
    index.insert(0, list(dict.fromkeys(task.instruction for task in tasks)))
    nearest = index.nearest(len(index), [each.instruction for each in examples])
    far = [
        each
        for each, found in zip(examples, nearest, strict=True)
        if found is None or found.rouge_l <= settings.threshold
    ]
    return far, len(examples) - len(far)


def write_tasks(file: Path, examples: Sequence[Example]) -> Path:
    """Examples as JSON lines that `finetune` reads."""
    from selfinstruct.storage.files import write_file

    rows = ({"instruction": each.instruction, "input": each.input, "output": each.output} for each in examples)
    write_file(file, "".join(json.dumps(row) + "\n" for row in rows))
    return file


# ---- asking them


def known_tasks(each: int) -> Iterator[HeldOutTask]:
    """Fresh tasks of as many families of the grammar, always the same ones."""
    for family in Draws("known").sample(families(), len(held_out_families())):
        draws = Draws("known", family.name)
        for _ in range(each):
            task = sample_from(family, draws)
            yield HeldOutTask(family.name, task.instruction, task.instances[0].input, task.instances[0].output)


def ask(model: str, tasks: Sequence[HeldOutTask], own_words: bool = False) -> list[Score]:
    """A model's scores in the order of the tasks.

    Args:
        own_words: Put the question as the embedded model was trained to answer it, not in a template of the tuning.
    """
    from selfinstruct.engines import open_engine

    prompts = PromptSet("held out", False, dict.fromkeys(Kind, Prompt("", "{instruction}", "", GREEDY)), "")
    engine = open_engine(EngineSettings(model=model), prompts)
    put = _in_own_words if own_words else lambda task: PLAIN.prompt(task.instruction, task.input)
    engine.add([Request(str(at), Kind.INPUT_FIRST, put(task), seed_of(at)) for at, task in enumerate(tasks)])
    answers: dict[str, str] = {}
    while len(answers) < len(tasks):
        answers |= {done.request_id: done.text for done in engine.step()}
    return list(score(tasks, [answers[str(at)] for at in range(len(tasks))]))


def _in_own_words(task: HeldOutTask) -> str:
    """The prompt set `tiny` for instances, continued by the task's own input."""
    asked = f"Do the task.\nTask: {task.instruction}\n"
    return f"{asked}Example 1\n{task.input}\nOutput:" if task.input else f"{asked}Output:"


def score(tasks: Sequence[HeldOutTask], answers: Sequence[str]) -> Iterator[Score]:
    """The scores of the answers."""
    from selfinstruct.evaluation.scoring import Scorer

    scorer = Scorer()
    for task, answer in zip(tasks, answers, strict=True):
        scores = scorer(answer, [task.output])
        yield Score(task.family, scores.rougeL, scores.exact_match)


# ---- what they come to


def summarise(scores: Mapping[str, Sequence[Sequence[Score]]]) -> dict[str, Any]:
    """Means of conditions with intervals over seeds, by family too, and differences with intervals over families."""
    by_family = {name: _by_family(runs) for name, runs in scores.items()}
    return {
        "conditions": {
            name: {kind: _over_seeds([100 * _mean(run, kind) for run in runs]) for kind in SCORES}
            for name, runs in scores.items()
        },
        "differences": {
            f"{better} - {worse}": {
                kind: _over_families(
                    [by_family[better][family][kind] - by_family[worse][family][kind] for family in by_family[better]]
                )
                for kind in SCORES
            }
            for better, worse in PAIRS
        },
        "families": by_family,
    }


def _by_family(runs: Sequence[Sequence[Score]]) -> dict[str, dict[str, float]]:
    """Means times 100 over all seeds and tasks of each family."""
    found: dict[str, list[Score]] = defaultdict(list)
    for scores in runs:
        for each in scores:
            found[each.family].append(each)
    return {family: {kind: round(100 * _mean(own, kind), 2) for kind in SCORES} for family, own in found.items()}


def _mean(scores: Sequence[Score], kind: str) -> float:
    return statistics.fmean(getattr(each, kind) for each in scores)


def _over_seeds(values: Sequence[float]) -> dict[str, Any]:
    """Mean, and its interval by Student's t where there are several values."""
    from jobs.bench.repeats import over_seeds

    found = over_seeds(values)
    figures: dict[str, Any] = {"mean": round(found.mean, 2), "seeds": [round(value, 2) for value in found.seeds]}
    if found.interval is not None:
        figures["interval"] = [round(end, 2) for end in found.interval]
    return figures


def _over_families(differences: Sequence[float]) -> dict[str, Any]:
    """Mean difference, and its interval by the bootstrap over families (percentiles)."""
    import numpy as np

    values, draws = np.array(differences), np.random.default_rng(0)
    means = draws.choice(values, (RESAMPLES, len(values))).mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return {"mean": round(float(values.mean()), 2), "interval": [round(float(low), 2), round(float(high), 2)]}


def _print(title: str, summary: Mapping[str, Any], counts: Sequence[Mapping[str, int]]) -> None:
    print(f"\n{title:<28}{'examples':>9}{'ROUGE-L':>9}{'95 %':>16}{'exact match':>13}{'95 %':>16}")
    for name, figures in summary["conditions"].items():
        examples = f"{statistics.fmean(count[name] for count in counts):.0f}" if name in TUNED else ""
        print(f"{name:<28}{examples:>9}{_cells(figures)}")
    print()
    for name, figures in summary["differences"].items():
        print(f"{name:<28}{'':>9}{_cells(figures)}")


def _cells(figures: Mapping[str, Any]) -> str:
    return "".join(
        f"{figures[kind]['mean']:>{width}.1f}{_interval(figures[kind]):>16}"
        for kind, width in zip(SCORES, (9, 13), strict=True)
    )


def _interval(figures: Mapping[str, Any]) -> str:
    return f"{figures['interval'][0]:.1f} to {figures['interval'][1]:.1f}" if "interval" in figures else ""


if __name__ == "__main__":
    sys.exit(main())
