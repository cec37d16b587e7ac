"""`selfinstruct import`: what exists already becomes a run, to be looked at, exported and carried on."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from tyro.conf import Positional

from jobs.command_line import run
from jobs.commands import Command, Outcome
from jobs.panel import track, working
from jobs.voice import log
from selfinstruct.errors import InputError
from selfinstruct.novelty.index import NoveltySettings
from selfinstruct.places import local_path
from selfinstruct.settings import SEEDS, option
from selfinstruct.sources.seeds import SEED_TASKS
from selfinstruct.steps.instantiate import InstanceSettings
from selfinstruct.steps.screen import ScreenSettings
from selfinstruct.wording import counted


@dataclass(frozen=True)
class ImportSettings:
    """Make a run of the outputs of the original Self-Instruct code, or of an instruction set.

    `generate --out` carries it on, with the same seeds and filters, and with any model and prompts.

    Args:
        source: A folder with machine_generated_instructions.jsonl, is_clf_or_not*.jsonl and
            machine_generated_instances.jsonl, or files of instructions with their instances (.json, .jsonl, .parquet).
        out: Folder of the new run, local or s3://, gs://, az://.
        seeds: File of the seed tasks that it began with, JSON lines.
        seed: Seed of the choice among more instances than are kept.
        model: Name of the model that wrote a folder's outputs.
        check_pool: Screen an instruction set and check it for novelty; otherwise it is taken as it is.
    """

    source: Positional[tuple[str, ...]]
    out: str
    seeds: Path = SEED_TASKS
    seed: int = option(0, least=SEEDS[0], most=SEEDS[1])
    model: str = "davinci"
    check_pool: bool = True
    screen: ScreenSettings = field(default_factory=ScreenSettings)
    novelty: NoveltySettings = field(default_factory=NoveltySettings)
    instances: InstanceSettings = field(default_factory=InstanceSettings)


COMMAND = Command(
    "import",
    ImportSettings,
    shown={
        "what it is taken to be": ("seeds", "model", "check_pool"),
        "limits": ("screen.shortest", "screen.longest", "novelty.threshold", "novelty.tokeniser", "instances.most"),
    },
    examples=(
        "selfinstruct import alpaca.json --out runs/alpaca",
        "selfinstruct import data/gpt3_generations --out runs/original --seeds data/seed_tasks.jsonl",
    ),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Import; returns the exit code."""
    return run(COMMAND, import_run, argv)


def import_run(settings: ImportSettings) -> Outcome:
    """Read everything, then write the run."""
    from selfinstruct.novelty import letters
    from selfinstruct.novelty.check import make_index
    from selfinstruct.prompts import load_prompts
    from selfinstruct.records import Table
    from selfinstruct.reuse.imports import read_original, read_set, rounds_of
    from selfinstruct.reuse.replay import replay
    from selfinstruct.run.facts import ALGORITHMS, ORIGIN, tasks_digest, word_facts
    from selfinstruct.run.rounds import Run
    from selfinstruct.run.settings import RunSettings
    from selfinstruct.settings import facts_of, with_facts
    from selfinstruct.sources.seeds import load_seeds, unknown_kinds
    from selfinstruct.steps.plugins import plugin_facts
    from selfinstruct.steps.rules import RuleSettings
    from selfinstruct.storage.store import RunStore

    if not settings.source:
        raise InputError("import: name a folder of the original code's outputs, or files of instructions")
    seeds = load_seeds(settings.seeds)
    run_settings = RunSettings(
        rules=with_facts(RuleSettings(), {}),  # none: what exists is taken as its makers have kept it
        seed=settings.seed,
        check_pool=settings.check_pool,
        screen=settings.screen,
        novelty=settings.novelty,
        instances=settings.instances,
    )
    # how requests are planned is left open: these were not planned here; and there were no rules
    facts = {**facts_of(run_settings), **ALGORITHMS, **word_facts(settings.novelty)}
    facts |= plugin_facts(settings.screen.plugin)
    facts = {
        key: fact for key, fact in facts.items() if not key.startswith(("planner", "propose.", "rounds.", "rules."))
    }
    notes = unknown_kinds(seeds)
    facts["seeds"] = tasks_digest(seeds)
    given = local_path(settings.source[0])
    if given is not None and len(settings.source) == 1 and os.path.isdir(given):
        original = read_original(given)
        facts[ORIGIN] = {"command": "import", "source": original.digest, "rounds": original.rounds}
        model = {"engine": "original", "model": settings.model}
        makers = {f"{stage}.{key}": value for stage in ("proposer", "labeller") for key, value in model.items()}
        texts = [each if isinstance(each, str) else each.text or "" for each in original.requests]
        stored = rounds_of(original, {**makers, "prompts": "original"})
        imported, rounds = [], track("importing", stored, original.rounds)
    else:
        imported, rounds = read_set(settings.source, notes), iter(())
        texts = [task.instruction for task in imported]
        facts["pool"] = tasks_digest(imported)
        facts[ORIGIN] = {"command": "import", "source": facts["pool"], "rounds": 0}
    read = {"the seed tasks": [seed.instruction for seed in seeds], "the set": texts}
    for warning in notes + letters.warnings(read, settings.novelty.tokeniser, "novelty.tokeniser"):
        log.warning(warning)
    store = RunStore(settings.out)
    store.blobs.check_writable()
    begun = Run(run_settings, load_prompts("base"), seeds, imported)
    with working("importing") if imported else nullcontext():
        replay(begun, store, make_index(settings.novelty), facts, rounds)
    totals = store.totals()
    accepted = totals[Table.CANDIDATES]["accepted"] + totals[Table.CANDIDATES]["accepted.imported"]
    rejected = sum(count for key, count in totals[Table.CANDIDATES].items() if key.startswith("rejected."))
    kept = totals[Table.INSTANCES]["instances.accepted"] + totals[Table.INSTANCES]["instances.seed"]
    kept -= sum(len(seed.instances) for seed in seeds)
    print(
        f"{settings.out}: {counted(accepted, 'instruction')} accepted, {rejected:,} rejected,"
        f" {counted(kept, 'instance')}"
    )
    return Outcome({"run": settings.out, "accepted": accepted, "rejected": rejected, "instances": kept})


if __name__ == "__main__":
    sys.exit(main())
