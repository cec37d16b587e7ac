"""The strategies that show a list of instructions and leave its next number open: `paper` and `spread`."""

from __future__ import annotations

from selfinstruct.draws import Draws, seed_of
from selfinstruct.prompts import PromptSet
from selfinstruct.records import Kind, Request
from selfinstruct.steps.strategies.planned import PlannedRequest, PoolView
from selfinstruct.steps.strategies.settings import ProposeSettings
from selfinstruct.steps.strategies.slots import Slots


class Paper:
    """Six seed tasks and two generated instructions, shuffled (paper, section 2.2.1), or as many as the settings say.

    Seed tasks stand in while there are too few others.
    """

    def __init__(
        self, settings: ProposeSettings, run_seed: int, prompts: PromptSet, slots: Slots | None = None
    ) -> None:
        self._settings = settings
        self._run_seed = run_seed
        self._prompt = prompts[Kind.PROPOSE]
        self._slots = slots or Slots()

    def plan(self, id: str, view: PoolView) -> PlannedRequest:
        """The propose request of this id."""
        draws, settings = Draws("plan", self._run_seed, id), self._settings
        generated = draws.sample(view.others, settings.generated)
        seeds = draws.sample(view.seeds, settings.seeds + settings.generated - len(generated))
        shown = tuple(draws.sample([*seeds, *generated], len(seeds) + len(generated)))
        values, sources = self._slots.drawn(id, self._prompt.slots)
        suffix = self._prompt.fill_demonstrations(view.texts(shown), values)
        request = Request(id, Kind.PROPOSE, suffix, seed_of("request", self._run_seed, id))
        return PlannedRequest(request, "paper", shown, sources)
