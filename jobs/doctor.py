"""`selfinstruct doctor`: would a run with these options work here? Nothing is begun."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from cluster.settings import GenerateSettings
from jobs.command_line import run
from selfinstruct.recipes import RECOMMENDED
from selfinstruct.settings import option


@dataclass(frozen=True, kw_only=True)
class DoctorSettings(GenerateSettings):
    """Look over options, store, nodes, access and model before a run. Takes the options of generate.

    Args:
        load: Load the model in a replica, too.
    """

    load: bool = option(True, alters_data=False)


def main(argv: Sequence[str] | None = None) -> int:
    """Look everything over; returns 2 if something is wrong."""
    return run("doctor", DoctorSettings, doctor, argv, RECOMMENDED)


def doctor(settings: DoctorSettings) -> int:
    """Print each finding with its remedy."""
    from cluster.doctor import Grade, examine

    worst = Grade.GOOD
    for finding in examine(settings, settings.load):
        print(f"{finding.grade:<8} {finding.what:<9} {finding.seen}", flush=True)
        if finding.remedy:
            print(f"{'':<19}-> {finding.remedy}", flush=True)
        worst = max(worst, finding.grade, key=list(Grade).index)
    return 2 if worst is Grade.BAD else 0


if __name__ == "__main__":
    sys.exit(main())
