"""`selfinstruct bench`: measurements that print a table and write JSON, each with the machine it ran on."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

BENCHES = {
    "loop": ("jobs.bench_loop", "the embedded model tuned on what it wrote, on tasks that it has never seen"),
    "export": ("jobs.bench_export", "a run as a dataset: time, memory and size"),
    "novelty": ("jobs.bench_novelty", "the novelty check: each index against brute force and the reference"),
    "overhead": ("jobs.bench_overhead", "how busy the replicas are kept, and what a request costs the driver"),
    "engine": ("jobs.bench_engine", "the transformers engine against plain generation, by kind and in whole rounds"),
    "scale": ("jobs.bench_scale", "a whole run without a model: rate, memory and time as the pool grows"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one bench; returns the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] not in BENCHES:
        print("usage: selfinstruct bench NAME [options]\n")
        print("\n".join(f"  {name:<10}{what}" for name, (_, what) in BENCHES.items()))
        return 0 if arguments in (["-h"], ["--help"]) else 2
    return int(importlib.import_module(BENCHES[arguments[0]][0]).main(arguments[1:]))


if __name__ == "__main__":
    sys.exit(main())
