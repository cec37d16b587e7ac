"""What a round counts: the keys under which `status` and reports sum a run, table by table.

Every count is of one file's rows, so counts of rounds add up; a key that would be 0 is left out.

| table      | key                                           | counts                                            |
|------------|-----------------------------------------------|---------------------------------------------------|
| proposals  | `requests`                                    | requests                                          |
|            | `requests.failed`, `requests.cut_by_length`,  | those of them that ended so                       |
|            | `requests.repetition`                         |                                                   |
|            | `requests.broken_encoding`                    | answers with U+FFFD in place of what was no text  |
|            | `tokens.prompt`, `tokens.completion`          | tokens read and written                           |
| candidates | `accepted`                                    | instructions of the model that joined the pool    |
|            | `accepted.seed`, `accepted.imported`          | those that were given (round 0)                   |
|            | `rejected.<reason>`                           | instructions, or whole requests, that did not     |
| labels     | `<kind>.requests`                             | requests of a kind                                |
|            | `<kind>.failed`, `<kind>.cut_by_length`,      | those of them that ended so                       |
|            | `<kind>.repetition`                           |                                                   |
|            | `<kind>.broken_encoding`                      | as above                                          |
|            | `tokens.prompt`, `tokens.completion`          | tokens of all kinds                               |
| instances  | `instances.seed`                              | instances that were given (round 0)               |
|            | `instances.accepted`, `instances.empty_input` | generated instances; those with an empty input    |
|            | `instances.rejected.<reason>`                 | generated instances, or instructions without any  |
|            | `classification`                              | instructions of the model that are classification |
|            | `unreadable`                                  | those of which the model's answer does not tell   |
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any

from selfinstruct.records import (
    REPLACEMENT,
    Candidate,
    Finish,
    InstanceRow,
    Kind,
    Label,
    Origin,
    Proposal,
    Reason,
    RoundFile,
    Table,
)
from selfinstruct.wording import counted

ENDINGS = {Finish.FAILED: "failed", Finish.LENGTH: "cut_by_length", Finish.REPETITION: "repetition"}


def tally(file: RoundFile) -> Counter[str]:
    """The counts of one file, by the keys above."""
    counts = _TALLIES[file.table](file.rows)
    if file.notes.get("form") == "answer":
        del counts["unreadable"]  # nobody is asked
    return counts


def _proposals(rows: Sequence[Proposal]) -> Counter[str]:
    return _completions(rows, "requests", "requests")


def _labels(rows: Sequence[Label]) -> Counter[str]:
    by_kind: defaultdict[Kind, list[Label]] = defaultdict(list)
    for row in rows:
        by_kind[row.kind].append(row)
    counts: Counter[str] = Counter()
    for kind, those in by_kind.items():
        counts += _completions(those, f"{kind}.requests", kind)
    return counts


def _completions(rows: Sequence[Proposal] | Sequence[Label], requests: str, stem: str) -> Counter[str]:
    ends = Counter(row.finish for row in rows)
    counts = Counter({f"{stem}.{name}": ends[finish] for finish, name in ENDINGS.items()})
    counts[requests] = len(rows)
    counts[f"{stem}.broken_encoding"] = sum(REPLACEMENT in row.text for row in rows)
    counts["tokens.prompt"] = sum(row.prompt_tokens for row in rows)
    counts["tokens.completion"] = sum(row.completion_tokens for row in rows)
    return +counts


def _candidates(rows: Iterable[Candidate]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for (accepted, origin, reason), count in Counter(map(_CANDIDATE, rows)).items():
        given = "" if origin is Origin.MODEL else f".{origin}"
        counts[f"accepted{given}" if accepted else f"rejected.{reason}"] += count
    return counts


_CANDIDATE = attrgetter("accepted", "origin", "reason")  # rows come by the million, and few of them differ in these


def _instances(rows: Iterable[InstanceRow]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for (accepted, number, reason), count in Counter(map(_INSTANCE, rows)).items():
        by = "accepted" if number > 0 else "seed"
        counts[f"instances.{by}" if accepted else f"instances.rejected.{reason}"] += count
    generated = [row for row in rows if row.round > 0]
    counts["instances.constrained"] = sum(row.constraint is not None for row in rows)
    counts["instances.empty_input"] = sum(row.accepted and not row.input for row in generated)
    counts["classification"] = len({row.instruction_id for row in generated if row.is_classification})
    counts["unreadable"] = len({row.instruction_id for row in generated if _tells_nothing(row)})
    return +counts


_INSTANCE = attrgetter("accepted", "round", "reason")


def _tells_nothing(row: InstanceRow) -> bool:
    """Whether there was an answer, and it says neither that a task is classification nor that it is not. One that was
    written from a document is not asked to."""
    return row.is_classification is None and row.copied is None and row.reason not in _UNTOLD


_UNTOLD = (
    Reason.FAILED,
    Reason.NOT_ASKED,
    Reason.NOT_SELECTED,
    Reason.NOTHING_PARSED,
    Reason.CUT_BY_LENGTH,
    Reason.REPETITION,
)
"""Why there is nothing that could tell."""


def one_sided(totals: Mapping[Table, Counter[str]]) -> str | None:
    """A line for a run that has never met one of the two kinds of task, though it has met many; else None."""
    instructions = totals[Table.CANDIDATES]["accepted"]
    instances, labels = totals[Table.INSTANCES], totals[Table.LABELS]
    if not any(labels[f"{kind}.requests"] for kind in (Kind.CLASSIFY, Kind.INSTANTIATE)):
        return None  # nobody was asked
    told = instructions - instances["unreadable"]
    if instructions < MANY or 0 < instances["classification"] < told:
        return None
    what = "every task" if instances["classification"] else "no task"
    return (
        f"of {instructions:,} instructions {what} was taken for classification; `selfinstruct try` shows what the model"
        " answers when it is asked"
    )


def class_share(totals: Mapping[Table, Counter[str]]) -> str | None:
    """A line on how many of the labelled instructions are classification, in the form that asked; None before any."""
    instances, labels = totals[Table.INSTANCES], totals[Table.LABELS]
    if labels[f"{Kind.INPUT}.requests"]:
        return "classification: not asked for, as each instruction is answered (--label.as answer)"
    asked = labels[f"{Kind.CLASSIFY}.requests"] or labels[f"{Kind.INSTANTIATE}.requests"]
    if not asked:
        return None
    return f"classification: {instances['classification'] / asked:.0%} of {counted(asked, 'labelled instruction')}"


MANY = 50
"""Instructions from which on it says something that one kind of task is not among them."""


_TALLIES: dict[Table, Callable[[Any], Counter[str]]] = {
    Table.PROPOSALS: _proposals,
    Table.CANDIDATES: _candidates,
    Table.LABELS: _labels,
    Table.INSTANCES: _instances,
}
