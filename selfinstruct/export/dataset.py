"""The export itself: from a run's tables to a folder that other tools open."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from selfinstruct.errors import InputError
from selfinstruct.export.card import axolotl, card, llama_factory
from selfinstruct.export.contents import Contents, PairCounts, Written
from selfinstruct.export.folder import MARK, replaced
from selfinstruct.export.forms import FORMS, PREFERENCE
from selfinstruct.export.front import front_matter
from selfinstruct.export.provenance import known_sources, languages
from selfinstruct.export.rows import LICENCE, SOURCE, rows_of_run
from selfinstruct.export.samples import Pairs, Passing, best, passing
from selfinstruct.export.settings import DatasetSettings
from selfinstruct.export.shards import SIZE, Shards
from selfinstruct.export.shuffle import BUCKET, TRAIN, VALIDATION, Shuffled
from selfinstruct.export.sieve import Sieve, generation_summary
from selfinstruct.novelty.index import NoveltySettings
from selfinstruct.places import local
from selfinstruct.protocols import Track, unseen
from selfinstruct.quality.constraints import kept_in
from selfinstruct.quality.findings import find
from selfinstruct.quality.only import Only, only_where
from selfinstruct.records import Origin, Table
from selfinstruct.run.makers import Makers
from selfinstruct.settings import Facts, with_facts
from selfinstruct.sources.contamination import Contamination
from selfinstruct.sources.evaluation_sets import read_evaluation
from selfinstruct.storage.history import check_labelled, complete_rounds
from selfinstruct.storage.store import RunStore
from selfinstruct.version import __version__


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export has written."""

    folder: Path
    rows: dict[str, int]  # by split
    pairs: PairCounts | None = None


def export(
    store: RunStore,
    out: Path,
    settings: DatasetSettings,
    *,
    name: str | None = None,
    shard_size: int = SIZE,
    track: Track = unseen,
) -> Exported:
    """Write the complete rounds of a run as a dataset to the folder `out`, all at once.

    Args:
        name: How the card calls the dataset, as owner/name of a repository (default: the folder's name).

    Raises:
        InputError: licences or names are missing, nothing is to be exported, or `out` is something else.
        CorruptError: a file of the run is missing or torn.
        FailureError: the disk failed.
    """
    out = local(out).absolute()
    identity = store.metadata(Table.CANDIDATES, 0).writer.id
    makers, known = known_sources(store, settings)
    spoken = languages(store, makers, settings.language)
    facts, totals = store.metadata(Table.CANDIDATES, 0).facts, store.totals()
    sieve = _sieve(settings, facts)
    only = only_where(settings.only, store, settings.check)
    judged = passing(store, settings.check, needed=settings.preference)
    expected = sum(totals[Table.INSTANCES][key] for key in ("instances.accepted", "instances.seed"))
    with replaced(out, identity) as folder, TemporaryDirectory(dir=folder) as scratch:
        shuffled = Shuffled(Path(scratch), expected, settings.seed, settings.validation)
        tables, documents = _tables(store, makers, settings, only, sieve, judged), Counter[str]()
        read = track("reading", tables, len(store.rounds(Table.INSTANCES)))
        chosen = best(read, judged) if settings.samples == "best" else read
        shuffled.spread(_counting(chosen, documents))
        rows = {split: shuffled.counts[split] for split in (TRAIN, VALIDATION) if shuffled.counts[split]}
        if TRAIN not in rows:
            there = ", ".join(settings.origins)
            options = "--origins, --only and --validation" if only else "--origins and --validation"
            check_labelled(store)
            raise InputError(f"{store.blobs.url}: there are no rows of origin {there}; see {options}")
        written = write_shards(folder, shuffled, rows, shard_size, FORMS, track)
        pairs = None
        if settings.preference and judged:
            again = _tables(store, makers, settings, only, _sieve(settings, facts), judged)
            pairs, paired = _write_pairs(folder, Pairs(judged, settings.seed), again, settings, shard_size)
            written |= paired
        edition = _edition(folder / "default", folder / PREFERENCE)
        contents = Contents(
            name=name or out.name,
            edition=edition,
            rows=rows,
            written=written,
            origins=_origins(settings.origins, totals[Table.CANDIDATES]),
            languages=spoken,
            makers=list(dict.fromkeys(each for each in makers.values() if each)),
            licences=known,
            facts=facts,
            totals=totals,
            finished_rounds=len(complete_rounds(store)),
            seed=settings.seed,
            validation=settings.validation,
            quality=_quality(store, only, settings.check),
            documents=documents,
            constraints=kept_in(store),
            pairs=pairs,
            rated=judged is not None,
            thoughts=settings.thoughts,
            best=settings.samples == "best",
            contamination=[
                text for text in (generation_summary(facts, totals), sieve.summary() if sieve else None) if text
            ],
        )
        mark = {
            "run": identity,
            "edition": edition,
            "rows": rows,
            "seed": settings.seed,
            "validation": settings.validation,
            "program": __version__,
        }
        texts = {
            "README.md": f"---\n{front_matter(contents)}\n---\n\n{card(contents)}",
            "dataset_info.json": llama_factory(contents),
            "axolotl.yaml": axolotl(contents),
            MARK: json.dumps(mark, indent=2) + "\n",
        }
        for file, text in texts.items():
            (folder / file).write_text(text, encoding="utf-8")
    return Exported(out, rows, pairs)


