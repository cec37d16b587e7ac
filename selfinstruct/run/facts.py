"""What a run's data depends on, gathered when it begins and compared when it goes on.

The facts lie in the notes of round 0; their fingerprint is in every file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeVar

from selfinstruct.errors import FingerprintError, InputError
from selfinstruct.novelty.index import NoveltySettings
from selfinstruct.prompts import PromptSet
from selfinstruct.records import ImportedTask, SeedTask, Table
from selfinstruct.run.measuring import semantic_facts
from selfinstruct.run.settings import RunSettings
from selfinstruct.settings import Facts, differences, digest_of, facts_before, facts_of, with_options
from selfinstruct.sources.contamination import Contamination
from selfinstruct.steps.checks import Judge
from selfinstruct.steps.constraints import ConstraintSettings
from selfinstruct.steps.plugins import plugin_facts

if TYPE_CHECKING:
    from selfinstruct.storage.store import RunStore

T = TypeVar("T", bound=RunSettings)

ORIGIN = "origin"
"""The fact by which a run made from stored answers is known: the command that made it, of what, and how many rounds."""

ALGORITHMS: Mapping[str, int] = {"planner": 1, "reader": 1, "filters": 1, "tokeniser": 1, "novelty": 1}
"""The algorithms that no option names, as they are now: how requests are planned and answers read, which texts are
dropped, what counts as a word, and what as similar. One that comes to give other data gets the next number."""

ANY_SCRIPT = 2
"""The tokeniser of `--novelty.tokeniser unicode`. 1 ended words at combining marks and knew no form but lower case."""

RULED_BY = "rules.prompts"
"""The fact that has the digests of the prompt sets whose texts a reparsed run has not as data, where `prompts` does not
say it."""

CONSTRAINTS = "constraints.digest"
"""The fact that says from what constraints are drawn, and what they mean; there where instructions get any."""

TABLES = "tables"
"""The fact that says which library, of which version, told letters and scripts; there where any script is compared."""


def gather_facts(
    settings: RunSettings,
    seeds: Sequence[SeedTask],
    imported: Sequence[ImportedTask],
    prompts: PromptSet,
    evaluation: Contamination | None,
    proposer: Mapping[str, str],
    labeller: Mapping[str, str],
    judge: Judge | None = None,
) -> Facts:
    """The facts of a run that begins with these inputs. `proposer` and `labeller` are what `engines.identify` says."""
    return {
        **facts_of(settings),
        **ALGORITHMS,
        **word_facts(settings.novelty),
        **plugin_facts(settings.screen.plugin),
        **constraint_facts(settings.constraints),
        **semantic_facts(settings.semantic),
        "seeds": tasks_digest(seeds),
        "pool": tasks_digest(imported),
        "prompts": prompts.digest,
        **{f"prompts.{kind}": digest for kind, digest in prompts.digests.items()},
        **{f"sampling.{key}": value for key, value in prompts.changed.items()},
        **({"evaluation": evaluation.digest} if evaluation else {}),
        **{f"proposer.{key}": value for key, value in proposer.items()},
        **{f"labeller.{key}": value for key, value in labeller.items()},
        **(_judge_facts(judge) if judge else {}),
    }


def _judge_facts(judge: Judge) -> Facts:
    """What the run's own check depends on beside its share and the run's seed, so that they name one check."""
    identity = {f"judge.{key}": value for key, value in judge.identity.items()}
    return {"check.rubric": judge.rubric.prompts.digest, "judge.name": judge.model, **identity}


def word_facts(novelty: NoveltySettings) -> Facts:
    """What decides what a word is under these settings."""
    if not novelty.any_script:
        return {"tokeniser": ALGORITHMS["tokeniser"]}
    from selfinstruct.novelty import words  # late: only those who need it pay for the tables

    return {"tokeniser": ANY_SCRIPT, TABLES: words.TABLES}


def constraint_facts(constraints: ConstraintSettings) -> Facts:
    """What decides which constraints there are and what they mean, where instructions get any."""
    if not constraints.share:
        return {}
    from selfinstruct.constraints.drawing import digest  # late, as above

    return {CONSTRAINTS: digest()}


def filled(facts: Facts) -> Facts:
    """The facts of a run, with those that there were not yet when it was begun as they were then."""
    return {**facts_before(RunSettings()), **dict.fromkeys(ALGORITHMS, 1), **facts}


def as_begun(settings: T, store: RunStore) -> tuple[T, list[str]]:
    """The settings by which a run goes on that was begun before some of its options existed, and a line for each.

    Such an option is as it was then if it has its default now, so that the same command survives an upgrade.
    """
    if not store.rounds(Table.CANDIDATES):
        return settings, []
    begun = store.metadata(Table.CANDIDATES, 0).facts
    now, default = facts_of(settings), facts_of(RunSettings())
    later = {key: fact for key, fact in facts_before(settings).items() if key not in begun}
    then = {key: fact for key, fact in later.items() if fact != now[key] == default[key]}
    lines = [
        f"{store.blobs.url}: was begun before there was --{key}, and goes on as it was ({fact})"
        for key, fact in then.items()
    ]
    return with_options(settings, then), lines


def tasks_digest(tasks: Sequence[SeedTask] | Sequence[ImportedTask]) -> str:
    """SHA-256 (hex) of given tasks' content."""
    return digest_of([asdict(task) for task in tasks])


