"""Ways to ask a real model, each an ordinary run in a folder of its own under each seed, and how far each has come.

Runs of one prompt set share an engine in this process and go on together.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cluster.settings import GenerateSettings
from jobs.bench.shared import Share, shared
from selfinstruct.draws import rank_of
from selfinstruct.engines import TransformersOptions
from selfinstruct.errors import InputError
from selfinstruct.records import Judgement, RoundFile, SeedTask, Table
from selfinstruct.run.inputs import Inputs, JudgeModelSettings
from selfinstruct.run.watches import RunWatch
from selfinstruct.semantic.settings import COSINE
from selfinstruct.settings import group, option
from selfinstruct.sources.seeds import SEED_TASKS

if TYPE_CHECKING:
    from selfinstruct.storage.checks import CheckSet
    from selfinstruct.storage.store import RunStore


@dataclass(frozen=True, slots=True)
class Arm:
    """A way to ask.

    Attributes:
        against: The arm that it is compared with.
        requests: In a round, for each of those that the options name.
    """

    prompts: str
    strategy: str
    against: str = "paper"
    requests: int = 1
    slots: Mapping[str, str] = field(default_factory=dict)


ARMS = {
    "paper": Arm("chat", "paper"),
    "query": Arm("chat", "query", requests=4),
    "slots": Arm("topics", "paper", slots={"topic": "builtin", "task_type": "builtin"}),
    "evolve": Arm("chat", "evolve", requests=4),
    "base-paper": Arm("base", "paper"),
    "base-spread": Arm("base", "spread", against="base-paper"),
}
"""The first four ask a chat model in its template, the others as the paper asks a base model."""

NO_END = 1_000_000_000
"""Instructions that no arm comes to: tokens end it."""


@dataclass(frozen=True, kw_only=True)
class ArmSettings:
    """How a real model is asked.

    Args:
        model: Name or folder of a model: what the ways to ask bring with it.
        engine: Its engine.
        work: Folder for the runs, with which the same command goes on.
        arms: Which ways to ask: paper, query, slots, evolve (chat models), base-paper, base-spread.
        tokens: Tokens that each arm is to write under each seed, of instructions and labels; give more and it goes on.
        slice: Tokens after which the next prompt set has its turn.
        repeats: Seeds.
        requests: Requests for instructions in a round; four times as many where one request gives one instruction.
        label: What accepted instructions get: task (instances, as the paper asks for them), answer (what a chat model
            says to them; chat sets alone) or none, which tells of instructions alone at a fraction of the tokens.
        seeds: File of seed tasks, half of which are held out.
        cosine: Above it two instructions are the same.
        in_flight: Requests of a run that the engine holds at most (default: 64).
        out: Folder for yield-model.json, or yield-simulated.json; without it there is the table only.
        check: Who judges accepted instances; nobody without a rubric.
    """

    model: str | None = None
    engine: str = "transformers"
    work: Path = Path("runs/yield")
    arms: tuple[str, ...] = tuple(ARMS)
    tokens: int = option(8_000, least=1)
    slice: int = option(2_000, least=1)
    repeats: int = option(3, least=1, most=1_000)
    requests: int = option(2, least=1)
    label: Literal["task", "answer", "none"] = "task"
    seeds: Path = SEED_TASKS
    cosine: float = option(COSINE, least=0, most=1)
    in_flight: int | None = option(None, least=1)
    out: str | None = None
    check: JudgeModelSettings = group(JudgeModelSettings)
    transformers: TransformersOptions = group(TransformersOptions)

    def problems(self) -> Iterator[str]:
        """What is wrong with the options together."""
        if self.check.share < 1:
            yield f"check.share: is {self.check.share:g}; here all rows are judged, or none"
        yield from (
            f"arms: there is no {name!r} (there are: {', '.join(ARMS)})" for name in self.arms if name not in ARMS
        )
        if len(set(self.arms)) < len(self.arms) or not self.arms:
            yield "arms: name each once, and one at least"


@dataclass(frozen=True, slots=True)
class Line:
    """The run of an arm under a seed."""

    arm: str
    seed: int
    options: GenerateSettings
    inputs: Inputs
    store: RunStore

    @property
    def rounds(self) -> range:
        """Those that are complete, the check's part included."""
        from selfinstruct.storage.history import complete_rounds

        if not self.store.rounds(Table.CANDIDATES):
            return range(0)
        rounds = complete_rounds(self.store)
        return rounds if self.check is None else rounds[: max(0, len(self.check.rounds()))]

    @property
    def check(self) -> CheckSet | None:
        """The run's own check, if it has one."""
        from selfinstruct.storage.checks import CheckSet

        return None if self.inputs.judge is None else CheckSet(self.store, self.inputs.judge.facts)


class Written(RunWatch):
    """Counts the tokens that are committed."""

    def __init__(self, tokens: int) -> None:
        self.tokens = tokens

    def committed(self, file: RoundFile) -> None:
        """Count a file's."""
        from selfinstruct.storage.accounts import tally

        if file.table in (Table.PROPOSALS, Table.LABELS):
            self.tokens += tally(file)["tokens.completion"]


