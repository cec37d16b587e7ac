"""`selfinstruct export`: a run as a dataset folder that other tools open."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tyro.conf import Positional

from jobs.command_line import run
from selfinstruct.errors import InputError
from selfinstruct.export.settings import LicenceSettings
from selfinstruct.records import Origin, Table
from selfinstruct.sources.contamination import NGRAM


@dataclass(frozen=True, kw_only=True)
class ExportSettings(LicenceSettings):
    """Write a run as a dataset for the Hugging Face hub, TRL, LLaMA-Factory and axolotl.

    Values for several models are given as NAME=VALUE each; a plain value is that of all models.

    Args:
        run: Folder of the run.
        out: Folder of the dataset; an earlier export of the same run is replaced.
        origins: Rows to export: those of the model, imported ones, seed tasks.
        validation: Share of the instructions that are set aside as the split validation.
        seed: Seed of the shuffle and the split.
        decontaminate: Evaluation sets that rows are kept clear of: .jsonl, .json, .parquet, or folders of
            natural-instructions tasks.
        ngram: Tokens in a row that a text may not share with an evaluation set.
        push_to_hub: Upload the folder to this dataset repository, owner/name; token and endpoint are huggingface_hub's.
        private: Make the repository private, if it is created.
    """

    run: Positional[str]
    out: Path
    origins: tuple[Origin, ...] = (Origin.MODEL, Origin.IMPORTED)
    validation: float = 0.01
    seed: int = 0
    decontaminate: tuple[str, ...] = ()
    ngram: int = NGRAM
    push_to_hub: str | None = None
    private: bool = False


def main(argv: Sequence[str] | None = None) -> int:
    """Export; returns the exit code."""
    return run("export", ExportSettings, export_run, argv)


def export_run(settings: ExportSettings) -> int:
    """Write the folder, and upload it if told to."""
    if not 0 <= settings.validation < 1:
        raise InputError(f"--validation: is {settings.validation}, must be at least 0 and below 1")
    if settings.ngram < 2:
        raise InputError(f"--ngram: is {settings.ngram}, must be at least 2")
    from selfinstruct.export.dataset import export
    from selfinstruct.export.hub import check_name, push
    from selfinstruct.novelty.index import NoveltySettings
    from selfinstruct.settings import with_facts
    from selfinstruct.sources.contamination import Contamination, read_evaluation
    from selfinstruct.storage.store import open_run

    if settings.push_to_hub is not None:
        check_name(settings.push_to_hub)
    store = open_run(settings.run)
    evaluation = None
    if settings.decontaminate:
        facts = store.metadata(Table.CANDIDATES, 0).notes["facts"]
        novelty = with_facts(NoveltySettings(), facts, "novelty.")
        evaluation = Contamination(read_evaluation(settings.decontaminate), novelty, settings.ngram)
    out = settings.out.expanduser().absolute()
    exported = export(
        store,
        out,
        name=settings.push_to_hub or out.name,
        origins=settings.origins,
        seed=settings.seed,
        validation=settings.validation,
        licence_settings=settings,
        evaluation=evaluation,
    )
    print(f"{settings.out}: " + ", ".join(f"{rows:,} rows for {split}" for split, rows in exported.rows.items()))
    if settings.push_to_hub is not None:
        print(push(out, settings.push_to_hub, settings.private))
    return 0


if __name__ == "__main__":
    sys.exit(main())
