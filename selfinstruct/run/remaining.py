"""How fast a run goes just now, and how long it will still take: for those who look on.

What remains is counted in tokens: of the requests for instructions until the target, as many as acceptance asks for and
at least those of the rounds that are open, and of the labels of all that is or will be accepted. Neither is known
before a round of each kind was committed, in this life of the run or an earlier one; until then nothing is said.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Mapping
from math import inf

from selfinstruct.records import Completion, Kind, RoundFile, Table
from selfinstruct.run.loop import Watch
from selfinstruct.run.rounds import Run
from selfinstruct.storage.accounts import tally

WINDOW = 60.0
"""Seconds over which rates are taken."""

RECENT = 4
"""Rounds whose acceptance is taken to go on; it falls as a pool grows."""

Rounds = deque[tuple[float, float]]  # requests of a round, and what it accepted


class Remaining(Watch):
    """Counts tokens as they come, and what is still to be written.

    Args:
        totals: What is committed already (`RunStore.totals`); counted on as files are.
    """

    def __init__(self, totals: Mapping[Table, Counter[str]]) -> None:
        self._totals = {table: Counter(totals[table]) for table in Table}
        self._begun = inf  # when work began
        self._written: Counter[int] = Counter()  # tokens of what came in within the window, by the second
        self._all = 0  # tokens that came in since work began
        self._recent: Rounds = deque(maxlen=RECENT)
        self._requests: dict[int, int] = {}  # by round, of proposals whose candidates are not committed
        self._proposed = self._labelled = 0  # requests and tokens that came in and are not committed

    def begin(self) -> None:
        """Work has begun: a model is ready."""
        self._begun = min(self._begun, time.monotonic())

    def completed(self, completion: Completion) -> None:
        """Count its tokens."""
        now = time.monotonic()
        self._begun = min(self._begun, now)
        self._written[int(now)] += completion.completion_tokens
        self._all += completion.completion_tokens
        if is_proposal(completion):
            self._proposed += 1
        else:
            self._labelled += completion.completion_tokens

    def committed(self, file: RoundFile) -> None:
        """Count a committed file."""
        counts = tally(file)
        self._totals[file.table] += counts
        match file.table:
            case Table.PROPOSALS:
                self._proposed = max(0, self._proposed - counts["requests"])
                self._requests[file.round] = counts["requests"]
            case Table.CANDIDATES if file.round in self._requests:
                self._recent.append((self._requests.pop(file.round), counts["accepted"]))
            case Table.LABELS:
                self._labelled = max(0, self._labelled - counts["tokens.completion"])

    def tokens_per_second(self) -> float | None:
        """Written within the last minute, or since work began; None before anything came in."""
        now = time.monotonic()
        for second in [each for each in self._written if each < now - WINDOW]:
            del self._written[second]
        if not self._all:
            return None
        if not self._written:  # long answers: one may take longer than the window
            return self._all / max(1.0, now - self._begun)
        return self._written.total() / max(1.0, min(WINDOW, now - self._begun))

    def seconds(self, run: Run) -> float | None:
        """Until the target is reached and all is labelled; None where that is not known yet."""
        rate, tokens = self.tokens_per_second(), self._tokens(run)
        return None if rate is None or tokens is None else tokens / rate if rate else None

    def _tokens(self, run: Run) -> float | None:
        """That are still to be written."""
        proposals, accepted = self._totals[Table.PROPOSALS], self._totals[Table.CANDIDATES]["accepted"]
        requests, new = map(sum, zip(*self._recent, strict=True)) if self._recent else (proposals["requests"], accepted)
        if not (requests and new):
            return None
        share, missing = new / requests, max(0, run.settings.target - accepted)
        asked = more = 0.0  # what is open when the target is reached is not waited for
        if missing:  # rounds are whole, and when one reaches the target the next ones are open already
            size = self._recent[-1][0] if self._recent else 0
            asked = max(run.unanswered + self._proposed, missing / share + (run.settings.rounds.lag - 0.5) * size)
            more = missing + size * share / 2
        per_request = proposals["tokens.completion"] / max(1, proposals["requests"])
        tokens = max(0.0, asked - self._proposed) * per_request
        if not run.settings.labels:
            return tokens
        labels = self._totals[Table.LABELS]
        labelled = instructions_labelled(labels, run.settings.label.samples)
        if not labelled:
            return None
        behind = max(0.0, accepted + more - labelled) * labels["tokens.completion"] / labelled
        return tokens + max(0.0, behind - self._labelled)


def instructions_labelled(labels: Mapping[str, int], samples: int) -> float:
    """Instructions whose labels are counted there: each has one request of the first kind, or some answers."""
    first = max(labels.get(f"{kind}.requests", 0) for kind in (Kind.CLASSIFY, Kind.INSTANTIATE))
    return first or labels.get(f"{Kind.ANSWER}.requests", 0) / samples


def is_proposal(completion: Completion) -> bool:
    """Whether instructions were asked for: its id is a round and a number; those of labels begin with a candidate's."""
    return completion.request_id.count("/") == 1
