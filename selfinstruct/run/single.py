"""A run in this process, without Ray: its engines step one after the other, and files are written beside that."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from selfinstruct.engines import IN_FLIGHT, EngineSettings, checked, in_flight_of, open_engine, traits
from selfinstruct.prompts import PromptSet
from selfinstruct.run.budget import Budget, BudgetSettings
from selfinstruct.run.inputs import Inputs
from selfinstruct.run.loop import SingleCompleter, check_yield, drive
from selfinstruct.run.measuring import LateIndex, pool_index
from selfinstruct.run.rounds import Run, Stage
from selfinstruct.run.serving import Served, run_of, served
from selfinstruct.run.settings import RunSettings
from selfinstruct.run.spending import Spending
from selfinstruct.run.timings import Terms, Timer
from selfinstruct.run.watches import Everybody, RunWatch
from selfinstruct.storage.store import RunStore


def generate(
    settings: RunSettings,
    inputs: Inputs,
    store: RunStore,
    watch: RunWatch,
    in_flight: int | None,
    budget: BudgetSettings,
    enough: Callable[[], bool] | None = None,
) -> Run:
    """Take a run from where its files are to its end; returns it finished.

    Args:
        in_flight: Requests that each engine holds at most (default: `engines.in_flight_of`).
        budget: Counts this process as one replica.
        enough: Says besides the budget when the round under way is to be the last one.

    Raises:
        SelfInstructError: see `selfinstruct.errors`; what is committed stays, and another call goes on.
    """
    run = run_of(settings, inputs)
    if (models := loaded(inputs)) and inputs.own is None:
        watch.starting(f"loading {' and '.join(models)}")
    completers = _completers(inputs, in_flight)
    gpus = _gpus(inputs.proposer) if inputs.own is None else 0
    timer = Timer(store.blobs, lambda: 1, Terms(settings.target, gpus, budget.price))
    spending = Spending(lambda: timer.replica_seconds, gpus, budget.price)
    watch.started((), spending)
    everybody = Everybody(timer, spending, watch)
    spent = Budget(budget, timer).spent
    ends = spent if enough is None else lambda: spent() or enough()
    index = LateIndex(partial(pool_index, settings.novelty, settings.semantic))
    with ThreadPoolExecutor(1, thread_name_prefix="hands") as hands:
        try:
            drive(run, store, index, completers, inputs.facts, hands, everybody, ends)
        finally:
            hands.shutdown(cancel_futures=True)
    check_yield(run, store)
    return run


def loaded(inputs: Inputs) -> list[str]:
    """The models that are loaded in this process."""
    return list(dict.fromkeys(each.engine.model for each in served(inputs) if traits(each.engine).checkpoint))


def open_completer(engine: EngineSettings, prompts: PromptSet, in_flight: int | None) -> SingleCompleter:
    """One engine in this process.

    Raises:
        InputError, FailureError: as `engines.open_engine`.
    """
    most = in_flight or in_flight_of(engine, on_gpu=_gpus(engine) > 0)
    return SingleCompleter(open_engine(engine, prompts), most)


def _completers(inputs: Inputs, in_flight: int | None) -> list[tuple[SingleCompleter, Sequence[Stage]]]:
    """One for all stages, proposing first in line, or one for each model."""
    return [(_opened(inputs, each, in_flight), each.stages) for each in served(inputs)]


def _opened(inputs: Inputs, line: Served, in_flight: int | None) -> SingleCompleter:
    if inputs.own is not None and line.engine == inputs.proposer:
        return SingleCompleter(checked(inputs.own), in_flight or IN_FLIGHT["cpu"])
    return open_completer(line.engine, line.prompts, in_flight)


def _gpus(engine: EngineSettings) -> int:
    """How many GPUs an engine in this process makes use of."""
    if (devices := traits(engine).devices) == 0:
        return 0
    import torch

    return min(devices, torch.cuda.device_count())
