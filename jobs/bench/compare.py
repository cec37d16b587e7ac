"""`selfinstruct bench compare`: is a model the better for some rows rather than others, as many of them?

Sets of rows are compared as what a model is tuned on:

    seeds           half of the seed tasks, the only ones that are ever shown here
    random          of --run: rows as the model wrote them, whatever was said of them
    rules           of --run: accepted rows, by draw
    kcentre, quality, model    of --run: accepted rows of instructions that `selfinstruct select` chooses so
    NAME=DATA       a run, or a file of tasks, by draw

All have equally many rows, and each tuning sees about equally many tokens of outputs: its steps follow from how long
its rows are. Rows near to a held-out task (ROUGE-L above 0.7) are left out before. The score is the loss of the
reference outputs of held-out tasks (`finetune.loss`): the other half of the seed tasks, or a file. With --answers they
are answered as well, greedily, and scored by ROUGE-L (`selfinstruct evaluate tasks`).

Everything is done under several seeds, of rows, order and templates. `seeds` goes first: from how far its seeds are
apart it is told what difference another set would have to make to be seen, before any is tuned on. Models and answers
stay in --work, and the same command goes on.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tyro.conf import Positional

from cluster.settings import RaySettings
from jobs.bench.arms import halves
from jobs.bench.repeats import detectable, difference, over_seeds
from jobs.command_line import run
from jobs.commands import Command, Outcome
from selfinstruct.draws import Draws
from selfinstruct.engines import EMBEDDED, EngineSettings
from selfinstruct.errors import InputError
from selfinstruct.finetune.settings import LoraSettings
from selfinstruct.settings import group, option
from selfinstruct.sources.seeds import SEED_TASKS, load_seeds

if TYPE_CHECKING:
    from jobs.finetune import FinetuneSettings
    from selfinstruct.finetune.examples import Example
    from selfinstruct.records import SeedTask

SEEDS, RANDOM, RULES = "seeds", "random", "rules"
CHOSEN = ("kcentre", "quality", "model")
OF_RUN = (RANDOM, RULES, *CHOSEN)


@dataclass(frozen=True, kw_only=True)
class CompareSettings:
    """Tune a model on several sets of as many rows, and score it on held-out tasks.

    Args:
        sets: Sets beside those of the run, as NAME=DATA: a run, or a file of tasks (.jsonl, .json, .parquet).
        run: A run, of which the sets of --of are made.
        of: Sets of the run: random, rules, kcentre, quality (needs a check of the run), model (the tuned model is
            asked).
        model: Name or folder of the model that is tuned.
        work: Folder for models and answers, with which the same command goes on.
        out: Folder for compare.json; without it there is the table only.
        seeds: File of seed tasks, half of which are held out.
        held_out: Other held-out tasks (.jsonl, .json, .parquet) in place of those.
        rows: Rows of each set.
        tokens: Tokens of outputs that each tuning sees, about.
        repeats: Seeds.
        batch: Examples in one step.
        rate: Highest learning rate (default: as `finetune`).
        max_length: Most tokens of prompt and output.
        chat: Write examples in the model's chat template.
        answers: Have the held-out tasks answered, too.
        answer_tokens: Most tokens of an answer.
        workers: Processes that share each step.
    """

    sets: Positional[tuple[str, ...]] = ()
    run: str | None = None
    of: tuple[str, ...] = (RANDOM, RULES, "kcentre")
    model: str = EMBEDDED
    work: Path = Path("runs/compare")
    out: Path | None = None
    seeds: Path = SEED_TASKS
    held_out: str | None = None
    rows: int = option(100, least=1)
    tokens: int = option(20_000, least=1)
    repeats: int = option(3, least=1, most=1_000)
    batch: int = option(8, least=1)
    rate: float | None = option(None, above=0, most=1)
    max_length: int = option(512, least=2)
    chat: bool = False
    answers: bool = False
    answer_tokens: int = option(128, least=1)
    workers: int = option(1, least=1, most=1_000)
    lora: LoraSettings = group(LoraSettings)
    ray: RaySettings = group(RaySettings)

    @property
    def named(self) -> dict[str, str]:
        """Names and places of the sets that are not of the run."""
        return dict(each.partition("=")[::2] for each in self.sets)

    @property
    def arms(self) -> list[str]:
        """All sets, the seed tasks first."""
        return [SEEDS, *(self.of if self.run is not None else ()), *self.named]

    def problems(self) -> Iterator[str]:
        """What is wrong with the options together."""
        yield from (
            f"of: there is no set {name!r} (there are: {', '.join(OF_RUN)})" for name in self.of if name not in OF_RUN
        )
        for each in self.sets:
            name, _, place = each.partition("=")
            if not place or not name.isidentifier() or name in (SEEDS, *OF_RUN):
                yield f"sets: {each!r} is not of the form NAME=DATA, NAME a word that means no other set"
        if len(self.named) < len(self.sets):
            yield "sets: two have the same name"


@dataclass(frozen=True, slots=True)
class Score:
    """What came of one tuning.

    Attributes:
        loss: Of the reference outputs, nats a token.
        rouge_l: Of the answers, times 100; None where none were asked for.
        rows: That it was tuned on.
        tokens: Of outputs that it saw.
        near: Rows that were left out as near to held-out ones.
    """

    loss: float
    rouge_l: float | None
    rows: int
    tokens: int
    near: int


COMMAND = Command(
    "bench compare",
    CompareSettings,
    shown={
        "what is compared": ("sets", "run", "of", "rows", "tokens", "repeats"),
        "how": ("model", "held_out", "answers", "lora.rank", "work", "out"),
    },
    examples=("selfinstruct bench compare gpt4=teacher.json --run runs/first --rows 200",),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Compare; returns the exit code."""
    return run(COMMAND, compare, argv)


