"""`make mutants` takes an hour; that each mutant still breaks something of the code as it is, is seen here."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.tools.mutants import MUTANTS, ROSTER, Mutant

ROOT = Path(__file__).parents[1]
ALL = (*MUTANTS, *ROSTER)


@pytest.mark.parametrize("mutant", ALL, ids=lambda mutant: mutant.name)
def test_what_a_mutant_breaks_is_there(mutant: Mutant) -> None:
    text = (ROOT / mutant.house / mutant.file).read_text(encoding="utf-8")
    assert mutant.old in text
    assert mutant.new != mutant.old


def test_each_mutant_has_a_name_of_its_own() -> None:
    assert Counter(mutant.name for mutant in ALL).most_common(1)[0][1] == 1
