"""What a run is made from: the options that name it, read and checked before any work.

No heavy imports, so that `--help` starts at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from selfinstruct.engines import (
    EMBEDDED,
    EngineSettings,
    OpenAIOptions,
    TemplateOptions,
    TransformersOptions,
    VLLMOptions,
    identify,
    identity_of,
    name_of,
    pinned,
    traits,
)
from selfinstruct.errors import InputError
from selfinstruct.novelty import letters
from selfinstruct.prompts import Form, PromptSet, load_prompts
from selfinstruct.protocols import Engine
from selfinstruct.records import ImportedTask, Kind, SeedTask
from selfinstruct.run.facts import gather_facts
from selfinstruct.run.material import Material, read_material
from selfinstruct.run.pools import read_pool
from selfinstruct.run.settings import FormSettings, JudgeSettings, RunSettings
from selfinstruct.settings import Facts, NamedValues, group, option, problems_of
from selfinstruct.sources import seeds as seed_files
from selfinstruct.sources.contamination import NGRAM, Contamination
from selfinstruct.sources.evaluation_sets import read_evaluation
from selfinstruct.sources.options import named_values
from selfinstruct.sources.seeds import SEED_TASKS, load_seeds
from selfinstruct.steps.checks import Judge
from selfinstruct.steps.rubric import load_rubric


@dataclass(frozen=True)
class LabelSettings(FormSettings):
    """How instructions are labelled, and by which model.

    Args:
        as_: task (inputs and outputs, as the paper asks for them), answer (each instruction is a user's turn, and the
            output what a chat model says to it) or none (instructions alone: a run of two tables).
        samples: With answer: how many answers each instruction gets.
        engine: Engine of the labelling model (default: that of --engine).
        model: The labelling model (default: that of --model).
    """

    engine: str | None = option(None, alters_data=False)
    model: str | None = option(None, alters_data=False)

    def problems(self) -> Iterator[str]:
        """What is wrong with the options together."""
        yield from super().problems()
        if self.as_ == "none" and (self.engine or self.model):
            yield f"{'model' if self.model else 'engine'}: with --label.as none nothing is labelled; leave it out"


@dataclass(frozen=True)
class JudgeModelSettings(JudgeSettings):
    """A check of the run's own, and its model.

    Args:
        engine: Engine of the judging model (default: that of the model that labels).
        model: The judging model (default: the one that labels).
    """

    engine: str | None = option(None, alters_data=False)
    model: str | None = option(None, alters_data=False)


@dataclass(frozen=True, kw_only=True)
class InputSettings(RunSettings):
    """The options of the algorithm and of what it is given; where the work is done is said elsewhere.

    The names of files and models are no facts: what `read_inputs` finds there is.

    Args:
        seeds: File of seed tasks, JSON lines.
        pool: What the pool begins with, not counted towards the target: instruction sets (.jsonl, .json, .parquet;
            local or remote), and other runs (folder or URL): what they have accepted, but not their seed tasks.
        decontaminate: Evaluation sets from which the data is kept clear: .jsonl, .json, .parquet, or folders of
            natural-instructions tasks.
        ngram: Tokens in a row that a text may not share with an evaluation set.
        prompts: A shipped prompt set (base, chat, instruct, topics, tiny) or a folder of one's own (auto: tiny for the
            embedded model and the template engine, else base).
        sampling: Other values for the prompt set's sampling as kind.field=value; the same is said by
            --sampling.propose.temperature 0.7.
        chat_template_kwargs: Variables of a chat model's template as name=value (enable_thinking=true ...).
        engine: What completes the requests: transformers, vllm, openai (a server), template (a grammar, no model), or
            one of your own as package.module:Name.
        model: Name or folder of the model, a prefix that holds it (s3://, gs://, az://), or its name on the server
            (tiny: the embedded demonstration model).
    """

    seeds: Path = option(SEED_TASKS, alters_data=False)
    pool: tuple[str, ...] = option((), alters_data=False)
    decontaminate: tuple[str, ...] = option((), alters_data=False)
    ngram: int = option(NGRAM, least=2, alters_data=False)
    prompts: str = option("auto", alters_data=False)
    sampling: NamedValues = option((), alters_data=False)
    chat_template_kwargs: NamedValues = option((), alters_data=False)
    engine: str = option("transformers", alters_data=False)
    model: str = option(EMBEDDED, alters_data=False)
    label: LabelSettings = group(LabelSettings)
    check: JudgeModelSettings = group(JudgeModelSettings, on_command_line=False)
    transformers: TransformersOptions = group(TransformersOptions, alters_data=False)
    template: TemplateOptions = group(TemplateOptions, alters_data=False)
    openai: OpenAIOptions = group(OpenAIOptions, alters_data=False)
    vllm: VLLMOptions = group(VLLMOptions, alters_data=False)

    @property
    def proposer(self) -> EngineSettings:
        """The engine that proposes."""
        return EngineSettings(self.engine, self.model, self.transformers, self.template, self.openai, self.vllm)

    @property
    def labeller(self) -> EngineSettings:
        """The engine that classifies and instantiates; equal to the proposer unless told otherwise."""
        return replace(self.proposer, engine=self.label.engine or self.engine, model=self.label.model or self.model)

    @property
    def judging(self) -> EngineSettings:
        """The engine that judges; equal to the labeller unless told otherwise."""
        label = self.labeller
        return replace(label, engine=self.check.engine or label.engine, model=self.check.model or label.model)


@dataclass(frozen=True)
class Inputs:
    """Everything a run is made from, read and checked before any work."""

    seeds: list[SeedTask]
    imported: list[ImportedTask]
    prompts: PromptSet
    proposer: EngineSettings
    labeller: EngineSettings
    evaluation: Contamination | None
    facts: Facts
    own: Engine | None = None  # in place of the proposer that the settings name, and of an equal labeller
    notes: tuple[str, ...] = ()  # what of the pool's files is not used
    judge: Judge | None = None
    judging: EngineSettings | None = None  # the judge's engine
    material: Material = field(default_factory=Material)


def read_inputs(settings: InputSettings, own: Engine | None = None) -> Inputs:
    """Read seeds and prompts, find the model, and say what the run's data depends on.

    Args:
        own: An engine of the user's own that is open already, in place of the one that the options name.

    Raises:
        InputError: an option is out of its bounds, or something that they name is wrong.
    """
    if problems := problems_of(settings):
        raise InputError(*problems)
    seeds = load_seeds(settings.seeds)
    notes: list[str] = []
    imported = read_pool(settings.pool, notes)
    prompts = prompts_with(
        _prompt_set(settings, own),
        settings.chat_template_kwargs,
        settings.sampling,
        settings.stop_repetition,
        settings.prompt_form,
        settings.strategy_kinds,
    )
    material = read_material(settings)
    prompts = prompts.with_slots(material.slots.slots)
    check_raw(settings.proposer, prompts, own)
    evaluation = None
    if settings.decontaminate:
        evaluation = Contamination(read_evaluation(settings.decontaminate), settings.novelty, settings.ngram)
    known = identify(settings.proposer) if own is None else identity_of(own)
    proposer = pinned(settings.proposer, known) if own is None else settings.proposer
    labeller, known_labeller = proposer, known
    if settings.labeller != settings.proposer:
        known_labeller = identify(settings.labeller)
        labeller = pinned(settings.labeller, known_labeller)
    judge, judging = _judge(settings, own, {settings.labeller: known_labeller, settings.proposer: known})
    return Inputs(
        seeds=seeds,
        imported=imported,
        prompts=prompts,
        proposer=proposer,
        labeller=labeller,
        evaluation=evaluation,
        facts={
            **gather_facts(settings, seeds, imported, prompts, evaluation, known, known_labeller, judge),
            **material.facts,
        },
        own=own,
        notes=tuple(notes),
        judge=judge,
        judging=judging,
        material=material,
    )


def _judge(
    settings: InputSettings, own: Engine | None, known: Mapping[EngineSettings, Mapping[str, str]]
) -> tuple[Judge | None, EngineSettings | None]:
    """Who judges, with what engine; nobody where there is no check.

    Args:
        known: What is known of the engines that propose and label.
    """
    check, engine = settings.check, settings.judging
    if not check.rubric:
        return None, None
    rubric = load_rubric(check.rubric, "check.rubric")
    if own is not None and engine == settings.proposer:
        raise InputError("check.rubric: an engine that is open was not told what a check asks; name a check.model")
    identity = known[engine] if engine in known else identify(engine)
    judge = Judge(rubric, check.share, settings.seed, name_of(engine), identity)
    return judge, pinned(engine, identity)


def warnings_about(settings: InputSettings, inputs: Inputs) -> list[str]:
    """What is unwise about what a run is made from."""
    read = {
        "the seed tasks": [seed.instruction for seed in inputs.seeds],
        "--pool": [task.instruction for task in inputs.imported],
        "documents.files": _some_of(inputs.material),
    }
    engines = [each for each in (inputs.proposer, inputs.labeller) if inputs.own is None or each != inputs.proposer]
    return [
        *seed_files.warnings(inputs.seeds, settings.propose.seeds + settings.propose.generated),
        *inputs.notes,
        *letters.warnings(read, settings.novelty.tokeniser, "novelty.tokeniser"),
        *schema_warnings(inputs.prompts, engines),
    ]


def of_a_small_target(settings: InputSettings, inputs: Inputs) -> str | None:
    """A line if the first round alone, with some instructions of each request, is more than what is asked for."""
    requests = settings.rounds.requests(len(inputs.seeds) + len(inputs.imported))
    if settings.target >= requests:
        return None
    fewer = max(1, settings.target // 8)
    return (
        f"--target: is {settings.target}, and a round has {requests} requests, each for several instructions;"
        f" --rounds.least {fewer} --rounds.most {fewer} makes rounds smaller"
    )


def _some_of(material: Material, number: int = 20) -> list[str]:
    """So many of the texts."""
    documents = material.documents or ()
    return [text.text for at in range(min(number, len(documents))) if (text := documents[at])]


def check_raw(engine: EngineSettings, prompts: PromptSet, own: Engine | None = None) -> None:
    """InputError for an engine that cannot be asked to go on with the beginning of a user's turn."""
    if Kind.QUERY not in prompts.kinds:
        return
    known = None if own is not None else traits(engine).raw
    if known is None or known == "no":
        raise InputError(
            f"strategies.query: the engine {'that is open' if known is None else engine.engine} takes no prompt that is"
            " no conversation; take transformers or vllm, or leave the strategy out"
        )
    if known == "told" and not prompts[Kind.QUERY].prefix:
        raise InputError(
            f"strategies.query: the engine {engine.engine} does not know the model's chat template; take a prompt"
            " folder whose query.toml says what stands before a user's turn (prefix = '<|im_start|>user\n', say)"
        )


def _prompt_set(settings: InputSettings, own: Engine | None) -> str:
    if own is not None and settings.prompts == "auto":
        return str(getattr(own, "prompt_set", "base"))
    return prompt_set_for(settings.prompts, settings.proposer)


def prompts_with(
    name: str,
    chat_template_kwargs: Sequence[str],
    sampling: Sequence[str],
    stop_repetition: bool,
    form: Form = "task",
    strategies: Sequence[Kind] = (),
) -> PromptSet:
    """A prompt set as the options of these names want it.

    Raises:
        InputError: there is no such set, or an option does not fit it.
    """
    prompts = load_prompts(name, form, strategies=strategies).with_template(
        named_values("chat_template_kwargs", chat_template_kwargs)
    )
    return replace(
        prompts.with_sampling(named_values("sampling", sampling)),
        stop_repetition=stop_repetition,
    )


def schema_warnings(prompts: PromptSet, engines: Sequence[EngineSettings]) -> list[str]:
    """A line for each engine that does not hold answers to the prompt set's JSON schemas."""
    if not any(prompt.schema for prompt in prompts.prompts.values()):
        return []
    remedies = {"openai": "; if the server knows response_format, --openai.structured has it hold them"}
    return [
        f"the engine {name} does not hold answers to the JSON schemas of the prompt set {prompts.name}; what is no"
        f" JSON is lost{remedies.get(name, '')}"
        for name in dict.fromkeys(engine.engine for engine in engines if not traits(engine).schemas)
    ]


def prompt_set_for(prompts: str, engine: EngineSettings) -> str:
    """The prompt set meant by `auto`."""
    if prompts != "auto":
        return prompts
    return traits(engine).prompts or ("tiny" if engine.model == EMBEDDED else "base")
