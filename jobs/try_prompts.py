"""`selfinstruct try`: a few requests against a model, shown from prompt to verdict, before money is spent."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.command_line import run
from jobs.commands import Command, Outcome
from jobs.terminal import console, plain, plain_lines
from jobs.voice import log
from selfinstruct.engines import (
    EMBEDDED,
    EngineSettings,
    OpenAIOptions,
    TemplateOptions,
    TransformersOptions,
    VLLMOptions,
)
from selfinstruct.errors import InputError
from selfinstruct.prompts import PromptSet, load_prompts
from selfinstruct.protocols import Engine
from selfinstruct.recipes import RECOMMENDED
from selfinstruct.records import Candidate, InstanceRow, Kind, Reason
from selfinstruct.run.inputs import check_raw, prompt_set_for, prompts_with, schema_warnings
from selfinstruct.run.settings import StepSettings
from selfinstruct.settings import NamedValues, option
from selfinstruct.sources.seeds import SEED_TASKS
from selfinstruct.steps.readers.answers import input_of

if TYPE_CHECKING:
    from selfinstruct.run.trial import Answer, TrialFigures


@dataclass(frozen=True, kw_only=True)
class TrySettings(StepSettings):
    """Show what a model makes of the prompts. Writes nothing and needs no cluster.

    Args:
        number: Requests in all: a fifth of them propose, the others label what was proposed.
        seeds: File of seed tasks, JSON lines.
        prompts: A shipped prompt set (base, chat, instruct, tiny) or a folder of one's own (auto: tiny for the embedded
            model, else base).
        compare: Several prompt sets in place of one: each is tried with as many requests, and counted side by side.
        sampling: Other values for the prompt set's sampling as kind.field=value; the same is said by
            --sampling.propose.temperature 0.7.
        chat_template_kwargs: Variables of a chat model's template as name=value (enable_thinking=true ...).
        engine: What completes the requests: transformers, vllm, openai (a server), template, or one of your own as
            package.module:Name.
        model: Name or folder of the model, or its name on the server.
        prefixes: Show the constant part of each prompt too.
    """

    number: int = option(20, least=3)
    seeds: Path = SEED_TASKS
    prompts: str = "auto"
    compare: tuple[str, ...] = ()
    sampling: NamedValues = ()
    chat_template_kwargs: NamedValues = ()
    engine: str = "transformers"
    model: str = EMBEDDED
    prefixes: bool = False
    transformers: TransformersOptions = field(default_factory=TransformersOptions)
    template: TemplateOptions = field(default_factory=TemplateOptions)
    openai: OpenAIOptions = field(default_factory=OpenAIOptions)
    vllm: VLLMOptions = field(default_factory=VLLMOptions)


COMMAND = Command(
    "try",
    TrySettings,
    RECOMMENDED,
    shown={
        "what is tried": ("number", "prompts", "compare", "sampling", "seeds", "recipe", "prefixes"),
        "the model": ("engine", "model", "openai.url"),
    },
    examples=(
        "selfinstruct try --number 10",
        "selfinstruct try --model /models/qwen3-8b --number 100 --compare base chat instruct",
    ),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Try the prompts; returns the exit code."""
    return run(COMMAND, try_prompts, argv)


def try_prompts(settings: TrySettings) -> Outcome:
    """Ask, print each answer as it comes, prompt, raw text and verdicts side by side, and then what came of all."""
    from selfinstruct.run.material import read_material
    from selfinstruct.run.trial import Trial
    from selfinstruct.sources.seeds import load_seeds

    engine_settings = EngineSettings(
        settings.engine, settings.model, settings.transformers, settings.template, settings.openai, settings.vllm
    )
    seeds, material = load_seeds(settings.seeds), read_material(settings)
    sets = [each.with_slots(material.slots.slots) for each in _sets(settings, engine_settings)]
    for prompts in sets:
        check_raw(engine_settings, prompts)
    trials = [Trial(settings, prompts, seeds, settings.number, material) for prompts in sets]
    for trial in trials:
        with _opened(engine_settings, trial.prompts) as engine:
            for line in schema_warnings(trial.prompts, [engine_settings]):
                log.warning(line)
            for answer in trial.run(engine):
                _show(answer, trial.prompts, settings.prefixes)
    figures = {plain(trial.prompts.name): trial.figures() for trial in trials}
    _show_figures(figures)
    return Outcome({"prompts": figures})


def _sets(settings: TrySettings, engine: EngineSettings) -> list[PromptSet]:
    """The prompt sets to try. Of several, variables of a chat template are for those that go through one."""
    if settings.compare and settings.prompts != "auto":
        raise InputError("--compare: names the prompt sets itself; leave --prompts out")
    if len(set(settings.compare)) < len(settings.compare):
        raise InputError("--compare: names a prompt set twice; leave one out")
    names = settings.compare or (prompt_set_for(settings.prompts, engine),)
    chats = {name for name in names if load_prompts(name).chat} or set(names)
    return [
        prompts_with(
            name,
            settings.chat_template_kwargs if name in chats else (),
            settings.sampling,
            settings.stop_repetition,
            settings.prompt_form,
            settings.strategy_kinds,
        )
        for name in names
    ]