def compare(settings: CompareSettings) -> Outcome:
    """Tune and score, the seed tasks' set first, and tell what it came to."""
    from cluster.connect import connected
    from selfinstruct.finetune.examples import read_examples
    from selfinstruct.storage.files import write_file

    shown, held_out = halves(load_seeds(settings.seeds))
    own = settings.held_out
    tasks = tasks_of(held_out) if own is None else read_examples([own], seeds=False).examples
    base = scored(settings, settings.model, tasks, "base")
    scores: dict[str, list[Score]] = {}
    with connected(settings.ray, settings.workers, show_logs=False):  # once for all trainings
        for arm in settings.arms:
            scores[arm] = [one(settings, arm, seed, shown, tasks) for seed in range(settings.repeats)]
            if arm == SEEDS and (step := detectable([each.loss for each in scores[arm]])) is not None:
                print(
                    f"as far apart as the seeds of {SEEDS} are, {settings.repeats} of each set show a difference in"
                    f" loss of {step:.4f} four times in five",
                    flush=True,
                )
    print("\n".join(report(settings, scores, base)))
    figures = _figures(settings, scores, base, len(tasks))
    if settings.out is not None:
        write_file(settings.out / "compare.json", json.dumps(figures, indent=1) + "\n")
    return Outcome(figures)


def one(settings: CompareSettings, arm: str, seed: int, shown: Sequence[SeedTask], tasks: Sequence[Example]) -> Score:
    """Tune on a set under a seed, and score."""
    from jobs.finetune import finetune

    name = f"{arm}-{seed}"
    rows, near = rows_of(settings, arm, seed, shown, tasks)
    job, tokens = tuning(settings, rows, seed, settings.work / name)
    finetune(job)
    loss, rouge_l = scored(settings, job.out, tasks, name)
    return Score(loss, rouge_l, len(rows), tokens, near)


# ---- sets


def rows_of(
    settings: CompareSettings, arm: str, seed: int, shown: Sequence[SeedTask], tasks: Sequence[Example]
) -> tuple[list[Example], int]:
    """The rows of a set under a seed, and how many were left out before as near to a held-out task.

    Raises:
        InputError: there are too few, or the set cannot be had.
    """
    from jobs.bench.loop import without_near

    far, near = without_near(_all_of(settings, arm, seed, shown), tasks)
    if len(far) < settings.rows:
        raise InputError(
            f"--rows: the set {arm} has {len(far)} rows that are not near to a held-out task, and {settings.rows} are"
            " to be compared; give fewer"
        )
    return Draws("compare", arm, seed).sample(far, settings.rows), near


