"""`selfinstruct bench`: measurements that print a table and write JSON, each with the machine it ran on."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence

from jobs.command_line import choose

BENCHES = {
    "loop": ("jobs.bench.loop", "the embedded model tuned on what it wrote, on tasks that it has never seen"),
    "compare": ("jobs.bench.compare", "a model tuned on sets of as many rows, scored on held-out tasks"),
    "export": ("jobs.bench.export", "a run as a dataset: time, memory and size"),
    "novelty": ("jobs.bench.novelty", "the novelty check: each index against brute force and the reference"),
    "overhead": ("jobs.bench.overhead", "how busy the replicas are kept, and what a request costs the driver"),
    "peers": ("jobs.bench.peers", "behind a server: this project beside others, by rows, requests and processor time"),
    "engine": ("jobs.bench.engine", "the transformers engine against plain generation, by kind and in whole rounds"),
    "vllm": ("jobs.bench.vllm", "the vLLM engine beside `LLM.generate` on the same requests"),
    "estimate": ("jobs.bench.estimate", "the estimate of quality: how often its intervals hold, and how wide they are"),
    "rules": ("jobs.bench.rules", "the rules for rows: what each finds in sets of tasks, and how long it takes"),
    "select": ("jobs.bench.select", "choosing by vectors: time a row of each way, and how each covers what there was"),
    "semantic": ("jobs.bench.semantic", "measuring what candidates are about: time and memory as the pool grows"),
    "yield": (
        "jobs.bench.yields",
        "what ways to ask bring at equal tokens, of a real model, and in made-up worlds the mix that follows it",
    ),
    "scale": ("jobs.bench.scale", "a whole run without a model: rate, memory and time as the pool grows"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one bench; returns the exit code."""
    return choose("bench", {name: (_late(module), what) for name, (module, what) in BENCHES.items()}, argv)


def _late(module: str) -> Callable[[Sequence[str]], int]:
    """The main function of a module that is imported when it is called."""
    return lambda argv: int(importlib.import_module(module).main(argv))
