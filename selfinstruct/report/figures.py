"""All numbers of a report as values, from what was gathered. `dataclasses.asdict` turns them into JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from selfinstruct.novelty.index import NoveltySettings
from selfinstruct.quality.diversity import Diversity, Measured
from selfinstruct.quality.findings import Findings
from selfinstruct.quality.sheets import ReviewFigures
from selfinstruct.records import Kind, Table
from selfinstruct.report.gather import Gathered
from selfinstruct.report.histograms import Histogram, histogram_of_scores, histogram_of_words, mean_of
from selfinstruct.report.made import Made
from selfinstruct.report.overlap import Nearest
from selfinstruct.report.verbs import VerbObject
from selfinstruct.settings import with_facts

VERBS, NOUNS = 20, 4  # as in the paper's figure
LABELS = 12
SHARED, MANY = 8, 5  # outputs that are named, and how many rows share one


@dataclass(frozen=True, slots=True)
class TableRow:
    """A line of Table 1: this run's figure and the paper's (None where it gives none)."""

    name: str
    value: float | None
    paper: float | None
    part: bool = False  # of the line above that is none
    mean: bool = False  # of words, to be shown with a decimal


@dataclass(frozen=True, slots=True)
class RoundFigures:
    """One round: requests made, instructions proposed and accepted, all accepted so far, and its valid instances."""

    round: int
    requests: int
    proposed: int
    accepted: int
    total: int
    instances: int


@dataclass(frozen=True, slots=True)
class FunnelFigures:
    """A stretch of the funnel: of `total` of a unit, `kept` went on; the others by reason, the commonest first."""

    name: str
    unit: str
    total: int
    kept: int
    kept_as: str
    lost: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class CutFigures:
    """Requests of one kind that ended at their limit of tokens, or before it since they went in circles."""

    kind: str
    requests: int
    cut: int
    repetition: int


@dataclass(frozen=True, slots=True)
class TokenFigures:
    """Tokens that one kind of request read and wrote, and the number of instructions that they were for."""

    kind: str
    requests: int
    prompt: int
    completion: int
    instructions: int


@dataclass(frozen=True, slots=True)
class VerbCount:
    """A verb, how many instructions have it, and its commonest direct objects."""

    verb: str
    count: int
    nouns: Sequence[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class VerbFigures:
    """Verbs and direct objects of a sample. The verbs are the commonest ones that have an object."""

    method: str
    sample: int
    with_verb: int
    with_object: int
    verbs: Sequence[VerbCount]
    shown: int  # instructions with one of the pairs of `verbs`

    @property
    def pairs(self) -> int:
        """How many pairs of verb and object are named."""
        return sum(len(verb.nouns) for verb in self.verbs)


@dataclass(frozen=True, slots=True)
class OverlapFigures:
    """Exact ROUGE-L of a sample to the nearest of the seeds, and of the whole pool without itself."""

    sample: int
    seeds: int
    pool: int
    to_seed: Histogram
    to_pool: Histogram
    threshold: float
    above_threshold: int  # of the sample, in the whole pool


@dataclass(frozen=True, slots=True)
class ClassFigures:
    """Balance of tasks and labels. `unknown`: the classification question failed."""

    classification: int
    other: int
    unknown: int
    labels: Mapping[str, int]  # the commonest ones
    labels_at_least: bool  # whether their counts are lower bounds: there were too many different labels to count all
    labelled_instances: int
    several: int
    one_label: int


@dataclass(frozen=True, slots=True)
class SharedFigures:
    """Outputs that many rows have word for word. Classification tasks are left out: their labels are to be shared."""

    instances: int  # valid ones
    many: int  # how many rows share such an output at least
    sharing: int  # the instances that have one
    outputs: Mapping[str, int]  # the commonest of those outputs, as they begin
    at_least: bool  # whether these are lower bounds: there were too many different outputs to count all


@dataclass(frozen=True, slots=True)
class Figures:
    """Everything that a report says in numbers."""

    run: str
    made: Made  # by whom, when, and what it took
    fingerprint: str
    identity: str  # by which a filled-in review knows its run
    about: str  # generated or imported
    chosen: str | None  # the expression that chose the rows it is about; None: all
    seeds: int
    pool: int
    accepted: int
    labelled: int
    instances: int
    run_accepted: int  # by the whole run, chosen or not
    acceptance: float | None
    table: Sequence[TableRow]
    rounds: Sequence[RoundFigures]
    funnel: Sequence[FunnelFigures]
    cut: Sequence[CutFigures]
    tokens: Sequence[TokenFigures]
    tokens_per_instruction: float | None
    tokens_per_instance: float | None
    lengths: Mapping[str, Histogram]
    instances_per_instruction: Mapping[int, int]
    classes: ClassFigures
    shared: SharedFigures
    verbs: VerbFigures
    overlap: OverlapFigures
    review: Sequence[ReviewFigures] | None
    checks: Findings | None  # of people and a judge, where anybody looked
    diversity: Diversity | None  # of all instructions of the run, chosen or not
    no_diversity: str | None  # why there is none
    measured: str | None  # what a run that measures says of it by its own columns
    facts: Mapping[str, Any]


def make_figures(
    run: str,
    made: Made,
    gathered: Gathered,
    verbs: VerbFigures,
    nearest: Sequence[Nearest],
    review: Sequence[ReviewFigures] | None,
    checks: Findings | None = None,
    diversity: tuple[Diversity | None, str | None] = (None, None),
    measured: Measured | None = None,
) -> Figures:
    """The figures of a run."""
    tokens = token_figures(gathered)
    labelled, instances = gathered.labelled, gathered.rows
    per_instruction = sum(each.prompt + each.completion for each in tokens if each.kind == Kind.PROPOSE)
    per_label = sum(each.prompt + each.completion for each in tokens if each.kind != Kind.PROPOSE)
    whole = (
        per_instruction / gathered.accepted + per_label / labelled
        if tokens and gathered.accepted and labelled
        else None
    )
    rounds = round_figures(gathered)
    proposed = sum(each.proposed for each in rounds)
    return Figures(
        run=run,
        made=made,
        fingerprint=gathered.fingerprint,
        identity=gathered.identity,
        about="imported" if gathered.imported else "generated",
        chosen=gathered.chosen,
        seeds=gathered.seeds,
        pool=gathered.pool,
        accepted=gathered.instructions,
        run_accepted=gathered.accepted,
        labelled=gathered.per_instruction.total(),
        instances=instances,
        acceptance=gathered.accepted / proposed if proposed else None,
        table=table_1(gathered),
        rounds=rounds,
        funnel=funnel(gathered),
        cut=cut_figures(gathered),
        tokens=tokens,
        tokens_per_instruction=whole,
        tokens_per_instance=whole * labelled / instances if whole and instances else None,
        lengths={name: histogram_of_words(gathered.words[name]) for name in ("instruction", "input", "output")},
        instances_per_instruction=dict(sorted(gathered.per_instruction.items())),
        classes=class_figures(gathered),
        shared=shared_figures(gathered),
        verbs=verbs,
        overlap=OverlapFigures(
            len(nearest),
            gathered.seeds,
            gathered.pool,
            histogram_of_scores([each.seed for each in nearest]),
            histogram_of_scores([each.other for each in nearest]),
            threshold := with_facts(NoveltySettings(), gathered.facts, "novelty.").threshold,
            sum(each.other > threshold for each in nearest),
        ),
        review=review,
        checks=checks,
        diversity=diversity[0],
        no_diversity=diversity[1],
        measured=measured.line if measured else None,
        facts=gathered.facts,
    )


def table_1(gathered: Gathered) -> list[TableRow]:
    """The paper's Table 1. Means are over accepted instructions and valid instances."""
    words, classes = gathered.words, gathered.classes
    asked = not any(gathered.tokens[kind] for kind in (Kind.INPUT, Kind.DOCUMENT_ANSWER))
    unknown = "question failed" if asked else "classification or not: nobody asked"
    return [
        TableRow("Instructions", gathered.instructions, 52_445),
        TableRow("classification", classes[True], 11_584, part=True),
        TableRow("not classification", classes[False], 40_861, part=True),
        *([TableRow(unknown, classes[None], None, part=True)] if classes[None] else []),
        *(
            [TableRow("not labelled yet", waiting, None, part=True)]
            if (waiting := gathered.instructions - classes.total()) > 0
            else []
        ),
        TableRow("with a valid instance", classes.total() - gathered.per_instruction[0], None, part=True),
        TableRow("Instances", gathered.rows, 82_439),
        TableRow("with an empty input", gathered.rows - words["input"].total(), 35_878, part=True),
        TableRow("Words of an instruction, mean", mean_of(words["instruction"]), 15.9, mean=True),
        TableRow("Words of an input that is not empty, mean", mean_of(words["input"]), 12.7, mean=True),
        TableRow("Words of an output, mean", mean_of(words["output"]), 18.9, mean=True),
    ]


