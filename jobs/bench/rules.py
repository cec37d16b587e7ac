"""`selfinstruct bench rules`: what each rule for rows finds in sets of tasks, and how long it takes to look.

Each rule is tried by itself, with the values of the recipe `recommended`: on every instruction, and on every instance.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from tyro.conf import Positional

from jobs.command_line import run
from jobs.commands import Command, Outcome
from selfinstruct.settings import option

if TYPE_CHECKING:
    from selfinstruct.records import Instance, Reason
    from selfinstruct.steps.rules import Rules

T = TypeVar("T")
Look = Callable[[T], "Reason | None"]

RULES = ("echo", "prompt", "repetition", "statement")

SEEDS = "the seeds"

PASSES = 5


@dataclass(frozen=True)
class RulesBenchSettings:
    """Count what each rule for rows finds in the shipped seeds and in other sets of tasks.

    Args:
        sets: Files of tasks (.jsonl, .json, .parquet), or folders of runs, whose accepted rows are taken.
        prompts: The prompt set whose texts must not come back.
        out: Folder for rules.json; without it there is the table only.
        show: Texts that are shown of those that a rule finds in a set.
    """

    sets: Positional[tuple[str, ...]] = ()
    prompts: str = "base"
    out: str | None = None
    show: int = option(0, least=0)


@dataclass(frozen=True, slots=True)
class Found:
    """What one rule found in one set. Microseconds are means; None where there was nothing to look at."""

    name: str  # of the set
    rule: str
    instructions: int
    instruction_hits: int
    instruction_microseconds: float | None
    instances: int
    instance_hits: int
    instance_microseconds: float | None


@dataclass(frozen=True, slots=True)
class _Tasks:
    instructions: Sequence[str]
    instances: Sequence[tuple[str, Instance]]  # with their instructions


COMMAND = Command("bench rules", RulesBenchSettings)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure; returns the exit code."""
    return run(COMMAND, bench, argv)


def bench(settings: RulesBenchSettings) -> Outcome:
    """Measure, print a table, and write JSON."""
    from jobs.bench.machine import machine
    from selfinstruct.prompts import load_prompts
    from selfinstruct.sources.seeds import SEED_TASKS

    told = load_prompts(settings.prompts).texts
    sets = {SEEDS: _of_file(str(SEED_TASKS))} | {name: _read(name) for name in settings.sets}
    lines, shown = [], []
    for name, tasks in sets.items():
        for rule in RULES:
            found, texts = look(name, rule, tasks, told)
            lines.append(found)
            shown += [f"{rule}, {name}: {text!r}" for text in texts[: settings.show]]
    print("\n".join([*table(lines), *shown]))
    figures = {
        "settings": {"prompts": settings.prompts},
        "machine": machine(),
        "lines": [dataclasses.asdict(each) for each in lines],
    }
    if settings.out is not None:
        folder = Path(settings.out)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "rules.json").write_text(json.dumps(figures, indent=1) + "\n")
    return Outcome(figures)


def table(lines: Sequence[Found]) -> list[str]:
    """A line for each set and rule; in Markdown."""
    head = ("set", "rule", "instructions", "found", "µs each", "instances", "found", "µs each")
    rows = ["| " + " | ".join(head) + " |", "|---|---" + "|--:" * 6 + "|"]
    for each in lines:
        values = [
            each.name,
            f"`{each.rule}`",
            *_cells(each.instructions, each.instruction_hits, each.instruction_microseconds),
            *_cells(each.instances, each.instance_hits, each.instance_microseconds),
        ]
        rows.append("| " + " | ".join(values) + " |")
    return rows


def _cells(texts: int, hits: int, microseconds: float | None) -> tuple[str, str, str]:
    return (f"{texts:,}", f"{hits:,}", f"{microseconds:.1f}") if microseconds is not None else ("", "", "")


def look(name: str, rule: str, tasks: _Tasks, told: Sequence[str]) -> tuple[Found, list[str]]:
    """One rule over one set, and the texts that it found."""
    from selfinstruct.steps.rules import Rules, RuleSettings

    off: dict[str, Any] = dict.fromkeys(RULES, False)
    rules = Rules(RuleSettings(**{**off, rule: True}), "rouge", told)
    of_instruction, of_instance = _looks(rules, rule)
    first, took = _over(tasks.instructions, of_instruction)
    second, instance_took = _over(tasks.instances, of_instance)
    found = Found(
        Path(name).name if name != SEEDS else name,
        rule,
        len(tasks.instructions),
        len(first),
        took,
        len(tasks.instances),
        len(second),
        instance_took,
    )
    return found, [*first, *(instance.output for _, instance in second)]


def _looks(rules: Rules, rule: str) -> tuple[Look[str] | None, Look[tuple[str, Instance]] | None]:
    """What a rule looks at."""
    return (
        rules.of_instruction if rule != "echo" else None,
        (lambda row: rules.of_instance(*row)) if rule != "statement" else None,
    )


def _over(texts: Sequence[T], look: Look[T] | None) -> tuple[list[T], float | None]:
    """The texts that a rule finds, and microseconds of this thread for each of all, in the fastest of some passes."""
    if look is None or not texts:
        return [], None
    fastest = float("inf")
    for _ in range(PASSES):
        begun = time.thread_time()
        found = [text for text in texts if look(text) is not None]
        fastest = min(fastest, time.thread_time() - begun)
    return found, 1e6 * fastest / len(texts)


def _read(name: str) -> _Tasks:
    """The tasks of a file or a run. InputError if it is neither."""
    from selfinstruct.sources.rows import is_readable

    return _of_file(name) if is_readable(name) or os.path.isfile(name) else _of_run(name)


def _of_file(name: str) -> _Tasks:
    from selfinstruct.sources.texts import read_tasks

    tasks = read_tasks([name])
    instructions = dict.fromkeys(task.instruction for task in tasks)
    return _Tasks(list(instructions), [(task.instruction, each) for task in tasks for each in task.instances])


def _of_run(name: str) -> _Tasks:
    from selfinstruct.records import Instance, Table
    from selfinstruct.storage.store import open_run

    store = open_run(name)
    instructions: list[str] = []
    instances: list[tuple[str, Instance]] = []
    for number in store.rounds(Table.CANDIDATES)[1:]:
        instructions += store.read_columns(Table.CANDIDATES, number, ["text"], accepted_only=True)["text"].to_pylist()
    for number in store.rounds(Table.INSTANCES)[1:]:
        rows = store.read_columns(Table.INSTANCES, number, ["instruction", "input", "output"], accepted_only=True)
        instances += [(row["instruction"], Instance(row["input"], row["output"])) for row in rows.to_pylist()]
    return _Tasks(instructions, instances)


if __name__ == "__main__":
    sys.exit(main())
