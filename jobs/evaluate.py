"""`selfinstruct evaluate`: ask a model a benchmark, users' tasks, or what code can check; keep and score answers."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.asking import AskedModel, answers_of, json_text, put_derived
from jobs.command_line import choose, run
from jobs.commands import Command, Outcome
from jobs.terminal import console, plain
from jobs.voice import log
from selfinstruct.errors import InputError
from selfinstruct.evaluation.questions import (
    PromptSettings,
    free_prompts,
    free_request,
    greedy,
    prompt_text,
)
from selfinstruct.settings import SEEDS, digest_of, option

if TYPE_CHECKING:
    from selfinstruct.evaluation.constraints import Demanding
    from selfinstruct.evaluation.questions import Question
    from selfinstruct.records import Completion

RESULTS = "results.json"


@dataclass(frozen=True, kw_only=True)
class EvaluateSettings(AskedModel):
    """What both evaluations share.

    Args:
        out: Folder of the evaluations; each model's lies in a folder of its own below.
        name: Name of the model in tables and folders (default: the last part of --model).
    """

    out: str
    name: str | None = None
    prompt: PromptSettings = field(default_factory=PromptSettings)

    @property
    def shown_name(self) -> str:
        """The model's name in tables and folders."""
        return self.name or self.model_name


@dataclass(frozen=True, kw_only=True)
class SuperniSettings(EvaluateSettings):
    """Answer Super-NaturalInstructions' test tasks, zero-shot with the definition only, and score the answers.

    Args:
        tasks: A checkout of github.com/allenai/natural-instructions, as it is.
        split: Which of the checkout's splits.
        limit_tasks: Only so many tasks, the split's first, for a trial.
        limit: Only so many instances of each, the file's first.
        per_task: Show each task, too.
    """

    tasks: Path
    split: str = "default"
    limit_tasks: int = option(119, least=1)
    limit: int = option(100, least=1)
    per_task: bool = False


@dataclass(frozen=True, kw_only=True)
class TasksSettings(EvaluateSettings):
    """Answer tasks as users set them, for `selfinstruct rate`. Scores against the targets are shown as a hint only.

    Args:
        tasks: File of tasks (.jsonl, .json, .parquet); the paper's user_oriented_instructions.jsonl loads as it is.
        limit: Only so many tasks, the file's first, for a trial.
    """

    tasks: str
    limit: int | None = option(None, least=1)


@dataclass(frozen=True, kw_only=True)
class ConstraintsSettings(EvaluateSettings):
    """Answer instructions that end in a constraint on the answer, and count the answers that keep it, checked by code.

    Args:
        tasks: Instruction set that constraints are put to (.jsonl, .json, .parquet, or a run); tasks that are known to
            be classification are left out (default: the shipped seed tasks, or none with --codi).
        two: Share of the tasks that get two constraints.
        seed: Of the draws.
        codi: CoDI-Eval's length_lite.jsonl and keyword_lite.jsonl, as released.
        limit: Only so many questions, the first, for a trial.
    """

    tasks: str | None = None
    two: float = option(0.2, least=0, most=1)
    seed: int = option(0, least=SEEDS[0], most=SEEDS[1])
    codi: tuple[Path, ...] = ()
    limit: int | None = option(None, least=1)


THE_MODEL = (
    "model",
    "name",
    "engine",
    "openai.url",
    "replicas",
    "prompt.chat",
    "prompt.max_tokens",
    "ray.address",
)
"""What each of the three commands shows of the model, where one asks for a short page."""

SUPERNI = Command(
    "evaluate superni",
    SuperniSettings,
    shown={
        "the benchmark": ("split", "limit_tasks", "limit", "per_task"),
        "the model": THE_MODEL,
    },
    examples=(
        "selfinstruct evaluate superni --model models/llama-si --tasks natural-instructions --out runs/superni",
        "selfinstruct evaluate superni --model models/llama-si --tasks natural-instructions --out trial --limit 5",
    ),
)

TASKS = Command(
    "evaluate tasks",
    TasksSettings,
    shown={
        "the tasks": ("limit",),
        "the model": THE_MODEL,
    },
    examples=(
        "selfinstruct evaluate tasks --model models/llama-si --tasks user_oriented_instructions.jsonl --out runs/users",
        "selfinstruct evaluate tasks --engine openai --model gpt --tasks mine.jsonl --out runs/users --limit 20",
    ),
)

