"""The console script: `selfinstruct COMMAND ...` runs the job of that name."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from difflib import get_close_matches

COMMANDS = {
    "generate": ("jobs.generate", "grow a set of instructions and instances from seed tasks; the same command resumes"),
    "recipes": ("jobs.recipes", "the named sets of options that `generate --recipe` takes, or one of them"),
    "try": ("jobs.try_prompts", "a few requests against a model: prompt, raw text, parsed result, reasons; no run"),
    "status": ("jobs.status", "how far a run is, from its files"),
    "sample": ("jobs.sample", "accepted tasks of a run, or rejected ones with their reasons"),
    "show": ("jobs.show", "one row with its lineage: demonstrations, prompt, raw texts, neighbour, instances"),
    "check": ("jobs.check", "accepted instances judged by a model or by people, question by question"),
    "select": ("jobs.select", "the instructions of a run, or texts of a file, that are worth what comes next"),
    "pairs": ("jobs.pairs", "pairs of instructions for people, and the cosine from which on they ask for the same"),
    "label": ("jobs.label", "a run's instructions, or the chosen ones, labelled now, as another run; resumes"),
    "report": ("jobs.report", "a run as one HTML page: figures beside the paper's, rows to browse, a quality review"),
    "dedup": ("jobs.dedup", "the screen and novelty check over instruction sets that exist already"),
    "evaluate": ("jobs.evaluate", "a model's answers to a benchmark or to users' tasks, and their scores"),
    "rate": ("jobs.rate", "people's ratings of answers, or another model's, and how far raters agree"),
    "score": ("jobs.score", "ROUGE and exact match of a file of predictions"),
    "finetune": ("jobs.finetune", "tune a model on a run's accepted instances; the same command resumes"),
    "import": ("jobs.import_run", "a run of the original code's outputs, or of an instruction set"),
    "merge": ("jobs.merge", "several runs as one; of what is similar across them, the first"),
    "reparse": ("jobs.reparse", "parsers, filters and novelty check again over a run's stored completions"),
    "polish": ("jobs.polish", "a run's outputs written anew by another model, or some of them, as another run"),
    "export": ("jobs.export", "a run as a dataset for the hub, TRL, LLaMA-Factory and axolotl"),
    "plan": ("jobs.plan", "what a run will still take, from its rounds so far"),
    "doctor": ("jobs.doctor", "look over options, store, nodes, access and model before a run"),
    "bench": ("jobs.bench", "measurements: a table on the terminal, JSON beside it"),
    "verify": ("jobs.verify", "check that a run's files are whole and fit together"),
    "repair": ("jobs.repair", "cut a damaged run back to what is good; keeps what goes"),
}

EXIT_CODES = """exit codes:
  0  done                                     5  too many requests failed, or cluster or disk did
  1  an unexpected error                      6  a file of the run is damaged
  2  wrong options, seeds, prompts or model   130  interrupted (SIGINT)
  3  another driver holds the run             143  told to end (SIGTERM), within 25 seconds
  4  several rounds in a row accepted nothing
after all but 2, 4 and 6 the same command goes on"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_help())
        return 0 if arguments else 2
    name, *rest = arguments
    if name == "--version":
        from selfinstruct.version import __version__

        print(f"selfinstruct {__version__}")
        return 0
    if name not in COMMANDS:
        close = get_close_matches(name, COMMANDS, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(COMMANDS)}"
        print(f"selfinstruct: there is no command {name!r}; {hint}", file=sys.stderr)
        return 2
    job = importlib.import_module(COMMANDS[name][0])
    return int(job.main(rest))


def _help() -> str:
    lines = [f"  {name:<10}{what}" for name, (_, what) in COMMANDS.items()]
    return "\n".join(
        [
            "usage: selfinstruct COMMAND [options]",
            "",
            *lines,
            "",
            "selfinstruct COMMAND --help lists a command's options.",
            "",
            EXIT_CODES,
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
