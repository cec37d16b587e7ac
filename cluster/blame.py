"""Who is to blame when a replica ends, so that the request that kills replicas is found and no other one fails.

What becomes of the requests that a replica held, by how it ended:

    how                     it held              they                                          counts
    ----------------------  -------------------  --------------------------------------------  ------
    its node has gone       requests             are first in the queue                        no
                            suspects, on trial   are tried again, as the group they were       no
    its server has gone     requests             are first in the queue                        yes
                            suspects, on trial   are tried again, as the group they were       yes
    it died, hung, failed   several              are suspects, divided into groups             yes
                            one; not proven      is tried again: the replica may be at fault   yes
                            one; proven          has a strike; with the third it fails         yes

A replica is proven once it has completed something. *Counts*: such ends in a row, nothing being completed in between,
bring the pool nearer to giving up.

Suspects are tried in small groups, each on a replica that holds nothing else. A group that survives is innocent, one
that does not is divided further. A group waits behind the others, so that innocents come first. A suspect alone is
tried by a proven replica; one that is not completes a request first that was completed before.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from enum import Enum

from selfinstruct.records import Request

PARTS = 8
"""Groups that one group is divided into. With 64 suspects a culprit is alone at the third death."""

STRIKES = 3
"""Deaths of a proven replica that held nothing else, after which a request is the culprit."""


class End(Enum):
    """How a replica ends."""

    NODE = "its node has gone"
    SERVER = "the server of its model has gone"
    OWN = "it died, hung or failed"

    @property
    def counts(self) -> bool:
        """Whether it says anything about the pool."""
        return self is not End.NODE


class Fate(Enum):
    """What becomes of the requests that it held."""

    QUEUE = "first in the queue"
    AGAIN = "tried again as they were"
    DIVIDE = "suspects, in groups"
    STRIKE = "a strike"


def fate(end: End, trial: bool, held: int, proven: bool) -> Fate:
    """The table above, for a replica that held so many requests."""
    match end, trial, held, proven:
        case ((End.NODE | End.SERVER), False, _, _):
            return Fate.QUEUE
        case ((End.NODE | End.SERVER), True, _, _):
            return Fate.AGAIN
        case End.OWN, _, 1, False:
            return Fate.AGAIN
        case End.OWN, _, 1, True:
            return Fate.STRIKE
        case _:
            return Fate.DIVIDE


class Suspects:
    """Requests that wait for their trial."""

    def __init__(self) -> None:
        self._groups: deque[list[Request]] = deque()
        self._strikes: Counter[str] = Counter()  # by request id

    def __len__(self) -> int:
        """Requests that wait."""
        return sum(map(len, self._groups))

    @property
    def alone(self) -> bool:
        """Whether the next group is a single request."""
        return len(self._groups[0]) == 1

    def take(self) -> list[Request]:
        """The next group."""
        return self._groups.popleft()

    def put_back(self, group: Sequence[Request]) -> None:
        """They are to be tried together."""
        if group:
            self._groups.append(list(group))

    def divide(self, held: Sequence[Request]) -> None:
        """One of these may be the culprit."""
        size = -(-len(held) // PARTS)
        for first in range(0, len(held), max(1, size)):
            self.put_back(held[first : first + size])

    def strike(self, request: Request) -> bool:
        """It was alone with a proven replica that died. Whether it is the culprit, which is then forgotten."""
        self._strikes[request.id] += 1
        if self._strikes[request.id] < STRIKES:
            self.put_back([request])
            return False
        del self._strikes[request.id]
        return True

    def acquit(self, request_id: str) -> None:
        """This request was completed."""
        self._strikes.pop(request_id, None)