def round_figures(gathered: Gathered) -> list[RoundFigures]:
    """Growth and acceptance, round by round."""
    totals = accumulate(each.accepted for each in gathered.rounds)
    return [
        RoundFigures(
            each.number,
            each.counts[Table.PROPOSALS]["requests"],
            each.accepted + each.rejected.total(),
            each.accepted,
            total,
            each.counts[Table.INSTANCES]["instances.accepted"],
        )
        for each, total in zip(gathered.rounds, totals, strict=True)
    ]


def funnel(gathered: Gathered) -> list[FunnelFigures]:
    """From requests to instances, with the reasons for what was lost on the way."""
    steps = []
    requests, lost, screened = gathered.count(Table.PROPOSALS, "requests"), gathered.lost, gathered.rejected
    if requests:
        steps.append(
            FunnelFigures(
                "Requests", "requests for new instructions", requests, requests - lost.total(), "gave some", _by(lost)
            )
        )
    proposed = gathered.accepted + screened.total()
    unit = "imported instructions" if gathered.imported else "proposed instructions"
    steps.append(FunnelFigures("Instructions", unit, proposed, gathered.accepted, "accepted", _by(screened)))
    labelled, none = gathered.labelled, gathered.fruitless
    whole = gathered.without + Counter(every_instance_dropped=none - gathered.without.total())
    steps.append(
        FunnelFigures(
            "Labelling", "instructions with labels", labelled, labelled - none, "with a valid instance", _by(whole)
        )
    )
    valid = gathered.instances["accepted"]
    dropped = gathered.instances - Counter(accepted=valid)
    steps.append(
        FunnelFigures("Instances", "instances found in answers", valid + dropped.total(), valid, "valid", _by(dropped))
    )
    if gathered.chosen is not None:
        left = _by(Counter(not_chosen=valid - gathered.rows))
        steps.append(FunnelFigures("Choice", "valid instances", valid, gathered.rows, "chosen", left))
    return steps


