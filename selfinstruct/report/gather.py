"""One pass over a run's files: what is summed from them, and the rows that are drawn by lot.

Counts come from the files' footers (`accounts`), sums from single columns, a round at a time: memory is that of one
round and of the drawn rows. A report is about the instructions that the model wrote, or about the imported ones in a
run that has no others. Seeds are never counted.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from selfinstruct.errors import InputError
from selfinstruct.novelty.rouge import Tokeniser, count_words
from selfinstruct.protocols import Track, unseen
from selfinstruct.quality.only import Only
from selfinstruct.records import Kind, Reason, Table
from selfinstruct.report.lots import Lot
from selfinstruct.report.settings import FigureSettings
from selfinstruct.storage.lineage import Row, find_texts, identity
from selfinstruct.storage.store import RunStore

MOST_LABELS = 100_000
"""Different class labels that are counted, and other outputs; of more, those seen once so far are forgotten."""

TOLD_APART = 300
"""Characters by which outputs are told apart."""

CANDIDATE = ["id", "position", "text", "accepted", "reason", "nearest_id", "rouge_l"]
PARTNER = "partner"
"""The column of another output that a conflicting instance's instruction has for the same input."""

INSTANCE = ["id", "instruction_id", "instruction", "is_classification", "input", "output", "accepted", "reason"]


@dataclass(frozen=True, slots=True)
class RoundCounts:
    """The counts of one round's files (keys: `accounts`); those of a file that is not there yet are empty."""

    number: int
    counts: Mapping[Table, Counter[str]]
    lost: Counter[str] = field(default_factory=Counter)  # by reason: requests that gave no instruction

    @property
    def accepted(self) -> int:
        """Accepted instructions, the seeds left out."""
        candidates = self.counts[Table.CANDIDATES]
        return sum(n for key, n in candidates.items() if key.startswith("accepted") and key != "accepted.seed")

    @property
    def rejected(self) -> Counter[str]:
        """Rejected instructions by reason."""
        stem = "rejected."
        candidates = self.counts[Table.CANDIDATES]
        return Counter({key[len(stem) :]: n for key, n in candidates.items() if key.startswith(stem)}) - self.lost


@dataclass
class Gathered:
    """What a report is made from. "Labelled" instructions are those whose instances file is there."""

    imported: bool  # whether it is about imported rows
    chosen: str | None  # the expression that chooses the rows it is about; None: all
    rounds: list[RoundCounts]  # those that it is about
    facts: Mapping[str, Any]
    fingerprint: str
    identity: str
    seeds: int = 0
    pool: int = 0
    instructions: int = 0  # accepted ones that it is about
    rows: int = 0  # valid instances that it is about
    words: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))  # by field: words -> rows
    per_instruction: Counter[int] = field(default_factory=Counter)  # valid instances -> labelled instructions
    classes: Counter[bool | None] = field(default_factory=Counter)  # of labelled instructions
    labelled: int = 0  # labelled instructions of the run
    fruitless: int = 0  # those of them without a valid instance
    instances: Counter[str] = field(default_factory=Counter)  # "accepted" or a reason -> instances
    without: Counter[str] = field(default_factory=Counter)  # a reason -> instructions that gave no instance
    labels: Counter[str] = field(default_factory=Counter)  # class label -> valid instances of classification tasks
    label_count: int = 0  # valid instances of classification tasks
    forgot_labels: bool = False  # whether counts of rare labels are too low
    outputs: Counter[str] = field(default_factory=Counter)  # as it begins -> valid instances of other tasks
    output_count: int = 0  # valid instances of other tasks
    forgot_outputs: bool = False  # whether counts of rare outputs are too low
    several: int = 0  # classification tasks with at least two valid instances
    one_label: int = 0  # those of them whose instances all have one label
    tokens: dict[Kind, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    accepted_rows: list[Row] = field(default_factory=list)
    instances_of: dict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))  # of `accepted_rows`
    rejected_rows: list[Row] = field(default_factory=list)
    rejected_instances: list[Row] = field(default_factory=list)
    review_rows: list[Row] = field(default_factory=list)
    verb_texts: list[str] = field(default_factory=list)
    overlap_ordinals: list[int] = field(default_factory=list)  # in the pool
    texts: Mapping[str, str] = field(default_factory=dict)  # of the nearest of drawn rows, by id

    @property
    def accepted(self) -> int:
        """Instructions that the run accepted."""
        return sum(each.accepted for each in self.rounds)

    @property
    def rejected(self) -> Counter[str]:
        """Rejected instructions by reason."""
        return sum((each.rejected for each in self.rounds), Counter())

    @property
    def lost(self) -> Counter[str]:
        """Requests that gave no instruction, by reason."""
        return sum((each.lost for each in self.rounds), Counter())

    def count(self, table: Table, key: str) -> int:
        """A count summed over the rounds."""
        return sum(each.counts[table][key] for each in self.rounds)


