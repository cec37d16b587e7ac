"""The pure stages again over a run's stored completions, after a parser, a filter or an option of theirs changed.

Requests and raw answers stay as they are; candidates, verdicts and instances are made anew. Answers follow their
instruction by its request and text, since its place among the candidates may change. An instruction that was not
accepted before was never asked about: it ends as `not_asked`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from selfinstruct.errors import InputError
from selfinstruct.prompts import PromptSet, load_prompts
from selfinstruct.protocols import Track, unseen
from selfinstruct.records import (
    Candidate,
    ImportedTask,
    Instance,
    InstanceRow,
    Kind,
    Label,
    Origin,
    Proposal,
    SeedTask,
    Table,
)
from selfinstruct.reuse.documents import named_again
from selfinstruct.reuse.replay import StoredRound, replay
from selfinstruct.run.facts import (
    ALGORITHMS,
    CONSTRAINTS,
    ORIGIN,
    RULED_BY,
    TABLES,
    constraint_facts,
    filled,
    word_facts,
)
from selfinstruct.run.measuring import SEMANTIC, pool_index, semantic_facts
from selfinstruct.run.rounds import Run
from selfinstruct.run.settings import RunSettings
from selfinstruct.settings import Facts, problems_of, with_facts
from selfinstruct.sources.contamination import Contamination
from selfinstruct.steps.plugins import OPTION, PLUGINS, plugin_facts
from selfinstruct.steps.strategies.settings import TextFiles
from selfinstruct.storage.history import POLISHER, complete_rounds, dialect_of, facts_by_round, shipped_prompts
from selfinstruct.storage.store import RunStore

CHANGEABLE = (
    "reading",
    "evolve.",
    "documents.copied",
    "screen.",
    "novelty.",
    "instances.",
    "rules.",
    "semantic.",
    "check_pool",
)
"""Beginnings of the options that the pure stages read."""

NO_FILES = TextFiles()


def reparse(
    source: RunStore,
    out: RunStore,
    changes: Mapping[str, Any],
    evaluation: Contamination | None = None,
    prompts: PromptSet | None = None,
    documents: TextFiles = NO_FILES,
    track: Track = unseen,
) -> None:
    """Write the complete rounds of a run anew, as another run; a second call goes on after a first that was killed.

    Args:
        changes: Facts that differ from the source's, of those that the pure stages read.
        evaluation: Evaluation sets to keep clear of; the source's own have to be given again.
        prompts: The source's prompt set, whose texts the rule `rules.prompt` looks for; without it a shipped one.
        documents: The source's documents, if it has answers that were written from them.

    Raises:
        InputError: the source was kept clear of evaluation sets, has plugins, or prompts that are not shipped, and none
            are given; what it changes does not go together; or it measures, and [semantic] is not installed.
        SelfInstructError: as `replay` does.
    """
    facts = reparsed_facts(source, changes, evaluation)
    settings = with_facts(RunSettings(), facts)
    seeds, imported = _given(source)
    told: list[str] = []
    if settings.rules.prompt:
        sets = [prompts] if prompts else _shipped_sets(source, settings)
        told = [text for each in sets for text in each.texts]
        if (digests := [each.digest for each in sets]) != [facts.get("prompts")]:
            facts = {**facts, RULED_BY: digests}
    needed = source.totals()[Table.LABELS][f"{Kind.DOCUMENT_ANSWER}.requests"] > 0
    material = named_again(source, settings, documents, needed=needed)
    kinds = [Kind.DOCUMENT_ANSWER] if needed else []
    name = "base" if settings.prompt_form == "task" else "chat"
    own = load_prompts(name, settings.prompt_form, strategies=kinds)
    run = Run(settings, own, seeds, imported, evaluation, told, material=material)
    rounds = track("reparsing", _rounds(source), len(complete_rounds(source)))
    replay(run, out, pool_index(settings.novelty, settings.semantic), facts, rounds)


def reparsed_facts(source: RunStore, changes: Mapping[str, Any], evaluation: Contamination | None) -> Facts:
    """The facts of the new run: requests are as they were planned, all else is made by today's code."""
    begun = source.metadata(Table.CANDIDATES, 0)
    if any(POLISHER in facts for _, facts in facts_by_round(source)):
        raise InputError(
            f"{source.blobs.url}: has outputs that polish wrote; reparse the run that it was made from, and polish that"
        )
    gone = (PLUGINS, RULED_BY, TABLES, *SEMANTIC)
    facts = {key: fact for key, fact in filled(begun.facts).items() if key not in gone}
    facts |= {**ALGORITHMS, "planner": facts["planner"], **changes, **_plugins(facts[OPTION], changes)}
    settings = with_facts(RunSettings(), facts)
    if problems := problems_of(settings.semantic, "semantic."):
        raise InputError(*problems)
    facts |= {**word_facts(settings.novelty), **semantic_facts(settings.semantic)}
    _check_constraints(source, settings)
    if evaluation:
        facts["evaluation"] = evaluation.digest
    elif "evaluation" in facts:
        raise InputError(
            f"--decontaminate: {source.blobs.url} was kept clear of evaluation sets; give them again, or others"
        )
    rounds = len(complete_rounds(source))
    facts[ORIGIN] = {"command": "reparse", "source": [begun.writer.id, rounds], "rounds": rounds}
    return facts


