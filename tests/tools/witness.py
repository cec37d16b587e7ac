"""A text that keeps given constraints, as an obedient model would write it; told to an engine of the tests."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import ClassVar

import selfinstruct as si
from selfinstruct.constraints import Constraint
from selfinstruct.constraints.counting import word_count
from selfinstruct.records import Candidate, Kind, Origin
from selfinstruct.steps.constraints import Asked, ConstraintSettings, asked


def witness(constraints: Sequence[Constraint]) -> str:
    """A text that keeps constraints as they are drawn: one, or two that can hold together."""
    demands = {each.kind.partition("_")[0]: each.arguments for each in constraints}
    keywords = demands.get("keywords", {"words": []})["words"]
    if "json" in demands:
        return json.dumps({"note": keywords or ["plain"]})
    begin, end = (demands.get(edge, {"phrase": ""})["phrase"] for edge in ("begins", "ends"))
    if "sentences" in demands:
        count = _least(constraints, "sentences") - begin.endswith(".") - bool(end)
        text = " ".join([begin, *keywords, *(f"{word}." for word in _filler(count)), end])
    else:
        bullets = demands.get("bullets", {"count": 0})["count"]
        body = keywords + _filler(max(1, bullets - len(keywords)))
        if "words" in demands:
            missing = _least(constraints, "words") - sum(map(word_count, (begin, end, " ".join(body))))
            body += _filler(len(body) + missing)[len(body) :]
        lines = [f"- {word}" for word in body[: bullets - 1]] + [f"- {' '.join(body[bullets - 1 :])}"]
        text = "\n".join([begin, *lines, end]) if bullets else " ".join([begin, *body, end])
    text = text.strip()
    return text.upper() if "upper" in demands else text.lower() if "lower" in demands else text


def _filler(count: int) -> list[str]:
    return [f"filler{at}" for at in range(count)]


def _least(constraints: Sequence[Constraint], family: str) -> int:
    (found,) = (each for each in constraints if each.kind.startswith(family))
    arguments, relation = found.arguments, found.kind.partition("_")[2]
    return int(arguments["least"] if relation == "between" else arguments["count"])


WORDS = ("amber", "brass", "candle", "desert", "forest", "harbour", "island", "jacket", "kettle", "lantern", "saddle")


class Obedient:
    """Proposes tales, one in four of them classification; two in three of its answers keep their constraints."""

    identity: ClassVar = {"version": "1"}

    def __init__(self, settings: ConstraintSettings, seed: int, order: int = 1) -> None:
        self.waiting: list[si.Request] = []
        self._settings = settings
        self._seed = seed
        self._order = order  # -1: what came last is answered first

    def add(self, requests: Sequence[si.Request]) -> None:
        self.waiting += requests

    def step(self) -> list[si.Completion]:
        self.waiting = self.waiting[:: self._order]
        now, self.waiting = self.waiting[:5], self.waiting[5:][:: self._order]
        return [si.Completion(each.id, self._answer(each), si.Finish.STOP, 1, 1) for each in now]

    def _answer(self, request: si.Request) -> str:
        draw = random.Random(request.seed)
        if request.kind is Kind.PROPOSE:
            tales = [f"{draw.choice(('Tell', 'Judge'))} a tale of {' '.join(draw.choices(WORDS, k=7))}" for _ in "1234"]
            return f" {tales[0]}\n" + "\n".join(f"{9 + at}. {tale}" for at, tale in enumerate(tales[1:], 1)) + "\n"
        if request.kind is Kind.CLASSIFY:
            return " Yes" if "Judge a tale" in request.suffix else " No"
        if request.kind is Kind.OUTPUT_FIRST:
            return "Class label: good\nA tale of that kind."
        if request.kind is Kind.INSTANTIATE:
            answer = {"input": "", "output": self._output(request, draw)}
            return json.dumps({"classification": "Judge a tale" in request.suffix, "instances": [answer]})
        return f"Output: {self._output(request, draw)}"

    def _output(self, request: si.Request, draw: random.Random) -> str:
        told = self.told(request)
        if told.constraints and draw.random() < 2 / 3:
            return witness(told.constraints)
        return f"A tale of {' '.join(draw.choices(WORDS, k=7))}"

    def told(self, request: si.Request) -> Asked:
        """What a request for instances asks, found by trying where the instruction might end."""
        (line,) = (each for each in request.suffix.splitlines() if " a tale of " in each)
        text = line[max(line.find("Tell a tale"), line.find("Judge a tale")) :]
        for at in range(len(text), 0, -1):
            tried = asked(self._settings, self._seed, candidate(request.id.rpartition("/")[0], text[:at]), request.kind)
            if text.startswith(tried.text) and tried.constraints:
                return tried
        return Asked(text)


def candidate(id: str, text: str) -> Candidate:
    """An accepted instruction of a model's."""
    return Candidate(id, 1, id.rpartition("/")[0], 0, Origin.MODEL, text, True, None, None, None)
