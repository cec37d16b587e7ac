"""`selfinstruct bench yield --model M`: ways to ask side by side, of a real model, at equal generated tokens.

All arms (`arms`) go on in turn, a slice of tokens at a time, so that they are about equally far whenever the work is
ended, and the same command goes on. What is compared is what each had brought when it had written as many tokens as the
one that has written least: sums between two rounds are interpolated. Tokens are those of instructions and of labels;
seconds are not looked at.

A row is an instruction with what was labelled of it. It is *valid* if the novelty check and the screen accepted the
instruction, the screen and the rules of the recipe `recommended` accepted at least one of its instances, and, with
--check.rubric, the judge says yes to all about one of these; with --label none the instruction alone counts. It is
*distinct* if it is a greedy leader of the valid rows of its run (`semantic.diversity`). That code finds nothing wrong
with a row does not make it right: without a judge that has been tried, valid means no more than this.

Half of the seed tasks, always the same ones, are never shown to the model: how near the valid rows come to them is the
*reach*.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.bench.arms import ARMS, ArmSettings, Growth, Line, go_on, growth_of, halves, opened
from jobs.bench.repeats import Difference, Mean, difference, over_seeds
from selfinstruct.sources.seeds import load_seeds

if TYPE_CHECKING:
    from selfinstruct.semantic.table import StaticTable


def bench(settings: ArmSettings) -> dict[str, Any]:
    """Go on with all arms in turn, and tell what they brought; gives the figures, none before all have begun."""
    from selfinstruct.quality.reference import refuse_evaluation
    from selfinstruct.semantic.table import shipped_table

    table = shipped_table()
    shown, held_out = halves(load_seeds(settings.seeds))
    reference = [each.instruction for each in held_out]
    refuse_evaluation(reference, f"--seeds: {settings.seeds}")
    lines = opened(settings, settings.work, shown)
    by_prompts: defaultdict[str, list[Line]] = defaultdict(list)
    for line in lines:
        by_prompts[ARMS[line.arm].prompts].append(line)
    figures: dict[str, Any] = {}
    for end in range(settings.slice, settings.tokens + settings.slice, settings.slice):
        tokens = min(end, settings.tokens)
        went_on = [go_on(each, tokens, settings.in_flight) for each in by_prompts.values()]
        if any(went_on) or tokens == settings.tokens:
            figures = tell(settings, lines, table, reference)
    return figures


@dataclass(frozen=True, slots=True)
class Brought:
    """What a run had brought at the tokens of the comparison.

    Attributes:
        labelling: Share of the tokens that labels took.
        accepted, valid, rows: Of a million tokens: instructions, valid ones, and distinct ones of these.
        valid_share, distinct_share: Of the accepted instructions, and of the valid ones; None where there are none.
        reach: Mean best cosine of the held-out tasks to the valid rows; None where there is none.
        count: Valid rows.
    """

    labelling: float
    accepted: float
    valid: float
    rows: float
    valid_share: float | None
    distinct_share: float | None
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
        valid_share=valid / accepted if accepted else None,
        distinct_share=rows / valid if valid else None,
        reach=reach(vectors, table.embed(reference), [first])[0] if first else None,
        count=valid,
    )


FIGURES = ("labelling", "accepted", "valid_share", "valid", "distinct_share", "rows", "reach", "count")
COMPARED = ("accepted", "valid", "rows", "reach")


def tell(settings: ArmSettings, lines: Sequence[Line], table: StaticTable, reference: Sequence[str]) -> dict[str, Any]:
    """Print what each arm brought at equal tokens, write it, and give it."""
    from jobs.bench.machine import machine
    from selfinstruct.storage.files import write_file

    grown = {(line.arm, line.seed): growth_of(line) for line in lines}
    tokens = min(each.tokens[-1] for each in grown.values())
    if not tokens:
        return {}
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
    print(
        "\n".join(report(summary, against, tokens, settings.repeats, len(reference), settings.label != "none")),
        flush=True,
    )
    names = ("engine", "repeats", "requests", "label", "cosine")
    figures = {
        "settings": {
            "model": Path(str(settings.model)).name,
            "dtype": settings.transformers.dtype,
            "check": settings.check.rubric,
            **{name: getattr(settings, name) for name in names},
        },
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
    if settings.out is not None:
        write_file(Path(settings.out) / "yield-model.json", json.dumps(figures, indent=1) + "\n")
    return figures


def summed(name: str, found: Sequence[Brought]) -> Mean | None:
    """A figure over the seeds that have it."""
    values = _values(name, found)
    return over_seeds(values) if values else None


def compared(name: str, these: Sequence[Brought], those: Sequence[Brought]) -> Difference | None:
    """How much more one arm has of a figure than another; None where a seed has none."""
    first, second = _values(name, these), _values(name, those)
    return difference(first, second) if len(first) == len(these) and len(second) == len(those) else None


def _values(name: str, found: Sequence[Brought]) -> list[float]:
    return [value for value in (getattr(each, name) for each in found) if value is not None]


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
    labels: bool,
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
    if labels:
        yield "valid: of these with an instance that the rules of `recommended` accept, and the check, if there is one"
    else:
        yield "valid: all of these, since nothing is labelled"
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
        return f"{said}; one seed, or equal ones, have no interval: no verdict"
    low, high = (f"{end:{form}}" for end in found.interval)
    seen = f"a difference of {found.detectable:{form[1:]}} would be found four times in five"
    return f"{said} (95 %: {low} to {high}), {found.verdict}; with this spread {seen}"


def _cell(found: Mean | None, form: str) -> str:
    return "" if found is None else f"{found.mean:{form}}"


def _interval(found: Mean | None, form: str) -> str:
    return "" if found is None or found.interval is None else " to ".join(f"{end:{form}}" for end in found.interval)
