"""Asking a model everything once, and keeping what it answers: `begun.json` and `answers/000000.jsonl`, ...

Answers are written in parts, each whole or not at all and never changed (`blobs.Blobs.put`), as they come in. A
process that is killed loses only what came in during the last two seconds; the same command asks only what has not
been answered yet. A
request that failed as such (its prompt is too long, say) is answered, too: with nothing.
"""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from selfinstruct.errors import CorruptError, FingerprintError, HeldError
from selfinstruct.records import Completion, Finish, Request, round_name
from selfinstruct.run.failures import refuse_failures
from selfinstruct.run.loop import Completer
from selfinstruct.settings import Facts, differences
from selfinstruct.sources.json_values import RowError, value_of
from selfinstruct.storage.blobs import open_blobs

BEGUN = "begun.json"
FOLDER = "answers"
MOST, LONGEST = 256, 2.0
"""How many answers are held back at most, and for how many seconds."""


class Answers:
    """The answers to one set of requests, under a local folder or an object store's URL.

    Args:
        url: The folder.
        facts: What the answers depend on; JSON values.

    Raises:
        FingerprintError: the folder was begun with other facts.
        CorruptError: a part cannot be read.
    """

    def __init__(self, url: str, facts: Facts) -> None:
        self.blobs = open_blobs(url)
        self.blobs.check_writable()
        self._facts = json.loads(json.dumps(facts))  # in the form in which they are read again
        self._check_begun()
        self._kept: dict[str, Completion] = {}
        parts = self.blobs.names(FOLDER)
        for name in parts:
            self._kept |= {each.request_id: each for each in self._read(f"{FOLDER}/{name}")}
        self._part = len(parts)
        self._new: list[Completion] = []
        self._since = 0.0

    def __getitem__(self, request_id: str) -> Completion:
        return self._kept[request_id]

    def __contains__(self, request_id: str) -> bool:
        return request_id in self._kept

    def add(self, completions: Sequence[Completion]) -> None:
        """Keep these; they are on disk after two more seconds of calls, or after `flush`."""
        if not self._new:
            self._since = time.monotonic()
        self._new += completions
        self._kept |= {each.request_id: each for each in completions}
        if len(self._new) >= MOST or time.monotonic() - self._since >= LONGEST:
            self.flush()

    def flush(self) -> None:
        """Write what is held back.

        Raises:
            HeldError: another process writes here.
            FingerprintError: another process has begun with other facts meanwhile.
        """
        if not self._new:
            return
        if not self._part and not self.blobs.put(BEGUN, json.dumps(self._facts, indent=2, sort_keys=True).encode()):
            self._check_begun()
        name = f"{FOLDER}/{round_name(self._part)}.jsonl"
        if not self.blobs.put(name, json_lines([asdict(each) for each in self._new])):
            raise HeldError(f"{self.blobs.url}/{name}: another process writes here; let it go on, then start again")
        self._new, self._part = [], self._part + 1

    def _check_begun(self) -> None:
        try:
            begun = value_of(self.blobs.get(BEGUN))
            if not isinstance(begun, dict):
                raise RowError("not an object")
        except KeyError:  # it comes with the first answers
            return
        except RowError as error:
            raise CorruptError(f"{self.blobs.url}/{BEGUN}: cannot be read ({error}); take another --out") from error
        different = differences(self._facts, begun)
        if different:
            raise FingerprintError(
                f"{self.blobs.url}: these answers were begun with other options; give the same ones, or another"
                " --out or --name",
                *different,
            )

    def _read(self, name: str) -> list[Completion]:
        try:
            return [_answer(value_of(line)) for line in self.blobs.get(name).splitlines()]
        except (KeyError, TypeError, ValueError) as error:
            raise CorruptError(f"{self.blobs.url}/{name}: is damaged ({error}); remove it to ask again") from error


def _answer(row: Any) -> Completion:
    """The completion of a line; KeyError, TypeError or ValueError if it is none."""
    answer = Completion(**{**row, "finish": Finish(row["finish"])})
    if not isinstance(answer.request_id, str) or not isinstance(answer.text, str):
        raise TypeError("'request_id' and 'text' must be texts")
    return answer


def ask(
    completer: Completer, requests: Sequence[Request], answers: Answers, watch: Callable[[Sequence[Completion]], None]
) -> None:
    """Ask every request that is not answered yet; `watch` is told what came in, even if nothing did.

    Raises:
        SelfInstructError: as the engine does; what was answered is kept.
    """
    waiting = deque(request for request in requests if request.id not in answers)
    missing = len(waiting)
    try:
        while missing:
            completer.add([waiting.popleft() for _ in range(min(completer.room, len(waiting)))])
            completions = completer.step()
            missing -= len(completions)
            answers.add(completions)
            watch(completions)
    finally:
        answers.flush()


def check_answered(answers: Answers, requests: Sequence[Request], most: float) -> None:
    """FailureError if more than this share of the requests failed: figures would say nothing."""
    given = [answers[request.id] for request in requests]
    advice = "a smaller --prompt.max_tokens leaves more room for prompts"
    refuse_failures(answers.blobs.url, "requests", given, most, "--max_failed", spared=0, advice=advice)


def json_lines(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Rows as JSON lines, in ASCII."""
    return "".join(json.dumps(row) + "\n" for row in rows).encode()
