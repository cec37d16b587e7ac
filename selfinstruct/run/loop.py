"""Driving a run: do what `rounds.Run` asks for, and tell it what came of it.

The same loop serves one process and a cluster; what differs is who completes requests (`Completer`), which index is
asked, and whether writing and asking happen beside the engines' work (`hands`) or in between.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Protocol, cast

from selfinstruct.errors import CorruptError, HeldError, YieldError
from selfinstruct.protocols import Engine, PoolIndex
from selfinstruct.records import CHECKS, CheckRow, Completion, Proposal, Request, RoundFile, Table
from selfinstruct.run.barren import advice
from selfinstruct.run.checking import WriteCheck
from selfinstruct.run.facts import ORIGIN, check_facts
from selfinstruct.run.keeping import PACE, Left, Pace
from selfinstruct.run.measuring import answers_of
from selfinstruct.run.pending import Pending
from selfinstruct.run.rounds import Check, Effect, Insert, Run, Stage, Write
from selfinstruct.settings import Facts, fingerprint_of
from selfinstruct.storage.checks import CheckSet
from selfinstruct.storage.store import RunStore

IDLE = 0.001
"""Seconds that an engine without requests waits for some."""


class Completer(Protocol):
    """An engine that says how many more requests it wants at hand."""

    @property
    def room(self) -> int: ...

    def add(self, requests: Sequence[Request]) -> None: ...

    def step(self) -> list[Completion]: ...


class Watch:
    """Somebody who looks on: a display, a log, metrics. Does nothing unless it says what, and that quickly."""

    def committed(self, file: RoundFile) -> None:
        """A file was committed."""

    def judged(self, number: int, rows: Sequence[CheckRow]) -> None:
        """A round's file of the run's own check was committed."""

    def completed(self, completion: Completion) -> None:
        """A completion came in."""

    def performed(self, effect: Effect, seconds: float) -> None:
        """A file was written, the index asked or fed; it took so long."""

    def tick(self, run: Run) -> None:
        """The loop went round once more."""

    def ended(self, left: Left) -> None:
        """The loop has ended, well or not, and that is left to a later life of the run."""


class SingleCompleter:
    """A `Completer` of one engine that holds up to `limit` requests. With none it leaves the processor to others."""

    def __init__(self, engine: Engine, limit: int) -> None:
        self._engine, self._limit = engine, limit
        self.room = limit

    def add(self, requests: Sequence[Request]) -> None:
        """Queue requests."""
        self.room -= len(requests)
        self._engine.add(requests)

    def step(self) -> list[Completion]:
        """The engine's next completions."""
        if self.room == self._limit:
            time.sleep(IDLE)
            return []
        completions = self._engine.step()
        self.room += len(completions)
        return completions


def prepare(store: RunStore, facts: Facts) -> None:
    """Prove before any work that the run's files can be written, and remove what a killed driver left half-written.

    Raises:
        FingerprintError: the run was begun with other facts.
        InputError: the place cannot be written.
    """
    if store.rounds(Table.CANDIDATES):
        check_facts(store, facts)
    store.blobs.check_writable()
    store.sweep()


def check_of(run: Run, store: RunStore) -> CheckSet | None:
    """The files of the run's own check."""
    return CheckSet(store, run.judge.facts) if run.judge else None


def restore(run: Run, store: RunStore, facts: Facts) -> str:
    """Report the files that are committed already, then begin; returns the run's fingerprint.

    Raises:
        InputError: the run is made from stored answers, and not yet whole.
        FingerprintError: the run was begun with other facts.
        CorruptError: files are missing or unreadable.
    """
    committed = {table: store.rounds(table) for table in Table}
    if committed[Table.CANDIDATES]:
        check_facts(store, facts)
    checks = check_of(run, store)
    judged = set(checks.rounds()) if checks else set()
    for number in committed[Table.CANDIDATES]:
        rounds, is_labelled = len(committed[Table.CANDIDATES]), number in committed[Table.INSTANCES]
        if number > 0 and run.recalls(number, rounds, labelled=is_labelled):
            run.recalled(number, cast(Sequence[Proposal], store.read(Table.PROPOSALS, number).rows))
        run.committed(store.read_accepted(Table.CANDIDATES, number))
        if number in committed[Table.INSTANCES]:
            looked_at = run.looks_back or (checks and number > 0 and number not in judged)
            instances = store.read_accepted(Table.INSTANCES, number) if looked_at else None
            run.committed(instances or RoundFile(Table.INSTANCES, number, ()))
            if checks and number in judged:
                run.judged(number, checks.read(number) if run.looks_back else ())
        elif number in committed[Table.LABELS]:
            run.committed(store.read(Table.LABELS, number))
    if run.gives_documents and (planned := committed[Table.PROPOSALS]):
        run.noted(planned[-1], store.metadata(Table.PROPOSALS, planned[-1]).notes)
    for number in committed[Table.PROPOSALS]:
        if number not in committed[Table.CANDIDATES]:
            run.committed(store.read(Table.PROPOSALS, number))
    if not committed[Table.CANDIDATES]:
        run.begin(facts)
        return fingerprint_of(facts)
    begun = store.metadata(Table.CANDIDATES, 0)
    origin = begun.facts.get(ORIGIN)
    run.begin(facts, origin["rounds"] if origin and ORIGIN not in facts else None)
    return begun.fingerprint


