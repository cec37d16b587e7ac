"""When too many requests failed: a round that lost many is no sample of the model, and figures would say nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Protocol

from selfinstruct.errors import FailureError
from selfinstruct.records import Finish

AGAIN = "nothing of them is committed. Mend the cause and run the same command again"


class Answered(Protocol):
    """A completion, or a row that holds one."""

    @property
    def finish(self) -> Finish | None: ...

    @property
    def error(self) -> str | None: ...


def refuse_failures(
    where: str, what: str, answers: Sequence[Answered], most: float, option: str, spared: int = 1, advice: str = AGAIN
) -> None:
    """FailureError if more than a share of the answers, `most`, are failures.

    Args:
        where: The round or the place that they are of.
        what: What was asked: requests, or requests for something.
        option: The one that says how many may fail.
        spared: So many may fail in any case.
        advice: What helps.
    """
    errors = Counter(each.error for each in answers if each.finish is Finish.FAILED)
    failed, asked = errors.total(), len(answers)
    if failed <= max(spared, most * asked):
        return
    common = errors.most_common(1)[0][0]
    allow = f", or allow it with {option} {failed / asked:.3f}" if failed < asked else ""
    raise FailureError(f"{where}: {failed} of {asked} {what} failed, most often with {common!r}; {advice}{allow}")
