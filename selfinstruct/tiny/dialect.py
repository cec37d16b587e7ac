"""How answers to each kind of prompt are written, the inverse of what the pipeline's parsers read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from selfinstruct.records import Instance


def numbered(instructions: Sequence[str], first: int = 9) -> str:
    """Instructions as the continuation of a list whose item `first` is left open."""
    lines = [f" {instructions[0]}"]
    lines += [f"{number}. {text}" for number, text in enumerate(instructions[1:], start=first + 1)]
    return "\n".join(lines)


def yes_or_no(is_classification: bool) -> str:
    """The answer to the classification question."""
    return " Yes" if is_classification else " No"


def input_first(instances: Sequence[Instance]) -> str:
    """Instances with the input first; a single one without input is its output alone."""
    if len(instances) == 1 and not instances[0].input:
        return f"Output: {instances[0].output}"
    pieces = (f"Example {n}\n{case.input}\nOutput: {case.output}" for n, case in enumerate(instances, start=1))
    return "\n\n".join(pieces)


def output_first(instances: Sequence[Instance]) -> str:
    """Instances with the class label first."""
    return "\n\n".join(f"Class label: {case.output}\n{case.input}" for case in instances)


def json_tasks(instructions: Sequence[str]) -> str:
    """Instructions as chat models like to give JSON: in a code block."""
    return f"```json\n{json.dumps({'tasks': list(instructions)}, indent=1)}\n```"


def json_task(is_classification: bool, instances: Sequence[Instance]) -> str:
    """Instances and whether they are of a classification task, as JSON."""
    return json.dumps({"classification": is_classification, "instances": [asdict(case) for case in instances]})
