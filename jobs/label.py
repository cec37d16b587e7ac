"""`selfinstruct label`: instructions that are there, labelled now."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

from tyro.conf import Positional

from jobs.asking import AskedModel, Asking, check_room
from jobs.command_line import run
from jobs.commands import Command, Outcome
from jobs.counting import counts
from jobs.panel import drawn
from jobs.voice import log
from selfinstruct.errors import InputError
from selfinstruct.settings import option
from selfinstruct.sources.contamination import NGRAM
from selfinstruct.steps.strategies.settings import TextFiles
from selfinstruct.wording import counted


@dataclass(frozen=True, kw_only=True)
class LabelRunSettings(AskedModel):
    """Classify a run's instructions and have inputs and outputs written, as another run: of all, or of the chosen.

    The same command goes on where it was interrupted.

    Args:
        run: Folder of the run. Whether it has instances does not matter.
        out: Folder of the new run, local or s3://, gs://, az://.
        only: File of the ids of the instructions that are labelled (`selfinstruct select`); others are not_selected.
        prompts: The prompt set with which the run was made, where it is none of the shipped ones.
        decontaminate: The evaluation sets that the run was kept clear of.
        ngram: Tokens in a row that a text may not share with an evaluation set.
        plugin: The run's own filters (--screen.plugin).
        documents: The run's documents, where instructions are answered from those that they came of.
    """

    run: Positional[str]
    out: str
    only: str | None = None
    prompts: str | None = None
    decontaminate: tuple[str, ...] = ()
    ngram: int = option(NGRAM, least=2)
    plugin: tuple[str, ...] = ()
    documents: TextFiles = field(default_factory=TextFiles)


COMMAND = Command(
    "label",
    LabelRunSettings,
    shown={
        "what is labelled": ("only", "prompts", "plugin"),
        "the model": ("engine", "model", "openai.url", "replicas", "max_failed", "ray.address"),
    },
    examples=(
        "selfinstruct label runs/bare --out runs/labelled --model /models/llama-3-8b",
        "selfinstruct label runs/bare --out runs/best --only chosen.parquet",
    ),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Label; returns the exit code."""
    return run(COMMAND, label_run, argv)


def label_run(settings: LabelRunSettings) -> Outcome:
    """Write the new run, and say what came of it."""
    from cluster.completer import opened_completer
    from selfinstruct.engines import identify, pinned, traits
    from selfinstruct.novelty.index import NoveltySettings
    from selfinstruct.quality.only import read_ids
    from selfinstruct.records import Completion, Table
    from selfinstruct.reuse.documents import named_again
    from selfinstruct.reuse.label import check_chosen, instructions, label, labelled_facts, prompts_of, settings_of
    from selfinstruct.run.facts import filled
    from selfinstruct.run.loop import Watch
    from selfinstruct.settings import with_facts
    from selfinstruct.sources.contamination import Contamination
    from selfinstruct.sources.evaluation_sets import read_evaluation
    from selfinstruct.storage.store import RunStore, open_run

    source, out = open_run(settings.run), RunStore(settings.out)
    if out.blobs.url == source.blobs.url:
        raise InputError(f"--out: {settings.out} is the run itself; its files are never changed, take another folder")
    known = instructions(source)
    chosen = read_ids(settings.only) if settings.only is not None else None
    if chosen is not None:
        check_chosen(chosen, known, str(settings.only), settings.run)
    evaluation = None
    if settings.decontaminate:
        novelty = with_facts(NoveltySettings(), filled(source.metadata(Table.CANDIDATES, 0).facts), "novelty.")
        evaluation = Contamination(read_evaluation(settings.decontaminate), novelty, settings.ngram)
    prompts = prompts_of(source, settings.prompts)
    engine = settings.engine_settings
    identity = identify(engine)
    facts = labelled_facts(source, identity, chosen, evaluation, settings.plugin, prompts)
    whole = settings_of(facts)
    material = named_again(source, whole, settings.documents, needed=whole.answers_from_texts)
    check_room(engine, prompts, "max_tokens in prompts of your own (--prompts)")
    count = len(known if chosen is None else chosen)
    writer = traits(engine).writer or settings.model_name
    log.info(f"{settings.out}: {count:,} of {counted(len(known), 'instruction')}, labelled by {writer}")
    asking = Asking(count * (1 if prompts.one_step else 2))

    class Told(Watch):
        def completed(self, completion: Completion) -> None:
            asking([completion])

    opened = pinned(engine, identity)
    with (
        drawn(asking),
        opened_completer(opened, prompts, settings.replicas, settings.in_flight, settings.ray) as completer,
    ):
        label(source, out, prompts, completer, facts, chosen, evaluation, settings.max_failed, Told(), material)
    made = out.totals()[Table.INSTANCES]
    print(
        f"{settings.out}: {counted(made['instances.accepted'], 'accepted instance')} of {counted(count, 'instruction')}"
    )
    return Outcome({"run": settings.out, "labelled": count, **counts(out)})


if __name__ == "__main__":
    sys.exit(main())