def _check_constraints(source: RunStore, settings: RunSettings) -> None:
    """InputError unless the constraints that the model was asked for are those that would be drawn now."""
    if not source.totals()[Table.INSTANCES]["instances.constrained"]:
        return
    url, facts = source.blobs.url, source.metadata(Table.CANDIDATES, 0).facts
    if facts.get(ORIGIN, {}).get("command") == "merge":
        raise InputError(f"{url}: was merged from runs with constraints; reparse those, and merge what comes of it")
    if {CONSTRAINTS: facts.get(CONSTRAINTS)} != constraint_facts(settings.constraints):
        raise InputError(f"{url}: its constraints were drawn by another version; reparse it with that one")


def _shipped_sets(source: RunStore, settings: RunSettings) -> list[PromptSet]:
    """The prompt sets with which a run's rounds were made; there are several where runs were merged."""
    digests = dict.fromkeys(str(facts["prompts"]) for _, facts in facts_by_round(source) if "prompts" in facts)
    try:
        sets = [shipped_prompts()[digest] for digest in digests]
    except KeyError:
        raise InputError(
            f"--prompts: {source.blobs.url} was made with a prompt set that is not shipped here; name its folder, or"
            " leave its texts alone (--change rules.prompt=false)"
        ) from None
    kinds = settings.strategy_kinds
    return [load_prompts(each.name, kinds=tuple(each.prompts), strategies=kinds) for each in sets]


def _plugins(names: Sequence[str], changes: Mapping[str, Any]) -> Facts:
    """What is known of the plugins, which have to be given again: reading a run must not run what it names."""
    if names and OPTION not in changes:
        raise InputError(
            f"--change: the run has plugins ({', '.join(names)}), which are run only where you name them; give them"
            f" again (--change '{OPTION}=[{', '.join(names)}]'), or others, or none (--change '{OPTION}=[]')"
        )
    return plugin_facts([str(name) for name in changes.get(OPTION, ())])


def _given(source: RunStore) -> tuple[list[SeedTask], list[ImportedTask]]:
    """Round 0 as it was given. Of imported tasks that were rejected only the instructions are there."""
    rows: defaultdict[str, list[InstanceRow]] = defaultdict(list)
    for row in cast(Sequence[InstanceRow], source.read(Table.INSTANCES, 0).rows):
        rows[row.instruction_id].append(row)
    seeds, imported = [], []
    for candidate in cast(Sequence[Candidate], source.read(Table.CANDIDATES, 0).rows):
        own = rows[candidate.id]
        instances = tuple(Instance(row.input, row.output) for row in own if row.output)
        kind = own[0].is_classification if own else None
        id = candidate.id.partition("/")[2]
        if candidate.origin is Origin.SEED:
            seeds.append(SeedTask(id, candidate.text, instances, kind))
        else:
            imported.append(ImportedTask(id, candidate.text, instances, kind))
    return seeds, imported


def _rounds(source: RunStore) -> Iterator[StoredRound]:
    for number in complete_rounds(source):
        proposals = source.read(Table.PROPOSALS, number)
        notes = {**proposals.notes, "dialect": dialect_of(source, proposals)}
        yield StoredRound(number, cast(Sequence[Proposal], proposals.rows), _labeller(source, number), notes)


def _labeller(source: RunStore, number: int) -> Callable[[Sequence[Candidate]], list[Label]]:
    def labels(accepted: Sequence[Candidate]) -> list[Label]:
        stored: defaultdict[str, list[Label]] = defaultdict(list)
        for label in cast(Sequence[Label], source.read(Table.LABELS, number).rows):
            stored[label.instruction_id].append(label)
        before = cast(Sequence[Candidate], source.read(Table.CANDIDATES, number).rows)
        ids = {(each.request_id, each.text): each.id for each in before if each.id in stored}
        return [
            replace(
                label,
                instruction_id=each.id,
                request_id=each.id + label.request_id.removeprefix(label.instruction_id),
            )
            for each in accepted
            for label in stored[ids.get((each.request_id, each.text), "")]
        ]

    return labels
