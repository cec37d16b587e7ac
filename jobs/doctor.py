"""`selfinstruct doctor`: would a run with these options work here? Nothing is begun."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from cluster.settings import GenerateSettings
from jobs.command_line import run
from jobs.commands import Command, Outcome
from selfinstruct.errors import InputError
from selfinstruct.recipes import RECOMMENDED
from selfinstruct.settings import option


@dataclass(frozen=True, kw_only=True)
class DoctorSettings(GenerateSettings):
    """Look over options, store, nodes, access and model before a run. Takes the options of generate.

    Args:
        load: Load the model in a replica, too.
    """

    load: bool = option(True, alters_data=False)


COMMAND = Command(
    "doctor",
    DoctorSettings,
    RECOMMENDED,
    needs=("out",),
    shown={
        "what would be run": ("engine", "model", "prompts", "seeds", "recipe", "openai.url"),
        "where": ("replicas", "shards", "ray.address", "ray.gpus", "load"),
    },
    examples=(
        "selfinstruct doctor --out runs/first --model /models/llama-3-8b",
        "selfinstruct doctor --out s3://bucket/runs/llama --model /models/llama-3-8b --ray.address auto",
    ),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Look everything over; returns 2 if something is wrong."""
    return run(COMMAND, doctor, argv)


def doctor(settings: DoctorSettings) -> Outcome:
    """Print each finding with its remedy."""
    from cluster.doctor import Grade, examine

    worst, findings = Grade.GOOD, []
    for finding in examine(settings, settings.load):
        print(f"{finding.grade:<8} {finding.what:<9} {finding.seen}", flush=True)
        if finding.remedy:
            print(f"{'':<19}-> {finding.remedy}", flush=True)
        worst = max(worst, finding.grade, key=list(Grade).index)
        findings.append(finding)
    return Outcome({"grade": worst, "findings": findings}, InputError.exit_code if worst is Grade.BAD else 0)


if __name__ == "__main__":
    sys.exit(main())
