"""An object store in memory, with the functions of obstore that `ObjectBlobs` asks it by.

Requests may be lost on the way there, or their answers on the way back; what was given up may still arrive later; a
listing may not show the newest objects yet.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from obstore.exceptions import AlreadyExistsError, GenericError

from tests.tools.simulator.world import Violation, World


@dataclass
class Faults:
    """How often each befalls an operation."""

    lost: float = 0.0  # never arrives; an error is the answer
    unknown: float = 0.0  # a PUT that landed; an error is the answer
    repeated: float = 0.0  # a PUT whose answer was lost, so that the client library sent it again
    late: float = 0.0  # a PUT that was given up, and arrives some operations later
    stale: float = 0.0  # a listing without the newest object


class Bucket:
    """Stands in place of the module `obstore`."""

    def __init__(self) -> None:
        self.world = World(0)
        self.faults = Faults()
        self.objects: dict[str, bytes] = {}
        self.store = SimpleNamespace(from_url=lambda url, **settings: self)
        self.removing: Callable[[str, bytes], None] = lambda name, data: None  # is told of what is deleted
        self._late: list[tuple[int, str, bytes, str]] = []

    def put(self, store: Any, name: str, data: bytes, mode: str = "overwrite") -> None:
        self._operation(f"PUT {name}")
        faults, happens = self.faults, self.world.happens
        if happens(faults.lost):
            raise GenericError("the request was lost")
        if happens(faults.late):
            self._late.append((self.world.operations + self.world.draw.randrange(1, 60), name, data, mode))
            raise GenericError("the request timed out")
        self._land(name, data, mode)
        if happens(faults.repeated):
            self._land(name, data, mode)
        if happens(faults.unknown):
            raise GenericError("the answer was lost")
        self.world.operation(f"answer to PUT {name}")

    def get(self, store: Any, name: str) -> Any:
        self._read(f"GET {name}")
        data = self._there(name)
        return SimpleNamespace(bytes=lambda: data)

    def head(self, store: Any, name: str) -> dict[str, int]:
        self._read(f"HEAD {name}")
        return {"size": len(self._there(name))}

    def get_range(self, store: Any, name: str, *, start: int, end: int) -> bytes:
        self._read(f"GET a range of {name}")
        return self._there(name)[start:end]

    def list(self, store: Any, folder: str) -> list[list[dict[str, str]]]:
        self._read(f"LIST {folder}")
        names = [name for name in self.objects if name.startswith(f"{folder}/")]
        if names and self.world.happens(self.faults.stale):
            names.remove(max(names))
        return [[{"path": name} for name in names]]

    def delete(self, store: Any, name: str) -> None:
        self._operation(f"DELETE {name}")
        if self.world.happens(self.faults.lost):
            raise GenericError("the request was lost")
        if name in self.objects:
            self.removing(name, self.objects[name])
            del self.objects[name]

    def _there(self, name: str) -> bytes:
        if name not in self.objects:
            raise FileNotFoundError(name)
        return self.objects[name]

    def _land(self, name: str, data: bytes, mode: str) -> None:
        if mode == "create" and name in self.objects:
            raise AlreadyExistsError(name)
        if self.objects.get(name, data) != data:
            raise Violation(f"{name} is overwritten")
        self.objects[name] = data

    def _read(self, what: str) -> None:
        self.world.turn()
        self._arrive()
        if self.world.happens(self.faults.lost):
            raise GenericError(f"{what}: the request was lost")

    def _operation(self, what: str) -> None:
        self.world.operation(what)
        self._arrive()

    def _arrive(self) -> None:
        """What was given up and arrives now; nobody waits for the answer."""
        arrived = [each for each in self._late if each[0] <= self.world.operations]
        self._late = [each for each in self._late if each not in arrived]
        for _, name, data, mode in arrived:
            try:
                self._land(name, data, mode)
            except AlreadyExistsError:
                continue