def _all_of(settings: CompareSettings, arm: str, seed: int, shown: Sequence[SeedTask]) -> Sequence[Example]:
    from jobs.bench.loop import everything
    from selfinstruct.finetune.examples import read_examples

    run_folder = str(settings.run)
    if arm == SEEDS:
        return tasks_of(shown)
    if arm == RANDOM:
        return list(everything(run_folder))
    if arm == RULES:
        return read_examples([run_folder], seeds=False).examples
    if arm in CHOSEN:
        return read_examples([run_folder], seeds=False, only=str(_chosen(settings, arm, seed))).examples
    return read_examples([settings.named[arm]], seeds=False).examples


def _chosen(settings: CompareSettings, arm: str, seed: int) -> Path:
    """The file of what `select` chooses: some more than are wanted, since some may be near to held-out tasks."""
    from jobs.select import SelectSettings, Way, select

    out = settings.work / f"{arm}-{seed}.parquet"
    number = settings.rows + settings.rows // 10 + 1
    select(
        SelectSettings(
            run=str(settings.run), number=number, by=Way(arm), out=out, seed=seed, force=True, model=settings.model
        )
    )
    return out


def tasks_of(seeds: Sequence[SeedTask]) -> list[Example]:
    """Seed tasks as examples, one for each instance."""
    from selfinstruct.finetune.examples import Example

    return [
        Example(f"seed/{seed.id}/{at}", seed.instruction, instance.input, instance.output)
        for seed in seeds
        for at, instance in enumerate(seed.instances)
    ]


# ---- tuning and scoring


def tuning(settings: CompareSettings, rows: Sequence[Example], seed: int, work: Path) -> tuple[FinetuneSettings, int]:
    """How a model is tuned on rows, and how many tokens of outputs it sees: as many steps as come nearest to those that
    are wanted."""
    from jobs.bench.loop import write_tasks
    from jobs.finetune import FinetuneSettings
    from selfinstruct.finetune.encoding import IGNORED
    from selfinstruct.finetune.examples import order
    from selfinstruct.finetune.plan import prepare

    job = FinetuneSettings(
        data=(str(write_tasks(work / "rows.jsonl", rows)),),
        model=settings.model,
        out=str(work / "model"),
        steps=1,
        batch=settings.batch,
        rate=settings.rate,
        max_length=settings.max_length,
        chat=settings.chat,
        seed=seed,
        workers=settings.workers,
        lora=settings.lora,
        ray=settings.ray,
    )
    encoded = prepare(job.data, EngineSettings(model=settings.model), job, settings.workers).encoded.examples
    lengths = [sum(label != IGNORED for label in each.labels) for each in encoded]
    steps = max(1, round(settings.tokens / (settings.batch * statistics.fmean(lengths))))
    seen = sum(lengths[at] for at in order(len(lengths), steps * settings.batch, seed))
    return replace(job, steps=steps, log_every=steps), seen


def scored(settings: CompareSettings, model: str, tasks: Sequence[Example], name: str) -> tuple[float, float | None]:
    """The loss of a model on held-out tasks, and the mean ROUGE-L of its answers if they are asked for."""
    from selfinstruct.finetune.loss import reference_loss

    loss = reference_loss(EngineSettings(model=model), tasks, settings.max_length, settings.chat)
    return loss, _answered(settings, model, tasks, name) if settings.answers else None


