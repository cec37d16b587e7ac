"""A model, replicas and an index that fail on purpose, and hands that are slow."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Any

from selfinstruct.novelty.check import make_index
from selfinstruct.novelty.index import NoveltySettings
from selfinstruct.records import Completion, Finish, Instance, Kind, Neighbour, Request, SeedTask
from selfinstruct.tiny import dialect
from tests.tools.simulator.world import Violation, World

VERBS = ("Describe", "Compare", "Invent", "Praise", "Defend", "Question", "Translate", "Rewrite", "Draft", "Explain")
THINGS = ("letter", "poem", "recipe", "rumour", "speech", "riddle", "story", "promise", "warning", "toast", "diary")
TOPICS = ("rivers", "clocks", "bread", "winter", "trains", "gardens", "silence", "thunder", "paper", "lanterns")
PEOPLE = ("sailors", "children", "bakers", "judges", "strangers", "pilots", "widows", "tailors", "monks", "nurses")

SEEDS = [
    SeedTask(
        f"s{at}", f"{VERBS[at]} the {THINGS[at]} about {TOPICS[at]} for {PEOPLE[at]}.", (Instance("", "Yes."),), False
    )
    for at in range(4)
]


def model(request: Request, salt: int = 0) -> Completion:
    """The answer to a request, of a small world of instructions in which many are similar; some requests fail."""
    draw = random.Random(request.seed ^ salt)
    fate = draw.random()
    if fate < 0.06:
        return Completion(request.id, "", Finish.FAILED, 7, 0, "too long")
    text = _answer(request, draw)
    finish = Finish.LENGTH if fate > 0.95 else Finish.STOP
    return Completion(request.id, text, finish, 7, len(text.split()))


def _answer(request: Request, draw: random.Random) -> str:
    kind = request.kind
    if kind is Kind.PROPOSE:
        texts = [_instruction(draw) for _ in range(draw.randint(1, 3))]
        if draw.random() < 0.3:
            texts.append(f"{texts[0][:-1]} now.")  # similar to one of the same answer
        opened = int(request.suffix.rstrip(".").rpartition("\n")[2])  # the set `tiny` leaves it open
        return dialect.numbered(texts, opened)
    if kind is Kind.CLASSIFY:
        return dialect.yes_or_no(draw.random() < 0.3)
    instances = [Instance(draw.choice(TOPICS), draw.choice(THINGS)) for _ in range(draw.randint(0, 2))]
    if not instances:
        return ""
    return dialect.input_first(instances) if kind is Kind.INPUT_FIRST else dialect.output_first(instances)


def _instruction(draw: random.Random) -> str:
    if draw.random() < 0.05:
        return "Sing."  # too short
    verb, thing, topic, people = map(draw.choice, (VERBS, THINGS, TOPICS, PEOPLE))
    return f"{verb} the {thing} about {topic} for {people}."


@dataclass
class Trouble:
    """How often each befalls a replica, at each step of the line."""

    death: float = 0.0  # it dies with what it holds, answers that were under way included
    delay: float = 0.0  # an answer is held back
    double: float = 0.0  # an answer comes again later


class Hands(Executor):
    """One worker that does things in order, some time later."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[Future[Any], Callable[[], Any]]] = deque()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self._waiting.append((future, lambda: fn(*args, **kwargs)))
        return future

    def work(self) -> None:
        """Do the next thing."""
        if self._waiting:
            future, do = self._waiting.popleft()
            try:
                future.set_result(do())
            except Exception as error:
                future.set_exception(error)


class Replicas:
    """A `loop.Line`: replicas that complete requests in any order, die with them, and answer twice.

    Args:
        paid: Ids of the files that were there when this life began; nobody may ask for what is in them again.
    """

    def __init__(
        self, world: World, salt: int, trouble: Trouble, count: int, paid: set[str], hands: Hands | None
    ) -> None:
        self._world, self._salt, self._trouble, self._paid, self._hands = world, salt, trouble, paid, hands
        self._queue: deque[Request] = deque()
        self._held: list[list[Request]] = [[] for _ in range(count)]
        self._under_way: list[Completion] = []

    @property
    def room(self) -> int:
        return max(0, 4 * len(self._held) - len(self._queue) - sum(map(len, self._held)))

    def add(self, requests: Sequence[Request]) -> None:
        for request in requests:
            table = "proposals" if request.kind is Kind.PROPOSE else "labels"
            if f"{table}/{request.id[:6]}" in self._paid:
                raise Violation(f"{request.id} is asked again, though its {table} were committed before")
        self._queue.extend(requests)

    def step(self) -> list[Completion]:
        draw, happens, trouble = self._world.draw, self._world.happens, self._trouble
        self._world.turn()
        if self._hands and draw.random() < 0.5:
            self._hands.work()
        for held in self._held:
            while self._queue and len(held) < 4:
                held.append(self._queue.popleft())
            if held and happens(trouble.death):
                self._queue.extendleft(reversed(held))
                held.clear()
            draw.shuffle(held)
            for _ in range(draw.randint(0, len(held))):
                self._under_way.append(model(held.pop(), self._salt))
        draw.shuffle(self._under_way)
        kept = [each for each in self._under_way if happens(trouble.delay)]
        arrived = [each for each in self._under_way if each not in kept]
        self._under_way = kept + [each for each in arrived if happens(trouble.double)]
        return arrived


class Index:
    """A `PoolIndex` whose calls are repeated, and which is lost and fed again."""

    def __init__(self, world: World, settings: NoveltySettings, trouble: float) -> None:
        self._world, self._settings, self._trouble = world, settings, trouble
        self._index = make_index(settings)
        self._texts: list[str] = []

    def insert(self, first: int, texts: Sequence[str]) -> None:
        self._texts[first:] = texts
        self._index.insert(first, texts)
        while self._world.happens(self._trouble):
            again = self._world.draw.randint(0, len(self._texts))
            self._index.insert(again, self._texts[again:])

    def nearest(self, size: int, texts: Sequence[str]) -> list[Neighbour | None]:
        if self._world.happens(self._trouble):
            self._index = make_index(self._settings)
            for at in range(0, len(self._texts), 8):
                self._index.insert(at, self._texts[at : at + 12])  # chunks that overlap
        return self._index.nearest(size, texts)
