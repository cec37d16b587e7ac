"""What a command has spent so far: seconds of replicas or GPUs, and money, in all and per accepted instruction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from selfinstruct.records import RoundFile, Table
from selfinstruct.run.loop import Watch
from selfinstruct.storage.accounts import tally


class Spending(Watch):
    """Counts what is accepted.

    Args:
        replica_seconds: Seconds for which replicas have been ready so far, summed.
        gpus: GPUs of a replica (0: none, and seconds are counted per replica).
        price: Money per replica and hour, if known.
    """

    def __init__(self, replica_seconds: Callable[[], float], gpus: float, price: float | None) -> None:
        self._replica_seconds, self._gpus, self._price = replica_seconds, gpus, price
        self._accepted = 0

    def committed(self, file: RoundFile) -> None:
        """Count what was accepted."""
        if file.table is Table.CANDIDATES and file.round > 0:
            self._accepted += tally(file)["accepted"]

    @property
    def money(self) -> float | None:
        """Spent by this command; None without a price."""
        return None if self._price is None else self._replica_seconds() * self._price / 3600

    def figures(self) -> dict[str, Any]:
        """The figures, for JSON."""
        return {
            "replica_seconds": round(self._replica_seconds(), 1),
            "accepted": self._accepted,
            "money": None if self.money is None else round(self.money, 4),
            "text": self.text(),
        }

    def text(self) -> str:
        """In words; empty without a price, or before anything was accepted and paid for."""
        if self.money is None:
            return ""
        if not self._accepted:
            return f"spent {self.money:,.2f}, nothing accepted yet"
        seconds, unit = self._replica_seconds() * (self._gpus or 1), "GPU" if self._gpus else "replica"
        each = self.money / self._accepted
        return (
            f"spent {self.money:,.2f}: {_short(each)} and {_short(seconds / self._accepted)} {unit}-seconds"
            f" per accepted instruction"
        )


def _short(value: float) -> str:
    """Three digits, without an exponent."""
    return f"{value:.2f}" if value >= 1 else f"{value:.3g}" if value >= 1e-4 else f"{value:.6f}"
