"""The options by which rows are chosen. No heavy imports, so that `--help` starts at once."""

from __future__ import annotations

from dataclasses import dataclass

from selfinstruct.settings import option


@dataclass(frozen=True, kw_only=True)
class OnlySettings:
    """Which rows of a run are taken (`quality.only`).

    Args:
        only: Of what a run's model wrote, rows that this expression lets pass, as "checks.all == yes"; or those of a
            file of ids (see `selfinstruct select`), or both: FILE and EXPRESSION.
        check: Name of the check that is meant, where a run has several (see `selfinstruct check`).
    """

    only: str | None = option(None, alters_data=False)
    check: str | None = option(None, alters_data=False)
