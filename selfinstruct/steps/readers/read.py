"""What a reader finds: each thing with the reason why it is no good as it was written, or None."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from selfinstruct.records import Instance, Reason

Proposed: TypeAlias = tuple[str, Reason | None]
Verdict: TypeAlias = tuple[Instance, Reason | None]


def whole(instances: Sequence[Instance]) -> list[Verdict]:
    """Instances of which nothing is missing."""
    return [(instance, None) for instance in instances]


def last_dropped(instances: Sequence[Instance]) -> list[Verdict]:
    """Those of an answer that was cut by length: the last is not whole."""
    return [*whole(instances[:-1]), *((instance, Reason.CUT_BY_LENGTH) for instance in instances[-1:])]
