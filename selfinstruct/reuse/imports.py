"""Reading what exists already into a run: a folder of the original release's outputs, or an instruction set.

The original code keeps one line per accepted instruction, with the response it came from; a response is one request
here, and is parsed and judged again. What it asked about each instruction is found by the instruction's text, since
its lines have no ids; letters' case does not count, because that code made all but the first letter small.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any, TypeVar

from selfinstruct.errors import InputError
from selfinstruct.records import (
    Candidate,
    Dialect,
    Finish,
    ImportedTask,
    Instance,
    Kind,
    Label,
    Proposal,
    mended,
    round_name,
)
from selfinstruct.reuse.replay import StoredRound
from selfinstruct.sources.files import opened
from selfinstruct.sources.keys import folded, text_in
from selfinstruct.sources.limits import CHUNK
from selfinstruct.sources.rows import Problems, Row, parsed
from selfinstruct.sources.texts import read_tasks, required_text
from selfinstruct.steps.instantiate import kind_for
from selfinstruct.steps.readers.original import OriginalReader

T = TypeVar("T")

INSTRUCTIONS = "machine_generated_instructions.jsonl"
QUESTIONS = "is_clf_or_not*.jsonl"
INSTANCES = "machine_generated_instances.jsonl"

REQUESTS = 2048
"""Requests in a round."""

_READER = OriginalReader()


@dataclass(frozen=True, slots=True)
class Response:
    """A completion as the files have it; `text` is None where they lack it."""

    text: str | None
    finish: Finish


@dataclass(frozen=True, slots=True)
class OriginalRun:
    """A folder of the original code's outputs."""

    requests: Sequence[str | Response]  # an instruction stands for itself where its response is not there
    questions: Mapping[str, str]  # by the key of an instruction: the raw answer
    instances: Mapping[str, Response]
    digest: str  # of the files' bytes

    @property
    def rounds(self) -> int:
        """How many rounds it becomes."""
        return -(-len(self.requests) // REQUESTS)


def read_original(folder: Path) -> OriginalRun:
    """Read a folder's instructions, and what was asked about them as far as it is there.

    Raises:
        InputError: there are no instructions, or files cannot be read or have bad lines (up to 20 are named).
    """
    first, questions, answers = folder / INSTRUCTIONS, sorted(folder.glob(QUESTIONS)), folder / INSTANCES
    if not os.path.exists(first):
        raise InputError(f"{first}: cannot be read: it is not there, and a run of the original code has it")
    later = [answers] if os.path.exists(answers) else []
    problems = Problems()
    instructions = list(_lines([first], _instruction, problems, "holds no instruction"))
    asked = dict(_lines(questions, _question, problems))
    instances = dict(_lines(later, _answer, problems))
    problems.check()
    return OriginalRun(list(_requests(instructions)), asked, instances, _digest_of([first, *questions, *later]))


def _lines(
    paths: Sequence[Path], read: Callable[[Row], T], problems: Problems, nothing: str | None = None
) -> Iterator[T]:
    return parsed(map(str, paths), read, nothing, only_lines=True, problems=problems)


def _digest_of(paths: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"{path.name}\0{path.stat().st_size}\0".encode())
        with opened(str(path)) as file:
            while data := file.read(CHUNK):
                digest.update(data)
    return digest.hexdigest()


def _instruction(row: Row) -> tuple[Any, str, Response]:
    return row.values.get("request_idx"), _text(row, "instruction"), _response(row.values.get("metadata"))


def _question(row: Row) -> tuple[str, str]:
    return key_of(_text(row, "instruction")), _text(row, "is_classification")


def _answer(row: Row) -> tuple[str, Response]:
    response = _response(row.values.get("instance_metadata"))
    return key_of(_text(row, "instruction")), Response(_text(row, "raw_instances"), response.finish)


def _text(row: Row, key: str) -> str:
    return mended(required_text(row.values, key, any_text=True))


def _response(metadata: Any) -> Response:
    """Of what the API answered; without a finish reason it counts as finished."""
    if not isinstance(metadata, dict):
        return Response(None, Finish.STOP)
    answer = metadata.get("response", metadata)
    if answer is None:
        return Response(None, Finish.FAILED)
    choices = answer.get("choices") if isinstance(answer, dict) else None
    choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
    text = _said(choice)
    finish = Finish.LENGTH if choice.get("finish_reason") == "length" else Finish.STOP
    return Response(None if text is None else mended(text), finish)


def _said(choice: Mapping[str, Any]) -> str | None:
    """The text of a completion, or of a chat model's message (forks of the original code ask such)."""
    message = choice.get("message")
    text = text_in(message.get("content")) if isinstance(message, dict) else choice.get("text")
    return text if isinstance(text, str) else None


def key_of(instruction: str) -> str:
    """By what an instruction's lines find each other."""
    return folded(instruction).casefold()


def _requests(instructions: Sequence[tuple[Any, str, Response]]) -> Iterator[str | Response]:
    """The responses in order, each once; then those of its instructions that it does not hold."""
    for (_, response), group in groupby(instructions, key=lambda each: (each[0], each[2])):
        found: set[str] = set()
        if response.text is not None:
            found = {key_of(text) for text, _ in _READER.proposals(response.text, 1, cut=False)}
            yield response
        yield from (text for _, text, _ in group if response.finish is Finish.LENGTH or key_of(text) not in found)


def rounds_of(run: OriginalRun, facts: Mapping[str, Any]) -> Iterator[StoredRound]:
    """The rounds that it becomes. `facts`, of models and prompts, are kept by the first."""
    for number in range(1, run.rounds + 1):
        requests = run.requests[(number - 1) * REQUESTS : number * REQUESTS]
        proposals = [_proposal(f"{round_name(number)}/{at:05d}", number, each) for at, each in enumerate(requests)]
        notes = {"dialect": Dialect.ORIGINAL, **({"facts": facts} if number == 1 else {})}
        yield StoredRound(number, proposals, _labeller(run), notes)


def _proposal(id: str, number: int, request: str | Response) -> Proposal:
    text, finish = (request, Finish.STOP) if isinstance(request, str) else (request.text or "", request.finish)
    return Proposal(id, number, "original", (), text, finish, 0, 0, None, ())


def _labeller(run: OriginalRun) -> Callable[[Sequence[Candidate]], list[Label]]:
    """The stored answers about instructions."""

    def labels(accepted: Sequence[Candidate]) -> list[Label]:
        return [label for instruction in accepted for label in _labels(run, instruction)]

    return labels


def _labels(run: OriginalRun, instruction: Candidate) -> Iterator[Label]:
    key = key_of(instruction.text)
    question, answer = run.questions.get(key), run.instances.get(key)
    if question is not None:
        yield _label(instruction, Kind.CLASSIFY, Response(question, Finish.STOP))
        if answer is not None:
            yield _label(instruction, kind_for(bool(_READER.classification(question))), answer)
    elif answer is not None:  # nobody knows in which of its two forms the answer is
        yield _label(instruction, Kind.CLASSIFY, Response("", Finish.FAILED))


def _label(instruction: Candidate, kind: Kind, response: Response) -> Label:
    id = f"{instruction.id}/{'classify' if kind is Kind.CLASSIFY else 'instances'}"
    error = "the imported files have no answer" if response.finish is Finish.FAILED else None
    return Label(id, instruction.round, instruction.id, kind, response.text or "", response.finish, 0, 0, error)


def read_set(urls: Sequence[str], notes: list[str] | None = None) -> list[ImportedTask]:
    """The tasks of an instruction set; rows whose instructions are one but for white space are one task.

    Args:
        notes: Takes a line on each file of which something is not used.

    Raises:
        InputError: as `texts.read_tasks`.
    """
    tasks: dict[str, ImportedTask] = {}
    instances: dict[str, dict[Instance, None]] = {}
    for task in read_tasks(urls, notes):
        key = folded(task.instruction)
        tasks.setdefault(key, task)
        instances.setdefault(key, {}).update(dict.fromkeys(task.instances))
    return [replace(task, instances=tuple(instances[key])) for key, task in tasks.items()]
