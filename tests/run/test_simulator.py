"""Nothing lost, whatever fails: crashes at every store operation, and a thousand random schedules."""

from __future__ import annotations

import pytest

from tests.tools.simulator.plans import failures, single_crashes
from tests.tools.simulator.simulate import Plan, simulate
from tests.tools.simulator.world import Crash, CrashAt


def test_a_crash_at_every_store_operation_loses_nothing() -> None:
    assert single_crashes() > 250
    assert failures("crash", range(single_crashes())) == []


def test_two_crashes_anywhere_lose_nothing() -> None:
    assert failures("pair", range(500)) == []


def test_no_schedule_of_failures_loses_anything() -> None:
    assert failures("schedule", range(500)) == []


@pytest.mark.parametrize("seed", range(6))
def test_a_folder_above_the_run_that_a_killed_process_made_is_there_for_good(seed: int) -> None:
    """Killed right after the first mkdir, the power lost in the end: whether that shows is up to the seed."""
    simulate(Plan(seed, crashes=(CrashAt(2, Crash.KILL),)))
