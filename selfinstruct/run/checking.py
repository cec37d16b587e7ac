"""A check under way: what is to be judged, what came in, and which file can be written. Without I/O.

`rounds.Run` drives it beside its other stages, `quality.checking` over a run that is there. Both say which rounds'
instances are committed, in order, hand out its requests, bring it the completions in any order, and write its files in
the order of the rounds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

from selfinstruct.records import CheckRow, Completion, InstanceRow, Request
from selfinstruct.run.failures import refuse_failures
from selfinstruct.settings import Facts
from selfinstruct.steps.checks import Judge


@dataclass(frozen=True, slots=True)
class WriteCheck:
    """Commit a round's judgements, those that `make` gives, then report what was committed.

    `facts` are those of the check to which the file belongs (`storage.checks.CheckSet`).
    """

    facts: Facts
    round: int
    make: Callable[[], list[CheckRow]]


class _Round:
    """A round whose file is not committed."""

    def __init__(self, judge: Judge, number: int, rows: Sequence[InstanceRow]) -> None:
        self.number = number
        self.written = False
        self._judge = judge
        self._instances = rows
        self._ids: list[str] = []  # of its requests, in the order of its rows
        self._completions: dict[str, Completion] = {}

    @cached_property
    def queue(self) -> deque[Request]:
        """Requests to hand out; made on first sight, since rounds that were judged long ago need none."""
        requests = [self._judge.request(row) for row in self._instances if row.accepted and self._judge.draws(row.id)]
        self._ids, self._instances = [request.id for request in requests], ()
        return deque(requests)

    def complete(self, completion: Completion) -> None:
        self._completions[completion.request_id] = completion

    @property
    def missing(self) -> bool:
        return bool(self.queue) or len(self._completions) < len(self._ids)

    def completions(self) -> list[Completion]:
        """In the order of the file's rows."""
        return [self._completions[id] for id in self._ids]


class Checking:
    """One check of one run.

    Args:
        max_failed: The share of a round's requests that may fail.
        option: The one that says so.
    """

    def __init__(self, judge: Judge, max_failed: float, option: str) -> None:
        self._judge, self._max_failed, self._option = judge, max_failed, option
        self._rounds: dict[int, _Round] = {}  # in order
        self._in_flight: dict[str, _Round] = {}  # by request id

    def open(self, number: int, rows: Sequence[InstanceRow]) -> None:
        """The instances of the next round are committed; rejected ones may be left out."""
        self._rounds[number] = _Round(self._judge, number, rows)

    def requests(self, most: int) -> list[Request]:
        """Up to `most` requests to be completed now; each is handed out once."""
        taken: list[Request] = []
        for each in self._rounds.values():
            while len(taken) < most and each.queue:
                taken.append(request := each.queue.popleft())
                self._in_flight[request.id] = each
            if len(taken) >= most:
                break
        return taken

    def complete(self, completion: Completion) -> None:
        """Take a completion. One that is not waited for is ignored."""
        if (each := self._in_flight.pop(completion.request_id, None)) is not None:
            each.complete(completion.mended())

    def writes(self) -> list[WriteCheck]:
        """The next files that can be written, in order; each is given once.

        Raises:
            FailureError: too many requests of a round failed.
        """
        found = []
        for each in self._rounds.values():
            if each.written:
                continue
            if each.missing:
                break
            each.written = True
            answers = each.completions()
            where, what = f"round {each.number}", "requests for checks"
            refuse_failures(where, what, answers, self._max_failed, self._option)
            found.append(WriteCheck(self._judge.facts, each.number, partial(_rows, self._judge, each.number, answers)))
        return found

    def committed(self, number: int) -> None:
        """The file of a round is in the store."""
        self._rounds.pop(number, None)

    @property
    def waits(self) -> bool:
        """Whether answers are under way."""
        return bool(self._in_flight)

    @property
    def under_way(self) -> int:
        """How many rounds are opened and not committed."""
        return len(self._rounds)

    @property
    def oldest(self) -> int | None:
        """The first round that is opened and not committed."""
        return next(iter(self._rounds), None)


def _rows(judge: Judge, number: int, answers: Sequence[Completion]) -> list[CheckRow]:
    return [judge.row(number, each) for each in answers]
