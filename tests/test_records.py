"""The values that flow through a run."""

import pickle
from dataclasses import fields

import pytest

from selfinstruct.records import Completion, Finish, Kind, Request


@pytest.mark.parametrize(
    "value",
    [
        Request("000001/00002", Kind.PROPOSE, "9.", 7),
        Completion("000001/00002", "Say it again.", Finish.STOP, 11, 12, error="none", cached_tokens=3),
    ],
)
def test_what_travels_between_processes_arrives_whole(value: Request | Completion) -> None:
    assert all(getattr(value, each.name) != each.default for each in fields(value))  # none that could get lost unseen
    there = pickle.loads(pickle.dumps(value, protocol=5))
    assert there == value
    assert repr(there) == repr(value)
