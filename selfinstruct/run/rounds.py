"""The run: Self-Instruct (Wang et al. 2022) as a machine without I/O. The file to read first.

A round is the paper's loop body, and each arrow is one file of the run:

    plan -> propose     -> proposals   what the model answered to 6 + 2 demonstrations
    parse, screen, novelty, admit
                        -> candidates  every proposed instruction, accepted or with the reason why not
    classify, instantiate (or answer)
                        -> labels      what the model answered about each accepted instruction
    parse, filter       -> instances   its inputs and outputs, accepted or with the reason why not
    judge               -> checks      what a model says of each accepted instance, if the run has a check

`Run` hands out requests, takes completions in any order, and says what is to be done now (`Effect`): write a file,
ask the index, feed the index. A scheduler does these things and reports back; files committed earlier are reported
in the same way, which is all there is to resuming. There is no clock, thread or randomness in here: given the same
completions the files are the same, whatever the order, the number of replicas and of shards.

Several rounds are under way at once. Round r is planned from the pool as it was after round r - lag, so proposing
does not wait for the round before; labelling follows behind. The files of a table come in order, and a proposals
file only once the candidates before it show that the run goes on, so the set of files is determined too.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from selfinstruct.pool import Pool, Proven
from selfinstruct.prompts import PromptSet
from selfinstruct.records import (
    Candidate,
    CheckRow,
    Completion,
    Dialect,
    ImportedTask,
    InstanceRow,
    Judgement,
    Kind,
    Label,
    Neighbour,
    Proposal,
    Request,
    RoundFile,
    Row,
    SeedTask,
    Table,
    round_name,
)
from selfinstruct.run.batches import Labelling, Proposing
from selfinstruct.run.bringing import MIX, Bringing
from selfinstruct.run.checking import Checking, WriteCheck
from selfinstruct.run.failures import refuse_failures
from selfinstruct.run.given import given_instances, imported_candidates, seed_candidates
from selfinstruct.run.material import Material, mix_of
from selfinstruct.run.settings import RunSettings
from selfinstruct.run.verdicts import Criteria, admitted, labelled, left_out, screened, survivors
from selfinstruct.run.ways import TextOf, way_of
from selfinstruct.settings import Facts
from selfinstruct.sources.contamination import Contamination
from selfinstruct.steps.checks import Judge
from selfinstruct.steps.judging import overall
from selfinstruct.steps.readers import Reader, reader_for, reader_of
from selfinstruct.steps.strategies.cells import CellIndex
from selfinstruct.steps.strategies.document import RoundTexts, numbers_of
from selfinstruct.steps.strategies.mix import Mix
from selfinstruct.steps.strategies.planned import PoolView

if TYPE_CHECKING:
    from selfinstruct.semantic.index import Meanings


class Stage(StrEnum):
    """Who a request is for. All may be served by the same engine."""

    PROPOSE = "propose"
    LABEL = "label"
    CHECK = "check"


@dataclass(frozen=True, slots=True, eq=False)
class Write:
    """Commit what `make` gives, then report what was committed with `Run.committed`."""

    table: Table
    round: int
    notes: Mapping[str, Any] = field(repr=False)
    rows: Callable[[], Iterable[Row]] = field(repr=False)

    def make(self) -> RoundFile:
        """The file: most of the machine's work, and pure.

        It may be called in another thread while the machine goes on: what `rows` holds are values that nobody changes
        (rows of committed files, criteria, the index's answer), and the pool, which only grows, by candidates that
        come after this file.
        """
        return RoundFile(self.table, self.round, tuple(self.rows()), self.notes)


@dataclass(frozen=True, slots=True)
class Check:
    """Ask the index for the nearest of each text among the first `size`, and, if it is to be measured, what it is
    about, then report with `Run.checked`.

    `without`: for each text the ordinal that it is not compared with, if there is one; none where no text has one.
    """

    size: int
    texts: Sequence[str]
    without: Sequence[int | None] = ()
    measure: bool = False


@dataclass(frozen=True, slots=True)
class Insert:
    """Feed the index. Nothing is to be reported."""

    first: int
    texts: Sequence[str]


Effect: TypeAlias = Write | WriteCheck | Check | Insert


_MAX_FAILED = "--rounds.max_failed"

DOCUMENTS = "documents"
"""The note of a proposals file that says how many documents all requests up to its end were given."""


class Run:
    """One run of Self-Instruct, from its seed tasks to the last file.

    Args:
        told: What the prompts said to which stored answers were given, if those are not `prompts`.
        judge: Who judges the accepted instances beside the other stages, if anybody does.
        chosen: Ids of the instructions that are labelled (default: all).
        material: What requests are made of beside seeds and pool.

    Raises:
        FailureError: from `effects`, when too many requests of a round failed.
    """

    def __init__(
        self,
        settings: RunSettings,
        prompts: PromptSet,
        seeds: Sequence[SeedTask],
        imported: Sequence[ImportedTask] = (),
        evaluation: Contamination | None = None,
        told: Sequence[str] | None = None,
        judge: Judge | None = None,
        chosen: Collection[str] | None = None,
        material: Material | None = None,
    ) -> None:
        self.settings = settings
        self.judge = judge
        self.pool = Pool()
        self.labelled = 0  # rounds whose instances (without labels, candidates) are committed, round 0 included
        self._begun = False  # round 0 is committed
        self._proven = Proven() if settings.feedback.proven else None
        self._bringing = Bringing(settings) if settings.strategies.auto else None
        self._prompts = prompts
        self._seeds = seeds
        self._imported = imported
        self._chosen = chosen
        self._material = material or Material()
        self._documents: dict[int, int] = {}  # how many documents were given out up to the end of a round
        self._reader = reader_of(prompts, settings.reading)
        self._criteria = Criteria.of(settings, prompts.texts if told is None else told, evaluation)
        self._effects: deque[Effect] = deque()
        self._proposing: dict[int, Proposing] = {}  # rounds whose proposals are not committed, in order
        self._screened: list[Candidate] = []  # the round whose proposals are committed and candidates are not
        self._texts: dict[int, TextOf] = {}  # what instructions are answered from: rounds not labelled yet
        self._labelling: dict[int, Labelling] = {}  # rounds whose labels are not committed, in order
        self._checking = Checking(judge, settings.rounds.max_failed, _MAX_FAILED) if judge else None
        self._unproven: dict[int, Sequence[InstanceRow]] = {}  # accepted, of rounds whose checks are not committed
        self._next_round = 0  # the next one to plan
        self._in_flight: dict[str, Proposing | Labelling] = {}  # by request id; a check has its own
        self._barren = 0  # rounds in a row without an accepted instruction
        self._fact_keeper: tuple[int, Facts] | None = None  # the round beside 0 that keeps facts
        self._ending = False  # the round under way is to be the last one
        self._ended = False  # it was

    # ---- what a scheduler asks and reports

    def begin(self, facts: Facts, given_rounds: int | None = None) -> None:
        """Start, or go on after the committed files were reported. Round 0 keeps what the run's data depends on.

        Args:
            given_rounds: Of a run that was made from stored answers, how many rounds it began with. The next one keeps
                `facts` too, since it is the first whose requests this program made.
        """
        self._fact_keeper = None if given_rounds is None else (given_rounds + 1, facts)
        if not self._begun:
            waiting, self._effects = self._effects, deque()
            check = self.settings.check_pool
            screen = self._criteria.of_given if check else None
            imported = imported_candidates(self._imported, self._seeds, self.settings.novelty, screen)
            candidates = [*seed_candidates(self._seeds), *imported]
            if self.pool.rounds == 0:
                self._write(Table.CANDIDATES, 0, lambda: candidates, {"facts": facts})
            evaluation = self._criteria.evaluation if check else None
            tasks: list[SeedTask | ImportedTask] = [*self._seeds, *self._imported]
            rows = partial(given_instances, candidates, tasks, evaluation.overlap if evaluation else None)
            self._write(Table.INSTANCES, 0, rows)
            self._effects.extend(waiting)  # instances of later rounds, if those of round 0 were damaged and removed
        self._insert_pool()

    def requests(self, stage: Stage, most: int) -> list[Request]:
        """Up to `most` requests to be completed now; each is handed out once."""
        if stage is Stage.CHECK:
            return self._checking.requests(most) if self._checking else []
        taken = self._take(self._proposing if stage is Stage.PROPOSE else self._labelling, most)
        while stage is Stage.PROPOSE and len(taken) < most and self._may_open_round():
            self._open_round()
            taken += self._take(self._proposing, most - len(taken))
        return taken

    def complete(self, completion: Completion) -> None:
        """Take a completion. One that is not waited for (repeated, or of a round no longer wanted) is ignored."""
        batch = self._in_flight.pop(completion.request_id, None)
        if batch is not None:
            batch.complete(completion.mended())
        elif self._checking:
            self._checking.complete(completion)

    def effects(self) -> list[Effect]:
        """What is to be done now, in this order; each is handed out once."""
        self._write_proposals()
        self._write_labels()
        if self._checking:
            self._effects.extend(self._checking.writes())
        effects = list(self._effects)
        self._effects.clear()
        return effects

    def checked(self, neighbours: Sequence[Neighbour | None], meanings: Meanings | None = None) -> None:
        """The index's answer to the last `Check`."""
        size = len(self.pool)
        rows = partial(admitted, self._screened, neighbours, size, self.pool.id, self._criteria, meanings)
        self._write(Table.CANDIDATES, self.pool.rounds, rows)

    def committed(self, file: RoundFile) -> None:
        """A file that is in the store now: ours, another driver's equal one, or one of an earlier life of this run.

        Of a candidates file only the accepted rows are looked at, of an instances file none, or those if `looks_back`
        or if its check is not committed: a reader may leave the others out.
        """
        self._next_round = max(self._next_round, file.round + 1)
        match file.table:
            case Table.PROPOSALS:
                self._proposing.pop(file.round, None)
                proposals = cast(Sequence[Proposal], file.rows)
                self.recalled(file.round, proposals)
                self._screened = screened(proposals, self._reader_of(file), self._criteria, self.pool.texts_of)
                without = left_out(self._screened, proposals, self.pool.ordinals_by_id)
                measure = self.settings.semantic.measure
                self._effects.append(Check(len(self.pool), survivors(self._screened), without, measure))
            case Table.CANDIDATES:
                self._grow_pool(file.round, [row for row in cast(Sequence[Candidate], file.rows) if row.accepted])
            case Table.LABELS:
                instructions = self._labelling.pop(file.round).instructions
                labels = cast(Sequence[Label], file.rows)
                text_of, reader = self._texts.pop(file.round, None), self._reader_of(file)
                rows = partial(labelled, instructions, labels, reader, self._criteria, self._chosen, text_of)
                answered = any(label.kind is Kind.INPUT for label in labels)
                self._write(Table.INSTANCES, file.round, rows, {"form": "answer"} if answered else None)
            case Table.INSTANCES:
                self._labelling.pop(file.round, None)
                self._texts.pop(file.round, None)
                self._begun = True
                self.labelled += 1
                accepted = [row for row in cast(Sequence[InstanceRow], file.rows) if row.accepted]
                if self._checking and file.round > 0:
                    self._checking.open(file.round, accepted)
                    self._unproven[file.round] = accepted if self.looks_back else ()
                else:
                    self._prove(file.round, accepted)

    def recalls(self, number: int, rounds: int, *, labelled: bool) -> bool:
        """Whether plans of rounds from `rounds` on depend on the proposals of a round, or its labelling, which is done
        or not, on what its requests showed: `recalled` must be told of them before its candidates are reported, where
        its proposals are not."""
        brings = self._bringing is not None and self._bringing.looks_at(number, rounds)
        return brings or (self.settings.answers_from_texts and not labelled)

    def recalled(self, number: int, rows: Sequence[Proposal]) -> None:
        """The proposals of a round."""
        if self._bringing is not None:
            self._bringing.asked(number, rows)
        documents = self._material.documents
        if documents is not None and self.settings.answers_from_texts:
            self._texts[number] = RoundTexts(self.settings.documents, documents, numbers_of(rows))

    @property
    def gives_documents(self) -> bool:
        """Whether plans go on where those of earlier rounds ended: `noted` must be told of the newest one."""
        return self._material.documents is not None

    def noted(self, number: int, notes: Mapping[str, Any]) -> None:
        """What the newest committed proposals file says of itself."""
        self._documents[number] = int(notes.get(DOCUMENTS, 0))

    def judged(self, number: int, rows: Sequence[CheckRow]) -> None:
        """A round's file of the check is in the store, as `committed` has it; its instances were reported before.

        The rows are looked at if `looks_back`: a reader may leave them out otherwise.
        """
        if self._checking is None:
            raise ValueError("this run has no check of its own")
        self._checking.committed(number)
        if self._bringing is not None:
            self._bringing.judged(number, rows)
        failing = {row.id for row in rows if overall(row.judgements) is not Judgement.YES}
        self._prove(number, [row for row in self._unproven.pop(number) if row.id not in failing])

    def end(self) -> None:
        """Finish the round under way and its labelling, and no other; a later life of the run goes on from there."""
        self._ending = True
        if self._next_round == self.pool.rounds:  # nothing is under way
            self._ended = True
        for number in [each for each in self._proposing if each > self.pool.rounds]:
            del self._proposing[number]
        self._next_round = min(self._next_round, self.pool.rounds + 1)

    @property
    def plans(self) -> bool:
        """Whether a round is planned whose candidates are not committed."""
        return self._next_round > self.pool.rounds > 0

    @property
    def looks_back(self) -> bool:
        """Whether plans depend on instances of earlier rounds, and on what the run's check says of them."""
        return self._proven is not None or self.settings.strategies.judged

    @property
    def complete_rounds(self) -> int:
        """Rounds whose files are all committed, round 0 included."""
        behind = self._checking.oldest if self._checking else None
        return self.labelled if behind is None else behind

    @property
    def unanswered(self) -> int:
        """Requests for instructions of open rounds whose answers are not there."""
        return sum(round.unanswered for round in self._proposing.values())

    @property
    def in_flight(self) -> int:
        """Requests that were handed out and are not answered, those of a check left out."""
        return len(self._in_flight)

    @property
    def finished(self) -> bool:
        """Whether every file of the run is committed."""
        return (
            self.pool.rounds > 0
            and not self.goes_on
            and self._next_round == self.pool.rounds  # no proposals wait for their candidates
            and self.complete_rounds == self.pool.rounds
        )

    @property
    def goes_on(self) -> bool:
        """Whether the candidates committed so far ask for another round (the stop rule)."""
        return self.wanting and not self._ended

    @property
    def wanting(self) -> bool:
        """The same, whether or not this life was told to end."""
        return self.pool.generated < self.settings.target and not self.barren

    @property
    def barren(self) -> bool:
        """Whether several rounds in a row accepted nothing."""
        return self._barren >= self.settings.rounds.patience

    def _insert_pool(self) -> None:
        """Feed the index the whole pool at once instead of round by round."""
        others = [effect for effect in self._effects if not isinstance(effect, Insert)]
        self._effects = deque([Insert(0, list(self.pool.texts)), *others] if len(self.pool) else others)

    # ---- plan, propose

    @cached_property
    def _mix(self) -> Mix:
        """Made when it is first asked, since runs that are made from stored answers plan nothing."""
        return mix_of(self.settings, self._prompts, self._material)

    def _mix_for(self, number: int) -> Mix:
        """The mix under which a round is planned."""
        return self._mix if self._bringing is None else self._mix.with_shares(self._bringing.mix(number))

    def _may_open_round(self) -> bool:
        number, rounds = self._next_round, self.settings.rounds
        return (
            self.pool.rounds > 0
            and self.goes_on
            and not self._ending
            and number - rounds.lag < self.pool.rounds
            and number - self.complete_rounds < rounds.lag + rounds.label_lag
            and (not self.looks_back or self._proven_for(number) < self.complete_rounds)
        )

    def _proven_for(self, number: int) -> int:
        """The newest round whose instances, and what a check says of them, the plan of a round looks at."""
        return max(0, number - self.settings.feedback.lookback)

    def _open_round(self) -> None:
        """Plan the next round: a pure function of the run's seed, its number, the pool `lag` rounds before, and, where
        it looks back, the instances and checks, or what strategies brought, up to `lookback` rounds before."""
        number, settings = self._next_round, self.settings
        size = self.pool.size_after(max(0, number - settings.rounds.lag))
        bounds = {"least": settings.rounds.least, "most": settings.rounds.most}
        count = settings.rounds.requests(size)
        proven = None if self._proven is None else self._proven.until(self._proven_for(number))
        view = PoolView(self.pool, size, proven)
        if self._material.cells:
            view = replace(view, cells=CellIndex(self.pool.cells, view.others))
        ids = [f"{round_name(number)}/{position:05d}" for position in range(count)]
        first = self._documents.get(number - 1, 0)
        mix = self._mix_for(number)
        self._documents[number] = first + mix.count(ids, Kind.DOCUMENT)
        self._proposing[number] = Proposing(bounds, mix.plan(ids, view, first))
        self._next_round += 1

    def _write_proposals(self) -> None:
        """The next proposals, once they are all there and the candidates before them show that the run goes on."""
        number = self.pool.rounds
        proposing = self._proposing.get(number)
        if proposing is None or proposing.missing or proposing.written or not self.goes_on:
            return
        proposing.written = True
        rows = proposing.rows(number, self.pool)
        self._refuse_failures(Table.PROPOSALS, number, rows)
        notes: dict[str, Any] = {**proposing.bounds, "dialect": self._prompts.dialect}
        if self._material.documents is not None:
            notes[DOCUMENTS] = self._documents[number]
        if self._bringing is not None:
            notes[MIX] = self._bringing.note(number)
        if self._fact_keeper and number == self._fact_keeper[0]:
            notes["facts"] = self._fact_keeper[1]
        self._write(Table.PROPOSALS, number, lambda: rows, notes)

    # ---- parse, screen, novelty, admit

    def _reader_of(self, file: RoundFile) -> Reader:
        """Who reads a file's completions; files without a note are of this run's own prompts."""
        dialect = Dialect(file.notes.get("dialect", self._prompts.dialect))
        return self._reader if dialect is self._prompts.dialect else reader_for(dialect, self.settings.reading)

    def _grow_pool(self, number: int, accepted: Sequence[Candidate]) -> None:
        texts = [candidate.text for candidate in accepted]
        self._effects.append(Insert(len(self.pool), texts))
        self.pool.extend(accepted, self._cells_of(accepted))
        self._screened = []
        if self._bringing is not None:
            self._bringing.accepted(number, accepted)
        if number > 0:
            self._barren = 0 if accepted else self._barren + 1
            if self.settings.labels:
                way = way_of(self.settings, self._prompts, self._reader, self._texts.get(number))
                self._labelling[number] = Labelling(way, accepted, self._chosen)
            else:
                self.labelled += 1
        self._ended = self._ending
        if not self.goes_on:  # rounds begun ahead are not wanted any more
            self._proposing.clear()
            self._next_round = self.pool.rounds

    def _cells_of(self, accepted: Sequence[Candidate]) -> Sequence[int]:
        """The cells of instructions, where plans look at them; those of measured ones are known."""
        if self._material.cells is None:
            return ()
        known = [row.cell for row in accepted if row.cell is not None]
        return known if len(known) == len(accepted) else self._material.cells([row.text for row in accepted])

    # ---- classify, instantiate, filter

    def _write_labels(self) -> None:
        """The next labels, once they are all there."""
        number, labelling = next(iter(self._labelling.items()), (0, None))
        if labelling is None or labelling.missing or labelling.written:
            return
        labelling.written = True
        rows = labelling.rows(number)
        self._refuse_failures(Table.LABELS, number, rows)
        self._write(Table.LABELS, number, lambda: rows)

    # ---- check

    def _prove(self, number: int, rows: Sequence[InstanceRow]) -> None:
        """The instances of a round that prove their instructions are known."""
        if self._proven is not None:
            ordinals = self.pool.ordinals_of({row.instruction_id for row in rows})
            self._proven.add(number, [each for each in ordinals if each >= self.pool.seeds])

    # ---- all stages

    def _take(self, batches: dict[int, Proposing] | dict[int, Labelling], most: int) -> list[Request]:
        taken: list[Request] = []
        for batch in batches.values():
            while batch.queue and len(taken) < most:
                request = batch.queue.popleft()
                self._in_flight[request.id] = batch
                taken.append(request)
        return taken

    def _write(
        self, table: Table, number: int, rows: Callable[[], Iterable[Row]], notes: Mapping[str, Any] | None = None
    ) -> None:
        self._effects.append(Write(table, number, notes or {}, rows))

    def _refuse_failures(self, table: Table, number: int, rows: Sequence[Proposal] | Sequence[Label]) -> None:
        most = self.settings.rounds.max_failed
        refuse_failures(f"round {number}", f"requests for {table}", rows, most, _MAX_FAILED)