@contextmanager
def _opened(settings: EngineSettings, prompts: PromptSet) -> Iterator[Engine]:
    """An engine for a while; one that knows how to gives its memory back."""
    from selfinstruct.engines import open_engine

    engine = open_engine(settings, prompts)
    try:
        yield engine
    finally:
        getattr(engine, "close", lambda: None)()


def _show(answer: Answer, prompts: PromptSet, prefixes: bool) -> None:
    from rich.table import Table
    from rich.text import Text

    request, completion, prompt = answer.request, answer.completion, prompts[answer.request.kind]
    shown = (prompt.prefix if prefixes else "") + request.suffix + prompt.tail
    title = f"{plain(prompts.name)}  {request.id}  {request.kind}"
    grid = Table(title=title, title_justify="left", expand=True)
    grid.add_column("prompt" if prefixes else "prompt, after its constant part", ratio=4)
    grid.add_column(f"raw text ({completion.finish}, {completion.completion_tokens} tokens)", ratio=4)
    grid.add_column("parsed", ratio=5)
    cells = (shown, completion.error or completion.text, "\n".join(_parsed(answer)))
    grid.add_row(*(Text(plain_lines(text)) for text in cells))
    console().print(grid)


def _parsed(answer: Answer) -> Iterator[str]:
    """What was made of an answer, line by line."""
    if answer.request.kind is Kind.CLASSIFY:
        yield _class(answer.said)
    elif answer.request.kind is Kind.INPUT:
        if (given := input_of(answer.completion)) is not None:
            yield f"input: {given}" if given else "no input is needed"
    elif answer.request.kind is Kind.INSTANTIATE:
        yield _class(next((row.is_classification for row in answer.rows if isinstance(row, InstanceRow)), None))
    for row in answer.rows:
        if isinstance(row, Candidate):
            near = f" {row.rouge_l:.2f}" if row.rouge_l is not None else ""
            yield f"dropped whole: {row.reason}" if row.position is None else f"{row.reason or 'new'}{near}: {row.text}"
        elif row.input or row.output:
            copied = "" if row.copied is None else f", {row.copied:.0%} copied"
            yield f"{row.reason or 'accepted'}{copied}\n  input: {row.input}\n  output: {row.output}"
        else:
            yield f"dropped: {row.reason}"


def _class(said: bool | None) -> str:
    return {True: "classification", False: "no classification", None: "kind of task unknown"}[said]


def _show_figures(figures: Mapping[str, TrialFigures]) -> None:
    """The table by which one chooses: a column for each prompt set."""
    from rich.table import Table

    every = list(figures.values())
    table = Table(title="What came of it", title_justify="left", caption=_remarks(figures), caption_justify="left")
    table.add_column("")
    for name in figures:
        table.add_column(name, justify="right")

    def add(heading: str, cells: Iterable[object], style: str = "") -> None:
        table.add_row(heading, *map(str, cells), style=style)

    def add_reasons(counts: Sequence[Mapping[str, int]]) -> None:
        for reason in sorted({reason for each in counts for reason in each}, key=_order):
            add(f"  {plain(reason)}", (each.get(reason, 0) for each in counts), "dim")

    add("asked for instructions", (each.proposals for each in every))
    add_reasons([each.lost for each in every])
    add("instructions parsed", (each.parsed for each in every))
    add_reasons([each.screened for each in every])
    add("new", (_share(each.new, each.parsed) for each in every), "bold")
    table.add_section()
    add("labelled", (each.labelled for each in every))
    add_reasons([each.dropped for each in every])
    add("usable", (_share(each.usable, each.labelled) for each in every), "bold")
    add("instances kept", (each.instances for each in every))
    table.add_section()
    add("answers cut by length", (each.endings.get("cut_by_length", 0) for each in every))
    add("answers that went in circles", (each.endings.get("repetition", 0) for each in every))
    for at, what in enumerate(("read", "written")):
        add(f"tokens {what}", (f"{each.proposing[at] + each.labelling[at]:,}" for each in every))
        add("  for a usable task", (f"{each.price[at]:,.0f}" if each.price else "" for each in every), "dim")
    console().print(table)


def _remarks(figures: Mapping[str, TrialFigures]) -> str:
    barren = [name for name, each in figures.items() if not each.new]
    return " ".join(
        [
            "New is what is near to no seed task and to none before it here.",
            "A usable task has an instance that is kept.",
            *(f"{name} proposed nothing new; seed tasks were labelled." for name in barren),
        ]
    )


def _order(reason: str) -> tuple[int, str]:
    """The place of a reason in `Reason`; those of the user's own filters come last."""
    known = list(map(str, Reason))
    return known.index(reason) if reason in known else len(known), reason


def _share(part: int, whole: int) -> str:
    return f"{part} ({part / whole:.0%})" if whole else str(part)


if __name__ == "__main__":
    sys.exit(main())
