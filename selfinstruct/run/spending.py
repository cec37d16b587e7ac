"""What a command has spent so far: seconds of replicas or GPUs, and money, in all and per accepted instruction.

Where the run has a check of its own, also tokens and money per row that is right in all, as the judge says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from selfinstruct.records import CheckRow, Completion, Judgement, RoundFile, Table
from selfinstruct.run.loop import Watch
from selfinstruct.steps.judging import overall
from selfinstruct.storage.accounts import tally


class Spending(Watch):
    """Counts what is accepted, what it took, and what the run's own check says of it.

    Args:
        replica_seconds: Seconds for which replicas have been ready so far, summed.
        gpus: GPUs of a replica (0: none, and seconds are counted per replica).
        price: Money per replica and hour, if known.
    """

    def __init__(self, replica_seconds: Callable[[], float], gpus: float, price: float | None) -> None:
        self._replica_seconds, self._gpus, self._price = replica_seconds, gpus, price
        self._accepted = self._rows = self._tokens = self._judged = self._passed = 0

    def committed(self, file: RoundFile) -> None:
        """Count what was accepted."""
        if file.table is Table.CANDIDATES and file.round > 0:
            self._accepted += tally(file)["accepted"]
        elif file.table is Table.INSTANCES and file.round > 0:
            self._rows += tally(file)["instances.accepted"]

    def completed(self, completion: Completion) -> None:
        """Count its tokens."""
        self._tokens += completion.prompt_tokens + completion.completion_tokens

    def judged(self, number: int, rows: Sequence[CheckRow]) -> None:
        """Count what the judge says."""
        self._judged += len(rows)
        self._passed += sum(overall(row.judgements) is Judgement.YES for row in rows)

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
        """In words; empty without a price and a check, or before anything was accepted and judged."""
        return "; ".join(part for part in (self._spent(), self._checked()) if part)

    def _spent(self) -> str:
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

    def _checked(self) -> str:
        if not self._judged:
            return ""
        share = self._passed / self._judged
        said = f"the judge says: {share:.0%} of {self._judged:,} rows right in all"
        if not (right := share * self._rows):
            return said
        took = f"an accepted row took {self._tokens / self._rows:,.0f} tokens, one of these {self._tokens / right:,.0f}"
        return f"{said}; {took}" + (f", in money {_short(self.money / right)}" if self.money is not None else "")


def _short(value: float) -> str:
    """Three digits, without an exponent."""
    return f"{value:.2f}" if value >= 1 else f"{value:.3g}" if value >= 1e-4 else f"{value:.6f}"
