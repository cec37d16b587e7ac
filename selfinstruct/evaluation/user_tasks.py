"""Tasks as users would set them: the paper's 252, whose file loads as it is, or one's own in the same form."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from selfinstruct.errors import InputError
from selfinstruct.evaluation.questions import Question
from selfinstruct.records import mended
from selfinstruct.sources.keys import COLUMNS, task_of
from selfinstruct.sources.limits import MOST_PROBLEMS, text_problem
from selfinstruct.sources.rows import Row, parsed

KEYS = (*COLUMNS, "id", "motivation_app")
"""What is read of a task; the columns that are read of Parquet files."""


def read_user_tasks(path: str) -> list[Question]:
    """The instances of all tasks, by the keys that `keys` knows.

    An `id` names the task, else its line does. `motivation_app`, the application that a task was thought up for, is
    its category. The output is what raters see as the target; it may be absent.

    Raises:
        InputError: the file cannot be read, holds no task, or has bad rows (the first 20 are named).
    """
    found = list(parsed([path], _questions, "holds no task", columns=KEYS))
    questions = [question for each in found for question in each]
    twice = [id for id, count in Counter(question.id for question in questions).items() if count > 1]
    if twice:
        raise InputError(*(f"{path}: the id {id!r} is there more than once" for id in twice[:MOST_PROBLEMS]))
    return questions


def _questions(row: Row) -> list[Question]:
    values = row.values
    read = task_of(values)
    instruction = mended(read.instruction.strip())
    if not instruction:
        raise ValueError("'instruction' must not be empty")
    if not read.instances:
        raise ValueError("'instances' must be a list of at least one object with 'input' and 'output'")
    task = values.get("id", f"{Path(row.url).stem}/{row.number:05d}")
    if not isinstance(task, str | int):
        raise ValueError("'id' must be a text")
    if problem := text_problem(str(task)):
        raise ValueError(f"'id' {problem}")
    category = mended(str(values.get("motivation_app") or ""))
    return [
        Question(
            id=f"{task}" if len(read.instances) == 1 else f"{task}/{number}",
            task=str(task),
            category=category,
            instruction=instruction,
            input=mended(instance.input),
            references=(mended(instance.output),) if instance.output else (),
        )
        for number, instance in enumerate(read.instances)
    ]
