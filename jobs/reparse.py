"""`selfinstruct reparse`: the pure stages again over a run's stored completions."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from tyro.conf import Positional

from jobs.command_line import run
from jobs.commands import Command, Outcome
from jobs.counting import counts
from jobs.panel import track
from selfinstruct.errors import InputError
from selfinstruct.settings import Facts, option
from selfinstruct.sources.contamination import NGRAM
from selfinstruct.steps.strategies.settings import TextFiles


@dataclass(frozen=True)
class ReparseSettings:
    """Parse, filter and judge a run's completions again, after a parser or filter changed; nothing is asked anew.

    Args:
        run: Folder of the run.
        out: Folder of the new run, local or s3://, gs://, az://.
        change: Options of filters and novelty check to change, as novelty.threshold=0.6; all others stay.
        decontaminate: Evaluation sets that the new run is kept clear of.
        ngram: Tokens in a row that a text may not share with an evaluation set.
        prompts: The prompt set with which the run was made, where it is none of the shipped ones: the rule
            rules.prompt looks for its texts.
        documents: The run's documents, if it has answers that were written from them.
    """

    run: Positional[str]
    out: str
    change: tuple[str, ...] = ()
    decontaminate: tuple[str, ...] = ()
    ngram: int = option(NGRAM, least=2)
    prompts: str | None = None
    documents: TextFiles = field(default_factory=TextFiles)


COMMAND = Command(
    "reparse",
    ReparseSettings,
    examples=(
        "selfinstruct reparse runs/first --out runs/stricter --change novelty.threshold=0.6",
        "selfinstruct reparse runs/first --out runs/clear --decontaminate eval.jsonl",
    ),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Reparse; returns the exit code."""
    return run(COMMAND, reparse_run, argv)


def reparse_run(settings: ReparseSettings) -> Outcome:
    """Write the new run, and say what changed."""
    from selfinstruct.novelty.index import NoveltySettings
    from selfinstruct.prompts import load_prompts
    from selfinstruct.records import Table
    from selfinstruct.reuse.reparse import reparse
    from selfinstruct.run.facts import filled
    from selfinstruct.run.settings import RunSettings
    from selfinstruct.settings import with_facts
    from selfinstruct.sources.contamination import Contamination
    from selfinstruct.sources.evaluation_sets import read_evaluation
    from selfinstruct.storage.store import RunStore, open_run

    source = open_run(settings.run)
    facts = filled(source.metadata(Table.CANDIDATES, 0).facts)
    changes = parse_changes(settings.change, facts)
    evaluation = None
    if settings.decontaminate:
        novelty = with_facts(NoveltySettings(), {**facts, **changes}, "novelty.")
        evaluation = Contamination(read_evaluation(settings.decontaminate), novelty, settings.ngram)
    out = RunStore(settings.out)
    if out.blobs.url == source.blobs.url:
        raise InputError(f"--out: {settings.out} is the run itself; its files are never changed, take another folder")
    out.blobs.check_writable()
    prompts, begun = None, with_facts(RunSettings(), facts)
    if settings.prompts:
        prompts = load_prompts(settings.prompts, begun.prompt_form, strategies=begun.strategy_kinds)
    reparse(source, out, changes, evaluation, prompts, settings.documents, track)
    before, after = source.totals(), out.totals()
    for table, key in ((Table.CANDIDATES, "accepted"), (Table.INSTANCES, "instances.accepted")):
        print(f"{key}: {before[table][key]:,} before, {after[table][key]:,} now")
        reasons = [each for each in sorted({*before[table], *after[table]}) if "rejected." in each or "." not in each]
        for each in reasons:
            if each != key and before[table][each] != after[table][each]:
                print(f"  {each}: {before[table][each]:,} before, {after[table][each]:,} now")
    return Outcome({"run": settings.out, "before": counts(source)["tables"], **counts(out)})


def parse_changes(changes: Sequence[str], facts: Facts) -> Mapping[str, Any]:
    """`key=value` as facts, the values as YAML.

    Raises:
        InputError: a key is no option of the pure stages or there twice, or a value is of another kind than the option.
    """
    from selfinstruct.reuse.reparse import CHANGEABLE
    from selfinstruct.run.settings import RunSettings
    from selfinstruct.sources.options import kinds_of, read_value
    from selfinstruct.sources.yaml_files import parse_yaml

    kinds = {key: kind for key, kind in kinds_of(RunSettings).items() if key in facts and key.startswith(CHANGEABLE)}
    found: dict[str, Any] = {}
    problems: list[str] = []
    for change in changes:
        key, equals, text = change.partition("=")
        try:
            if not equals or key not in kinds:
                close = get_close_matches(key, kinds, n=1)
                hint = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(sorted(kinds))}"
                raise InputError(f"--change: {change!r} is no option=value of the pure stages; {hint}")
            if key in found:
                raise InputError(f"--change: {key!r} is there twice; leave one out")
            value = read_value(parse_yaml(text, lambda _: "--change", key), kinds[key])
            found[key] = list(value) if isinstance(value, tuple) else value
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(*problems)
    return found


if __name__ == "__main__":
    sys.exit(main())
