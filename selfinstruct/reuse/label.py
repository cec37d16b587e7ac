"""Labelling later what a run has proposed: all of its accepted instructions, or those that were chosen.

Another run is made, so that the first one stays as it is: proposals and candidates are copied row by row, labels are
asked for, instances follow from them. An instruction that was not chosen ends as one row `not_selected`. A request is
the one that `generate` would have made; so are its seed and, of the same model, its answer.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from selfinstruct.errors import InputError
from selfinstruct.prompts import PromptSet, load_prompts
from selfinstruct.records import Neighbour, Origin, RoundFile, Table
from selfinstruct.run.facts import ALGORITHMS, CONSTRAINTS, ORIGIN, constraint_facts, filled
from selfinstruct.run.loop import Completer, Watch, drive, prepare
from selfinstruct.run.material import Material
from selfinstruct.run.rounds import Run, Stage
from selfinstruct.run.settings import RunSettings
from selfinstruct.settings import Facts, digest_of, fingerprint_of, with_facts
from selfinstruct.sources.contamination import Contamination
from selfinstruct.steps.plugins import OPTION, PLUGINS, plugin_facts
from selfinstruct.storage.history import FORM, prompts_name, shipped_prompts
from selfinstruct.storage.store import FIRST, RunStore

CHOSEN = "chosen"
"""The fact that has the digest of the ids of the instructions that were chosen."""


def label(
    source: RunStore,
    out: RunStore,
    prompts: PromptSet,
    completer: Completer,
    facts: Facts,
    chosen: Collection[str] | None = None,
    evaluation: Contamination | None = None,
    max_failed: float = 0.01,
    watch: Watch | None = None,
    material: Material | None = None,
) -> None:
    """Write the new run; what is committed stays, so another call goes on after one that was killed.

    Args:
        facts: As of `labelled_facts`.
        chosen: Ids of the instructions that are labelled (default: all).
        max_failed: Share of a round's requests that may fail.
        material: The texts from which instructions are answered, if any are.

    Raises:
        SelfInstructError: as `loop.drive` does.
    """
    prepare(out, facts)
    _copy(source, out, facts)
    settings = with_facts(RunSettings(), facts)
    settings = replace(settings, target=1, rounds=replace(settings.rounds, max_failed=max_failed))
    run = Run(settings, prompts, (), (), evaluation, chosen=chosen, material=material)
    drive(run, out, _NoIndex(), [(completer, (Stage.LABEL,))], facts, watch=watch)


def labelled_facts(
    source: RunStore,
    labeller: Mapping[str, str],
    chosen: Collection[str] | None = None,
    evaluation: Contamination | None = None,
    plugins: Sequence[str] = (),
    prompts: PromptSet | None = None,
) -> Facts:
    """The facts of the new run.

    Args:
        labeller: What `engines.identify` says of the model.
        evaluation: Evaluation sets of which the run was kept clear; they have to be given again.
        plugins: Names of the run's own filters, likewise.
        prompts: The run's prompt set, as of `prompts_of`.

    Raises:
        InputError: the run has other ones, or is by algorithms that are gone.
    """
    begun = source.metadata(Table.CANDIDATES, 0)
    facts = filled(begun.facts)
    _check_same(source.blobs.url, facts, evaluation, plugins)
    kept = {key: fact for key, fact in facts.items() if not key.startswith(("labeller.", "judge.")) and key != CHOSEN}
    kept |= {f"prompts.{kind}": digest for kind, digest in prompts.digests.items()} if prompts else {}
    kept["check.rubric"] = ""  # its instances are others, and a check of its own would be another
    kept[FORM] = settings_of(facts).label.as_
    rounds = len(source.rounds(Table.CANDIDATES)) - 1
    return {
        **kept,
        **{f"labeller.{key}": value for key, value in labeller.items()},
        **({CHOSEN: digest_of(sorted(chosen))} if chosen is not None else {}),
        ORIGIN: {"command": "label", "source": [begun.writer.id, rounds], "rounds": rounds},
    }


def _check_same(url: str, facts: Facts, evaluation: Contamination | None, plugins: Sequence[str]) -> None:
    if older := [key for key, number in ALGORITHMS.items() if key != "tokeniser" and facts[key] != number]:
        raise InputError(f"{url}: goes by another {older[0]} than there is here; have its own version label it")
    constraints = constraint_facts(with_facts(RunSettings(), facts).constraints)
    if facts.get(CONSTRAINTS) != constraints.get(CONSTRAINTS):
        raise InputError(f"{url}: draws other constraints than there are here; have its own version label it")
    if facts.get("evaluation") != (evaluation.digest if evaluation else None):
        raise InputError(
            f"--decontaminate: {url} was kept clear of {'other' if 'evaluation' in facts else 'no'} evaluation sets;"
            f" give {'the same ones' if 'evaluation' in facts else 'none'}"
        )
    if facts[OPTION] != list(plugins) or facts.get(PLUGINS) != plugin_facts(plugins).get(PLUGINS):
        raise InputError(f"--plugin: {url} was made with the filters {facts[OPTION]}, as they were then; give those")


def prompts_of(source: RunStore, name: str | None = None) -> PromptSet:
    """The prompt set that a run was made with, its sampling included.

    Args:
        name: The set, if it is none of the shipped ones.

    Raises:
        InputError: another one is named, or none and it is not shipped.
    """
    facts = filled(source.metadata(Table.CANDIDATES, 0).facts)
    digest = str(facts.get("prompts", ""))
    settings = settings_of(facts)
    shipped = shipped_prompts().get(digest)
    known = name or (shipped.name if shipped else None)
    found = load_prompts(known, settings.prompt_form, strategies=settings.strategy_kinds) if known else None
    if found is None or found.digest != digest or any(_differ(facts, *each) for each in found.digests.items()):
        raise InputError(
            f"--prompts: {source.blobs.url} was made with the prompt set {prompts_name(facts)[:12] or '(none)'}, and is"
            " labelled with the same; give its folder"
        )
    sampling = {key.removeprefix("sampling."): fact for key, fact in facts.items() if key.startswith("sampling.")}
    return replace(found.with_sampling(sampling), stop_repetition=facts["stop_repetition"])


def _differ(facts: Facts, kind: str, digest: str) -> bool:
    """Whether the file of a kind is another one than that of the run, if it has asked any of the kind."""
    return str(facts.get(f"prompts.{kind}", digest)) != digest


def settings_of(facts: Facts) -> RunSettings:
    """The settings of a run that is labelled later: as a task where it was not to be labelled at all."""
    return with_facts(RunSettings(), {**facts, FORM: "task" if facts[FORM] == "none" else facts[FORM]})


def instructions(source: RunStore) -> dict[str, str]:
    """The accepted instructions that a run's model wrote, by id.

    Raises:
        InputError: there are none.
    """
    columns = ["id", "origin", "text"]
    found = {
        row["id"]: row["text"]
        for number in source.rounds(Table.CANDIDATES)
        for row in source.read_columns(Table.CANDIDATES, number, columns, accepted_only=True).to_pylist()
        if row["origin"] == Origin.MODEL
    }
    if not found:
        raise InputError(f"{source.blobs.url}: has no accepted instruction that a model wrote")
    return found


def check_chosen(chosen: Mapping[str, str], known: Mapping[str, str], file: str, url: str) -> None:
    """InputError unless all chosen ids are instructions of a run, and their texts those that they have there.

    Args:
        chosen: Texts by id, empty where nobody knows them.
        known: The run's.
    """
    if others := [id for id in chosen if id not in known]:
        raise InputError(
            f"--only: {file}: {len(others):,} of {len(chosen):,} ids are no accepted instructions of {url}, the first"
            f" {others[0]!r}"
        )
    if other := next((id for id, text in chosen.items() if text not in ("", known[id])), None):
        raise InputError(f"--only: {file} has another text for {other} than {url}; it was chosen from another run")


def _copy(source: RunStore, out: RunStore, facts: Facts) -> None:
    """Copy what is not there yet of the tables that come before labels, and round 0."""
    fingerprint = fingerprint_of(facts)
    labeller = {key: fact for key, fact in facts.items() if key.startswith("labeller.")}
    for number in source.rounds(Table.CANDIDATES):
        tables = (Table.CANDIDATES, Table.INSTANCES) if number == 0 else (Table.PROPOSALS, Table.CANDIDATES)
        for table in tables:
            if number >= FIRST[table] + len(out.rounds(table)):
                out.commit(_copied(source.read(table, number), facts, labeller), fingerprint)


def _copied(file: RoundFile, facts: Facts, labeller: Facts) -> RoundFile:
    """A file with the facts of the new run: all of them in round 0, the labeller's where a later round has its own."""
    if "facts" not in file.notes:
        return file
    theirs = {key: fact for key, fact in file.notes["facts"].items() if not key.startswith("labeller.")}
    return replace(file, notes={**file.notes, "facts": facts if file.round == 0 else {**theirs, **labeller}})


class _NoIndex:
    """A `PoolIndex` of nothing: what was proposed has its verdicts."""

    def insert(self, first: int, texts: Sequence[str]) -> None:
        """Nothing is ever looked for."""

    def nearest(self, size: int, texts: Sequence[str], without: Sequence[int | None] = ()) -> list[Neighbour | None]:
        """Nobody asks."""
        raise NotImplementedError