def halves(seeds: Sequence[SeedTask]) -> tuple[list[SeedTask], list[SeedTask]]:
    """The seed tasks that are shown, and those that are held out: drawn by their ids, the same ones every time.

    Raises:
        InputError: there are fewer than two.
    """
    held_out = {each.id for each in sorted(seeds, key=lambda each: rank_of(each.id, 0))[: len(seeds) // 2]}
    if not held_out:
        raise InputError("--seeds: holds one seed task; two are needed, one to show and one to hold out")
    return [each for each in seeds if each.id not in held_out], [each for each in seeds if each.id in held_out]


def opened(settings: ArmSettings, work: Path, shown: Sequence[SeedTask]) -> list[Line]:
    """The runs, seed by seed; the seed tasks that they show lie beside them.

    Raises:
        InputError: an arm cannot be asked of the model, or was begun with other options.
    """
    from cluster import generating
    from selfinstruct.run.inputs import read_inputs
    from selfinstruct.storage.files import write_file

    file = work / "seeds.jsonl"
    write_file(file, "".join(json.dumps(asdict(each)) + "\n" for each in shown))
    lines = []
    for seed in range(settings.repeats):
        for arm in settings.arms:
            options, _ = generating.as_begun(options_of(settings, arm, seed, work / f"{arm}-{seed}", file))
            inputs = read_inputs(options)
            lines.append(Line(arm, seed, options, inputs, generating.open_store(options, inputs.facts)))
    return lines


def options_of(settings: ArmSettings, arm: str, seed: int, out: Path, seeds: Path) -> GenerateSettings:
    """The options of a run: the recipe's, but for the way to ask, and for rounds that suit few tokens: small, and each
    waits for the one before, so that a slice ends soon."""
    from selfinstruct.face.options import settings_of
    from selfinstruct.recipes import RECOMMENDED, read_recipe

    way = ARMS[arm]
    requests = settings.requests * way.requests
    given = {
        "seed": seed,
        "seeds": seeds,
        "engine": settings.engine,
        "model": settings.model,
        "prompts": way.prompts,
        "strategies": {"paper": 0, way.strategy: 1},
        "slots": way.slots,
        "target": NO_END,
        "replicas": 0,
        "label": {"as": settings.label},
        "rounds": {"lag": 1, "label_lag": 1, "least": requests, "most": requests, "patience": NO_END},
        "check": asdict(settings.check),
        "transformers": asdict(settings.transformers),
    }
    return settings_of(GenerateSettings(out=str(out)), given, "bench yield", read_recipe(RECOMMENDED))


def go_on(lines: Sequence[Line], tokens: int, in_flight: int | None) -> bool:
    """Take runs of one prompt set to so many tokens, the last round of each whole; returns whether there was anything
    to do. They share one engine: requests of all are under way together."""
    from selfinstruct.engines import open_engine
    from selfinstruct.run.serving import served

    behind = {f"{line.arm}-{line.seed}": line for line in lines if growth_of(line).tokens[-1] < tokens}
    if not behind:
        return False
    first, *others = (served(line.inputs)[0] for line in behind.values())
    kinds = {kind: prompt for each in (first, *others) for kind, prompt in each.prompts.prompts.items()}
    engine = open_engine(first.engine, replace(first.prompts, prompts=kinds))
    with ThreadPoolExecutor(len(behind)) as pool, shared(engine, list(behind)) as shares:
        runs = [
            pool.submit(_go_on, line, share, tokens, in_flight)
            for line, share in zip(behind.values(), shares, strict=True)
        ]
        for run in as_completed(runs):
            run.result()
    return True


def _go_on(line: Line, share: Share, tokens: int, in_flight: int | None) -> None:
    from selfinstruct.run import single
    from selfinstruct.run.budget import BudgetSettings

    there = line.store.totals()
    watch = Written(sum(there[table]["tokens.completion"] for table in (Table.PROPOSALS, Table.LABELS)))
    inputs = replace(line.inputs, own=share)
    single.generate(
        line.options, inputs, line.store, watch, in_flight, BudgetSettings(), lambda: watch.tokens >= tokens
    )
    print(f"{line.arm}, seed {line.seed}: {watch.tokens:,} tokens", file=sys.stderr, flush=True)


@dataclass(frozen=True, slots=True)
class Growth:
    """Sums of a run after each of its complete rounds, zeros first, and its valid rows.

    Attributes:
        proposing, labelling: Tokens written.
        instructions: That were read out of answers.
        accepted, valid: Of these.
        texts: The valid ones.
    """

    proposing: list[int]
    labelling: list[int]
    instructions: list[int]
    accepted: list[int]
    valid: list[int]
    texts: list[str]

    @property
    def tokens(self) -> list[int]:
        """Of both stages."""
        return [one + other for one, other in zip(self.proposing, self.labelling, strict=True)]


def growth_of(line: Line) -> Growth:
    """Read a run's files."""
    found = Growth([0], [0], [0], [0], [0], [])
    for number in line.rounds:
        proposals, candidates = (
            line.store.metadata(table, number).counts for table in (Table.PROPOSALS, Table.CANDIDATES)
        )
        labels = line.store.metadata(Table.LABELS, number).counts if line.options.labels else {}
        rows = line.store.read_columns(Table.CANDIDATES, number, ["id", "text", "position", "accepted"]).to_pylist()
        usable = set(usable_of(line, number) if line.options.labels else (row["id"] for row in rows if row["accepted"]))
        found.texts.extend(row["text"] for row in rows if row["id"] in usable)
        for sums, more in (
            (found.proposing, proposals.get("tokens.completion", 0)),
            (found.labelling, labels.get("tokens.completion", 0)),
            (found.instructions, sum(row["position"] is not None for row in rows)),
            (found.accepted, candidates.get("accepted", 0)),
            (found.valid, len(usable)),
        ):
            sums.append(sums[-1] + more)
    return found


def usable_of(line: Line, number: int) -> Iterator[str]:
    """Ids of a round's instructions with an accepted instance that passes the check, if there is one."""
    from selfinstruct.steps.judging import overall

    passing = None
    if line.check is not None:
        passing = {row.id for row in line.check.read(number) if overall(row.judgements) is Judgement.YES}
    rows = line.store.read_columns(Table.INSTANCES, number, ["id", "instruction_id"], accepted_only=True).to_pylist()
    yield from (row["instruction_id"] for row in rows if passing is None or row["id"] in passing)
