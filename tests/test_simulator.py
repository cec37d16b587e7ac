"""Nothing lost, whatever fails: crashes at every store operation, and a thousand random schedules (tests/simulator)."""

from __future__ import annotations

from tests.simulator.plans import failures, single_crashes


def test_a_crash_at_every_store_operation_loses_nothing() -> None:
    assert single_crashes() > 250
    assert failures("crash", range(single_crashes())) == []


def test_two_crashes_anywhere_lose_nothing() -> None:
    assert failures("pair", range(500)) == []


def test_no_schedule_of_failures_loses_anything() -> None:
    assert failures("schedule", range(500)) == []