def _by(counts: Counter[str]) -> dict[str, int]:
    return {str(reason): n for reason, n in counts.most_common() if n > 0}


_ANSWERS = (Kind.INPUT, Kind.ANSWER, Kind.DOCUMENT_ANSWER, Kind.POLISH)


def cut_figures(gathered: Gathered) -> list[CutFigures]:
    """Answers that did not end by themselves, by kind; those to the classification question are cut on purpose."""
    figures = [_cut(gathered, Table.PROPOSALS, Kind.PROPOSE, "requests", "requests")]
    for kind in (Kind.INPUT_FIRST, Kind.OUTPUT_FIRST, Kind.INSTANTIATE, *_ANSWERS):
        figures.append(_cut(gathered, Table.LABELS, kind, f"{kind}.requests", kind))
    return [each for each in figures if each.requests]


def _cut(gathered: Gathered, table: Table, kind: Kind, requests: str, stem: str) -> CutFigures:
    counts = (gathered.count(table, key) for key in (requests, f"{stem}.cut_by_length", f"{stem}.repetition"))
    return CutFigures(kind, *counts)


def token_figures(gathered: Gathered) -> list[TokenFigures]:
    """Tokens by kind of request; `instructions` are those accepted, or those labelled."""
    return [
        TokenFigures(
            kind,
            counts["requests"],
            counts["prompt"],
            counts["completion"],
            gathered.accepted if kind is Kind.PROPOSE else gathered.labelled,
        )
        for kind in Kind
        if (counts := gathered.tokens[kind])["requests"]
    ]


def class_figures(gathered: Gathered) -> ClassFigures:
    """How many tasks are classification, and which labels they have."""
    return ClassFigures(
        gathered.classes[True],
        gathered.classes[False],
        gathered.classes[None],
        dict(gathered.labels.most_common(LABELS)),
        gathered.forgot_labels,
        gathered.label_count,
        gathered.several,
        gathered.one_label,
    )


def shared_figures(gathered: Gathered) -> SharedFigures:
    """Which outputs many rows have."""
    many = [(text, n) for text, n in gathered.outputs.most_common() if n >= MANY]
    return SharedFigures(
        gathered.output_count, MANY, sum(n for _, n in many), dict(many[:SHARED]), gathered.forgot_outputs
    )


def verb_figures(found: Sequence[VerbObject], method: str) -> VerbFigures:
    """The commonest verbs that have an object, each with its commonest objects."""
    pairs = Counter((each.verb, each.noun) for each in found if each.verb and each.noun)
    totals: Counter[str] = Counter()
    nouns: dict[str, Counter[str]] = {}
    for (verb, noun), n in pairs.items():
        totals[verb] += n
        nouns.setdefault(verb, Counter())[noun] += n
    verbs = [VerbCount(verb, count, nouns[verb].most_common(NOUNS)) for verb, count in totals.most_common(VERBS)]
    return VerbFigures(
        method,
        len(found),
        sum(each.verb is not None for each in found),
        pairs.total(),
        verbs,
        sum(n for verb in verbs for _, n in verb.nouns),
    )
