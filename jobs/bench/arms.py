"""`selfinstruct bench yield --model M`: ways to ask side by side, of a real model, at equal generated tokens.

An arm is a way to ask; under each seed it is an ordinary run in a folder of its own. Those of one prompt set share an
engine in this process and go on together, a slice of tokens, and then those of the next set: so all are about equally
far whenever the work is ended, and the same command goes on. What is compared is what each had brought when it had
written as many tokens as the one that has written least: sums between two rounds are interpolated. Tokens are those of
instructions and of labels; seconds are not looked at.

A row is an instruction with what was labelled of it. It is *valid* if the novelty check and the screen accepted the
instruction, the screen and the rules of the recipe `recommended` accepted at least one of its instances, and, with
--check.rubric, the judge says yes to all about one of these. It is *distinct* if it is a greedy leader of the valid
rows of its run (`semantic.diversity`). That code finds nothing wrong with a row does not make it right: without a judge
that has been tried, valid means no more than this.

Half of the seed tasks, always the same ones, are never shown to the model: how near the valid rows come to them is the
*reach*.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cluster.settings import GenerateSettings
from jobs.bench.repeats import Difference, Mean, difference, over_seeds
from jobs.bench.shared import Share, shared
from selfinstruct.draws import rank_of
from selfinstruct.engines import TransformersOptions
from selfinstruct.errors import InputError
from selfinstruct.records import Judgement, RoundFile, SeedTask, Table
from selfinstruct.run.inputs import Inputs, JudgeModelSettings
from selfinstruct.run.watches import RunWatch
from selfinstruct.semantic.settings import COSINE
from selfinstruct.settings import group, option
from selfinstruct.sources.seeds import SEED_TASKS, load_seeds

if TYPE_CHECKING:
    from selfinstruct.semantic.table import StaticTable
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
        seeds: File of seed tasks, half of which are held out.
        cosine: Above it two instructions are the same.
        in_flight: Requests of a run that the engine holds at most (default: 64).
        out: Folder for yield-model.json, or yield-simulated.json; without it there is the table only.
        check: Who judges accepted instances; nobody without a rubric.
    """

    model: str | None = None
    engine: str = "transformers"
    work: Path | None = None
    arms: tuple[str, ...] = tuple(ARMS)
    tokens: int = option(8_000, least=1)
    slice: int = option(2_000, least=1)
    repeats: int = option(3, least=1, most=1_000)
    requests: int = option(2, least=1)
    seeds: Path = SEED_TASKS
    cosine: float = option(COSINE, least=0, most=1)
    in_flight: int | None = option(None, least=1)
    out: str | None = None
    check: JudgeModelSettings = group(JudgeModelSettings)
    transformers: TransformersOptions = group(TransformersOptions)

    def problems(self) -> Iterator[str]:
        """What is wrong with the options together."""
        if self.model is not None and self.work is None:
            yield "work: is missing; name a folder for the runs"
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
    def check(self) -> Any:
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


def bench(settings: ArmSettings) -> int:
    """Go on with all arms in turn, and tell what they brought."""
    from selfinstruct.quality.reference import refuse_evaluation
    from selfinstruct.semantic.table import shipped_table

    if settings.work is None:
        raise InputError("--work: is missing; name a folder for the runs")
    table = shipped_table()
    shown, held_out = halves(load_seeds(settings.seeds))
    reference = [each.instruction for each in held_out]
    refuse_evaluation(reference, f"--seeds: {settings.seeds}")
    lines = opened(settings, settings.work, shown)
    by_prompts: defaultdict[str, list[Line]] = defaultdict(list)
    for line in lines:
        by_prompts[ARMS[line.arm].prompts].append(line)
    for end in range(settings.slice, settings.tokens + settings.slice, settings.slice):
        tokens = min(end, settings.tokens)
        went_on = [go_on(each, tokens, settings.in_flight) for each in by_prompts.values()]
        if any(went_on) or tokens == settings.tokens:
            tell(settings, lines, table, reference)
    return 0


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
            options = options_of(settings, arm, seed, work / f"{arm}-{seed}", file)
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


