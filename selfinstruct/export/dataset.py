"""The export itself: from a run's tables to a folder that other tools open."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from selfinstruct.errors import InputError
from selfinstruct.export.card import Contents, axolotl, card, llama_factory
from selfinstruct.export.folder import MARK, replaced
from selfinstruct.export.forms import FORMS
from selfinstruct.export.provenance import licences, makers_by_round
from selfinstruct.export.rows import rows_of_run
from selfinstruct.export.settings import LicenceSettings
from selfinstruct.export.shards import SIZE, Shards
from selfinstruct.export.shuffle import TRAIN, VALIDATION, Shuffled
from selfinstruct.export.sieve import Sieve, generation_summary
from selfinstruct.records import Origin, Table
from selfinstruct.sources.contamination import Contamination
from selfinstruct.storage.store import RunStore
from selfinstruct.version import __version__


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export has written."""

    rows: dict[str, int]  # by split


def export(
    store: RunStore,
    out: Path,
    *,
    name: str,
    origins: Sequence[Origin],
    seed: int,
    validation: float,
    licence_settings: LicenceSettings,
    evaluation: Contamination | None = None,
    shard_size: int = SIZE,
) -> Exported:
    """Write the complete rounds of a run as a dataset to the folder `out`, all at once.

    Args:
        name: How the card calls the dataset: a folder's name, or owner/name of a repository.
        origins: Which rows are exported.
        seed: Of the shuffle and the split.
        validation: Share of the instructions that are set aside, in [0, 1).
        evaluation: Evaluation sets that rows are kept clear of.

    Raises:
        InputError: licences or names are missing, nothing is to be exported, or `out` is something else.
        CorruptError: a file of the run is missing or torn.
        FailureError: the disk failed.
    """
    identity = store.metadata(Table.CANDIDATES, 0).writer.id
    makers = makers_by_round(store, licence_settings.model_name)
    known = licences(store, makers, licence_settings)
    facts, totals = store.metadata(Table.CANDIDATES, 0).notes["facts"], store.totals()
    sieve = Sieve(evaluation) if evaluation else None
    expected = sum(totals[Table.INSTANCES][key] for key in ("instances.accepted", "instances.seed"))
    with replaced(out, identity) as folder, TemporaryDirectory(dir=folder) as scratch:
        shuffled = Shuffled(Path(scratch), expected, seed, validation)
        tables = rows_of_run(store, makers, origins)
        shuffled.spread(sieve(tables) if sieve else tables)
        rows = {split: shuffled.counts[split] for split in (TRAIN, VALIDATION) if shuffled.counts[split]}
        if TRAIN not in rows:
            there = ", ".join(origins)
            raise InputError(f"{store.blobs.url}: there are no rows of origin {there}; see --origins and --validation")
        write_shards(folder, shuffled, rows, shard_size)
        edition = _edition(folder / "default")
        contents = Contents(
            name=name,
            edition=edition,
            rows=rows,
            origins=[str(origin) for origin in origins],
            makers=list(dict.fromkeys(each for each in makers.values() if each)),
            licences=known,
            facts=facts,
            totals=totals,
            finished_rounds=len(store.rounds(Table.INSTANCES)) - 1,
            seed=seed,
            validation=validation,
            contamination=[
                text for text in (generation_summary(facts, totals), sieve.summary() if sieve else None) if text
            ],
        )
        mark = {
            "run": identity,
            "edition": edition,
            "rows": rows,
            "seed": seed,
            "validation": validation,
            "program": __version__,
        }
        texts = {
            "README.md": card(contents),
            "dataset_info.json": llama_factory(contents),
            "axolotl.yaml": axolotl(contents),
            MARK: json.dumps(mark, indent=2) + "\n",
        }
        for file, text in texts.items():
            (folder / file).write_text(text, encoding="utf-8")
    return Exported(rows)


def write_shards(folder: Path, shuffled: Shuffled, rows: dict[str, int], size: int) -> None:
    """All forms of all splits, from one pass over the buckets."""
    shards = {
        (form, split): Shards(folder, form, split, total, size) for form in FORMS for split, total in rows.items()
    }
    for split, table in shuffled.tables():
        for form in FORMS:
            shards[form, split].write(table)


def _edition(folder: Path) -> str:
    """A digest of the files in a folder."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.*")):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]
