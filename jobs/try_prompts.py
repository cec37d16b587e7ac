"""`selfinstruct try`: a few requests against a model, shown from prompt to verdict, before money is spent."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from jobs.command_line import plain_lines, run
from selfinstruct.draws import seed_of
from selfinstruct.engines import (
    EMBEDDED,
    EngineSettings,
    OpenAIOptions,
    TemplateOptions,
    TransformersOptions,
    VLLMOptions,
)
from selfinstruct.prompts import PromptSet
from selfinstruct.protocols import Engine
from selfinstruct.records import Completion, Finish, Kind, Reason, Request, SeedTask
from selfinstruct.run.inputs import prompt_set_for
from selfinstruct.settings import SEEDS, NamedValues, option
from selfinstruct.sources.options import named_values
from selfinstruct.sources.seeds import SEED_TASKS
from selfinstruct.steps.instantiate import InstanceSettings, filter_instances, kind_for
from selfinstruct.steps.readers import reader_of


@dataclass(frozen=True)
class TrySettings:
    """Show what a model makes of the prompts. Writes nothing and needs no cluster.

    Args:
        number: Requests in all: a fifth of them propose, the others label what was proposed.
        seed: Seed of demonstrations and sampling.
        seeds: File of seed tasks, JSON lines.
        prompts: A shipped prompt set (base, chat, instruct, tiny) or a folder of one's own (auto: tiny for the embedded
            model).
        chat_template_kwargs: Variables of a chat model's template as name=value (enable_thinking=true ...).
        engine: What completes the requests: transformers, vllm, openai (a server), template, or one of your own as
            package.module:Name.
        model: Name or folder of the model, or its name on the server.
        prefixes: Show the constant part of each prompt too.
    """

    number: int = option(20, least=3)
    seed: int = option(0, least=SEEDS[0], most=SEEDS[1])
    seeds: Path = SEED_TASKS
    prompts: str = "auto"
    chat_template_kwargs: NamedValues = ()
    engine: str = "transformers"
    model: str = EMBEDDED
    prefixes: bool = False
    transformers: TransformersOptions = field(default_factory=TransformersOptions)
    template: TemplateOptions = field(default_factory=TemplateOptions)
    openai: OpenAIOptions = field(default_factory=OpenAIOptions)
    vllm: VLLMOptions = field(default_factory=VLLMOptions)


@dataclass(frozen=True, slots=True)
class Trial:
    """One request with its raw answer and what was made of it, line by line."""

    request: Request
    completion: Completion
    parsed: list[str]


def main(argv: Sequence[str] | None = None) -> int:
    """Try the prompts; returns the exit code."""
    return run("try", TrySettings, try_prompts, argv)


def try_prompts(settings: TrySettings) -> int:
    """Propose, label what was proposed, and print prompt, raw text and verdicts side by side."""
    from selfinstruct.engines import open_engine
    from selfinstruct.prompts import load_prompts
    from selfinstruct.sources.seeds import load_seeds

    engine_settings = EngineSettings(
        settings.engine, settings.model, settings.transformers, settings.template, settings.openai, settings.vllm
    )
    seeds = load_seeds(settings.seeds)
    variables = named_values("chat_template_kwargs", settings.chat_template_kwargs)
    prompts = load_prompts(prompt_set_for(settings.prompts, engine_settings)).with_template(variables)
    engine = open_engine(engine_settings, prompts)
    proposals, new = _propose(settings, seeds, prompts, engine)
    labelled = (settings.number - len(proposals)) // (1 if prompts.one_step else 2)
    _show(proposals, prompts, settings.prefixes)
    _show(
        _label((new or [seed.instruction for seed in seeds])[:labelled], settings, prompts, engine),
        prompts,
        settings.prefixes,
    )
    return 0


def _propose(
    settings: TrySettings, seeds: Sequence[SeedTask], prompts: PromptSet, engine: Engine
) -> tuple[list[Trial], list[str]]:
    """Propose requests with the verdict on each instruction, and the instructions that are new."""
    from selfinstruct.novelty.check import admit, make_index
    from selfinstruct.novelty.index import NoveltySettings
    from selfinstruct.pool import Pool
    from selfinstruct.run.given import seed_candidates
    from selfinstruct.steps.screen import Screen, ScreenSettings
    from selfinstruct.steps.strategies import Paper, PoolView, ProposeSettings

    pool = Pool()
    pool.extend(list(seed_candidates(seeds)))
    screen, novelty = Screen(ScreenSettings()), NoveltySettings()
    strategy, reader = Paper(ProposeSettings(), settings.seed, prompts), reader_of(prompts)
    index = make_index(novelty)
    index.insert(0, pool.texts)
    trials, new = [], []
    for number in range(max(1, settings.number // 5)):
        planned = strategy.plan(f"try/{number:02d}", PoolView(pool, len(pool)))
        completion = _complete(engine, planned.request)
        cut = completion.finish is Finish.LENGTH
        found = reader.proposals(completion.text, len(planned.demonstrations) + 1, cut)
        texts = [text for text, reason in found if reason is None]
        size = len(index)
        verdicts = admit(novelty, size, texts, index.nearest(size, texts))
        lost = completion.error or (Reason.CUT_BY_LENGTH if cut else Reason.NOTHING_PARSED)
        parsed = [] if texts else [f"dropped whole: {lost}"]
        for text, (is_new, nearest) in zip(texts, verdicts, strict=True):
            reason = screen(text) or (None if is_new else Reason.SIMILAR)
            near = f" {nearest.rouge_l:.2f}" if nearest else ""
            parsed.append(f"{reason or 'accepted'}{near}: {text}")
            if reason is None:
                new.append(text)
                index.insert(len(index), [text])
        trials.append(Trial(planned.request, completion, parsed))
    return trials, new


def _label(instructions: Sequence[str], settings: TrySettings, prompts: PromptSet, engine: Engine) -> list[Trial]:
    """For each instruction the classification question, where the prompt set has one, and the request for instances."""
    trials = []
    reader = reader_of(prompts)
    for number, instruction in enumerate(instructions):
        id = f"try/label/{number:02d}"
        asked = None
        if not prompts.one_step:
            question = _request(f"{id}/classify", settings.seed, Kind.CLASSIFY, instruction, prompts)
            answer = _complete(engine, question)
            asked = bool(reader.classification(answer.text))
            trials.append(Trial(question, answer, [_said(asked)]))
        request = _request(f"{id}/instances", settings.seed, kind_for(asked), instruction, prompts)
        completion = _complete(engine, request)
        instances = reader.instances(request.kind, completion.text, completion.finish is Finish.LENGTH)
        parsed = [
            f"{reason or 'accepted'}\n  input: {instance.input}\n  output: {instance.output}"
            for instance, reason in filter_instances(instances, InstanceSettings(), settings.seed, id)
        ]
        if not parsed:
            parsed = [completion.error or Reason.NOTHING_PARSED]
        elif asked is None:
            parsed.insert(0, _said(reader.told(completion.text)))
        trials.append(Trial(request, completion, parsed))
    return trials


def _said(is_classification: bool | None) -> str:
    return "classification" if is_classification else "no classification"


def _request(id: str, seed: int, kind: Kind, instruction: str, prompts: PromptSet) -> Request:
    return Request(id, kind, prompts[kind].fill(instruction=instruction), seed_of("request", seed, id))


def _complete(engine: Engine, request: Request) -> Completion:
    engine.add([request])
    while not (completions := engine.step()):
        pass
    return completions[0]


def _show(trials: Sequence[Trial], prompts: PromptSet, prefixes: bool) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    for trial in trials:
        request, completion = trial.request, trial.completion
        prompt = prompts[request.kind]
        shown = (prompt.prefix if prefixes else "") + request.suffix + prompt.tail
        grid = Table(title=f"{request.id}  {request.kind}", title_justify="left", expand=True)
        grid.add_column("prompt" if prefixes else "prompt, after its constant part", ratio=4)
        grid.add_column(f"raw text ({completion.finish}, {completion.completion_tokens} tokens)", ratio=4)
        grid.add_column("parsed", ratio=5)
        grid.add_row(*(Text(plain_lines(text)) for text in (shown, completion.text, "\n".join(trial.parsed))))
        console.print(grid)


if __name__ == "__main__":
    sys.exit(main())
