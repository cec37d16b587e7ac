"""Keeping clear of evaluation sets: is a text, or something much like it, what a model will be tested on?

Two checks, for texts that were copied and for instructions that were put in other words:

- n-grams: a text that has 13 tokens in a row in common with a text of an evaluation set. The number is that of GPT-3
  (Brown et al. 2020, appendix C), where it ran from 8 to 13 with the length of a benchmark's texts; so an evaluation
  text of 8 to 12 tokens is hit where it occurs whole, and a shorter one by ROUGE-L alone.
- ROUGE-L: an instruction whose F with an instruction of an evaluation set is above the novelty threshold, through the
  same kind of index and with the same settings as the novelty check.

Instructions get both checks; inputs and outputs that of n-grams. Of a natural-instructions task the definition counts,
of other sets the instructions and the inputs and outputs of their instances.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from selfinstruct.errors import InputError
from selfinstruct.novelty.check import make_index
from selfinstruct.novelty.index import NoveltySettings
from selfinstruct.novelty.rouge import tokenise
from selfinstruct.settings import digest_of
from selfinstruct.sources.json_values import read_document
from selfinstruct.sources.rows import Row, listed, parsed
from selfinstruct.sources.texts import length_problem

NGRAM = 13
"""Tokens in a row that two texts may not share."""

SHORTEST = 8
"""Tokens of the shortest evaluation text that is looked for as a whole."""

INSTRUCTION_FIELDS = ("instruction", "definition", "Definition", "question", "prompt", "text")
"""Where a row of an evaluation set may have its instruction; the first that is there."""

NOTHING = "holds no evaluation task"

OTHER_FIELDS = ("input", "output", "answer", "target")


@dataclass(frozen=True, slots=True)
class EvaluationTask:
    """What a model may be tested on. The id names its set and its place there."""

    id: str
    instruction: str
    texts: tuple[str, ...]  # inputs and outputs


@dataclass(frozen=True, slots=True)
class Hit:
    """The evaluation task that a text is too near to; `rouge_l` is None where they share an n-gram."""

    id: str
    rouge_l: float | None


class Contamination:
    """Evaluation sets, made ready to be asked about texts."""

    def __init__(self, tasks: Sequence[EvaluationTask], novelty: NoveltySettings, ngram: int = NGRAM) -> None:
        self.tasks = tasks
        self.ngram = ngram
        self.threshold = novelty.threshold
        self._tokeniser = novelty.tokeniser
        self._head = min(SHORTEST, ngram)
        self._grams: defaultdict[str, dict[tuple[str, ...], str]] = defaultdict(dict)  # by their first tokens
        for task in tasks:
            for text in (task.instruction, *task.texts):
                self._hold(task.id, tokenise(text, self._tokeniser))
        self._index = make_index(novelty)
        self._index.insert(0, [task.instruction for task in tasks])

    @property
    def digest(self) -> str:
        """Of the sets' content and the length of n-grams: what a run's data depends on."""
        return digest_of([[asdict(task) for task in self.tasks], self.ngram])

    @property
    def sets(self) -> Mapping[str, int]:
        """How many tasks each set has, by the names of the files."""
        counts: defaultdict[str, int] = defaultdict(int)
        for task in self.tasks:
            counts[task.id.rpartition(":")[0]] += 1
        return counts

    def of_instruction(self, text: str) -> Hit | None:
        """Why an instruction may not be used, if so."""
        if (id := self.overlap(text)) is not None:
            return Hit(id, None)
        nearest = self._index.nearest(len(self.tasks), [text])[0]
        if nearest is not None and nearest.rouge_l > self.threshold:
            return Hit(self.tasks[nearest.ordinal].id, nearest.rouge_l)
        return None

    def overlap(self, text: str) -> str | None:
        """The id of a task of which the text holds an n-gram, or the whole of a short text."""
        tokens, head = tokenise(text, self._tokeniser), self._head
        for at in range(len(tokens) - head + 1):
            for tail, id in self._grams.get(" ".join(tokens[at : at + head]), {}).items():
                if tail == tuple(tokens[at + head : at + head + len(tail)]):
                    return id
        return None

    def _hold(self, id: str, tokens: list[str]) -> None:
        size = min(self.ngram, len(tokens))
        if size < self._head:
            return
        for at in range(len(tokens) - size + 1):
            head, tail = tokens[at : at + self._head], tokens[at + self._head : at + size]
            self._grams[" ".join(head)].setdefault(tuple(tail), id)


def read_evaluation(paths: Sequence[str]) -> list[EvaluationTask]:
    """The tasks of evaluation sets: .jsonl, .json or .parquet with one task a row, a natural-instructions task file, or
    a folder of such files.

    Raises:
        InputError: a file cannot be read, or holds no task.
    """
    return [
        task
        for path in paths
        for task in (_folder(Path(path)) if "://" not in path and os.path.isdir(path) else _file(path))
    ]


def _folder(folder: Path) -> list[EvaluationTask]:
    """Definitions of natural-instructions; other JSON files, and what else lies beside them, are passed over."""
    tasks = []
    for path in sorted(path for path in folder.glob("*.json") if path.is_file()):
        try:
            definition = _text(read_document(str(path)), "Definition")
        except ValueError as error:
            raise InputError(f"{path}: {error}") from error
        if definition:
            tasks.append(EvaluationTask(f"{folder.name}:{path.stem}", definition, ()))
    if not tasks:
        raise InputError(f"--decontaminate: {folder}: {NOTHING}")
    return tasks


def _file(path: str) -> Iterator[EvaluationTask]:
    name = path.rstrip("/").rpartition("/")[2]

    def task(row: Row) -> EvaluationTask:
        instruction = next((text for key in INSTRUCTION_FIELDS if (text := _text(row.values, key))), None)
        if instruction is None:
            fields = ", ".join(INSTRUCTION_FIELDS)
            raise ValueError(
                f"no text under any of {fields} (there are: {listed(row.values)}); name the instruction so"
            )
        return EvaluationTask(f"{name}:{row.number}", instruction, tuple(_texts(row.values)))

    return parsed([path], task, NOTHING, columns=(*INSTRUCTION_FIELDS, *OTHER_FIELDS, "instances"))


def _texts(row: Mapping[str, Any]) -> Iterator[str]:
    instances = row.get("instances")
    for each in [row, *(instances if isinstance(instances, list) else [])]:
        yield from (text for key in OTHER_FIELDS if (text := _text(each, key)))


def _text(values: Any, key: str) -> str:
    """The text under a key, or the first of a list of texts there; nothing if there is none. ValueError if too long."""
    value = values.get(key) if isinstance(values, dict) else None
    if isinstance(value, list) and value:
        value = value[0]
    if not isinstance(value, str):
        return ""
    if problem := length_problem(value):
        raise ValueError(f"{key!r} {problem}")
    return value