def _origins(chosen: Collection[Origin], totals: Counter[str]) -> list[Origin]:
    """Those of the origins that rows of the run have."""
    keys = {Origin.MODEL: "accepted", Origin.IMPORTED: "accepted.imported", Origin.SEED: "accepted.seed"}
    return [origin for origin in chosen if totals[keys[origin]]]


def _quality(store: RunStore, only: Only | None, check: str | None) -> str:
    """What the card says of people and judges: of the rows that were chosen, if any were."""
    chosen = f"Only rows for which `{only.expression}` holds were taken. " if only else ""
    found = find(store, check, only)
    if found is None:
        return f"{chosen}No person has looked over them."
    rows = f"Rows of the run {'that were chosen and ' if only else 'that '}are right in all"
    told = [f"{rows} ({', '.join(found.asked)}): {found.overall}", found.cost, *found.notes]
    return chosen + " ".join(f"{line[0].upper()}{line[1:]}." for line in told if line)


def _sieve(settings: DatasetSettings, facts: Facts) -> Sieve | None:
    """What keeps rows clear of the evaluation sets that were named."""
    if not settings.decontaminate:
        return None
    novelty = with_facts(NoveltySettings(), facts, "novelty.")
    return Sieve(Contamination(read_evaluation(settings.decontaminate), novelty, settings.ngram))


def _tables(
    store: RunStore,
    makers: Mapping[int, Makers | None],
    settings: DatasetSettings,
    only: Only | None,
    sieve: Sieve | None,
    judged: Passing | None,
) -> Iterable[Any]:
    """The rows that are exported, round by round."""
    tables = rows_of_run(store, makers, settings.origins, only, thoughts=settings.thoughts)
    kept = sieve(tables) if sieve else tables
    return judged.rated(kept) if judged else kept


def _counting(tables: Iterable[Any], documents: Counter[str]) -> Iterator[Any]:
    """The same tables; rows that came of documents are counted by their licences."""
    for table in tables:
        if SOURCE in table.column_names:
            both = zip(table[SOURCE].to_pylist(), table[LICENCE].to_pylist(), strict=True)
            documents.update(licence or "" for source, licence in both if source is not None)
        yield table


def _write_pairs(
    folder: Path, pairs: Pairs, tables: Iterable[Any], settings: DatasetSettings, size: int
) -> tuple[PairCounts, dict[str, dict[str, Written]]]:
    """The form of pairs. InputError if there is none."""
    with TemporaryDirectory(dir=folder) as scratch:
        shuffled = Shuffled(Path(scratch), BUCKET, settings.seed, settings.validation)
        shuffled.spread(pairs(tables))
        rows = {split: shuffled.counts[split] for split in (TRAIN, VALIDATION) if shuffled.counts[split]}
        if TRAIN not in rows:
            raise InputError(
                f"--preference: none of {pairs.instructions:,} instructions has an answer that passed the check and one"
                " that failed; it takes several (generate --label.as answer --label.samples 4), all of them judged"
            )
        written = write_shards(folder, shuffled, rows, size, [PREFERENCE])
    return PairCounts(rows, pairs.instructions - pairs.count), written


def write_shards(
    folder: Path,
    shuffled: Shuffled,
    rows: dict[str, int],
    size: int,
    forms: Collection[str],
    track: Track = unseen,
) -> dict[str, dict[str, Written]]:
    """These forms of all splits, from one pass over the buckets; returns what was written by form and split."""
    shards = {
        form: {split: Shards(folder, form, split, total, size) for split, total in rows.items()} for form in forms
    }
    for split, table in track("writing", shuffled.tables()):
        for form in forms:
            shards[form][split].write(table)
    return {form: {split: each.written() for split, each in splits.items()} for form, splits in shards.items()}


def _edition(*folders: Path) -> str:
    """A digest of the files in some folders."""
    digest = hashlib.sha256()
    for path in (path for folder in folders for path in sorted(folder.rglob("*.*"))):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]
