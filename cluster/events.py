"""What passes between the roster, which decides, and the pool of replicas, which calls Ray. Values, nothing else.

A call is one remote call to a replica, by its number. Whoever answers names the call, so an answer that comes twice, or
from a replica that was ended meanwhile, is known for what it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from selfinstruct.errors import SelfInstructError
from selfinstruct.records import Completion, Request

CALLS = 2
"""Exchanges under way per replica: one waits for what the engine finishes, another can bring new requests."""

# ---- what a replica answers


@dataclass(frozen=True, slots=True)
class Place:
    """Where a replica runs."""

    node: str
    address: str
    pid: int


@dataclass(frozen=True, slots=True)
class Fetched:
    """The model's files are on the replica's node."""


@dataclass(frozen=True, slots=True)
class Usage:
    """How much a replica had to do. Seconds since its engine was loaded, by its own clock."""

    busy: float  # in which the engine worked; from the end of a step to the beginning of the next it did not
    total: float
    steps: int


@dataclass(frozen=True, slots=True)
class Report:
    """What has come of an exchange."""

    completions: Sequence[Completion]
    stalled: float  # seconds for which the engine has had requests and finished none
    usage: Usage
    failure: Exception | None  # `InputError`, `FailureError` (its server, not its requests) or another
    notes: Sequence[str] = ()  # what the engine has logged as a warning since the last report


# ---- what the roster is told


@dataclass(frozen=True, slots=True)
class Begun:
    """The pool is there; its replicas are not."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Requests have come in."""

    requests: Sequence[Request]


@dataclass(frozen=True, slots=True)
class Turn:
    """The driver is about to listen: whatever is to be given out must be given out now."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A call was answered. None: the model is loaded. An exception: it could not be."""

    call: int
    answer: Place | Fetched | Report | Exception | None


@dataclass(frozen=True, slots=True)
class Broke:
    """A call will not be answered, since its replica is gone, or its whole node is."""

    call: int
    cause: str
    node: bool


@dataclass(frozen=True, slots=True)
class Listened:
    """The driver has listened, and told all that had come."""


Event = Begun | Asked | Turn | Heard | Broke | Listened

# ---- what the roster orders


@dataclass(frozen=True, slots=True)
class Start:
    """Ask for a replica in this seat, and call it to say its place."""

    seat: int
    call: int


@dataclass(frozen=True, slots=True)
class Ask:
    """Call the replica to say when it has fetched, or loaded, the model."""

    seat: int
    call: int
    what: Literal["fetch", "load"]


@dataclass(frozen=True, slots=True)
class Send:
    """Call the replica to take these requests, perhaps none, and to give what is finished."""

    seat: int
    call: int
    requests: Sequence[Request]


@dataclass(frozen=True, slots=True)
class Kill:
    """End the replica in this seat."""

    seat: int


@dataclass(frozen=True, slots=True)
class Return:
    """Hand these to whoever asked."""

    completions: Sequence[Completion]


@dataclass(frozen=True, slots=True)
class Say:
    """Tell the user."""

    line: str


@dataclass(frozen=True, slots=True)
class SayShortage:
    """Tell the user that so many replicas have no node yet, and what the cluster has."""

    waiting: int


@dataclass(frozen=True, slots=True)
class Stop:
    """Give up."""

    error: SelfInstructError


Order = Start | Ask | Send | Kill | Return | Say | SayShortage | Stop
