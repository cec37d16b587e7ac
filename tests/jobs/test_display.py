"""What somebody who looks at a run is told."""

from __future__ import annotations

from collections import Counter

import pytest

from jobs.display import Display
from selfinstruct.records import Candidate, Completion, Finish, Origin, Reason, RoundFile, Table
from selfinstruct.run.spending import Spending


def make_candidate(position: int, reason: Reason | None) -> Candidate:
    id = f"000002/00000/{position:02d}"
    return Candidate(id, 2, "000002/00000", position, Origin.MODEL, "Text", reason is None, reason, None, None)


def test_the_line_counts_on_from_the_runs_earlier_lives(capsys: pytest.CaptureFixture[str]) -> None:
    totals = {table: Counter[str]() for table in Table}
    totals[Table.CANDIDATES].update({"accepted": 10, "rejected.similar": 3})
    totals[Table.LABELS].update({"input_first.requests": 8, "input_first.cut_by_length": 2})
    with Display(20, totals) as display:
        rows = tuple(make_candidate(n, Reason.SIMILAR if n == 2 else None) for n in range(3))
        display.committed(RoundFile(Table.CANDIDATES, 2, rows))
        display.completed(Completion("000002/00001", "text", Finish.STOP, 30, 7))
        assert "spent" not in display.line()
        spending = Spending(lambda: 7200.0, 1, 2.5)
        spending.committed(RoundFile(Table.CANDIDATES, 2, rows))
        display.started([], spending)
        line = display.line()
    assert "accepted 12/20" in line
    assert "rejected 4 similar" in line
    assert "cut by length: input_first 25%" in line
    assert "spent 5.00: 2.50 and 3600.00 GPU-seconds per accepted instruction" in line
    assert "0 instances" not in line
    shown = capsys.readouterr()
    assert shown.out == ""
    assert line.startswith(shown.err.strip())  # in the end nothing is waited for


def test_nothing_is_told_before_it_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    with Display(20, {table: Counter() for table in Table}) as display:
        display.starting("starting Ray")
        assert capsys.readouterr().err == "starting Ray\n"
        line = display.line()
    assert line.startswith("accepted 0/20 | ")
    assert line.endswith(" so far | starting Ray")
    assert not {"rejected", "instances", "tokens", "left", "%"} & {*line.replace("/", " ").split()}
