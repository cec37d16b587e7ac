"""What strategies make requests of beside seeds and pool: lists of values for slots, read before any work."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from selfinstruct.prompts import PromptSet
from selfinstruct.run.settings import RunSettings
from selfinstruct.settings import Facts
from selfinstruct.sources.slots import read_slots
from selfinstruct.steps.strategies.listed import Paper
from selfinstruct.steps.strategies.mix import Mix
from selfinstruct.steps.strategies.planned import Strategy
from selfinstruct.steps.strategies.single import Evolve, Query
from selfinstruct.steps.strategies.slots import Slot, Slots


@dataclass(frozen=True, slots=True)
class Material:
    """What a run's recipe names.

    Attributes:
        facts: Digests of it, by the names of the options.
    """

    slots: Slots = field(default_factory=Slots)
    facts: Facts = field(default_factory=dict)


def read_material(settings: RunSettings) -> Material:
    """Read what the settings name.

    Raises:
        InputError: something of it cannot be read.
    """
    values = read_slots(settings.slots)
    slots = {name: Slot(each.values, each.names, each.ends) for name, each in values.items()}
    return Material(Slots(settings.seed, slots), {f"slots.{name}": each.digest for name, each in values.items()})


def mix_of(settings: RunSettings, prompts: PromptSet, material: Material) -> Mix:
    """The strategies of a run."""
    seed, slots, shares = settings.seed, material.slots, settings.strategies.shares
    make: Mapping[str, Callable[[], Strategy]] = {
        "paper": lambda: Paper(settings.propose, seed, prompts, slots),
        "query": lambda: Query(seed),
        "evolve": lambda: Evolve(seed, prompts, slots),
    }
    return Mix(seed, shares, {name: make[name]() for name in shares})
