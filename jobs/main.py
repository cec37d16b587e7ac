"""The console script: `selfinstruct COMMAND ...` runs the job of that name."""

from __future__ import annotations

import importlib
import resource
import sys
from collections.abc import Sequence
from difflib import get_close_matches

from jobs import terminal
from selfinstruct.errors import FailureError, out_of_memory

GROUPS = {
    "run": {
        "generate": (
            "jobs.generate",
            "instructions and instances from seed tasks; the same command resumes",
        ),
        "try": ("jobs.try_prompts", "a few requests against a model: prompt, raw text, parsed result, reasons; no run"),
        "recipes": ("jobs.recipes", "the named sets of options that `generate --recipe` takes, or one of them"),
    },
    "look": {
        "status": ("jobs.status", "how far a run is, from its files"),
        "sample": ("jobs.sample", "accepted tasks of a run, or rejected ones with their reasons"),
        "show": ("jobs.show", "one row with its lineage: demonstrations, prompt, raw texts, neighbour, instances"),
        "report": (
            "jobs.report",
            "a run as one HTML page: figures beside the paper's, rows to browse, a review",
        ),
        "check": ("jobs.check", "accepted instances judged by a model or by people, question by question"),
        "pairs": ("jobs.pairs", "pairs of instructions for people, and the cosine from which on they ask for the same"),
    },
    "data": {
        "select": ("jobs.select", "the instructions of a run, or texts of a file, that are worth what comes next"),
        "label": ("jobs.label", "a run's instructions, or the chosen ones, labelled now, as another run; resumes"),
        "polish": ("jobs.polish", "a run's outputs written anew by another model, or some of them, as another run"),
        "dedup": ("jobs.dedup", "the screen and novelty check over instruction sets that exist already"),
        "import": ("jobs.import_run", "a run of the original code's outputs, or of an instruction set"),
        "merge": ("jobs.merge", "several runs as one; of what is similar across them, the first"),
        "reparse": ("jobs.reparse", "parsers, filters and novelty check again over a run's stored completions"),
        "export": ("jobs.export", "a run as a dataset for the hub, TRL, LLaMA-Factory and axolotl"),
    },
    "train": {
        "finetune": ("jobs.finetune", "tune a model on a run's accepted instances; the same command resumes"),
        "evaluate": ("jobs.evaluate", "a model's answers to a benchmark or to users' tasks, and their scores"),
        "rate": ("jobs.rate", "people's ratings of answers, or another model's, and how far raters agree"),
        "score": ("jobs.score", "ROUGE and exact match of a file of predictions"),
    },
    "operate": {
        "plan": ("jobs.plan", "what a run will still take, from its rounds so far"),
        "doctor": ("jobs.doctor", "look over options, store, nodes, access and model before a run"),
        "verify": ("jobs.verify", "check that a run's files are whole and fit together"),
        "repair": ("jobs.repair", "cut a damaged run back to what is good; keeps what goes"),
        "bench": ("jobs.bench", "measurements: a table on the terminal, JSON beside it"),
        "completion": ("jobs.completion", "a script by which bash, zsh, fish or tcsh complete commands and options"),
    },
}
"""The commands, each with its module and what it does, by what one wants to do."""

COMMANDS = {name: told for group in GROUPS.values() for name, told in group.items()}

EXIT_CODES = """exit codes:
  0  done                                     5  too many requests failed, or cluster or disk did
  1  an unexpected error                      6  a file of the run is damaged
  2  wrong options, seeds, prompts or model   130  interrupted (SIGINT)
  3  another driver holds the run             143  told to end (SIGTERM), within 25 seconds
  4  several rounds in a row accepted nothing
after all but 2, 4 and 6 the same command goes on"""

LEAST_MEMORY = 1 << 30
"""Bytes of address space, a little more than numpy, pyarrow and numba take."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help", "--help-all"):
        code = terminal.show(_help())
        return code if arguments else 2
    name, *rest = arguments
    if name == "--version":
        from selfinstruct.version import __version__

        return terminal.show(f"selfinstruct {__version__}")
    if name not in COMMANDS:
        close = get_close_matches(name, COMMANDS, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(COMMANDS)}"
        return terminal.show(f"selfinstruct: there is no command {name!r}; {hint}", is_error=True)
    if lacking := _lacks_memory():
        terminal.show(f"selfinstruct {name}: {lacking}", is_error=True)
        return lacking.exit_code
    try:
        job = importlib.import_module(COMMANDS[name][0])
    except Exception as error:
        if (exhausted := out_of_memory(error)) is None:
            raise
        terminal.show(f"selfinstruct {name}: {exhausted}", is_error=True)
        return exhausted.exit_code
    return int(job.main(rest))


def _lacks_memory() -> FailureError | None:
    """An error where less memory may be taken than libraries need to be loaded: some of them end the process then."""
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit == resource.RLIM_INFINITY or limit >= LEAST_MEMORY:
        return None
    return FailureError(f"may take {limit >> 20} MiB of memory (ulimit -v); allow {LEAST_MEMORY >> 20}, or more")


def _help() -> str:
    lines = ["usage: selfinstruct COMMAND [options]"]
    for heading, commands in GROUPS.items():
        lines += ["", f"{heading}:", *(f"  {name:<12}{what}" for name, (_, what) in commands.items())]
    return "\n".join(
        [
            *lines,
            "",
            "selfinstruct COMMAND --help has the options that one needs, --help-all every one.",
            "",
            EXIT_CODES,
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