def gather(
    store: RunStore,
    draws: FigureSettings,
    to_pool: Callable[[list[str]], None],
    only: Only | None = None,
    track: Track = unseen,
) -> Gathered:
    """Read a run once. Each round's accepted texts are handed to `to_pool` in the order of the pool.

    Args:
        only: Chooses the rows that the report is about.

    Raises:
        InputError: as of `Only.ids`, or there are no generated rows to choose from.
        CorruptError: a file is damaged or missing.
    """
    reader = _Reader(store, draws, to_pool, only)
    for number in track("reading instructions", reader.there[Table.CANDIDATES]):
        reader.candidates(number)
    reader.keep_drawn_instructions()
    for number in track("reading instances", [each.number for each in reader.gathered.rounds]):
        if number in reader.there[Table.INSTANCES]:
            reader.instances(number)
        if number in reader.there[Table.LABELS]:
            reader.tokens(number)
    return reader.finish()


def tokeniser_of(store: RunStore) -> Tokeniser:
    """What counts as a word in this run."""
    facts = store.metadata(Table.CANDIDATES, 0).notes.get("facts", {})
    return "unicode" if facts.get("novelty.tokeniser") == "unicode" else "rouge"


class _Reader:
    """The pass, table by table."""

    def __init__(
        self, store: RunStore, draws: FigureSettings, to_pool: Callable[[list[str]], None], only: Only | None
    ) -> None:
        self.there = {table: store.rounds(table) for table in Table}
        self._store, self._draws, self._to_pool, self._only = store, draws, to_pool, only
        counts = [RoundCounts(number, self._counts(number)) for number in self.there[Table.CANDIDATES]]
        imported = not any(each.accepted for each in counts[1:]) and counts[0].accepted > 0
        if imported and only:
            raise InputError(f"--only: {store.blobs.url} has imported rows alone; generated ones are chosen")
        first = store.metadata(Table.CANDIDATES, 0)
        rounds = counts[:1] if imported else counts[1:]
        facts, chosen = first.notes.get("facts", {}), only.expression if only else None
        self.gathered = Gathered(imported, chosen, rounds, facts, first.fingerprint, identity(store))
        self._tokeniser = tokeniser_of(store)
        self._rounds = {each.number: each for each in rounds}
        self._passing: dict[int, Any] = {}  # by round: ids of the chosen rows
        self._lots: dict[str, Lot] = {}
        self._drawn: Any = None

    def _counts(self, number: int) -> dict[Table, Counter[str]]:
        return {
            table: Counter(self._store.metadata(table, number).counts) if number in rounds else Counter()
            for table, rounds in self.there.items()
        }

    def _lot(self, sort: str, most: int) -> Lot:
        return self._lots.setdefault(sort, Lot(self._draws.seed, sort, most))

    def candidates(self, number: int) -> None:
        gathered, draws = self.gathered, self._draws
        rows = self._store.read_columns(Table.CANDIDATES, number, CANDIDATE)
        pool = rows.filter(rows["accepted"])
        seeds = pc.starts_with(pool["id"], "seed/")
        if number == 0:
            gathered.seeds = pc.sum(seeds).as_py() or 0
        self._to_pool(pool["text"].to_pylist())
        pool = pool.append_column("ordinal", pa.array(np.arange(gathered.pool, gathered.pool + len(pool))))
        gathered.pool += len(pool)
        if number not in self._rounds:
            return
        accepted = self._chosen(pool.filter(pc.invert(seeds)), "id", number)
        gathered.instructions += len(accepted)
        gathered.words["instruction"] += _words(accepted["text"], self._tokeniser)
        self._lot("rows", draws.rows).offer(accepted, number)
        self._lot("verbs", draws.verb_rows).offer(accepted.select(["text"]), number)
        self._lot("overlap", draws.overlap_rows).offer(accepted.select(["ordinal"]), number)
        lost = pc.and_(pc.is_null(rows["position"]), pc.equal(rows["text"], ""))
        self._rounds[number].lost.update(_values(rows.filter(lost)["reason"]))
        rows = rows.filter(pc.invert(lost))
        for reason in pc.unique(rows["reason"].drop_null()).to_pylist():
            most = draws.rejected * (3 if reason == Reason.SIMILAR else 1)
            self._lot(f"candidate/{reason}", most).offer(rows.filter(pc.equal(rows["reason"], reason)), number)

    def _chosen(self, rows: Any, key: str, number: int) -> Any:
        """Of rows that name an instance, or an instruction, under `key`, those that are chosen by it, or one of its."""
        if self._only is None:
            return rows
        if number not in self._passing:
            there = number in self.there[Table.INSTANCES]
            self._passing[number] = sorted(self._only.ids(number)) if there else []
        ids = self._passing[number]
        return rows.filter(pc.is_in(rows[key], pa.array({*ids, *(id.rpartition("/")[0] for id in ids)}, pa.string())))

    def keep_drawn_instructions(self) -> None:
        """All candidates have been read; from here on the instances of the drawn ones are kept, too."""
        self.gathered.accepted_rows = list(self._lots["rows"].rows()) if "rows" in self._lots else []
        self._drawn = pa.array([row["id"] for row in self.gathered.accepted_rows], pa.string())

    def instances(self, number: int) -> None:
        gathered = self.gathered
        rows = self._store.read_columns(Table.INSTANCES, number, INSTANCE)
        rows = rows.filter(pc.invert(pc.starts_with(rows["instruction_id"], "seed/")))
        without = pc.equal(rows["id"], rows["instruction_id"])
        gathered.without += _values(rows.filter(without)["reason"])
        found = rows.filter(pc.invert(without))
        gathered.instances += _values(pc.fill_null(found["reason"], "accepted"))
        valid = rows.filter(rows["accepted"])
        labelled, fruitful = (pc.count_distinct(each["instruction_id"]).as_py() for each in (rows, valid))
        gathered.labelled += labelled
        gathered.fruitless += labelled - fruitful
        if self._only:
            rows = valid = self._chosen(valid, "id", number)
        gathered.rows += len(valid)
        with_input = valid["input"].filter(pc.not_equal(valid["input"], ""))
        gathered.words["input"] += _words(with_input, self._tokeniser)
        gathered.words["output"] += _words(valid["output"], self._tokeniser)
        tasks = rows.group_by("instruction_id").aggregate([("is_classification", "max"), ("accepted", "sum")])
        gathered.per_instruction += _values(tasks["accepted_sum"])
        gathered.classes += _values(tasks["is_classification_max"])
        self._labels(valid.filter(valid["is_classification"]))
        self._outputs(valid.filter(pc.invert(pc.fill_null(valid["is_classification"], False)))["output"])
        for row in valid.filter(pc.is_in(valid["instruction_id"], self._drawn)).to_pylist():
            gathered.instances_of[row["instruction_id"]].append(row)
        self._lot("review", self._draws.review_rows).offer(valid, number)
        for reason in pc.unique(found["reason"].drop_null()).to_pylist():
            of_reason = found.filter(pc.equal(found["reason"], reason))
            if reason == Reason.CONFLICTING:
                of_reason = of_reason.append_column(PARTNER, pa.array(_partners(of_reason), pa.string()))
            self._lot(f"instance/{reason}", self._draws.rejected).offer(of_reason, number)

    def _labels(self, instances: Any) -> None:
        """The labels of valid instances of classification tasks."""
        gathered = self.gathered
        gathered.labels += _values(pc.utf8_lower(pc.utf8_trim_whitespace(instances["output"])))
        gathered.label_count += len(instances)
        if len(gathered.labels) > MOST_LABELS:
            gathered.forgot_labels = True
            gathered.labels = _seen_again(gathered.labels)
        tasks = instances.group_by("instruction_id").aggregate([("output", "count"), ("output", "count_distinct")])
        several = pc.greater(tasks["output_count"], 1)
        gathered.several += pc.sum(several).as_py() or 0
        gathered.one_label += pc.sum(pc.and_(several, pc.equal(tasks["output_count_distinct"], 1))).as_py() or 0

    def _outputs(self, outputs: Any) -> None:
        """The outputs of valid instances of tasks that are not classification, where labels are shared with reason."""
        gathered = self.gathered
        gathered.outputs += _values(pc.utf8_slice_codeunits(pc.utf8_trim_whitespace(outputs), 0, TOLD_APART))
        gathered.output_count += len(outputs)
        if len(gathered.outputs) > MOST_LABELS:
            gathered.forgot_outputs = True
            gathered.outputs = _seen_again(gathered.outputs)

    def tokens(self, number: int) -> None:
        columns = ["kind", "prompt_tokens", "completion_tokens"]
        rows = self._store.read_columns(Table.LABELS, number, columns).group_by("kind")
        sums = rows.aggregate([("prompt_tokens", "sum"), ("completion_tokens", "sum"), ("kind", "count")])
        for row in sums.to_pylist():
            self.gathered.tokens[Kind(row["kind"])].update(
                requests=row["kind_count"], prompt=row["prompt_tokens_sum"], completion=row["completion_tokens_sum"]
            )

    def finish(self) -> Gathered:
        gathered = self.gathered
        gathered.tokens[Kind.PROPOSE].update(
            requests=gathered.count(Table.PROPOSALS, "requests"),
            prompt=gathered.count(Table.PROPOSALS, "tokens.prompt"),
            completion=gathered.count(Table.PROPOSALS, "tokens.completion"),
        )
        gathered.rejected_rows = self._drawn_of("candidate/")
        gathered.rejected_instances = self._drawn_of("instance/")
        gathered.review_rows = self._drawn_of("review")
        gathered.verb_texts = [row["text"] for row in self._drawn_of("verbs")]
        gathered.overlap_ordinals = [row["ordinal"] for row in self._drawn_of("overlap")]
        nearest = (row["nearest_id"] for row in (*gathered.accepted_rows, *gathered.rejected_rows))
        gathered.texts = find_texts(self._store, {id for id in nearest if id})
        return gathered

    def _drawn_of(self, stem: str) -> list[Row]:
        """The rows of these lots; the lot that was offered most comes first."""
        lots = sorted((-lot.offered, sort) for sort, lot in self._lots.items() if sort.startswith(stem))
        return [row for _, sort in lots for row in self._lots[sort].rows()]


def _words(column: Any, tokeniser: Tokeniser) -> Counter[int]:
    """How many texts have how many words, as the run's screen counts them."""
    if tokeniser == "unicode":
        return Counter(count_words(text, tokeniser) for text in column.to_pylist())
    trimmed = pc.utf8_trim_whitespace(column)
    words = pc.list_value_length(pc.utf8_split_whitespace(trimmed))
    return _values(pc.if_else(pc.equal(trimmed, ""), 0, words))


def _partners(rows: Any) -> list[str | None]:
    """Of each conflicting instance another output that its instruction has for the same input; None where it is another
    input that has two."""
    keys = list(zip(rows["instruction_id"].to_pylist(), rows["input"].to_pylist(), strict=True))
    outputs: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for key, output in zip(keys, rows["output"].to_pylist(), strict=True):
        outputs[key].append(output)
    return [
        next((other for other in outputs[key] if other != output), None)
        for key, output in zip(keys, rows["output"].to_pylist(), strict=True)
    ]


def _seen_again(counts: Counter[str]) -> Counter[str]:
    return Counter({text: n for text, n in counts.items() if n > 1})


def _values(column: Any) -> Counter[Any]:
    return Counter({each["values"]: each["counts"] for each in pc.value_counts(column).to_pylist()})
