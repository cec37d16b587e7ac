"""Predictions as files: what was asked, what should and what did come out, one JSON object a line.

    {"id": "", "model": "", "task": "", "category": "", "instruction": "", "input": "", "target": [], "prompt": "",
     "response": "", "finish": "", "error": null}

Of files that others made, `instruction` and `response` are enough: the files released with the paper load as they are.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selfinstruct.errors import InputError
from selfinstruct.evaluation.questions import Question
from selfinstruct.evaluation.scoring import Scorer, figures, grouped
from selfinstruct.places import local_path
from selfinstruct.records import Completion, Finish, mended
from selfinstruct.sources.rows import Row, parsed
from selfinstruct.sources.texts import optional_text, required_text, text_or_texts

PREDICTIONS = "predictions.jsonl"

KEYS = ("id", "model", "instruction", "input", "target", "response")
"""What is read of a prediction; the columns that are read of Parquet files."""


def prediction_row(model: str, question: Question, prompt: str, answer: Completion) -> dict[str, Any]:
    """A line of a predictions file."""
    return {
        "id": question.id,
        "model": model,
        "task": question.task,
        "category": question.category,
        "instruction": question.instruction,
        "input": question.input,
        "target": list(question.references),
        "prompt": prompt,
        "response": answer.text,
        "finish": str(answer.finish),
        "error": answer.error,
    }


def results(model: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The scores of predictions that have a target: overall, per category and per task; and how answers ended."""
    scorer = Scorer()
    scored = [(row, scorer(row["response"], row["target"])) for row in rows if row["target"]]
    groups = {
        key: {name: figures(each) for name, each in grouped((row[key], score) for row, score in scored).items()}
        for key in ("category", "task")
    }
    finishes = Counter(row["finish"] for row in rows)
    return {
        "model": model,
        "asked": len(rows),
        "finish": {str(finish): finishes[finish] for finish in Finish},
        "empty": sum(not row["response"].strip() for row in rows),
        "overall": figures([score for _, score in scored]),
        "categories": groups["category"],
        "tasks": groups["task"],
    }


@dataclass(frozen=True, slots=True)
class Prediction:
    """One model's response to one task, as people or a judge rate it."""

    model: str
    task: str  # for people to read
    instruction: str
    input: str
    targets: tuple[str, ...]
    response: str

    @property
    def asked(self) -> tuple[str, str]:
        """What makes a task the same in the files of several models, whose ids and outer blanks may differ."""
        return self.instruction.strip(), self.input.strip()

    @property
    def id(self) -> str:
        """Of task and response, and not of the model: raters see this, and equal responses are rated once."""
        text = "\0".join((*self.asked, self.response.strip()))
        return hashlib.sha256(text.encode()).hexdigest()[:20]


def read_predictions(places: Sequence[str]) -> list[Prediction]:
    """The predictions of all files and folders, models in the order in which they come.

    Args:
        places: Files (.jsonl, .json, .parquet), or folders that `selfinstruct evaluate` wrote, of one model or of
            several. A row without `model` is by the model after which its file is named.

    Raises:
        InputError: nothing is there, rows are bad (20 are named), or one model gives two answers to a task.
    """
    if not places:
        raise InputError("name at least one file of predictions, or a folder of them")
    first: dict[tuple[str, tuple[str, str]], tuple[str, Prediction]] = {}

    def prediction(row: Row) -> Prediction | None:
        read = _prediction(row)
        at, there = first.setdefault((read.model, read.asked), (row.id, read))
        if there.response != read.response:
            raise ValueError(f"model {read.model!r} answers this task otherwise at {at}")
        return read if there is read else None

    files = [file for place in places for file in _files(place)]
    rows = list(parsed(files, prediction, "holds no prediction", columns=KEYS, required="response"))
    predictions = [each for each in rows if each is not None]
    order = {name: at for at, name in enumerate(dict.fromkeys(each.model for each in predictions))}
    return sorted(predictions, key=lambda each: order[each.model])


def _files(place: str) -> list[str]:
    folder = local_path(place)
    if folder is None or not os.path.isdir(folder):
        return [place]
    found = [folder / PREDICTIONS] if (folder / PREDICTIONS).exists() else sorted(folder.glob(f"*/{PREDICTIONS}"))
    if not found:
        raise InputError(f"{place}: holds no {PREDICTIONS}; `selfinstruct evaluate` writes it when all is answered")
    return list(map(str, found))


def _prediction(row: Row) -> Prediction:
    values = row.values
    response, instruction = (required_text(values, key, any_text=True) for key in ("response", "instruction"))
    if not instruction.strip():
        raise ValueError("'instruction' must not be empty")
    return Prediction(
        model=mended(
            optional_text(values, "model") or Path(row.url).name.partition(".")[0].removesuffix("_predictions")
        ),
        task=mended(str(values.get("id") or f"line {row.number}")),
        instruction=mended(instruction),
        input=mended(optional_text(values, "input")),
        targets=tuple(map(mended, text_or_texts(values, "target") if values.get("target") else ())),
        response=mended(response),
    )
