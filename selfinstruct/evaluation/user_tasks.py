"""Tasks as users would set them: the paper's 252, whose file loads as it is, or one's own in the same form."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from selfinstruct.errors import InputError
from selfinstruct.evaluation.questions import Question, whole
from selfinstruct.sources.texts import MOST_PROBLEMS, Row, read_rows


def read_user_tasks(path: str) -> list[Question]:
    """The instances of all tasks: `instruction`, and `instances` (each `input` and `output`) or `input` and `output`.

    An `id` names the task, else its line does. `motivation_app`, the application that a task was thought up for, is
    its category. The output is what raters see as the target; it may be absent.

    Raises:
        InputError: the file cannot be read, holds no task, or has bad rows (the first 20 are named).
    """
    questions: list[Question] = []
    problems: list[str] = []
    for row in read_rows([path], "instruction", any_text=True):
        try:
            questions += _questions(row)
        except ValueError as error:
            problems.append(f"{row.id}: {error}")
            if len(problems) == MOST_PROBLEMS:
                break
    twice = [id for id, count in Counter(question.id for question in questions).items() if count > 1]
    problems += [f"{path}: the id {id!r} is there more than once" for id in twice[:MOST_PROBLEMS]]
    if problems:
        raise InputError(*problems)
    if not questions:
        raise InputError(f"--tasks: {path} holds no task")
    return questions


def _questions(row: Row) -> Iterator[Question]:
    values = row.values
    instruction = values["instruction"].strip()
    if not instruction:
        raise ValueError("'instruction' must not be empty")
    task = values.get("id", f"{Path(row.url).stem}/{row.number:05d}")
    if not isinstance(task, str | int):
        raise ValueError("'id' must be a text")
    given = values.get("instances", [values])
    if not isinstance(given, list) or not given:
        raise ValueError("'instances' must be a list of at least one object with 'input' and 'output'")
    for number, instance in enumerate(given):
        text, target = _fields(instance, number)
        yield Question(
            id=f"{task}" if len(given) == 1 else f"{task}/{number}",
            task=str(task),
            category=whole(str(values.get("motivation_app") or "")),
            instruction=whole(instruction),
            input=whole(text.strip()),
            references=(whole(target.strip()),) if target.strip() else (),
        )


def _fields(instance: Any, number: int) -> tuple[str, str]:
    if not isinstance(instance, dict):
        raise ValueError(f"instances[{number}] must be an object with 'input' and 'output'")
    text, target = instance.get("input") or "", instance.get("output") or ""
    if not isinstance(text, str) or not isinstance(target, str):
        raise ValueError(f"instances[{number}]: 'input' and 'output' must be texts")
    return text, target
