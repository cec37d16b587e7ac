"""A model judges a run that is there: accepted instances in, a file of judgements a round out.

Rounds are committed in their order; several are under way at once, so that the model does not wait for the last
answers of each.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import cast

from selfinstruct.records import Completion, InstanceRow, Table
from selfinstruct.run.checking import Checking
from selfinstruct.run.loop import Completer
from selfinstruct.steps.checks import Judge
from selfinstruct.storage.checks import CheckSet

AHEAD = 4
"""Rounds that are under way at once."""


def to_check(checks: CheckSet) -> list[int]:
    """The rounds whose instances are committed and not judged yet; round 0 holds what people wrote."""
    done = set(checks.rounds())
    return [number for number in checks.store.rounds(Table.INSTANCES) if number > 0 and number not in done]


def count(checks: CheckSet, judge: Judge, rounds: Sequence[int]) -> int:
    """How many instances of these rounds are to be judged."""
    ids = (checks.store.read_columns(Table.INSTANCES, number, ["id"], accepted_only=True)["id"] for number in rounds)
    return sum(judge.draws(id) for each in ids for id in each.to_pylist())


def check(
    checks: CheckSet,
    judge: Judge,
    completer: Completer,
    max_failed: float,
    watch: Callable[[Sequence[Completion]], None],
) -> None:
    """Judge what is not judged yet of the check's share.

    Args:
        max_failed: The share of a round's requests that may fail.
        watch: Is told what came in, even if nothing did.

    Raises:
        FailureError: more requests failed; their round is not committed.
        SelfInstructError: as the engine and the store do.
    """
    waiting, checking = deque(to_check(checks)), Checking(judge, max_failed, "--max_failed")
    while waiting or checking.under_way:
        while waiting and checking.under_way < AHEAD:
            rows = checks.store.read_accepted(Table.INSTANCES, waiting[0]).rows
            checking.open(waiting.popleft(), cast(Sequence[InstanceRow], rows))
        completer.add(checking.requests(completer.room))
        completions = completer.step() if checking.waits else []
        for completion in completions:
            checking.complete(completion)
        for write in checking.writes():
            checks.commit(write.round, write.make())
            checking.committed(write.round)
        watch(completions)
