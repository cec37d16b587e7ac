"""The strategies whose request asks for one instruction: `query` and `evolve`."""

from __future__ import annotations

from selfinstruct.draws import Draws, seed_of
from selfinstruct.prompts import PromptSet
from selfinstruct.records import Kind, Request
from selfinstruct.steps.strategies.planned import PlannedRequest, PoolView
from selfinstruct.steps.strategies.slots import Slots


class Query:
    """Nothing but the beginning of a user's turn, in a chat model's own template: the model writes the turn.

    Xu et al. 2024 (Magpie). The prompt is the same for all requests; the seed makes the difference.
    """

    def __init__(self, run_seed: int) -> None:
        self._run_seed = run_seed

    def plan(self, id: str, view: PoolView) -> PlannedRequest:
        """The propose request of this id."""
        return PlannedRequest(Request(id, Kind.QUERY, "", seed_of("request", self._run_seed, id)), Kind.QUERY)


class Evolve:
    """One instruction of the pool, and one of the prompt's operations, by which it is to be rewritten.

    After Xu et al. 2023 (Evol-Instruct). A seed task is the parent while there is nothing else.
    """

    def __init__(self, run_seed: int, prompts: PromptSet, slots: Slots) -> None:
        self._run_seed = run_seed
        self._prompt = prompts[Kind.EVOLVE]
        self._slots = slots

    def plan(self, id: str, view: PoolView) -> PlannedRequest:
        """The propose request of this id."""
        draws, operations = Draws("plan", self._run_seed, id), sorted(self._prompt.operations)
        (parent,) = draws.sample(view.others or view.seeds, 1)
        operation = operations[draws.below(len(operations))]
        values, sources = self._slots.drawn(id, self._prompt.slots)
        suffix = self._prompt.fill(
            instruction=view.pool.texts[parent], operation=self._prompt.operations[operation], **values
        )
        request = Request(id, Kind.EVOLVE, suffix, seed_of("request", self._run_seed, id))
        named = (f"parent:{view.pool.id(parent)}", f"operation:{operation}", *sources)
        return PlannedRequest(request, Kind.EVOLVE, (parent,), named)
