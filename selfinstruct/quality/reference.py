"""A set of texts that the user names, to which a run is held: how near does it come to what people ask?

It must be none that models are tested on: a figure that rises with what leaks would be taken for a merit. The 252 user
tasks of the paper, which another common set of 805 prompts has word for word, are known here by their digests; other
sets are those that the user names. What a run was kept clear of stands among its facts as a digest alone, so those sets
are asked for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from selfinstruct.errors import InputError
from selfinstruct.novelty.rouge import tokenise
from selfinstruct.records import Table
from selfinstruct.sources.contamination import EvaluationTask
from selfinstruct.sources.evaluation_sets import read_evaluation
from selfinstruct.sources.texts import read_tasks
from selfinstruct.storage.store import RunStore

KNOWN = Path(__file__).parent / "user_tasks.txt"
"""The first 16 digits of the digests of the 252 user tasks, with and without their inputs."""


def read_reference(path: str, evaluation: Sequence[str], store: RunStore) -> list[str]:
    """The instructions of a reference set.

    Args:
        path: .jsonl, .json or .parquet.
        evaluation: The evaluation sets that it must have nothing in common with.

    Raises:
        InputError: a file cannot be read, the set has a text of an evaluation set, or the run was kept clear of
            evaluation sets and none are given.
    """
    if store.metadata(Table.CANDIDATES, 0).facts.get("evaluation") and not evaluation:
        raise InputError(
            f"--decontaminate: {store.blobs.url} was kept clear of evaluation sets; give them again, since --reference"
            " may have nothing in common with them"
        )
    texts = list(dict.fromkeys(task.instruction for task in read_tasks([path])))
    refuse_evaluation(texts, f"--reference: {path}", evaluation)
    return texts


def refuse_evaluation(texts: Sequence[str], where: str, evaluation: Sequence[str] = ()) -> None:
    """InputError if one of the texts is of the paper's user tasks, or of other evaluation sets."""
    known = {"the paper's user tasks": set(KNOWN.read_text(encoding="ascii").split())}
    for task in read_evaluation(evaluation):
        known.setdefault(task.id.rpartition(":")[0], set()).update(map(digest_of_text, texts_of(task)))
    for name, digests in known.items():
        shared = sum(digest_of_text(text) in digests for text in texts)
        if shared:
            raise InputError(
                f"{where} has {shared} of its {len(texts)} texts in common with {name}, on which models are"
                " tested; name a set that is no evaluation set"
            )


def texts_of(task: EvaluationTask) -> Iterator[str]:
    """The texts as which an evaluation task may stand in another set: its instruction alone, or with an input."""
    yield task.instruction
    yield from (f"{task.instruction}\n{text}" for text in task.texts)


def digest_of_text(text: str) -> str:
    """By which a text is known whatever its case, punctuation and white space."""
    words = tokenise(text, "unicode") or [text.strip()]
    return hashlib.sha256(" ".join(words).encode()).hexdigest()[:16]