def _answered(settings: CompareSettings, model: str, tasks: Sequence[Example], name: str) -> float:
    from jobs.bench.loop import write_tasks
    from jobs.evaluate import TasksSettings, evaluate
    from selfinstruct.evaluation.questions import PromptSettings
    from selfinstruct.evaluation.user_tasks import read_user_tasks

    file = write_tasks(settings.work / "held_out.jsonl", tasks)
    asked = TasksSettings(
        tasks=str(file),
        out=str(settings.work / "answers"),
        name=name,
        model=model,
        replicas=0,
        prompt=PromptSettings(chat=settings.chat, max_tokens=settings.answer_tokens),
    )
    return float(evaluate(asked, read_user_tasks(asked.tasks))["overall"]["rougeL"])


# ---- what it came to


def report(
    settings: CompareSettings, scores: Mapping[str, Sequence[Score]], base: tuple[float, float | None]
) -> Iterator[str]:
    """A line for each set, and what may be said of it."""
    yield f"\n{settings.rows} rows of each set, {settings.repeats} seeds, about {settings.tokens:,} tokens of outputs"
    yield f"{'':<14}{'tokens':>10}{'near':>6}{'loss':>9}{'95 %':>19}{'ROUGE-L':>9}{'95 %':>15}"
    yield f"{'(not tuned)':<14}{'':>10}{'':>6}{base[0]:>9.4f}{'':>19}{'' if base[1] is None else f'{base[1]:.1f}':>9}"
    for arm, each in scores.items():
        tokens, near = (statistics.fmean(getattr(score, name) for score in each) for name in ("tokens", "near"))
        loss = over_seeds([score.loss for score in each])
        line = f"{arm:<14}{tokens:>10,.0f}{near:>6.0f}{loss.mean:>9.4f}{_ends(loss.interval, '.4f'):>19}"
        if (answers := _rouge(each)) is not None:
            rouge_l = over_seeds(answers)
            line += f"{rouge_l.mean:>9.1f}{_ends(rouge_l.interval, '.1f'):>15}"
        yield line
    for arm, each in scores.items():
        if arm != SEEDS:
            yield from _verdicts(arm, each, scores[SEEDS])


def _verdicts(arm: str, these: Sequence[Score], seeds: Sequence[Score]) -> Iterator[str]:
    pairs = [("loss", "+.4f", [each.loss for each in these], [each.loss for each in seeds])]
    if (answers := _rouge(these)) is not None and (others := _rouge(seeds)) is not None:
        pairs.append(("ROUGE-L", "+.1f", answers, others))
    for name, form, values, others in pairs:
        found = difference(values, others)
        ends = _ends(found.interval, form)
        yield f"{arm} - seeds: {name} {found.mean:{form}}" + (
            f" (95 %: {ends}), {found.verdict}" if ends else ", no verdict"
        )


def _rouge(scores: Sequence[Score]) -> list[float] | None:
    found = [each.rouge_l for each in scores if each.rouge_l is not None]
    return found if len(found) == len(scores) else None


def _ends(interval: tuple[float, float] | None, form: str) -> str:
    return "" if interval is None else " to ".join(f"{end:{form}}" for end in interval)


def _figures(
    settings: CompareSettings, scores: Mapping[str, Sequence[Score]], base: tuple[float, float | None], held_out: int
) -> dict[str, Any]:
    """All of it as JSON. Places on this machine stay out."""
    from jobs.bench.machine import machine

    names = ("rows", "tokens", "repeats", "batch", "rate", "max_length", "chat", "answer_tokens")
    losses = {arm: [each.loss for each in found] for arm, found in scores.items()}
    return {
        "settings": {
            "model": Path(settings.model).name,
            "lora": settings.lora.rank,
            **{name: getattr(settings, name) for name in names},
        },
        "machine": machine(),
        "held_out": held_out,
        "detectable": detectable(losses[SEEDS]),
        "not tuned": {"loss": base[0], "rouge_l": base[1]},
        "sets": {
            arm: {"loss": asdict(over_seeds(losses[arm])), "scores": [asdict(each) for each in found]}
            for arm, found in scores.items()
        },
        "against seeds": {
            arm: asdict(found) | {"verdict": found.verdict}
            for arm, found in ((arm, difference(losses[arm], losses[SEEDS])) for arm in scores if arm != SEEDS)
        },
    }


if __name__ == "__main__":
    sys.exit(main())
