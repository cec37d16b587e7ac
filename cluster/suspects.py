"""Finding the request that kills replicas, without harm to those that were with it.

Whatever a replica held when it died is suspect. Suspects are tried in small groups, each on a replica that holds
nothing else: a group that survives is innocent, one that does not is divided further, and a request that was alone
with `STRIKES` replicas when they died is the culprit. A group waits behind the others, so that innocents come first.

No I/O here: the pool of replicas says who died with what.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence

from selfinstruct.records import Request

PARTS = 8
"""Groups that one group is divided into. With 64 suspects a culprit is alone at the third death."""

STRIKES = 3
"""Deaths of a replica that held nothing else, after which a request is the culprit."""


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
        """The next group; the caller tries it, then reports with `accuse`, `put_back` or `acquit`."""
        return self._groups.popleft()

    def put_back(self, group: Sequence[Request]) -> None:
        """A trial that proved nothing: the replica was lost for another reason."""
        if group:
            self._groups.append(list(group))

    def accuse(self, held: Sequence[Request]) -> Request | None:
        """A replica died while it held these. Returns the culprit once there is no doubt, and forgets it."""
        if len(held) == 1 and self._strike(held[0]):
            return held[0]
        size = -(-len(held) // PARTS)
        for first in range(0, len(held), max(1, size)):
            self.put_back(held[first : first + size])
        return None

    def acquit(self, request_id: str) -> None:
        """This request was completed."""
        self._strikes.pop(request_id, None)

    def _strike(self, request: Request) -> bool:
        self._strikes[request.id] += 1
        if self._strikes[request.id] < STRIKES:
            return False
        del self._strikes[request.id]
        return True