def feed(run: Run, completers: Sequence[tuple[Completer, Sequence[Stage]]], pending: Pending) -> None:
    """Hand each completer requests of its stages, the first stage first, as far as it has room; what an earlier life
    of the run has the answers to is complete at once."""
    for completer, stages in completers:
        for stage in stages:
            while known := _hand_out(run, completer, stage, pending):
                for completion in known:
                    run.complete(completion)


def _hand_out(run: Run, completer: Completer, stage: Stage, pending: Pending) -> Sequence[Completion]:
    """As many requests as there is room for; returns the answers to those that need not be asked."""
    fresh, known = pending.asked(run.requests(stage, completer.room))
    completer.add(fresh)
    return known


def drive(
    run: Run,
    store: RunStore,
    index: PoolIndex,
    completers: Sequence[tuple[Completer, Sequence[Stage]]],
    facts: Facts,
    hands: Executor | None = None,
    watch: Watch | None = None,
    enough: Callable[[], bool] | None = None,
    pace: Pace = PACE,
) -> None:
    """Take a run from wherever its files are to its end.

    However it ends, but for another driver or a damaged file, the answers of rounds under way are kept for a later life
    (`pending`); an error says in a note what stays. A run that wants no more rounds leaves nothing.

    Args:
        index: Empty; a `measuring.MeasuringIndex` if the run measures.
        completers: The engines, each with the stages it serves, the first one first in line.
        hands: One worker that writes files and asks the index while the engines are kept busy (default: in between).
        watch: Is told of everything that happens.
        enough: Says when the round under way is to be the last one, before the target (default: never). It is asked
            once there is one, so that each life makes a round.
        pace: How often answers of rounds under way are written.

    Raises:
        SelfInstructError: as `restore`, `Run.effects`, `RunStore.commit` and the engines do; what is committed stays.
    """
    fingerprint = restore(run, store, facts)
    if checks := check_of(run, store):
        checks.begin()
    hands, watch = hands or Inline(), watch or Watch()
    pending = Pending(store, facts, hands, pace, run.complete_rounds - 1)
    under_way: deque[tuple[Effect, Future[Any]]] = deque()  # done in order, so the index is fed before it is asked
    with _kept(run, pending, watch):
        while not run.finished:
            for effect in run.effects():
                under_way.append((effect, hands.submit(_perform, effect, store, index, fingerprint)))
            while under_way and under_way[0][1].done():
                effect, future = under_way.popleft()
                outcome, seconds = future.result()
                watch.performed(effect, seconds)
                _report(run, effect, outcome, watch)
                match effect:
                    case Write(table, number):
                        pending.committed(table, number)
                    case WriteCheck(_, number):
                        pending.committed(CHECKS, number)
            feed(run, completers, pending)
            for completer, _ in completers:
                completions = completer.step()
                pending.came(completions)
                for completion in completions:
                    run.complete(completion)
                    watch.completed(completion)
            pending.work()
            watch.tick(run)
            if enough is not None and run.plans and enough():
                run.end()
    store.sweep()
    if checks:
        checks.sweep()


@contextmanager
def _kept(run: Run, pending: Pending, watch: Watch) -> Iterator[None]:
    """At the end of a life, have what is under way kept and said, if it is of use to another one."""
    try:
        yield
    except (HeldError, CorruptError):
        raise
    except BaseException as error:
        watch.ended(left := pending.keep())
        if replace(left, failed=0) != Left():  # that requests failed is what the error says, if anything
            error.add_note(str(left))
        raise
    watch.ended(pending.keep() if run.wanting else pending.forget())


def check_yield(run: Run, store: RunStore) -> None:
    """YieldError, with what helps, if the run ended because its last rounds accepted nothing."""
    if run.barren:
        rounds, patience = run.pool.rounds, run.settings.rounds.patience
        raise YieldError(
            f"{store.blobs.url}: the last {patience} rounds accepted nothing; {run.pool.generated} instructions are"
            f" there. {advice(store, range(rounds - patience, rounds))}"
        )


def settle(run: Run, store: RunStore, index: PoolIndex, fingerprint: str) -> None:
    """Do all that can be done without completions."""
    while effects := run.effects():
        for effect in effects:
            _report(run, effect, _outcome(effect, store, index, fingerprint), Watch())


def _perform(effect: Effect, store: RunStore, index: PoolIndex, fingerprint: str) -> tuple[Any, float]:
    begun = time.perf_counter()
    outcome = _outcome(effect, store, index, fingerprint)
    return outcome, time.perf_counter() - begun


def _outcome(effect: Effect, store: RunStore, index: PoolIndex, fingerprint: str) -> Any:
    match effect:
        case Insert(first, texts):
            return index.insert(first, texts)
        case Check(size, texts, without, measure):
            return answers_of(index, size, texts, without, measure)
        case Write():
            return store.commit(effect.make(), fingerprint)
        case WriteCheck(facts, number, make):
            return CheckSet(store, facts).commit(number, make())


def _report(run: Run, effect: Effect, outcome: Any, watch: Watch) -> None:
    match effect:
        case Check():
            run.checked(*outcome)
        case Write():
            run.committed(outcome)
            watch.committed(outcome)
        case WriteCheck(_, number):
            run.judged(number, outcome)
            watch.judged(number, outcome)


class Inline(Executor):
    """Does what it is given at once."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future
