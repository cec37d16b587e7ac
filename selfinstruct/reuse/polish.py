"""Outputs written anew by another model: instructions and inputs stay, and what it says is filtered as before.

The new run has the tables of the old one. Its labels have the new answers beside the old ones, and in its instances
the rows that were asked about stand under their old ids with other outputs and verdicts; all other rows are as they
were. Rounds are committed in their order; answers of rounds under way are kept as those of any run are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, cast

from selfinstruct.draws import seed_of
from selfinstruct.errors import CorruptError, HeldError, InputError
from selfinstruct.prompts import PromptSet
from selfinstruct.quality.only import Only
from selfinstruct.records import (
    Completion,
    Instance,
    InstanceRow,
    Kind,
    Label,
    Reason,
    Request,
    RoundFile,
    Row,
    Table,
)
from selfinstruct.run.batches import label_row
from selfinstruct.run.facts import ORIGIN, check_facts
from selfinstruct.run.failures import refuse_failures
from selfinstruct.run.keeping import PACE, Left, Pace
from selfinstruct.run.loop import Completer, Inline
from selfinstruct.run.pending import Pending
from selfinstruct.run.settings import RunSettings
from selfinstruct.run.verdicts import Criteria
from selfinstruct.settings import Facts, fingerprint_of, with_facts
from selfinstruct.sources.contamination import Contamination
from selfinstruct.steps.constraints import asked_as
from selfinstruct.steps.instantiate import filter_instances
from selfinstruct.steps.plugins import OPTION
from selfinstruct.steps.readers.answers import answer_of
from selfinstruct.storage.history import POLISHED, check_labelled, complete_rounds
from selfinstruct.storage.store import RunStore

AHEAD = 4
"""Rounds that are under way at once."""


@dataclass(frozen=True, slots=True)
class Polish:
    """What is written anew, and how.

    Args:
        source: The run.
        prompts: Of the form `polish`.
        draft: Show the old output.
        only: Which of the accepted rows of the model (default: all).
        plugins: The filters of the user's own under which the run was made, named again.
        evaluation: Evaluation sets that new outputs are kept clear of.
    """

    source: RunStore
    prompts: PromptSet
    draft: bool = False
    only: Only | None = None
    plugins: Sequence[str] = ()
    evaluation: Contamination | None = None

    def facts(self, polisher: Facts) -> Facts:
        """The facts of the new run: those of the old one, and who writes its outputs anew (`engines.identify`).

        Raises:
            InputError: nothing is labelled, or plugins or evaluation sets of the run are not given again.
        """
        begun, url = self.source.metadata(Table.CANDIDATES, 0), self.source.blobs.url
        check_labelled(self.source)
        names = [str(name) for name in begun.facts.get(OPTION, ())]
        if sorted(names) != sorted(self.plugins):
            raise InputError(
                f"--plugin: {url} has the filters {', '.join(names) or 'none'}, which are run only where you name them;"
                " give the same"
            )
        if "evaluation" in begun.facts and self.evaluation is None:
            raise InputError(f"--decontaminate: {url} was kept clear of evaluation sets; give them again, or others")
        rounds = len(complete_rounds(self.source))
        origin = {"command": "polish", "source": [begun.writer.id, rounds], "rounds": rounds}
        return {**begun.facts, **self.maker(polisher), ORIGIN: origin}

    def maker(self, polisher: Facts) -> Facts:
        """Those of them that say who writes, and after which prompts."""
        evaluation = {"polish.evaluation": self.evaluation.digest} if self.evaluation else {}
        check = self.only.check if self.only else None
        return {
            "polish.prompts": self.prompts.digest,
            "polish.draft": self.draft,
            "polish.only": self.only.expression if self.only else None,
            "polish.check": check.name if check else None,
            **evaluation,
            **{f"polish.sampling.{key}": value for key, value in self.prompts.changed.items()},
            **{f"polisher.{key}": value for key, value in polisher.items()},
        }

    @property
    def criteria(self) -> Criteria:
        """By what new outputs are judged: as in the run, and they must not be what the prompt says."""
        facts = self.source.metadata(Table.CANDIDATES, 0).facts
        return Criteria.of(with_facts(RunSettings(), facts), self.prompts.texts, self.evaluation)

    def requests(self, number: int) -> list[Request]:
        """What is to be asked about a round.

        Raises:
            InputError, CorruptError: as of `Only.ids`.
        """
        rows = cast(Sequence[InstanceRow], self.source.read_accepted(Table.INSTANCES, number).rows)
        chosen = self.only.ids(number) if self.only else {row.id for row in rows}
        return [self._request(row) for row in rows if row.id in chosen]

    def _request(self, row: InstanceRow) -> Request:
        id = f"{row.id}{POLISHED}"
        seed = self.source.metadata(Table.CANDIDATES, 0).facts.get("seed", 0)
        suffix = self.prompts[Kind.POLISH].fill_task(row.instruction, row.input, row.output if self.draft else None)
        return Request(id, Kind.POLISH, suffix, seed_of("polish", seed, id))


def polished(rows: Sequence[InstanceRow], answers: Mapping[str, Label], criteria: Criteria) -> Iterator[InstanceRow]:
    """A round's instances, those with an answer (by id) with its output and verdict.

    One that says what another accepted row of its instruction says to the same input is a duplicate.
    """
    taken = {_content(row) for row in rows if row.accepted and row.id not in answers}
    for row in rows:
        if row.id in answers:
            row = _polished(row, answers[row.id], criteria)
            if row.accepted and _content(row) in taken:
                row = replace(row, accepted=False, reason=Reason.DUPLICATE)
            taken.add(_content(row))
        yield row


def _content(row: InstanceRow) -> tuple[str, str, str]:
    return row.instruction_id, row.input, row.output


def _polished(row: InstanceRow, label: Label, criteria: Criteria) -> InstanceRow:
    answer = answer_of(label)
    ((instance, reason),) = filter_instances(
        [(Instance(row.input, answer.output), answer.reason)],
        criteria.instances,
        criteria.seed,
        row.instruction_id,
        criteria.evaluation.overlap if criteria.evaluation else None,
        partial(criteria.of_instance, asked_as(row)),
        samples=True,
    )
    return replace(
        row, output=instance.output, thought=answer.thought, accepted=reason is None, reason=reason, copied=None
    )


def polish(
    plan: Polish,
    out: RunStore,
    polisher: Facts,
    completer: Completer,
    max_failed: float,
    watch: Callable[[Sequence[Completion]], None],
    pace: Pace = PACE,
) -> None:
    """Write the new run; a second call goes on after a first that was ended.

    Args:
        polisher: What `engines.identify` says of the model.
        max_failed: The share of a round's requests that may fail.
        watch: Is told what came in, even if nothing did.

    Raises:
        FailureError: more requests failed; their round is not committed.
        SelfInstructError: as engine and stores do.
    """
    new = _New(plan, out, polisher)
    pending = Pending(out, plan.facts(polisher), Inline(), pace)
    try:
        _ask(new, completer, max_failed, watch, pending)
    except (HeldError, CorruptError):
        raise
    except BaseException as error:
        if replace(left := pending.keep(), failed=0) != Left():
            error.add_note(str(left))
        raise
    pending.forget()
    out.sweep()


def _ask(
    new: _New, completer: Completer, max_failed: float, watch: Callable[[Sequence[Completion]], None], pending: Pending
) -> None:
    waiting = deque(new.missing)
    under_way: deque[_Round] = deque()
    queue: deque[Request] = deque()
    owner: dict[str, _Round] = {}
    while waiting or under_way:
        while waiting and len(under_way) < AHEAD:
            opened = _Round(waiting.popleft())
            asked = new.plan.requests(opened.number)
            opened.ids = [request.id for request in asked]
            owner |= dict.fromkeys(opened.ids, opened)
            queue += asked
            under_way.append(opened)
        fresh, known = pending.asked([queue.popleft() for _ in range(min(completer.room, len(queue)))])
        completer.add(fresh)
        completions = completer.step() if owner else []
        pending.came(completions)
        for completion in (*known, *completions):
            if (asker := owner.pop(completion.request_id, None)) is not None:  # an answer may come twice
                asker.completions[completion.request_id] = completion.mended()
        while under_way and len(under_way[0].completions) == len(under_way[0].ids):
            labels = new.commit(under_way.popleft(), max_failed)
            pending.committed(labels.table, labels.round)
        pending.work()
        watch(completions)


@dataclass
class _Round:
    """A round that is written anew."""

    number: int
    ids: list[str] = field(default_factory=list)  # of its requests, in the order of its rows
    completions: dict[str, Completion] = field(default_factory=dict)


class _New:
    """The new run as far as it is written. FingerprintError if another one is there."""

    def __init__(self, plan: Polish, out: RunStore, polisher: Facts) -> None:
        self.plan = plan
        self._out = out
        self._maker = plan.maker(polisher)
        self._criteria = plan.criteria
        facts = plan.facts(polisher)
        self._fingerprint = fingerprint_of(facts)
        if out.rounds(Table.CANDIDATES):
            check_facts(out, facts)
        self._copy(Table.CANDIDATES, 0, {"facts": facts})
        self._copy(Table.INSTANCES, 0)

    @property
    def missing(self) -> list[int]:
        """The rounds that are to be written."""
        return [each for each in complete_rounds(self.plan.source) if each not in self._out.rounds(Table.INSTANCES)]

    def commit(self, done: _Round, max_failed: float) -> RoundFile:
        """Write a round whose answers are there; returns its labels."""
        number, answers = done.number, [done.completions[id] for id in done.ids]
        refuse_failures(f"round {number}", "requests", answers, max_failed, "--max_failed")
        proposals = self.plan.source.metadata(Table.PROPOSALS, number).notes
        later = {"facts": {**proposals["facts"], **self._maker}} if "facts" in proposals else {}
        self._copy(Table.PROPOSALS, number, later)
        self._copy(Table.CANDIDATES, number)
        old = self.plan.source.read(Table.LABELS, number)
        rows = [_label(number, answer) for answer in answers]
        labels = self._put(RoundFile(Table.LABELS, number, (*old.rows, *rows), old.notes))
        new = {row.request_id.removesuffix(POLISHED): row for row in cast(Sequence[Label], labels.rows)}
        instances = self.plan.source.read(Table.INSTANCES, number)
        told = {id: row for id, row in new.items() if row.kind is Kind.POLISH}
        written = polished(cast(Sequence[InstanceRow], instances.rows), told, self._criteria)
        self._put(RoundFile(Table.INSTANCES, number, tuple(written), instances.notes))
        return labels

    def _copy(self, table: Table, number: int, notes: Mapping[str, Any] | None = None) -> None:
        """A file as it is in the old run, with these notes beside its own."""
        if number not in self._out.rounds(table):
            file = self.plan.source.read(table, number)
            rows: tuple[Row, ...] = file.rows
            self._put(RoundFile(table, number, rows, {**file.notes, **(notes or {})}))

    def _put(self, file: RoundFile) -> RoundFile:
        """Commit a file that is not there; returns the one that is."""
        if file.round in self._out.rounds(file.table):
            return self._out.read(file.table, file.round)
        return self._out.commit(file, self._fingerprint)


def _label(number: int, answer: Completion) -> Label:
    instruction = answer.request_id.removesuffix(POLISHED).rpartition("/")[0]
    return label_row(number, instruction, Kind.POLISH, answer)
