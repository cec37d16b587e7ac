"""Tasks as users would set them: the paper's 252, whose file loads as it is, or one's own in the same form."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from selfinstruct.errors import InputError
from selfinstruct.evaluation.questions import Question
from selfinstruct.records import mended
from selfinstruct.sources.limits import MOST_PROBLEMS, text_problem
from selfinstruct.sources.rows import Row, parsed
from selfinstruct.sources.texts import optional_text, required_text

KEYS = ("id", "instruction", "instances", "input", "output", "motivation_app")
"""What is read of a task; the columns that are read of Parquet files."""


def read_user_tasks(path: str) -> list[Question]:
    """The instances of all tasks: `instruction`, and `instances` (each `input` and `output`) or `input` and `output`.

    An `id` names the task, else its line does. `motivation_app`, the application that a task was thought up for, is
    its category. The output is what raters see as the target; it may be absent.

    Raises:
        InputError: the file cannot be read, holds no task, or has bad rows (the first 20 are named).
    """
    found = list(parsed([path], _questions, "holds no task", columns=KEYS, required="instruction"))
    questions = [question for each in found for question in each]
    twice = [id for id, count in Counter(question.id for question in questions).items() if count > 1]
    if twice:
        raise InputError(*(f"{path}: the id {id!r} is there more than once" for id in twice[:MOST_PROBLEMS]))
    return questions


def _questions(row: Row) -> list[Question]:
    values = row.values
    instruction = required_text(values, "instruction", any_text=True).strip()
    if not instruction:
        raise ValueError("'instruction' must not be empty")
    task = values.get("id", f"{Path(row.url).stem}/{row.number:05d}")
    if not isinstance(task, str | int):
        raise ValueError("'id' must be a text")
    if problem := text_problem(str(task)):
        raise ValueError(f"'id' {problem}")
    given = values.get("instances", [values])
    if not isinstance(given, list) or not given:
        raise ValueError("'instances' must be a list of at least one object with 'input' and 'output'")
    category = mended(str(values.get("motivation_app") or ""))
    questions = []
    for number, instance in enumerate(given):
        if not isinstance(instance, dict):
            raise ValueError(f"instances[{number}] must be an object with 'input' and 'output'")
        target = optional_text(instance, "output").strip()
        questions.append(
            Question(
                id=f"{task}" if len(given) == 1 else f"{task}/{number}",
                task=str(task),
                category=category,
                instruction=mended(instruction),
                input=mended(optional_text(instance, "input").strip()),
                references=(mended(target),) if target else (),
            )
        )
    return questions
