"""`selfinstruct check`: a model, or people, judge a run's accepted instances; the judgements stay beside the run."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tyro.conf import Positional

from jobs.asking import AskedModel, Asking, check_room
from jobs.command_line import run
from jobs.commands import Command, Outcome
from jobs.panel import drawn
from jobs.voice import log
from selfinstruct.errors import InputError
from selfinstruct.records import By
from selfinstruct.settings import SEEDS, option
from selfinstruct.wording import counted

if TYPE_CHECKING:
    from selfinstruct.storage.checks import CheckSet


@dataclass(frozen=True, kw_only=True)
class CheckSettings(AskedModel):
    """Have a model judge accepted instances, question by question, or read what people said of them.

    The same command goes on where it was interrupted, and judges what a run has accepted since.

    Args:
        run: Folder of the run.
        rubric: What is asked: chat or base (the paper's three questions, for a chat model or a base model), or a TOML
            file with [questions] of your own.
        share: Share of the accepted instances that are judged, drawn by the hash of their ids.
        seed: Of that draw.
        sheet: Read people's answers from this file instead, as the report's page or a spreadsheet saved it.
        by: Whose answers a sheet holds: people, or author (whoever made the data: no independent judge).
    """

    run: Positional[str]
    rubric: str = "chat"
    share: float = option(1.0, above=0, most=1)
    seed: int = option(0, least=SEEDS[0], most=SEEDS[1])
    sheet: Path | None = None
    by: By = By.PEOPLE


COMMAND = Command(
    "check",
    CheckSettings,
    shown={
        "what is asked": ("rubric", "share"),
        "the model that judges": ("engine", "model", "openai.url", "replicas", "ray.address"),
        "people instead": ("sheet", "by"),
    },
    examples=(
        "selfinstruct check runs/first --model /models/judge-70b --share 0.1",
        "selfinstruct check runs/first --sheet review.csv",
    ),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Check; returns the exit code."""
    return run(COMMAND, check_run, argv)


def check_run(settings: CheckSettings) -> Outcome:
    """Judge what is not judged yet, and show the figures."""
    if settings.by is By.MODEL:
        raise InputError("--by: a sheet is by people or by the author; a model is asked without --sheet")
    checks = _by_people(settings, settings.sheet) if settings.sheet else _by_model(settings)
    return Outcome(_shown(checks))


def _by_people(settings: CheckSettings, sheet: Path) -> CheckSet:
    from selfinstruct.quality.sheets import check_sheet
    from selfinstruct.storage.store import open_run

    return check_sheet(open_run(settings.run), sheet, settings.by)


def _by_model(settings: CheckSettings) -> CheckSet:
    from cluster.completer import opened_completer
    from selfinstruct.engines import identify, name_of, pinned
    from selfinstruct.quality.checking import check, count, to_check
    from selfinstruct.steps.checks import Judge
    from selfinstruct.steps.rubric import load_rubric
    from selfinstruct.storage.checks import CheckSet
    from selfinstruct.storage.history import check_labelled
    from selfinstruct.storage.store import open_run

    prompts = (rubric := load_rubric(settings.rubric)).prompts
    store = open_run(settings.run)
    check_labelled(store)
    store.blobs.check_writable()
    engine = settings.engine_settings
    judge = Judge(rubric, settings.share, settings.seed, name_of(engine), identity := identify(engine))
    checks = CheckSet(store, judge.facts)
    if not (rounds := to_check(checks)):
        return checks
    check_room(engine, prompts, "max_tokens in a rubric of your own (--rubric)")
    missing = count(checks, judge, rounds)
    log.info("%s: asking %s about %s instances", settings.run, judge.model, f"{missing:,}")
    checks.begin()
    opened = pinned(engine, identity)
    with (
        drawn(Asking(missing)) as watch,
        opened_completer(opened, prompts, settings.replicas, settings.in_flight, settings.ray) as completer,
    ):
        check(checks, judge, completer, settings.max_failed, watch)
    return checks


def _shown(checks: CheckSet) -> dict[str, Any]:
    """Print each question's judgements in numbers and what follows for the run, and give them."""
    from selfinstruct.quality.findings import find

    found = find(checks.store, checks.name)
    tally = next((each for each in found.tallies if each.check == checks.name), None) if found else None
    rows = tally.rows if tally else 0
    print(f"{checks.store.blobs.url}: check {checks.name} ({checks.label}), {counted(rows, 'instance')} judged")
    for key, row in tally.by_question.items() if tally else ():
        print(f"  {key:<10} " + ", ".join(f"{number:,} {judgement}" for judgement, number in row.items() if number))
    for line in found.lines if found else ():
        print(line)
    by_question = tally.by_question if tally else {}
    return {"check": checks.name, "label": checks.label, "rows": rows, "by_question": by_question, "findings": found}


if __name__ == "__main__":
    sys.exit(main())
