"""The texts of a run from whose answers, or for whose instructions, another run is made: their owner names them again.

A run has their digest, and of each text that was used the number. What lies behind a number is in the files alone.
"""

from __future__ import annotations

from selfinstruct.errors import InputError
from selfinstruct.records import Table
from selfinstruct.run.facts import ORIGIN
from selfinstruct.run.material import Material, corpus_of
from selfinstruct.run.settings import RunSettings
from selfinstruct.settings import Facts
from selfinstruct.steps.strategies.settings import TextFiles
from selfinstruct.storage.store import RunStore


def named_again(source: RunStore, settings: RunSettings, given: TextFiles, *, needed: bool) -> Material | None:
    """The material of the new run; None where it needs no texts.

    Args:
        settings: Of the new run.
        needed: Whether any answer is written from a text, or was.

    Raises:
        InputError: they are needed and not given, or given and not needed; they are others; or the run was merged.
    """
    url, facts = source.blobs.url, source.metadata(Table.CANDIDATES, 0).facts
    if not needed:
        if given.files:
            raise InputError(f"--documents.files: no answer of {url} is written from a document; leave them out")
        return None
    _check_kept(url, facts)
    if not given.files:
        raise InputError(f"--documents.files: answers of {url} are written from documents; name the files again")
    corpus = corpus_of(given, settings.seed)
    if corpus.digest != facts.get("documents"):
        raise InputError(
            f"--documents.files: are not those of {url}, or changed since; give the same files in the same order, with"
            " the same columns"
        )
    return Material(documents=corpus)


def _check_kept(url: str, facts: Facts) -> None:
    if facts.get(ORIGIN, {}).get("command") == "merge":
        raise InputError(
            f"{url}: was merged from runs whose answers are written from documents; take those, and merge what comes of"
            " it"
        )
