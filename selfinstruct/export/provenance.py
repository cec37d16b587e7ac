"""The licences of what a run's rows come from, and the names of models that have none of their own.

Licences are not in a run: they are known for what is shipped
with this project, and have to be given for everything else.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

from selfinstruct.engines.template import WRITER
from selfinstruct.errors import InputError
from selfinstruct.export.settings import LicenceSettings
from selfinstruct.records import Table
from selfinstruct.run.facts import tasks_digest
from selfinstruct.run.makers import EMBEDDED_NAME, Makers, Model, makers_by_round
from selfinstruct.sources.seeds import SEED_TASKS, load_seeds
from selfinstruct.storage.history import of_documents, shipped_prompts
from selfinstruct.storage.store import RunStore

OURS = "apache-2.0"

_KNOWN = {
    EMBEDDED_NAME: "Apache-2.0 lays no condition on outputs. It is a demonstration model; its card advises against"
    " training on what it writes.",
    WRITER: "No model: a grammar filled at random, shipped with the program. Apache-2.0 lays no condition on outputs.",
}


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
    documents: bool = False  # whether some may come of documents; the rows say which and under what licence


def known_sources(store: RunStore, settings: LicenceSettings) -> tuple[dict[int, Makers | None], Licences]:
    """Who made the rows from a round on, None where nobody did, as in a run that has imported tasks only; and the
    licences of everything that the rows come from.

    Raises:
        InputError: names or licences are neither known nor given; one line has all that is to be said.
    """
    makers = _makers_by_round(store, settings.model_name)
    models = {model.name or model.revision: model for each in makers.values() if each for model in each.models}
    known_by = {key: (key, model.revision) for key, model in models.items()}
    license_of = {**dict.fromkeys(_KNOWN, OURS), **_by_name(settings.model_license, known_by)}
    outputs_of = {**_KNOWN, **_by_name(settings.model_outputs, known_by)}
    seeds = settings.seeds_license or (OURS if _own_seeds(store) else None)
    imported = store.metadata(Table.CANDIDATES, 0).counts.get("accepted.imported", 0) > 0
    documents = of_documents(store)
    ours = models.keys() <= _KNOWN.keys() and seeds == OURS and not imported and not documents
    dataset = settings.license or (OURS if ours else None)
    missing = [
        *_of_models("model_name", "NAME", [key for key, model in models.items() if not model.name], models),
        *_of_models("model_license", "LICENCE", [key for key in models if not license_of.get(key)], models),
        *_of_models("model_outputs", "WORDS", [key for key in models if not outputs_of.get(key)], models),
        *([] if seeds else ["--seeds_license LICENCE"]),
        *(["--pool_license LICENCE"] if imported and not settings.pool_license else []),
        *([] if dataset else ["--license LICENCE"]),
    ]
    if missing or not dataset or not seeds:
        raise InputError(f"say what is not known of the run's sources: {' '.join(missing)}{_meaning(missing)}")
    known = [Licence(model, license_of[name], outputs_of[name]) for name, model in models.items()]
    return makers, Licences(dataset, known, seeds, settings.pool_license if imported else None, documents)


def _of_models(option: str, what: str, keys: Sequence[str], models: Mapping[str, Model]) -> Iterator[str]:
    """How an option is given for the models with these keys; without them where there is but one model."""
    if keys:
        values = [f'"{_short(key, models[key])}={what}"' for key in keys] if len(models) > 1 else [what]
        yield " ".join([f"--{option}", *values])


def _short(key: str, model: Model) -> str:
    return key if model.name else key[:12]


def _meaning(missing: Sequence[str]) -> str:
    """What is meant by the options that do not tell by their names."""
    meant = {
        "--model_outputs": "WORDS are what the model's licence says of outputs, or that it says nothing",
        "--license": "--license is the dataset's own, for example cc-by-4.0 or other",
    }
    said = [text for option, text in meant.items() if any(each.split()[0] == option for each in missing)]
    return "".join(f"; {text}" for text in said)


def languages(store: RunStore, makers: Mapping[int, Makers | None], given: Sequence[str]) -> Sequence[str]:
    """The languages of the texts: those that are given, English where seed tasks and prompts are ours, else none.

    Raises:
        InputError: one of the given is no code of ISO 639.
    """
    if wrong := [code for code in given if not re.fullmatch("[a-z]{2,3}", code)]:
        raise InputError(f"--language: {wrong[0]!r} is no code of ISO 639, such as en or deu")
    imported = store.totals()[Table.CANDIDATES]["accepted.imported"]
    ours = {prompts.name for prompts in shipped_prompts().values()}
    shipped = _own_seeds(store) and all(each.prompts in ours for each in makers.values() if each)
    return given or (["en"] if shipped and not imported and not of_documents(store) else [])


def _makers_by_round(store: RunStore, names: Sequence[str]) -> dict[int, Makers | None]:
    """The makers from a round on; a model that has no name and is given none keeps an empty one."""
    found = makers_by_round(store)
    nameless = {model.revision for makers in found.values() if makers for model in makers.models if not model.name}
    given = _by_name(names, {revision: (revision,) for revision in nameless})
    return {number: makers and _named(makers, given) for number, makers in found.items()}


def _named(makers: Makers, given: Mapping[str, str]) -> Makers:
    proposer, labeller, *others = (
        Model(each.name or given.get(each.revision, ""), each.revision) for each in makers.models
    )
    return replace(makers, proposer=proposer, labeller=labeller, polisher=others[0] if others else None)


def _by_name(values: Sequence[str], models: Mapping[str, Collection[str]]) -> dict[str, str]:
    """`NAME=VALUE` by model; a plain value is that of all others.

    Args:
        models: What each model is known by, of which a beginning of 8 letters or more will do.
    """
    given: dict[str, str] = {}
    plain: list[str] = []
    for value in values:
        name, equals, rest = value.partition("=")
        matching = [
            key
            for key, known_by in models.items()
            if any(name == each or (len(name) >= 8 and each.startswith(name)) for each in known_by)
        ]
        if equals and matching:
            given |= dict.fromkeys(matching, rest)
        else:
            plain.append(value)
    return {**{key: plain[-1] for key in models if plain}, **given}


def _own_seeds(store: RunStore) -> bool:
    facts = store.metadata(Table.CANDIDATES, 0).facts
    return bool(facts.get("seeds") == shipped_seeds_digest())


@cache
def shipped_seeds_digest() -> str:
    """The fact `seeds` of runs that begin with the shipped seed tasks."""
    return tasks_digest(load_seeds(SEED_TASKS))
