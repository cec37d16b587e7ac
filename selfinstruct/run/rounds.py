"""The run: Self-Instruct (Wang et al. 2022) as a machine without I/O. The file to read first.

A round is the paper's loop body, and each arrow is one file of the run:

    plan -> propose     -> proposals   what the model answered to 6 + 2 demonstrations
    parse, screen, novelty, admit
                        -> candidates  every proposed instruction, accepted or with the reason why not
    classify, instantiate
                        -> labels      what the model answered about each accepted instruction
    parse, filter       -> instances   its inputs and outputs, accepted or with the reason why not

`Run` hands out requests, takes completions in any order, and says what is to be done now (`Effect`): write a file,
ask the index, feed the index. A scheduler does these things and reports back; files committed earlier are reported
in the same way, which is all there is to resuming. There is no clock, thread or randomness in here: given the same
completions the files are the same, whatever the order, the number of replicas and of shards.

Several rounds are under way at once. Round r is planned from the pool as it was after round r - lag, so proposing
does not wait for the round before; labelling follows behind. The files of a table come in order, and a proposals
file only once the candidates before it show that the run goes on, so the set of files is determined too.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from typing import Any, TypeAlias, cast

from selfinstruct.errors import FailureError
from selfinstruct.novelty.check import admit
from selfinstruct.novelty.index import NoveltySettings
from selfinstruct.pool import Pool
from selfinstruct.prompts import PromptSet
from selfinstruct.records import (
    Candidate,
    Completion,
    Dialect,
    Finish,
    ImportedTask,
    Instance,
    InstanceRow,
    Kind,
    Label,
    Neighbour,
    Origin,
    Proposal,
    Reason,
    Request,
    RoundFile,
    Row,
    SeedTask,
    Table,
    round_name,
)
from selfinstruct.run.batches import Labelling, Proposing
from selfinstruct.run.given import given_instances, imported_candidates, seed_candidates
from selfinstruct.settings import Facts, unaltering
from selfinstruct.sources.contamination import Contamination
from selfinstruct.steps import original
from selfinstruct.steps.classify import parse_classify, read_classify
from selfinstruct.steps.instantiate import InstanceSettings, filter_instances, instance_row, read_instances
from selfinstruct.steps.propose import ProposeSettings, dialect_of, parse_dialect, plan_request
from selfinstruct.steps.screen import Screen, ScreenSettings


@dataclass(frozen=True)
class RoundSettings:
    """How rounds are sized, overlapped and stopped.

    Args:
        lag: Round r is planned from the pool after round r - lag; 1 means that rounds do not overlap.
        least: Fewest propose requests in a round; a round has an eighth of the pool, within these bounds.
        most: Most propose requests in a round.
        label_lag: Rounds by which labelling may be behind before proposing waits for it.
        patience: Rounds in a row without an accepted instruction after which the run stops.
        max_failed: Share of a round's requests that may fail (one may always); above it nothing is committed.
    """

    lag: int = 2
    least: int = unaltering(16)
    most: int = unaltering(2048)
    label_lag: int = unaltering(4)
    patience: int = unaltering(5)
    max_failed: float = unaltering(0.01)


@dataclass(frozen=True)
class RunSettings:
    """The options of the algorithm; those of engines and cluster are elsewhere.

    Args:
        seed: Seed of everything that is drawn.
        target: Accepted instructions to reach; the round that reaches it is finished whole.
        check_pool: Screen imported instructions and check them for novelty; otherwise they are taken as they are.
    """

    seed: int = 0
    target: int = unaltering(1000)
    check_pool: bool = True
    propose: ProposeSettings = field(default_factory=ProposeSettings)
    screen: ScreenSettings = field(default_factory=ScreenSettings)
    novelty: NoveltySettings = field(default_factory=NoveltySettings)
    instances: InstanceSettings = field(default_factory=InstanceSettings)
    rounds: RoundSettings = field(default_factory=RoundSettings)


class Stage(StrEnum):
    """Who a request is for. Both may be served by the same engine."""

    PROPOSE = "propose"
    LABEL = "label"


@dataclass(frozen=True, eq=False, match_args=False)
class Write:
    """Commit `file`, then report what was committed with `Run.committed`.

    Its rows are made when it is first asked for: most of the machine's work, which may be done beside the rest.
    """

    table: Table
    round: int
    rows: Iterable[Row] = field(repr=False)
    notes: Mapping[str, Any] = field(repr=False)

    __match_args__ = ("file",)

    @cached_property
    def file(self) -> RoundFile:
        """What is to be committed."""
        return RoundFile(self.table, self.round, tuple(self.rows), self.notes)


@dataclass(frozen=True, slots=True)
class Check:
    """Ask the index for the nearest of each text among the first `size`, then report with `Run.checked`."""

    size: int
    texts: Sequence[str]


@dataclass(frozen=True, slots=True)
class Insert:
    """Feed the index. Nothing is to be reported."""

    first: int
    texts: Sequence[str]


Effect: TypeAlias = Write | Check | Insert


class Run:
    """One run of Self-Instruct, from its seed tasks to the last file.

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
    ) -> None:
        self.settings = settings
        self.pool = Pool()
        self.labelled = 0  # rounds that are complete, round 0 included
        self._prompts = prompts
        self._seeds = seeds
        self._imported = imported
        self._evaluation = evaluation
        self._screen = Screen(settings.screen, any_script=settings.novelty.any_script)
        self._effects: deque[Effect] = deque()
        self._proposing: dict[int, Proposing] = {}  # rounds whose proposals are not committed, in order
        self._screened: list[Candidate] = []  # the round whose proposals are committed and candidates are not
        self._labelling: dict[int, Labelling] = {}  # rounds whose labels are not committed, in order
        self._next_round = 0  # the next one to plan
        self._in_flight: dict[str, Proposing | Labelling] = {}  # by request id
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
        if self.labelled == 0:
            waiting, self._effects = self._effects, deque()
            screen = self._reason if self.settings.check_pool else None
            imported = imported_candidates(self._imported, self._seeds, self.settings.novelty, screen)
            candidates = [*seed_candidates(self._seeds), *imported]
            if self.pool.rounds == 0:
                self._write(Table.CANDIDATES, 0, candidates, {"facts": facts})
            overlaps = self._evaluation.overlap if self._evaluation and self.settings.check_pool else None
            self._write(Table.INSTANCES, 0, given_instances(candidates, [*self._seeds, *self._imported], overlaps))
            self._effects.extend(waiting)  # instances of later rounds, if those of round 0 were damaged and removed
        self._insert_pool()

    def requests(self, stage: Stage, most: int) -> list[Request]:
        """Up to `most` requests to be completed now; each is handed out once."""
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

    def effects(self) -> list[Effect]:
        """What is to be done now, in this order; each is handed out once."""
        self._write_proposals()
        self._write_labels()
        effects = list(self._effects)
        self._effects.clear()
        return effects

    def checked(self, neighbours: Sequence[Neighbour | None]) -> None:
        """The index's answer to the last `Check`."""
        self._write(Table.CANDIDATES, self.pool.rounds, self._admit(neighbours))

    def committed(self, file: RoundFile) -> None:
        """A file that is in the store now: ours, another driver's equal one, or one of an earlier life of this run.

        Of a candidates file only the accepted rows are looked at, of an instances file none: a reader may leave the
        others out.
        """
        self._next_round = max(self._next_round, file.round + 1)
        match file.table:
            case Table.PROPOSALS:
                self._proposing.pop(file.round, None)
                self._parse(cast(Sequence[Proposal], file.rows), self._dialect_of(file))
            case Table.CANDIDATES:
                self._grow_pool(file.round, [row for row in cast(Sequence[Candidate], file.rows) if row.accepted])
            case Table.LABELS:
                instructions = self._labelling.pop(file.round).instructions
                labels = cast(Sequence[Label], file.rows)
                self._write(Table.INSTANCES, file.round, self._instances(instructions, labels, self._dialect_of(file)))
            case Table.INSTANCES:
                self._labelling.pop(file.round, None)
                self.labelled += 1

    def end(self) -> None:
        """Finish the round under way and its labelling, and no other; a later life of the run goes on from there."""
        self._ending = True
        if self._next_round == self.pool.rounds:  # nothing is under way
            self._ended = True
        for number in [each for each in self._proposing if each > self.pool.rounds]:
            del self._proposing[number]
        self._next_round = min(self._next_round, self.pool.rounds + 1)

    @property
    def finished(self) -> bool:
        """Whether every file of the run is committed."""
        return (
            self.pool.rounds > 0
            and not self.goes_on
            and self._next_round == self.pool.rounds  # no proposals wait for their candidates
            and self.labelled == self.pool.rounds
        )

    @property
    def goes_on(self) -> bool:
        """Whether the candidates committed so far ask for another round (the stop rule)."""
        return self.pool.generated < self.settings.target and not self.barren and not self._ended

    @property
    def barren(self) -> bool:
        """Whether several rounds in a row accepted nothing."""
        return self._barren >= self.settings.rounds.patience

    def _insert_pool(self) -> None:
        """Feed the index the whole pool at once instead of round by round."""
        others = [effect for effect in self._effects if not isinstance(effect, Insert)]
        self._effects = deque([Insert(0, list(self.pool.texts)), *others] if len(self.pool) else others)

    def _reason(self, text: str) -> Reason | None:
        """Why an instruction is dropped whatever the pool holds."""
        reason = self._screen(text)
        if reason is None and self._evaluation and self._evaluation.of_instruction(text):
            return Reason.CONTAMINATED
        return reason

    # ---- plan, propose

    def _may_open_round(self) -> bool:
        number, rounds = self._next_round, self.settings.rounds
        return (
            self.pool.rounds > 0
            and self.goes_on
            and not self._ending
            and number - rounds.lag < self.pool.rounds
            and number - self.labelled < rounds.lag + rounds.label_lag
        )

    def _open_round(self) -> None:
        """Plan the next round: a pure function of the run's seed, its number, and the pool `lag` rounds before."""
        number, settings = self._next_round, self.settings
        size = self.pool.size_after(max(0, number - settings.rounds.lag))
        bounds = {"least": settings.rounds.least, "most": settings.rounds.most}
        count = min(max(size // 8, bounds["least"]), bounds["most"])
        ids = (f"{round_name(number)}/{position:05d}" for position in range(count))
        self._proposing[number] = Proposing(
            bounds,
            [plan_request(id, settings.seed, settings.propose, self.pool, size, self._prompts) for id in ids],
        )
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
        notes: dict[str, Any] = {**proposing.bounds, "dialect": self._dialect}
        if self._fact_keeper and number == self._fact_keeper[0]:
            notes["facts"] = self._fact_keeper[1]
        self._write(Table.PROPOSALS, number, rows, notes)

    # ---- parse, screen, novelty, admit

    @property
    def _dialect(self) -> Dialect:
        return dialect_of(self._prompts)

    def _dialect_of(self, file: RoundFile) -> Dialect:
        """How a file's completions are to be read; files without a note are of this run's own prompts."""
        return Dialect(file.notes.get("dialect", self._dialect))

    def _parse(self, proposals: Sequence[Proposal], dialect: Dialect) -> None:
        self._screened = [candidate for proposal in proposals for candidate in self._candidates(proposal, dialect)]
        survivors = [candidate.text for candidate in self._screened if candidate.reason is None]
        self._effects.append(Check(len(self.pool), survivors))

    def _candidates(self, proposal: Proposal, dialect: Dialect) -> Iterable[Candidate]:
        """What one request proposed, screened, or one row that says why nothing came of it."""
        lost = _LOST.get(proposal.finish)
        texts = [] if lost else parse_dialect(proposal.text, dialect, self._prompts)
        if not texts:
            yield _candidate(proposal, None, "", lost or self._silence(proposal.text))
        for position, text in enumerate(texts):
            candidate = _candidate(proposal, position, text, self._screen(text))
            if candidate.reason is None and self._evaluation and (hit := self._evaluation.of_instruction(text)):
                candidate = replace(
                    candidate, reason=Reason.CONTAMINATED, nearest_id=f"evaluation/{hit.id}", rouge_l=hit.rouge_l
                )
            yield candidate

    def _admit(self, neighbours: Sequence[Neighbour | None]) -> Iterable[Candidate]:
        """The round's candidates with their verdicts, in canonical order (request, position)."""
        size = len(self.pool)
        survivors = [candidate for candidate in self._screened if candidate.reason is None]
        verdicts = iter(admit(self.settings.novelty, size, [each.text for each in survivors], neighbours))
        admitted: list[str] = []  # ids, from the ordinal `size` on
        for candidate in self._screened:
            if candidate.reason is None:
                new, nearest = next(verdicts)
                if nearest is not None:
                    inside = nearest.ordinal - size
                    nearest_id = admitted[inside] if inside >= 0 else self.pool.id(nearest.ordinal)
                    candidate = replace(candidate, nearest_id=nearest_id, rouge_l=nearest.rouge_l)
                candidate = replace(candidate, accepted=new, reason=None if new else Reason.SIMILAR)
                if new:
                    admitted.append(candidate.id)
            yield candidate

    def _grow_pool(self, number: int, accepted: Sequence[Candidate]) -> None:
        self._effects.append(Insert(len(self.pool), [candidate.text for candidate in accepted]))
        self.pool.extend(accepted)
        self._screened = []
        if number > 0:
            self._barren = 0 if accepted else self._barren + 1
            self._labelling[number] = Labelling(self.settings.seed, self._prompts, accepted)
        self._ended = self._ending
        if not self.goes_on:  # rounds begun ahead are not wanted any more
            self._proposing.clear()
            self._next_round = self.pool.rounds

    # ---- classify, instantiate, filter

    def _write_labels(self) -> None:
        """The next labels, once they are all there."""
        number, labelling = next(iter(self._labelling.items()), (0, None))
        if labelling is None or labelling.missing or labelling.written:
            return
        labelling.written = True
        rows = labelling.rows(number)
        self._refuse_failures(Table.LABELS, number, rows)
        self._write(Table.LABELS, number, rows)

    def _instances(
        self, instructions: Sequence[Candidate], labels: Sequence[Label], dialect: Dialect
    ) -> Iterable[InstanceRow]:
        """Every instance of the round with its verdict, and one row for each instruction that gave none."""
        answers = {(label.instruction_id, label.kind is Kind.CLASSIFY): label for label in labels}
        for instruction in instructions:
            question = answers.get((instruction.id, True))  # None where one request asks for all
            answer = answers.get((instruction.id, False))
            failed = any(each is not None and each.finish is Finish.FAILED for each in (question, answer))
            is_classification = None
            if question is not None and not (failed and answer is None):
                is_classification = self._says_yes(question.text, dialect)
            if answer is None or failed:
                lost = Reason.FAILED if failed else Reason.NOT_ASKED
                yield instance_row(instruction, is_classification, None, Instance("", ""), lost)
                continue
            if dialect is Dialect.ORIGINAL:
                instances = original.parse_instances(answer.kind, answer.text)
            else:
                told, instances = read_instances(answer.kind, answer.text, self._prompts)
                if question is None and instances:  # an answer that cannot be read tells nothing
                    is_classification = told
            cut = answer.finish is Finish.LENGTH
            overlaps = self._evaluation.overlap if self._evaluation else None
            limits, seed = self.settings.instances, self.settings.seed
            verdicts = filter_instances(instances, cut, limits, seed, instruction.id, overlaps)
            if not verdicts:
                yield instance_row(instruction, is_classification, None, Instance("", ""), self._silence(answer.text))
            for position, (instance, reason) in enumerate(verdicts):
                yield instance_row(instruction, is_classification, position, instance, reason)

    # ---- all stages

    def _says_yes(self, text: str, dialect: Dialect) -> bool:
        """Whether an answer says that a task is classification."""
        return parse_classify(text) if dialect is Dialect.ORIGINAL else read_classify(text, self._prompts)

    def _silence(self, text: str) -> Reason:
        """Why nothing was parsed: a model that was still thinking had no room for its answer."""
        return Reason.CUT_BY_LENGTH if self._prompts.answer(text) is None else Reason.NOTHING_PARSED

    def _take(self, batches: dict[int, Proposing] | dict[int, Labelling], most: int) -> list[Request]:
        taken: list[Request] = []
        for batch in batches.values():
            while batch.queue and len(taken) < most:
                request = batch.queue.popleft()
                self._in_flight[request.id] = batch
                taken.append(request)
        return taken

    def _write(self, table: Table, number: int, rows: Iterable[Row], notes: Mapping[str, Any] | None = None) -> None:
        self._effects.append(Write(table, number, rows, notes or {}))

    def _refuse_failures(self, table: Table, number: int, rows: Sequence[Proposal] | Sequence[Label]) -> None:
        """A round that lost many requests is no sample of the model: better wait than commit it."""
        errors = Counter(row.error for row in rows if row.finish is Finish.FAILED)
        failed = errors.total()
        if failed > max(1, self.settings.rounds.max_failed * len(rows)):
            raise FailureError(
                f"round {number}: {failed} of {len(rows)} requests for {table} failed, most often with"
                f" {errors.most_common(1)[0][0]!r}; nothing of them is committed. Mend the cause and run the same"
                f" command again, or allow it with --rounds.max_failed {failed / len(rows):.3f}"
            )


_LOST = {Finish.FAILED: Reason.FAILED, Finish.LENGTH: Reason.CUT_BY_LENGTH}
"""A proposal that was cut by length is dropped whole, as in the released code."""


def _candidate(proposal: Proposal, position: int | None, text: str, reason: Reason | None) -> Candidate:
    return Candidate(
        id=proposal.request_id if position is None else f"{proposal.request_id}/{position:02d}",
        round=proposal.round,
        request_id=proposal.request_id,
        position=position,
        origin=Origin.MODEL,
        text=text,
        accepted=False,
        reason=reason,
        nearest_id=None,
        rouge_l=None,
    )
