"""`selfinstruct bench engine`: the transformers engine against plain padded `model.generate`, in the same process.

The model is Llama-shaped with random weights; the prompts are those of a prompt set in full, with the seed tasks as
demonstrations and instructions. Lengths of completions are imposed, since a random model would never stop: geometric
with means as below, cut at the prompt set's `max_tokens`, and drawn at even quantiles, so that few are enough.

    plain      `generate` with whole prompts, padded to the left, in batches of `--plain_batch`; greedy and without
               penalties, so that it has nothing to do but the model. A batch ends with its longest row
    engine     what a replica runs, with the prompt set's sampling; `--in_flight` requests at most, as a replica has

A round is `--proposals` requests, of each of which `--accepted` instructions are classified and get instances, all in
the engine at once as in a run; plain generation does the same kind by kind, at the rates measured. Seconds are of the
clock, so the machine should have nothing else to do; processor seconds are in the JSON, too. What a kind's prompts
have in common is computed once in a replica's life and not counted (`prefix_seconds`).
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jobs.command_line import run
from jobs.engine_bed import KINDS, SHAPES, Bed, EngineBenchSettings, KindFigures
from selfinstruct.errors import InputError
from selfinstruct.records import Kind


def main(argv: Sequence[str] | None = None) -> int:
    """Measure; returns the exit code."""
    return run("bench engine", EngineBenchSettings, bench, argv)


def bench(settings: EngineBenchSettings) -> int:
    """Measure, print a table, and write JSON."""
    from jobs.machine import machine

    _check(settings)
    bed = Bed(settings)
    kinds: dict[str, KindFigures] = {}
    for kind in KINDS:
        kinds[str(kind)] = bed.measure(kind)
        print(f"{kind}: measured", file=sys.stderr)
    engine = bed.round()
    share = settings.proposals * settings.accepted
    counts = {Kind.PROPOSE: settings.proposals, Kind.CLASSIFY: share, Kind.INPUT_FIRST: share}
    plain_seconds = sum(count / kinds[kind].plain.rate for kind, count in counts.items())
    figures = {
        "settings": dataclasses.asdict(settings),
        "machine": {**machine(), "threads": bed.threads, "device": bed.device_name},
        "model": {"parameters": bed.parameters, "dtype": bed.dtype, "attention": bed.attention},
        "kinds": {kind: dataclasses.asdict(each) for kind, each in kinds.items()},
        "round": {
            **dataclasses.asdict(engine),
            "plain_seconds": plain_seconds,
            "times_as_fast": plain_seconds / engine.seconds,
        },
    }
    _print(figures)
    if settings.out is not None:
        folder = Path(settings.out)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "engine.json").write_text(json.dumps(figures, indent=1) + "\n")
    return 0


def _check(settings: EngineBenchSettings) -> None:
    problems = []
    if settings.size not in SHAPES:
        problems.append(f"--size: there is no {settings.size!r} (there are: {', '.join(SHAPES)})")
    for name in ("plain", "plain_batch", "times", "proposals", "accepted", "in_flight"):
        if getattr(settings, name) < 1:
            problems.append(f"--{name}: must be at least 1")
    for name in ("propose_mean", "classify_mean", "instantiate_mean"):
        if getattr(settings, name) < 1:
            problems.append(f"--{name}: must be at least 1")
    if problems:
        raise InputError(*problems)


def _print(figures: Mapping[str, Any]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    model, machine = figures["model"], figures["machine"]
    title = f"{model['parameters'] / 1e6:,.0f} million parameters in {model['dtype']} on {machine['device']}"
    grid = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    bounds = any(each["bound_tokens_per_second"] for each in figures["kinds"].values())
    headings = ("prompt", "constant", "new", "plain/s", "engine/s", "times", "tokens/s")
    grid.add_column("")
    for heading in headings + ("bound tokens/s",) * bounds:
        grid.add_column(heading, justify="right")
    for kind, each in figures["kinds"].items():
        plain, engine = each["plain"], each["engine"]
        cells = [
            kind,
            f"{each['prompt_tokens']:,.0f}",
            f"{each['prefix_tokens']:,}",
            f"{engine['new_tokens'] / engine['requests']:,.0f}",
            f"{plain['requests'] / plain['seconds']:,.2f}",
            f"{engine['requests'] / engine['seconds']:,.2f}",
            f"{each['times_as_fast']:.1f}",
            f"{engine['new_tokens'] / engine['seconds']:,.0f}",
        ]
        grid.add_row(*cells, *([f"{each['bound_tokens_per_second']:,.0f}"] if bounds else []))
    whole = figures["round"]
    grid.add_row(
        "whole round",
        "",
        "",
        f"{whole['new_tokens'] / whole['requests']:,.0f}",
        f"{whole['requests'] / whole['plain_seconds']:,.2f}",
        f"{whole['requests'] / whole['seconds']:,.2f}",
        f"{whole['times_as_fast']:.1f}",
        f"{whole['new_tokens'] / whole['seconds']:,.0f}",
    )
    Console().print(grid)
    print("Tokens of a prompt, of its constant part and of a completion; requests a second by both ways.")
    print(f"{machine['processor']}, {machine['cores']} cores, {machine['threads']} threads of torch")


if __name__ == "__main__":
    sys.exit(main())
