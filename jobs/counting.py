"""A run's counts as figures, the same for every command that makes or reads one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from selfinstruct.records import Table

if TYPE_CHECKING:
    from selfinstruct.storage.store import RunStore


def counts(store: RunStore) -> dict[str, Any]:
    """By table how many files there are, and the sums of what they count (`selfinstruct.storage.accounts`)."""
    totals = store.totals()
    return {"tables": {str(table): {"rounds": len(store.rounds(table)), **totals[table]} for table in Table}}
