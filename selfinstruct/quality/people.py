"""A filled-in sheet as a check of its own, so that people's judgements stand beside the models'."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from selfinstruct.quality.sheets import QUESTIONS, Answers, read_sheet
from selfinstruct.records import By, CheckRow, Judgement
from selfinstruct.settings import digest_of
from selfinstruct.storage.checks import CheckSet
from selfinstruct.storage.lineage import round_of
from selfinstruct.storage.store import RunStore

_SAID = {True: Judgement.YES, False: Judgement.NO, None: Judgement.NONE}


def check_sheet(store: RunStore, path: Path, by: By) -> CheckSet:
    """Keep a sheet's answers beside the run that it is about; the same sheet again changes nothing.

    Raises:
        InputError: the sheet cannot be read, or is not of this run (`read_sheet`).
    """
    answers = read_sheet(path, store)
    facts = {
        "by": by,
        "questions": [list(each) for each in QUESTIONS.items()],
        "sheet": digest_of({id: dict(said) for id, said in answers.items()}),
    }
    checks = CheckSet(store, facts)
    checks.begin()
    by_round: dict[int, dict[str, Answers]] = defaultdict(dict)
    for id, said in answers.items():
        by_round[round_of(id)][id] = said
    for number in sorted(by_round.keys() - set(checks.rounds())):
        checks.commit(number, [_row(id, number, said, by) for id, said in sorted(by_round[number].items())])
    return checks


def _row(id: str, number: int, said: Mapping[str, bool | None], by: By) -> CheckRow:
    judgements = tuple(_SAID[said[key]] for key in QUESTIONS)
    return CheckRow(id, number, judgements, by, "", None, 0, 0, None)
