"""`selfinstruct bench engine`: the transformers engine against plain padded `model.generate`, in the same process.

The model is Llama-shaped with random weights; the prompts are those of a prompt set in full, with the seed tasks as
demonstrations and instructions. Lengths of completions are imposed, since a random model would never stop: geometric
with means as below, cut at the prompt set's `max_tokens`, and drawn at even quantiles, so that few are enough.

    plain      `generate` with whole prompts, padded to the left, in batches of `--plain_batch`; greedy and without
               penalties, so that it has nothing to do but the model. A batch ends with its longest row
    engine     what a replica runs, with the prompt set's sampling; `--in_flight` requests at most, as a replica has

A round is `--proposals` requests, of each of which `--accepted` instructions are classified and get instances, all in
the engine at once as in a run; plain generation does the same kind by kind, at the rates measured. Seconds are of the
clock, so the machine should have nothing else to do; processor seconds are in the JSON, too. All is measured
`--repeats` times, one way right after the other, with other requests of the same lengths, and medians are given. What
a kind's prompts have in common is computed once in a replica's life and not counted (`prefix_seconds`).

A step is also timed by itself, with `--in_flight` requests of a kind that all go on, beside the least that it would
take at the speeds of a large copy and a large matrix product, which are measured on the spot.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from jobs.bench.bed import KINDS, Bed, EngineBenchSettings, Pace, Trial
from jobs.command_line import run
from jobs.commands import Command, Outcome
from selfinstruct.records import Kind

COMMAND = Command("bench engine", EngineBenchSettings)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure; returns the exit code."""
    return run(COMMAND, bench, argv)


def bench(settings: EngineBenchSettings) -> Outcome:
    """Measure, print a table, and write JSON."""
    from jobs.bench.machine import machine

    bed = Bed(settings)
    constants = {kind: bed.constant(kind) for kind in KINDS}
    trials: dict[Kind, list[Trial]] = {kind: [] for kind in KINDS}
    rounds: list[Trial] = []
    for repeat in range(settings.repeats):
        for kind in KINDS:
            trials[kind].append(bed.trial(kind, f"{repeat}"))
        rounds.append(_round({kind: trials[kind][-1].plain for kind in KINDS}, bed.round(f"{repeat}"), settings))
        print(f"measured {repeat + 1} of {settings.repeats} times", file=sys.stderr)
    kinds = {}
    for kind, (prefix_tokens, prefix_seconds) in constants.items():
        own = {"prefix_tokens": prefix_tokens, "prefix_seconds": prefix_seconds}
        kinds[str(kind)] = {**own, **_medians(trials[kind]), "steps": dataclasses.asdict(bed.steps(kind))}
    figures = {
        "settings": dataclasses.asdict(settings),
        "machine": {**machine(), "threads": bed.threads, "device": bed.device_name},
        "model": {"parameters": bed.parameters, "dtype": bed.dtype, "attention": bed.attention},
        "tokens_per_batch": bed.tokens_per_batch,
        "kinds": kinds,
        "round": _medians(rounds),
    }
    _print(figures)
    if settings.out is not None:
        folder = Path(settings.out)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "engine.json").write_text(json.dumps(figures, indent=1) + "\n")
    return Outcome(figures)


def _round(plain: Mapping[Kind, Pace], engine: Pace, settings: EngineBenchSettings) -> Trial:
    """The engine's round beside plain generation's, at the pace that it has with each kind."""
    share = settings.proposals * settings.accepted
    counts = {Kind.PROPOSE: settings.proposals, Kind.CLASSIFY: share, Kind.INPUT_FIRST: share}
    parts = {kind: count / plain[kind].requests for kind, count in counts.items()}
    seconds = sum(part * plain[kind].seconds for kind, part in parts.items())
    processor_seconds = sum(part * plain[kind].processor_seconds for kind, part in parts.items())
    return Trial(dataclasses.replace(engine, seconds=seconds, processor_seconds=processor_seconds), engine)


def _medians(trials: Sequence[Trial]) -> dict[str, Any]:
    ratios = [trial.engine.rate / trial.plain.rate for trial in trials]
    return {
        "plain": dataclasses.asdict(_median([trial.plain for trial in trials])),
        "engine": dataclasses.asdict(_median([trial.engine for trial in trials])),
        "times_as_fast": median(ratios),
        "times_each": ratios,
    }


def _median(paces: Sequence[Pace]) -> Pace:
    """Requests and lengths are the same in each."""
    seconds, processor_seconds = (
        median(getattr(pace, name) for pace in paces) for name in ("seconds", "processor_seconds")
    )
    prompt_tokens = round(median(pace.prompt_tokens for pace in paces))
    return dataclasses.replace(
        paces[0], prompt_tokens=prompt_tokens, seconds=seconds, processor_seconds=processor_seconds
    )


def _print(figures: Mapping[str, Any]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    model, machine = figures["model"], figures["machine"]
    title = f"{model['parameters'] / 1e6:,.0f} million parameters in {model['dtype']} on {machine['device']}"
    grid = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    grid.add_column("")
    for heading in ("prompt", "constant", "new", "plain/s", "engine/s", "times", "tokens/s"):
        grid.add_column(heading, justify="right")
    rows = {**figures["kinds"], "whole round": figures["round"]}
    for name, each in rows.items():
        plain, engine = each["plain"], each["engine"]
        single = "prefix_tokens" in each
        cells = [
            name,
            f"{plain['prompt_tokens'] / plain['requests']:,.0f}" if single else "",
            f"{each['prefix_tokens']:,}" if single else "",
            f"{engine['new_tokens'] / engine['requests']:,.0f}",
            *(f"{way['requests'] / way['seconds']:,.2f}" for way in (plain, engine)),
            f"{each['times_as_fast']:.1f}",
            f"{engine['new_tokens'] / engine['seconds']:,.0f}",
        ]
        grid.add_row(*cells)
    Console().print(grid)
    print(
        "Tokens of a prompt, of its constant part and of a completion; requests a second by both ways; how many times\n"
        "as fast the engine is. Medians of repeats, of which each found, in turn:"
    )
    for name, each in rows.items():
        print(f"  {name}: {', '.join(f'{times:.1f}' for times in each['times_each'])} times")
    for name, each in figures["kinds"].items():
        steps = each["steps"]
        seconds = " ms, at least ".join(f"{1000 * steps[key]:,.1f}" for key in ("seconds", "least_seconds"))
        print(f"  a step of {steps['rows']:,} rows of {name}: {seconds} ms")
    print(f"{machine['processor']}, {machine['cores']} cores, {machine['threads']} threads of torch")


if __name__ == "__main__":
    sys.exit(main())
