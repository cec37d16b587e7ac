"""`selfinstruct generate`: the main job, from seed tasks to a growing instruction set."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from cluster.settings import GenerateSettings
from jobs.command_line import run
from jobs.commands import Command, Outcome
from jobs.counting import counts
from jobs.voice import log
from selfinstruct.recipes import RECOMMENDED
from selfinstruct.wording import counted

COMMAND = Command(
    "generate",
    GenerateSettings,
    RECOMMENDED,
    needs=("out",),
    shown={
        "what goes in": ("seeds", "pool", "decontaminate", "recipe"),
        "the model": ("engine", "model", "prompts", "openai.url"),
        "how much": ("target", "budget.hours", "label.as"),
        "where it works": ("replicas", "shards", "ray.address"),
    },
    examples=(
        "selfinstruct generate --out runs/first --target 200",
        "selfinstruct generate --out s3://bucket/runs/llama --model /models/llama-3-8b --replicas 8 --target 50000",
    ),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Generate, or go on with a run; returns the exit code."""
    return run(COMMAND, generate, argv)


def generate(settings: GenerateSettings) -> Outcome:
    """Check everything, run, and show what came out."""
    from cluster import generating
    from cluster.actors import actors_of
    from jobs.display import Display
    from jobs.panel import is_told
    from jobs.sample import show
    from selfinstruct.engines import EMBEDDED, traits
    from selfinstruct.run.inputs import of_a_small_target, read_inputs, warnings_about
    from selfinstruct.storage.accounts import one_sided
    from selfinstruct.storage.checks import CheckSet

    settings, kept = generating.as_begun(settings)
    for option in kept:
        log.info(option)
    inputs = read_inputs(settings)
    for warning in warnings_about(settings, inputs):
        log.warning(warning)
    if line := of_a_small_target(settings, inputs):
        log.info(line)
    store = generating.open_store(settings, inputs.facts)
    engine = traits(settings.proposer)
    uses_one = engine.checkpoint or (settings.model != EMBEDDED and not engine.writer)  # the default is a name, too
    model = f" model {settings.model}," if uses_one else ""
    pool = f" {counted(len(inputs.imported), 'task')} of --pool (no seed tasks of other runs)," if settings.pool else ""
    actors = actors_of(settings)
    where = f"{counted(actors.replicas, 'replica')} and {counted(actors.shards, 'index shard')} on Ray"
    log.info(
        f"{settings.out}: {counted(len(inputs.seeds), 'seed task')},{pool} {settings.engine} engine,{model}"
        f" {where if actors.replicas else 'in this process'}"
    )
    with Display(settings.target, store.totals(), shown=is_told()) as display:
        finished = generating.generate(settings, inputs, store, display)
    if finished.pool.generated < settings.target:
        spent = f"the budget is spent at {finished.pool.generated:,} of {settings.target:,}"
        log.info(f"{', '.join([spent, *([str(display.left)] if str(display.left) else [])])}; the same command goes on")
    if line := one_sided(store.totals()):
        log.warning(line)
    print("\nA few of the accepted tasks:\n")
    show(store, number=5)
    tables = ("candidates", "instances", "proposals", "labels") if settings.labels else ("candidates", "proposals")
    with_instances = " and their instances" if settings.labels else ""
    print(f"{counted(finished.pool.generated, 'accepted instruction')}{with_instances} lie in")
    for table in tables:
        print(f"  {settings.out.rstrip('/')}/{table}/*.parquet")
    if inputs.judge:
        check = CheckSet(store, inputs.judge.facts).name
        print(f"What {inputs.judge.model} says of them lies in {settings.out.rstrip('/')}/checks/{check}")
    return Outcome({"run": settings.out, "reached": finished.pool.generated >= settings.target, **counts(store)})


if __name__ == "__main__":
    sys.exit(main())