def check_facts(store: RunStore, facts: Facts) -> None:
    """FingerprintError, naming the keys, unless the run was begun with the same facts.

    Where a run was made from stored answers, the first round generated after them settles what those left open: model
    and prompts, for instance. A fact from after the run's beginning is as it was then.
    """
    from selfinstruct.storage.history import complete_rounds  # late: it brings pyarrow

    begun: Facts = store.metadata(Table.CANDIDATES, 0).facts
    if (origin := begun.get(ORIGIN)) and ORIGIN not in facts:
        if len(complete_rounds(store)) < origin["rounds"] or not store.rounds(Table.INSTANCES):
            raise InputError(
                f"{store.blobs.url}: `selfinstruct {origin['command']}` has not finished it; give that command again"
            )
        facts = {**facts, **{key: begun[key] for key in (ORIGIN, "pool", RULED_BY) if key in begun}}
        first = origin["rounds"] + 1
        settled = first in store.rounds(Table.PROPOSALS)
        begun = {**(store.metadata(Table.PROPOSALS, first).facts if settled else facts), **begun}
    ours, theirs = filled(facts), filled(begun)
    if ours.get("novelty.tokeniser") != theirs.get("novelty.tokeniser"):  # an option differs, and no code is gone
        ours, theirs = ({key: each[key] for key in each.keys() - {"tokeniser", TABLES}} for each in (ours, theirs))
    _check_algorithms(store.blobs.url, ours, theirs)
    if different := differences(ours, theirs):
        raise FingerprintError(
            f"{store.blobs.url}: this run was begun with other options that alter data; give those, or another --out",
            *(differences(*_by_name(ours, theirs)) or different),
        )


def _by_name(*facts: Facts) -> list[Facts]:
    """The facts with the names of shipped prompt sets in place of digests, if all of them have one."""
    from selfinstruct.storage.history import shipped_prompts

    sets = [shipped_prompts().get(str(each.get("prompts"))) for each in facts]
    if None in sets:
        return [*facts]
    return [
        {**{key: fact for key, fact in each.items() if not key.startswith("prompts.")}, "prompts": prompts.name}
        for each, prompts in zip(facts, sets, strict=True)
        if prompts
    ]


def _check_algorithms(url: str, ours: Facts, theirs: Mapping[str, Any]) -> None:
    """FingerprintError, with the way on, for a run that goes on by code that is not here any more, or not yet."""
    for key in ALGORITHMS.keys() & ours.keys():
        if theirs[key] < ours[key]:
            raise FingerprintError(
                f"{url}: this run goes by {key} {theirs[key]}, which is gone (there is {ours[key]});"
                f" `selfinstruct generate --pool {url} --out NEW` begins another one with what it has accepted"
            )
        if theirs[key] > ours[key]:
            raise FingerprintError(f"{url}: this run goes by {key} {theirs[key]}, which a newer version has; upgrade")
    if (tables := theirs.get(TABLES)) and tables != ours.get(TABLES):
        raise FingerprintError(
            f"{url}: this run finds words by the tables of {tables}, and here is {ours.get(TABLES)};"
            f" `pip install {tables.replace(' ', '==')}` goes on with it"
        )