# ---- what they brought


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
        proposals, candidates, labels = (
            line.store.metadata(table, number).counts for table in (Table.PROPOSALS, Table.CANDIDATES, Table.LABELS)
        )
        rows = line.store.read_columns(Table.CANDIDATES, number, ["id", "text", "position", "accepted"]).to_pylist()
        usable = set(usable_of(line, number))
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


@dataclass(frozen=True, slots=True)
class Brought:
    """What a run had brought at the tokens of the comparison.

    Attributes:
        labelling: Share of the tokens that labels took.
        accepted, valid, rows: Of a million tokens: instructions, valid ones, and distinct ones of these.
        valid_share, distinct_share: Of the accepted instructions, and of the valid ones.
        reach: Mean best cosine of the held-out tasks to the valid rows; None where there is none.
        count: Valid rows.
    """

    labelling: float
    accepted: float
    valid: float
    rows: float
    valid_share: float
    distinct_share: float
    reach: float | None
    count: float


def brought(growth: Growth, tokens: int, table: StaticTable, reference: Sequence[str], cosine: float) -> Brought:
    """The figures of a run at so many tokens; its sums are interpolated within the round that comes to them."""
    import numpy as np

    from selfinstruct.semantic.diversity import leaders, reach

    vectors = table.embed(growth.texts)
    distinct = np.searchsorted(leaders(vectors, cosine), growth.valid)

    def at(sums: Sequence[float]) -> float:
        return float(np.interp(tokens, growth.tokens, sums))

    accepted, valid, rows = at(growth.accepted), at(growth.valid), at(distinct.tolist())
    first = round(valid)
    return Brought(
        labelling=at(growth.labelling) / tokens,
        accepted=1e6 * accepted / tokens,
        valid=1e6 * valid / tokens,
        rows=1e6 * rows / tokens,
        valid_share=valid / accepted if accepted else 0.0,
        distinct_share=rows / valid if valid else 0.0,
        reach=reach(vectors, table.embed(reference), [first])[0] if first else None,
        count=valid,
    )


FIGURES = ("labelling", "accepted", "valid_share", "valid", "distinct_share", "rows", "reach", "count")
COMPARED = ("accepted", "valid", "rows", "reach")


def tell(settings: ArmSettings, lines: Sequence[Line], table: StaticTable, reference: Sequence[str]) -> None:
    """Print what each arm brought at equal tokens, and write it."""
    from jobs.bench.machine import machine
    from selfinstruct.storage.files import write_file

    grown = {(line.arm, line.seed): growth_of(line) for line in lines}
    tokens = min(each.tokens[-1] for each in grown.values())
    if not tokens:
        return
    found = {
        arm: [brought(grown[arm, seed], tokens, table, reference, settings.cosine) for seed in range(settings.repeats)]
        for arm in settings.arms
    }
    summary = {arm: {name: summed(name, each) for name in FIGURES} for arm, each in found.items()}
    against = {
        f"{arm} against {other}": {name: compared(name, found[arm], found[other]) for name in COMPARED}
        for arm, other in ((arm, ARMS[arm].against) for arm in settings.arms)
        if other != arm and other in settings.arms
    }
    print("\n".join(report(summary, against, tokens, settings.repeats, len(reference))), flush=True)
    if settings.out is not None:
        told = asdict(settings) | {"out": None, "work": None, "seeds": settings.seeds.name}
        figures = {
            "settings": told | {"model": Path(str(settings.model)).name},
            "machine": machine(),
            "tokens": tokens,
            "held_out": len(reference),
            "arms": {arm: {name: each and asdict(each) for name, each in of.items()} for arm, of in summary.items()},
            "against": {
                pair: {name: each and asdict(each) | {"verdict": each.verdict} for name, each in of.items()}
                for pair, of in against.items()
            },
            "runs": {f"{arm}-{seed}": totals(each) for (arm, seed), each in grown.items()},
        }
        write_file(Path(settings.out) / "yield-model.json", json.dumps(figures, indent=1) + "\n")


