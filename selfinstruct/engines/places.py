"""Which of several servers a request goes to. Knows no network and no clock: the engine says how each one fared.

A request goes to the server with the fewest under way, and waits while all have as many as they may. Beside others a
server that did not answer the last time is asked one request at a time until it answers, and only while those are full;
what it failed goes to another one. So a server that is gone costs a request one attempt, and one that comes back is
found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(slots=True, eq=False)
class Server:
    """A server and how it fares."""

    address: str
    under_way: int = 0
    troubled: bool = False  # the last that came of it was no answer


@dataclass(slots=True, eq=False)
class Place:
    """Where a request is under way."""

    server: Server


class Servers:
    """All servers of an engine.

    Args:
        addresses: Of each.
        most: Requests under way at each.
    """

    def __init__(self, addresses: Sequence[str], most: int) -> None:
        self._servers = [Server(address) for address in addresses]
        self._most = most

    def place(self) -> Place | None:
        """A place for another request; None while there is none."""
        all_troubled = all(each.troubled for each in self._servers)
        bound = {False: self._most, True: self._most if all_troubled else 1}
        free = [each for each in self._servers if each.under_way < bound[each.troubled]]
        if not free:
            return None
        server = min(free, key=_load)
        server.under_way += 1
        return Place(server)

    def answered(self, place: Place) -> None:
        """The server has answered, whatever it said."""
        place.server.troubled = False

    def failed(self, place: Place) -> None:
        """It has not. The request keeps its place, at another server if one fares better, be that full or not."""
        place.server.troubled = True
        place.server.under_way -= 1
        place.server = min(self._servers, key=_load)
        place.server.under_way += 1

    def left(self, place: Place) -> None:
        """The request is done."""
        place.server.under_way -= 1


def _load(server: Server) -> tuple[bool, int]:
    return server.troubled, server.under_way
