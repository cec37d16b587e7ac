"""Which models and prompts stand behind a run's rounds, and under which licences.

Models and prompts are among a run's facts (`history`). Licences are not in a run: they are known for what is shipped
with this project, and have to be given for everything else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

from selfinstruct.engines import ENGINES, EngineSettings, Traits, traits
from selfinstruct.engines.template import WRITER
from selfinstruct.errors import InputError
from selfinstruct.export.settings import LicenceSettings
from selfinstruct.records import Table
from selfinstruct.run.facts import POLISHER, tasks_digest
from selfinstruct.settings import Facts
from selfinstruct.sources.seeds import SEED_TASKS, load_seeds
from selfinstruct.storage.history import facts_by_round, prompts_name
from selfinstruct.storage.store import RunStore

EMBEDDED_NAME = "selfinstruct-tiny"
OURS = "apache-2.0"

_KNOWN = {
    EMBEDDED_NAME: "Apache-2.0 lays no condition on outputs. It is a demonstration model; its card advises against"
    " training on what it writes.",
    WRITER: "No model: a grammar filled at random, shipped with the program. Apache-2.0 lays no condition on outputs.",
}


@dataclass(frozen=True, slots=True)
class Model:
    """A model by its name and revision: a commit, a digest of its weights, or empty where a server told none."""

    name: str
    revision: str


@dataclass(frozen=True, slots=True)
class Makers:
    """What stands behind the rows of a round."""

    proposer: Model
    labeller: Model
    prompts: str
    polisher: Model | None = None  # of the rows whose outputs were written anew
    drafted: bool = False  # it was shown the old ones


@dataclass(frozen=True, slots=True)
class Licence:
    """A model's licence and what it says of outputs."""

    model: Model
    license: str
    outputs: str


@dataclass(frozen=True, slots=True)
class Licences:
    """All that a card has to name."""

    dataset: str
    models: Sequence[Licence]
    seeds: str
    pool: str | None
    documents: str | None = None  # empty where the recipe did not say it


def makers_by_round(store: RunStore, names: Sequence[str]) -> dict[int, Makers | None]:
    """Who made the rows from a round on; None where nobody did, as in a run that has imported tasks only.

    Raises:
        InputError: a model has no name of its own and none is given.
    """
    found = {
        number: Makers(
            _model(facts, "proposer"),
            _model(facts, "labeller"),
            prompts_name(facts),
            _model(facts, "polisher") if POLISHER in facts else None,
            bool(facts.get("polish.draft")),
        )
        if "proposer.engine" in facts
        else None
        for number, facts in facts_by_round(store)
    }
    nameless = {model.revision for makers in found.values() if makers for model in _models(makers) if not model.name}
    given = _by_name(names, nameless)
    if missing := nameless - given.keys():
        raise InputError(
            *(
                f"--model_name: the run's model was read from a folder (weights {digest[:12]}) and has no name of its"
                f" own; give one, for example --model_name {digest[:12]}=my-model"
                for digest in sorted(missing)
            )
        )
    return {number: makers and _named(makers, given) for number, makers in found.items()}


def _model(facts: Facts, stage: str) -> Model:
    """The model of a stage; one from a folder has no name unless it is the embedded one."""
    of = {key.removeprefix(f"{stage}."): str(value) for key, value in facts.items() if key.startswith(f"{stage}.")}
    known = traits(EngineSettings(of["engine"])) if of["engine"] in ENGINES else Traits()
    revision = of.get(known.revision, "")
    if "model" not in of and revision == _embedded():
        return Model(EMBEDDED_NAME, revision)
    nameless = of["engine"] if not revision else ""  # an engine of the user's own need not name a model
    return Model(known.writer or of.get("model", nameless), revision)


@cache
def _embedded() -> str:
    from selfinstruct.engines.checkpoint import fingerprint

    return fingerprint(EngineSettings())["weights"]


def _models(makers: Makers) -> tuple[Model, ...]:
    return makers.proposer, makers.labeller, *([makers.polisher] if makers.polisher else [])


def _named(makers: Makers, given: Mapping[str, str]) -> Makers:
    proposer, labeller, *others = (Model(each.name or given[each.revision], each.revision) for each in _models(makers))
    return replace(makers, proposer=proposer, labeller=labeller, polisher=others[0] if others else None)


def _by_name(values: Sequence[str], names: set[str]) -> dict[str, str]:
    """`NAME=VALUE` by name, of which a beginning of 8 letters or more will do; a plain value is that of all others."""
    given: dict[str, str] = {}
    plain: list[str] = []
    for value in values:
        key, equals, rest = value.partition("=")
        matching = [name for name in names if name == key or (len(key) >= 8 and name.startswith(key))]
        if equals and matching:
            given |= dict.fromkeys(matching, rest)
        else:
            plain.append(value)
    return {**{name: plain[-1] for name in names if plain}, **given}


def licences(store: RunStore, makers: Mapping[int, Makers | None], settings: LicenceSettings) -> Licences:
    """The licences of everything that the rows come from.

    Raises:
        InputError: some of them are neither known nor given; all are named.
    """
    models = {model.name: model for each in makers.values() if each for model in _models(each)}
    license_of = {**dict.fromkeys(_KNOWN, OURS), **_by_name(settings.model_license, set(models))}
    outputs_of = {**_KNOWN, **_by_name(settings.model_outputs, set(models))}
    problems = []
    for name in models:
        if not license_of.get(name):
            problems.append(f'--model_license: the licence of {name!r} is not known; give --model_license "{name}=..."')
        if not outputs_of.get(name):
            problems.append(
                f"--model_outputs: say what the licence of {name!r} allows to be done with outputs, or that it says"
                f' nothing: --model_outputs "{name}=..."'
            )
    seeds = settings.seeds_license or (OURS if _own_seeds(store) else None)
    if not seeds:
        problems.append("--seeds_license: the licence of the run's seed tasks is not known; give it")
    imported = store.metadata(Table.CANDIDATES, 0).counts.get("accepted.imported", 0) > 0
    if imported and not settings.pool_license:
        problems.append("--pool_license: the licence of the run's imported instructions is not known; give it")
    facts = store.metadata(Table.CANDIDATES, 0).facts
    documents = str(facts.get("documents.licence", "")) if "documents" in facts else None
    ours = models.keys() <= _KNOWN.keys() and seeds == OURS and not imported and documents is None
    if not (dataset := settings.license or (OURS if ours else None)):
        problems.append("--license: name the licence of the dataset, for example --license cc-by-4.0 or other")
    if problems or not dataset or not seeds:
        raise InputError(*problems)
    known = [Licence(model, license_of[name], outputs_of[name]) for name, model in models.items()]
    return Licences(dataset, known, seeds, settings.pool_license if imported else None, documents)


def _own_seeds(store: RunStore) -> bool:
    facts = store.metadata(Table.CANDIDATES, 0).facts
    return bool(facts.get("seeds") == shipped_seeds_digest())


@cache
def shipped_seeds_digest() -> str:
    """The fact `seeds` of runs that begin with the shipped seed tasks."""
    return tasks_digest(load_seeds(SEED_TASKS))
