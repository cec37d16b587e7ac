"""Which models and prompts stand behind a run's rounds, as its facts tell it (`storage.history`)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from selfinstruct.engines import ENGINES, EngineSettings, Traits, traits
from selfinstruct.settings import Facts
from selfinstruct.storage.history import POLISHER, facts_by_round, prompts_name
from selfinstruct.storage.store import RunStore

EMBEDDED_NAME = "selfinstruct-tiny"


@dataclass(frozen=True, slots=True)
class Model:
    """A model by its name and revision: a commit, a digest of its weights, or empty where a server told none."""

    name: str  # empty: it was read from a folder
    revision: str


@dataclass(frozen=True, slots=True)
class Makers:
    """What stands behind the rows of a round."""

    proposer: Model
    labeller: Model
    prompts: str
    polisher: Model | None = None  # of the rows whose outputs were written anew
    drafted: bool = False  # it was shown the old ones

    @property
    def models(self) -> tuple[Model, ...]:
        """All of them."""
        return self.proposer, self.labeller, *([self.polisher] if self.polisher else [])


def makers_by_round(store: RunStore) -> dict[int, Makers | None]:
    """Who made the rows from a round on, None where nobody did, as in a run that has imported tasks only."""
    return {
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
