"""The strategies that show a list of instructions and leave its next number open: `paper` and `spread`."""

from __future__ import annotations

from selfinstruct.draws import Draws, seed_of
from selfinstruct.prompts import PromptSet
from selfinstruct.records import Kind, Request
from selfinstruct.steps.strategies.planned import PlannedRequest, PoolView
from selfinstruct.steps.strategies.settings import ProposeSettings, SpreadSettings
from selfinstruct.steps.strategies.slots import Slots


class Listed:
    """Seed tasks and others as demonstrations, shuffled. Seed tasks stand in while there are too few others."""

    name = ""

    def __init__(
        self,
        settings: ProposeSettings | SpreadSettings,
        run_seed: int,
        prompts: PromptSet,
        slots: Slots | None = None,
    ) -> None:
        self._settings = settings
        self._run_seed = run_seed
        self._prompt = prompts[Kind.PROPOSE]
        self._slots = slots or Slots()

    def others(self, draws: Draws, view: PoolView, count: int) -> list[int]:
        """Which of the instructions that are no seed tasks are shown, so many of them at most."""
        raise NotImplementedError

    def plan(self, id: str, view: PoolView) -> PlannedRequest:
        """The propose request of this id."""
        draws, settings = Draws("plan", self._run_seed, id), self._settings
        generated = self.others(draws, view, settings.generated)
        seeds = draws.sample(view.seeds, settings.seeds + settings.generated - len(generated))
        shown = tuple(draws.sample([*seeds, *generated], len(seeds) + len(generated)))
        values, sources = self._slots.drawn(id, self._prompt.slots)
        suffix = self._prompt.fill_demonstrations(view.texts(shown), values)
        request = Request(id, Kind.PROPOSE, suffix, seed_of("request", self._run_seed, id))
        return PlannedRequest(request, self.name, shown, sources)


class Paper(Listed):
    """Six seed tasks and two generated instructions (paper, section 2.2.1), or as many as the settings say."""

    name = "paper"

    def others(self, draws: Draws, view: PoolView, count: int) -> list[int]:
        """Any of them are as likely."""
        return draws.sample(view.others, count)


class Spread(Listed):
    """Two seed tasks and six instructions from the cells of the pool, or as many as the settings say.

    Rare regions are shown as often as crowded ones, as in Zhang et al. 2025 (Prismatic Synthesis) for gradients.
    """

    name = "spread"

    def others(self, draws: Draws, view: PoolView, count: int) -> list[int]:
        """Each cell is as likely as any other."""
        return view.cells.draw(draws, count) if view.cells else []
