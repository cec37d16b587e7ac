"""The stage: accepted instances in, a file of judgements a round out. It is asked of any model, beside or after a run.

Which instances are judged follows from the check's seed and their ids alone, so a larger share takes in a smaller one,
and a run that has grown keeps its sample. Rounds are committed in their order; several are under way at once, so that
the model does not wait for the last answers of each.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from selfinstruct.errors import FailureError
from selfinstruct.quality.judging import judgements
from selfinstruct.quality.rubric import Rubric
from selfinstruct.quality.sample import in_share
from selfinstruct.records import By, CheckRow, Completion, Finish, Request, Table
from selfinstruct.run.loop import Completer
from selfinstruct.storage.checks import CheckSet

AHEAD = 4
"""Rounds that are under way at once."""

_COLUMNS = ["id", "instruction", "input", "output"]


def to_check(checks: CheckSet) -> list[int]:
    """The rounds whose instances are committed and not judged yet; round 0 holds what people wrote."""
    done = set(checks.rounds())
    return [number for number in checks.store.rounds(Table.INSTANCES) if number > 0 and number not in done]


def requests(checks: CheckSet, rubric: Rubric, number: int) -> list[Request]:
    """What is to be asked about a round: one request for each of its accepted instances that are drawn."""
    seed, share = checks.facts["seed"], checks.facts["share"]
    rows = checks.store.read_columns(Table.INSTANCES, number, _COLUMNS, accepted_only=True).to_pylist()
    return [
        rubric.request(row["id"], row["instruction"], row["input"], row["output"], seed)
        for row in rows
        if in_share(row["id"], share, seed)
    ]


def check(
    checks: CheckSet,
    rubric: Rubric,
    completer: Completer,
    max_failed: float,
    watch: Callable[[Sequence[Completion]], None],
) -> None:
    """Judge what is not judged yet of the check's share.

    Args:
        max_failed: The share of a round's requests that may fail.
        watch: Is told what came in, even if nothing did.

    Raises:
        FailureError: more requests failed; their round is not committed.
        SelfInstructError: as the engine and the store do.
    """
    waiting = deque(to_check(checks))
    under_way: deque[_Round] = deque()
    queue: deque[Request] = deque()
    owner: dict[str, _Round] = {}
    while waiting or under_way:
        while waiting and len(under_way) < AHEAD:
            opened = _Round(waiting.popleft())
            asked = requests(checks, rubric, opened.number)
            opened.ids = [request.id for request in asked]
            owner |= dict.fromkeys(opened.ids, opened)
            queue += asked
            under_way.append(opened)
        completer.add([queue.popleft() for _ in range(min(completer.room, len(queue)))])
        completions = completer.step() if owner else []
        for completion in completions:
            if (asker := owner.pop(completion.request_id, None)) is not None:  # an answer may come twice
                asker.completions[completion.request_id] = completion.mended()
        while under_way and len(under_way[0].completions) == len(under_way[0].ids):
            _commit(checks, rubric, under_way.popleft(), max_failed)
        watch(completions)


@dataclass
class _Round:
    """A round that is being judged."""

    number: int
    ids: list[str] = field(default_factory=list)  # of its requests, in the order of its rows
    completions: dict[str, Completion] = field(default_factory=dict)


def _commit(checks: CheckSet, rubric: Rubric, judged: _Round, max_failed: float) -> None:
    answers = [judged.completions[id] for id in judged.ids]
    errors = Counter(each.error for each in answers if each.finish is Finish.FAILED)
    if errors.total() > max(1, max_failed * len(answers)):
        raise FailureError(
            f"round {judged.number}: {errors.total()} of {len(answers)} requests failed, most often with"
            f" {errors.most_common(1)[0][0]!r}; nothing of the round is committed. Mend the cause and run the same"
            " command again"
        )
    keys, chat = checks.questions, rubric.prompts.chat
    checks.commit(
        judged.number,
        [
            CheckRow(
                id=each.request_id.rpartition("/")[0],
                round=judged.number,
                judgements=judgements(each, keys, chat=chat),
                by=By.MODEL,
                text=each.text,
                finish=each.finish,
                prompt_tokens=each.prompt_tokens,
                completion_tokens=each.completion_tokens,
                error=each.error,
            )
            for each in answers
        ],
    )