def summed(name: str, found: Sequence[Brought]) -> Mean | None:
    """A figure over seeds; None where a seed has none."""
    values = _values(name, found)
    return None if None in values else over_seeds([value for value in values if value is not None])


def compared(name: str, these: Sequence[Brought], those: Sequence[Brought]) -> Difference | None:
    """How much more one arm has of a figure than another; None where a seed has none."""
    first, second = _values(name, these), _values(name, those)
    if None in first or None in second:
        return None
    return difference([each for each in first if each is not None], [each for each in second if each is not None])


def _values(name: str, found: Sequence[Brought]) -> list[float | None]:
    return [getattr(each, name) for each in found]


def totals(growth: Growth) -> dict[str, int]:
    """What a run has come to in all, beyond the tokens of the comparison too."""
    sums = ("proposing", "labelling", "instructions", "accepted", "valid")
    return {"rounds": len(growth.valid) - 1, **{name: getattr(growth, name)[-1] for name in sums}}


HEADS = {
    "accepted": ("accepted", 10, ",.0f"),
    "valid_share": ("valid", 9, ".0%"),
    "valid": ("valid rows", 12, ",.0f"),
    "distinct_share": ("distinct", 10, ".1%"),
    "rows": ("rows", 8, ",.0f"),
    "reach": ("reach", 8, ".3f"),
    "count": ("counted", 9, ",.0f"),
    "labelling": ("labels", 8, ".0%"),
}
"""Of the table: figures, their heads, widths and formats."""


def report(
    summary: Mapping[str, Mapping[str, Mean | None]],
    against: Mapping[str, Mapping[str, Difference | None]],
    tokens: int,
    repeats: int,
    held_out: int,
) -> Iterator[str]:
    """The lines of the table, and what it allows one to say."""
    yield (
        f"\n{tokens:,} generated tokens of each arm under each of {repeats} seeds; accepted, valid rows and rows are"
        " of a million"
    )
    heads = "".join(f"{head:>{width}}" for head, width, _ in HEADS.values())
    yield f"{'':<14}{heads}   rows: 95 % interval over seeds"
    for arm, figures in summary.items():
        cells = "".join(f"{_cell(figures[name], form):>{width}}" for name, (_, width, form) in HEADS.items())
        yield f"{arm:<14}{cells}   {_interval(figures['rows'], ',.0f')}"
    yield "accepted: instructions that are new by their words, past the screen and the rules"
    yield "valid: of these with an instance that the rules of `recommended` accept, and the check, if there is one"
    yield "distinct: greedy leaders among the valid ones; rows: both, valid and distinct; counted: valid ones a seed"
    yield f"reach: mean best cosine of {held_out} held-out seed tasks to the valid rows; labels: their share of tokens"
    for pair, found in against.items():
        yield from (verdict(pair, name, each) for name, each in found.items() if name in ("rows", "reach") and each)
    if len(against) > 1:
        yield f"each of these {2 * len(against)} intervals errs in one bench of twenty, one of them all in more"


def verdict(pair: str, name: str, found: Difference) -> str:
    """A comparison in words."""
    form = "+,.0f" if name == "rows" else "+.3f"
    said = f"{pair}: {name} {found.mean:{form}}"
    if found.interval is None or found.detectable is None:
        return f"{said}; one seed has no interval, no verdict"
    low, high = (f"{end:{form}}" for end in found.interval)
    seen = f"a difference of {found.detectable:{form[1:]}} would be found four times in five"
    return f"{said} (95 %: {low} to {high}), {found.verdict}; with this spread {seen}"


def _cell(found: Mean | None, form: str) -> str:
    return "" if found is None else f"{found.mean:{form}}"


def _interval(found: Mean | None, form: str) -> str:
    return "" if found is None or found.interval is None else " to ".join(f"{end:{form}}" for end in found.interval)
