"""`selfinstruct show`: one instruction of a run, with all that led to it and came of it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from tyro.conf import Positional

from jobs.command_line import run
from jobs.commands import Command, Outcome
from jobs.terminal import plain, plain_lines
from selfinstruct.errors import InputError
from selfinstruct.records import Finish, Kind
from selfinstruct.wording import counted

if TYPE_CHECKING:
    from selfinstruct.prompts import Form, Prompt, PromptSet
    from selfinstruct.storage.lineage import Lineage, Row


@dataclass(frozen=True)
class ShowSettings:
    """Show one instruction with its lineage: verdict, demonstrations, prompt, raw texts, instances.

    Args:
        run: Folder of the run.
        id: Of a candidate (000012/00345/03, seed/NAME), an instance, a request; `selfinstruct sample` shows some.
        prompts: Folder of the prompt set, if the run was made with one of your own.
        prefixes: Show the constant parts of the prompts, too.
    """

    run: Positional[str]
    id: Positional[str]
    prompts: str | None = None
    prefixes: bool = False


COMMAND = Command(
    "show",
    ShowSettings,
    examples=(
        "selfinstruct show runs/first 000003/00001/02",
        "selfinstruct show runs/first seed/seed_task_7 --json",
    ),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Show a lineage; returns the exit code."""
    return run(COMMAND, show, argv)


def show(settings: ShowSettings) -> Outcome:
    """Print what the id names."""
    from selfinstruct.records import Table
    from selfinstruct.run.settings import RunSettings
    from selfinstruct.settings import with_facts
    from selfinstruct.storage.lineage import trace
    from selfinstruct.storage.store import open_run

    store = open_run(settings.run)
    facts = store.metadata(Table.CANDIDATES, 0).notes.get("facts", {})
    form = with_facts(RunSettings(), facts).prompt_form
    prompts = _prompt_set(settings.prompts, str(facts.get("prompts", "")), form)
    lineages = trace(store, settings.id)
    if lineages[0].proposal is not None:
        _show_request(lineages[0], lineages[0].proposal, prompts, settings.prefixes)
    for lineage in lineages:
        _show_candidate(lineage)
        _show_labels(lineage, prompts, settings.prefixes)
    return Outcome({"lineages": [asdict(lineage) for lineage in lineages]})


def _prompt_set(folder: str | None, digest: str, form: Form) -> PromptSet | None:
    """The run's prompt set: the given one, or the shipped one that it was made with; None if neither is known."""
    from selfinstruct.prompts import load_prompts
    from selfinstruct.storage.history import shipped_prompts

    if folder is not None:
        prompts = load_prompts(folder, form)
        if digest and prompts.digest != digest:
            raise InputError(f"--prompts: {folder} is not the set that this run was made with, or has changed since")
        return prompts
    return shipped_prompts().get(digest)


def _show_request(lineage: Lineage, proposal: Row, prompts: PromptSet | None, prefixes: bool) -> None:
    print(f"request {_completion(proposal)}, strategy {plain(proposal['strategy'])}")
    _heading("demonstrations")
    for number, (id, text) in enumerate(lineage.demonstrations, start=1):
        print(f"    {number}. [{plain(id)}] {plain(text)}")
    for source in proposal["sources"] or ():
        print(f"    {plain(source)}")
    from selfinstruct.prompts import OF_STRATEGIES

    texts = [text for _, text in lineage.demonstrations]
    if proposal["strategy"] in OF_STRATEGIES:
        _heading(f"prompt: that of {proposal['strategy']}.toml")
    else:
        suffix = prompts[Kind.PROPOSE].fill_demonstrations(texts) if prompts else ""
        _show_prompt(prompts, Kind.PROPOSE, suffix, prefixes)
    _show_raw(proposal)
    print()


def _show_candidate(lineage: Lineage) -> None:
    candidate = lineage.candidate
    verdict = "accepted" if candidate["accepted"] else f"rejected, {candidate['reason']}"
    print(f"[{plain(candidate['id'])}] {verdict}, {candidate['origin']}, round {candidate['round']}")
    print(f"    {plain(candidate['text']) or '(no text)'}")
    if candidate["nearest_id"] is not None:
        found = "" if not candidate["accepted"] else ", the nearest of the index's shortlist"
        _heading(f"ROUGE-L {candidate['rouge_l']:.3f} to [{plain(candidate['nearest_id'])}]{found}")
        print(f"    {plain(lineage.nearest or '(not found)')}")


def _show_labels(lineage: Lineage, prompts: PromptSet | None, prefixes: bool) -> None:
    for label in lineage.labels:
        kind = Kind(label["kind"])
        print(f"\n{kind} {_completion(label)}")
        if kind is Kind.DOCUMENT_ANSWER:  # the text is where its owner has it
            _heading(f"prompt: that of {kind}.toml")
        elif kind is not Kind.POLISH:  # its prompts are another run's affair
            _show_prompt(prompts, kind, _suffix(prompts[kind], lineage) if prompts else "", prefixes)
        _show_raw(label)
    if lineage.candidate["accepted"] and not lineage.instances:
        print("\n(not labelled yet)")
    asked = any(label["kind"] in (Kind.CLASSIFY, Kind.INSTANTIATE) for label in lineage.labels)
    for instance in lineage.instances:
        verdict = "accepted" if instance["accepted"] else f"rejected, {instance['reason']}"
        print(f"\n[{plain(instance['id'])}] {verdict}{_class(instance['is_classification'], asked=asked)}")
        if instance["copied"] is not None:
            _heading(f"copied from the document: {instance['copied']:.0%} of the words")
        if instance["input"]:
            _block("input", instance["input"])
        if instance["thought"]:
            _block("thought", instance["thought"])
        if instance["output"]:
            _block("output", instance["output"])
    print()


def _suffix(prompt: Prompt, lineage: Lineage) -> str:
    """That of a labelling request; answers to a task share its input."""
    text = lineage.candidate["text"]
    given = next((instance["input"] for instance in lineage.instances), "")
    return prompt.fill_task(text, given) if "{task}" in prompt.suffix else prompt.fill(instruction=text)


def _class(is_classification: bool | None, asked: bool) -> str:
    if is_classification is None:
        return ", question failed" if asked else ", classification or not is unknown"
    return ", classification" if is_classification else ""


def _completion(row: Row) -> str:
    tokens = f"{row['prompt_tokens']} tokens read, {row['completion_tokens']} written"
    return f"{plain(row['request_id'])}: {row['finish']}, {tokens}"


def _show_prompt(prompts: PromptSet | None, kind: Kind, suffix: str, prefixes: bool) -> None:
    if prompts is None:
        _heading("prompt: not from a shipped set; name the set's folder with --prompts")
        return
    prompt = prompts[kind]
    if prefixes or not prompt.prefix:
        _block(f"prompt ({prompts.name})", prompt.prefix + suffix + prompt.tail)
        return
    words = len(prompt.prefix.split())
    _block(f"prompt ({prompts.name}), after {counted(words, 'constant word')} (--prefixes)", suffix + prompt.tail)


def _show_raw(row: Row) -> None:
    if row["finish"] == Finish.FAILED:
        _block("error", row["error"] or "")
    else:
        _block("raw text", row["text"])


def _heading(text: str) -> None:
    print(f"  {text}")


def _block(heading: str, text: Any) -> None:
    _heading(heading)
    for line in plain_lines(text).split("\n"):
        print(f"    {line}".rstrip())


if __name__ == "__main__":
    sys.exit(main())
