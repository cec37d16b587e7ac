"""How long rounds took: `timings/000012.json` beside the tables. Written as best it can be, and nothing depends on it.

A timing lies between the commits of two rounds of candidates within one life of the run, and counts everything that
the replicas completed meanwhile, of whichever round. What came after a life's last such commit, as the labelling at a
run's end, has one of its own (`000012-1f3a9c2b.json`), unless that life was killed. Rounds whose commit was another
driver's may have none.
"""

from __future__ import annotations

import contextlib
import json
import secrets
from dataclasses import asdict, dataclass

from selfinstruct.errors import SelfInstructError
from selfinstruct.records import round_name
from selfinstruct.storage.blobs import Blobs

FOLDER = "timings"


@dataclass(frozen=True, slots=True)
class Timing:
    """One round, from the commit of the candidates before it to its own, or what a life did after it.

    Older ones lack what has a default.
    """

    round: int
    seconds: float
    replica_seconds: float  # summed over the replicas that were ready
    completions: int
    prompt_tokens: int
    completion_tokens: int
    ended: str | None = None  # the time of its commit, as ISO 8601 in UTC
    target: int | None = None  # accepted instructions that the run was to have
    gpus: float | None = None  # of a replica
    price: float | None = None  # money per replica and hour, where it was told

    @property
    def gpu_seconds(self) -> float | None:
        """Seconds summed over the GPUs of the replicas that were ready; None where nobody wrote how many there are."""
        return None if self.gpus is None else self.replica_seconds * self.gpus

    @property
    def money(self) -> float | None:
        """What it took; None without a price."""
        return None if self.price is None else self.replica_seconds * self.price / 3600


def write_timing(blobs: Blobs, timing: Timing, *, after: bool = False) -> None:
    """Put it beside the tables. On a full disk it is not there: the next commit of a table will tell.

    Args:
        after: It is what a life did after the round.
    """
    name = round_name(timing.round) + (f"-{secrets.token_hex(4)}" if after else "")
    with contextlib.suppress(SelfInstructError):
        blobs.put(f"{FOLDER}/{name}.json", json.dumps(asdict(timing)).encode(), patient=False)


def read_timings(blobs: Blobs) -> list[Timing]:
    """Those that are there and can be read, by round."""
    timings = []
    for name in blobs.names(FOLDER):
        try:
            timings.append(Timing(**json.loads(blobs.get(f"{FOLDER}/{name}"))))
        except (ValueError, TypeError, KeyError, SelfInstructError):
            continue
    return timings
