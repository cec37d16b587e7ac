"""`selfinstruct polish`: a run's outputs written anew by another model."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tyro.conf import Positional

from jobs.asking import AskedModel, Asking, check_room
from jobs.command_line import run
from jobs.commands import Command, Outcome
from jobs.counting import counts
from jobs.panel import drawn
from jobs.voice import log
from selfinstruct.errors import InputError
from selfinstruct.quality.settings import OnlySettings
from selfinstruct.settings import NamedValues, option
from selfinstruct.sources.contamination import NGRAM
from selfinstruct.wording import counted

if TYPE_CHECKING:
    from selfinstruct.storage.store import RunStore


@dataclass(frozen=True, kw_only=True)
class PolishSettings(AskedModel, OnlySettings):
    """Have another model, a stronger one, answer a run's tasks again; instructions and inputs stay as they are.

    The new run goes through the same filters. The same command goes on where it was interrupted.

    Args:
        run: Folder of the run.
        out: Folder of the new run, local or s3://, gs://, az://.
        only: Of what the run's model wrote, rows that this expression lets pass, as "checks.all == no"; all others are
            taken as they are.
        check: Name of the check that is meant, where the run has several (see `selfinstruct check`).
        draft: Show the old output as a draft.
        prompts: A shipped prompt set that has a polish.toml (chat, instruct), or a folder of your own.
        sampling: Other values for the prompt's sampling, as polish.temperature=0.7.
        chat_template_kwargs: Variables of the chat template as name=value (enable_thinking=true ...).
        plugin: The filters of your own with which the run was made, which are run only where you name them.
        decontaminate: Evaluation sets that the new outputs are kept clear of.
        ngram: Tokens in a row that a text may not share with an evaluation set.
    """

    run: Positional[str]
    out: str
    draft: bool = False
    prompts: str = "chat"
    sampling: NamedValues = ()
    chat_template_kwargs: NamedValues = ()
    plugin: tuple[str, ...] = ()
    decontaminate: tuple[str, ...] = ()
    ngram: int = option(NGRAM, least=2)


COMMAND = Command(
    "polish",
    PolishSettings,
    shown={
        "what is written anew": ("only", "check", "draft", "prompts"),
        "the model": ("engine", "model", "openai.url", "replicas", "max_failed", "ray.address"),
    },
    examples=(
        "selfinstruct polish runs/first --out runs/polished --model /models/teacher-70b",
        'selfinstruct polish runs/first --out runs/mended --only "checks.all == no" --draft',
    ),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Polish; returns the exit code."""
    return run(COMMAND, polish_run, argv)


def polish_run(settings: PolishSettings) -> Outcome:
    """Write the new run, and say what came of it."""
    from cluster.completer import opened_completer
    from selfinstruct.engines import identify, pinned, traits
    from selfinstruct.novelty.index import NoveltySettings
    from selfinstruct.quality.only import only_where
    from selfinstruct.records import Table
    from selfinstruct.reuse.polish import Polish, polish
    from selfinstruct.run.inputs import prompts_with
    from selfinstruct.settings import with_facts
    from selfinstruct.sources.contamination import Contamination
    from selfinstruct.sources.evaluation_sets import read_evaluation
    from selfinstruct.storage.history import complete_rounds
    from selfinstruct.storage.store import RunStore, open_run

    source, out = open_run(settings.run), RunStore(settings.out)
    if out.blobs.url == source.blobs.url:
        raise InputError(f"--out: {settings.out} is the run itself; its files are never changed, take another folder")
    facts = source.metadata(Table.CANDIDATES, 0).facts
    evaluation = None
    if settings.decontaminate:
        novelty = with_facts(NoveltySettings(), facts, "novelty.")
        evaluation = Contamination(read_evaluation(settings.decontaminate), novelty, settings.ngram)
    stop = bool(facts.get("stop_repetition", False))
    prompts = prompts_with(settings.prompts, settings.chat_template_kwargs, settings.sampling, stop, "polish")
    only = only_where(settings.only, source, settings.check)
    plan = Polish(source, prompts, settings.draft, only, settings.plugin, evaluation)
    engine = settings.engine_settings
    identity = identify(engine)
    plan.facts(identity)  # says what is missing, before a model is opened
    out.blobs.check_writable()
    missing = [each for each in complete_rounds(source) if each not in out.rounds(Table.INSTANCES)]
    asked = sum(len(plan.requests(number)) for number in missing)
    if missing:
        check_room(engine, prompts, "--sampling polish.max_tokens")
        name = traits(engine).writer or settings.model_name
        log.info(f"{settings.out}: asking {name} for {asked:,} outputs")
    opened = pinned(engine, identity)
    with (
        drawn(Asking(asked)) as watch,
        opened_completer(opened, prompts, settings.replicas, settings.in_flight, settings.ray) as completer,
    ):
        polish(plan, out, identity, completer, settings.max_failed, watch)
    _show(source, out)
    return Outcome({"run": settings.out, "asked": asked, **counts(out)})


def _show(source: RunStore, out: RunStore) -> None:
    from selfinstruct.records import Table

    before, after = source.totals()[Table.INSTANCES], out.totals()[Table.INSTANCES]
    asked = out.totals()[Table.LABELS]["polish.requests"]
    key = "instances.accepted"
    print(
        f"{out.blobs.url}: {counted(asked, 'output')} written anew;"
        f" {counted(before[key], 'instance')} before, {after[key]:,} now"
    )
    for reason in sorted(each for each in after if each.startswith("instances.rejected.")):
        if (more := after[reason] - before[reason]) > 0:
            print(f"  {more:,} more are {reason.rpartition('.')[2]}")


if __name__ == "__main__":
    sys.exit(main())