CONSTRAINTS = Command(
    "evaluate constraints",
    ConstraintsSettings,
    shown={
        "the questions": ("tasks", "two", "codi", "limit", "seed"),
        "the model": THE_MODEL,
    },
    examples=(
        "selfinstruct evaluate constraints --model models/llama-si --out runs/kept",
        "selfinstruct evaluate constraints --model models/llama-si --codi length_lite.jsonl --out runs/codi",
    ),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one evaluation; returns the exit code."""
    commands = {
        "superni": (_superni, "Super-NaturalInstructions: 119 test tasks, 100 instances of each"),
        "tasks": (_tasks, "tasks as users set them, such as the paper's 252"),
        "constraints": (_constraints, "instructions with constraints on the answer that code can check"),
    }
    return choose("evaluate", commands, argv)


def _superni(argv: Sequence[str]) -> int:
    return run(SUPERNI, superni, argv)


def _tasks(argv: Sequence[str]) -> int:
    return run(TASKS, tasks, argv)


def _constraints(argv: Sequence[str]) -> int:
    return run(CONSTRAINTS, constraints, argv)


def superni(settings: SuperniSettings) -> Outcome:
    """Evaluate on the benchmark, and show the scores of each category."""
    from selfinstruct.evaluation.superni import read_benchmark

    benchmark = read_benchmark(settings.tasks, settings.split, settings.limit_tasks, settings.limit)
    for note in benchmark.notes:
        log.info("note: %s", note)
    figures = evaluate(settings, benchmark.questions)
    groups = dict(figures["categories"])
    if settings.per_task:
        groups |= figures["tasks"]
    _show(settings, figures, groups)
    return Outcome(figures)


def tasks(settings: TasksSettings) -> Outcome:
    """Have users' tasks answered."""
    from selfinstruct.evaluation.user_tasks import read_user_tasks

    figures = evaluate(settings, read_user_tasks(settings.tasks)[: settings.limit])
    _show(settings, figures, {})
    return Outcome(figures)


def evaluate(settings: EvaluateSettings, questions: Sequence[Question]) -> Mapping[str, Any]:
    """Ask what is not answered yet, write predictions and results, and return the results (`predictions.results`).

    Raises:
        SelfInstructError: an option is wrong, the model cannot be asked, or the folder holds something else.
    """
    from selfinstruct.evaluation.predictions import prediction_row, results

    url, texts, answers = _answered(settings, questions)
    rows = [
        prediction_row(settings.shown_name, question, texts[question.id], answers[question.id])
        for question in questions
    ]
    return _written(url, rows, results(settings.shown_name, rows))


def constraints(settings: ConstraintsSettings) -> Outcome:
    """Have instructions with constraints answered, and show how many answers keep each kind."""
    from selfinstruct.evaluation.constraints import results, row_of

    demands = _demands(settings)[: settings.limit]
    asked = {"demands": digest_of([each.told for each in demands])}
    url, texts, answers = _answered(settings, [each.question for each in demands], asked)
    name = settings.shown_name
    rows = [row_of(name, each, texts[each.question.id], answers[each.question.id]) for each in demands]
    figures = _written(url, rows, results(name, rows))
    _show_kept(settings, figures)
    return Outcome(figures)


def _demands(settings: ConstraintsSettings) -> list[Demanding]:
    """The questions, those with drawn constraints first."""
    from selfinstruct.evaluation.codi import read_codi
    from selfinstruct.evaluation.constraints import demands
    from selfinstruct.run.pools import read_pool
    from selfinstruct.sources.seeds import SEED_TASKS, load_seeds

    if settings.tasks is None and settings.codi:
        return [*read_codi(settings.codi)]
    tasks = load_seeds(SEED_TASKS) if settings.tasks is None else read_pool([settings.tasks])
    drawn = demands(tasks, settings.seed, settings.two)
    if not drawn:
        raise InputError(f"--tasks: {settings.tasks} has only classification tasks, which get no constraints")
    return [*drawn, *(read_codi(settings.codi) if settings.codi else ())]


def _answered(
    settings: EvaluateSettings, questions: Sequence[Question], more: Mapping[str, Any] | None = None
) -> tuple[str, dict[str, str], dict[str, Completion]]:
    """The model's folder, and by the questions' ids the prompts and the answers; `more` is what else these depend on.

    Raises:
        SelfInstructError: as of `evaluate`.
    """
    if "/" in settings.shown_name or settings.shown_name.startswith("."):
        raise InputError(f"--name: {settings.shown_name!r} cannot be a folder's name; give another --name")
    url = f"{settings.out.rstrip('/')}/{settings.shown_name}"
    texts = {question.id: prompt_text(question, settings.prompt) for question in questions}
    prompts = free_prompts(
        "evaluation", greedy(settings.prompt.max_tokens, settings.prompt.stop), chat=settings.prompt.chat
    )
    facts = {
        "questions": digest_of([[asdict(question) for question in questions], texts]),
        "number": len(questions),
        **{f"prompt.{key}": value for key, value in asdict(settings.prompt).items()},
        **(more or {}),
    }
    requests = [free_request(id, text) for id, text in texts.items()]
    return url, texts, answers_of(settings, url, prompts, requests, facts, "--prompt.max_tokens")


def _written(url: str, rows: Sequence[Mapping[str, Any]], figures: Mapping[str, Any]) -> Mapping[str, Any]:
    """The figures, once they and the predictions are in the folder."""
    from selfinstruct.evaluation.answers import json_lines
    from selfinstruct.evaluation.predictions import PREDICTIONS
    from selfinstruct.storage.blobs import open_blobs

    blobs = open_blobs(url)
    put_derived(blobs, PREDICTIONS, json_lines(rows))
    put_derived(blobs, RESULTS, json_text(figures))
    return figures


def _show_kept(settings: EvaluateSettings, figures: Mapping[str, Any]) -> None:
    """A table of kinds with the whole below, and what went wrong."""
    from rich.table import Table

    table = Table(title=f"{plain(settings.shown_name)}, constraints kept", title_justify="left")
    table.add_column("")
    for heading in ("asked", "kept", "95 %"):
        table.add_column(heading, justify="right")
    for kind, group in figures["kinds"].items():
        table.add_row(kind, *_kept_cells(group))
    table.add_section()
    table.add_row("all of an answer's", *_kept_cells(figures["overall"]), style="bold")
    console().print(table)
    _show_ends(settings, figures)


def _kept_cells(group: Mapping[str, Any]) -> list[str]:
    return [str(group["asked"]), f"{group['share']:.1%}", f"{group['low']:.1%} to {group['high']:.1%}"]


def _show(settings: EvaluateSettings, figures: Mapping[str, Any], groups: Mapping[str, Mapping[str, Any]]) -> None:
    """A table of groups with the whole below, models beside it in the same folder, and what went wrong."""
    from rich.table import Table

    table = Table(title=f"{plain(settings.shown_name)}, means \u00d7 100", title_justify="left")
    table.add_column("")
    for heading in ("number", "ROUGE-L", "ROUGE-1", "exact match"):
        table.add_column(heading, justify="right")
    for name, group in groups.items():
        table.add_row(plain(name), *_cells(group))
    table.add_section()
    table.add_row(plain(settings.shown_name), *_cells(figures["overall"]), style="bold")
    for name, other in _beside(settings, figures["asked"]):
        table.add_row(plain(name), *other, style="dim")
    console().print(table)
    _show_ends(settings, figures)


def _show_ends(settings: EvaluateSettings, figures: Mapping[str, Any]) -> None:
    """How answers ended, and where they lie."""
    failed, cut = figures["finish"]["failed"], figures["finish"]["length"]
    print(
        f"{figures['asked']} asked: {failed} failed (scored as empty), {cut} cut by length,"
        f" {figures['empty']} empty; predictions and results are in {settings.out.rstrip('/')}/{settings.shown_name}"
    )


def _beside(settings: EvaluateSettings, asked: int) -> list[tuple[str, list[str]]]:
    """The cells of the models that were evaluated on as much in the same local folder before."""
    from selfinstruct.sources.documents import read_document

    found = []
    for path in sorted(Path(settings.out).glob(f"*/{RESULTS}")):
        try:
            other = read_document(str(path))
            if other["model"] != settings.shown_name and other["asked"] == asked:
                found.append((str(other["model"]), _cells(other["overall"])))
        except (InputError, KeyError, TypeError, ValueError) as error:
            log.info("note: %s holds no results and is left out (%s)", path, plain(str(error)))
    return found


def _cells(figures: Mapping[str, Any]) -> list[str]:
    if not figures["number"]:
        return ["0", "", "", ""]
    return [str(figures["number"]), *(f"{figures[key]:.2f}" for key in ("rougeL", "rouge1", "exact_match"))]


if __name__ == "__main__":
    sys.exit(main())
