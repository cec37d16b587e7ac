"""A model, a line and an index that fail on purpose, and hands that are slow."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from functools import cache, partial
from typing import Any

from selfinstruct.novelty.check import make_index
from selfinstruct.prompts import OF_STRATEGIES
from selfinstruct.records import Completion, Finish, Instance, Kind, Neighbour, Request, SeedTask
from selfinstruct.run.measuring import Measured
from selfinstruct.run.settings import RunSettings
from selfinstruct.semantic.index import Meanings, VectorIndex
from selfinstruct.semantic.table import StaticTable, shipped_table
from selfinstruct.storage.segments import key_of
from selfinstruct.tiny import dialect
from tests.tools.simulator.pool import Harm, Pool, Trouble
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

JUDGED = ("task", "input", "output")
"""What a check asks, in this order."""


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
    if kind in (Kind.QUERY, Kind.DOCUMENT):
        return _instruction(draw)
    if kind is Kind.EVOLVE:
        parent = request.suffix.strip().partition("\n")[0].rstrip(".")
        return draw.choice((f"{parent} and a friend of theirs.", f"{parent}.", _instruction(draw)))
    if kind is Kind.PROPOSE:
        texts = [_instruction(draw) for _ in range(draw.randint(1, 3))]
        if draw.random() < 0.3:
            texts.append(f"{texts[0][:-1]} now.")  # similar to one of the same answer
        opened = int(request.suffix.rstrip(".").rpartition("\n")[2])  # the set `tiny` leaves it open
        return dialect.numbered(texts, opened)
    if kind is Kind.CLASSIFY:
        return dialect.yes_or_no(draw.random() < 0.3)
    if kind is Kind.DOCUMENT_ANSWER:
        text = request.suffix.strip().partition("\n")[0]
        whole = f"So much is sure: {text}"
        return draw.choice((whole, f"{whole} {' '.join(VERBS)}", f"{text.split()[1]} things."))
    if kind is Kind.CHECK:
        return "\n".join(f"{key}: {draw.choice(('yes', 'yes', 'yes', 'no', 'perhaps'))}" for key in JUDGED)
    instances = [Instance(draw.choice(TOPICS), draw.choice(THINGS)) for _ in range(draw.randint(0, 2))]
    if not instances:
        return ""
    return dialect.input_first(instances) if kind is Kind.INPUT_FIRST else dialect.output_first(instances)


def _instruction(draw: random.Random) -> str:
    if draw.random() < 0.05:
        return "Sing."  # too short
    verb, thing, topic, people = map(draw.choice, (VERBS, THINGS, TOPICS, PEOPLE))
    return f"{verb} the {thing} about {topic} for {people}."


def harm(request: Request, salt: int = 0) -> Harm | None:
    """What a request does to its replica: those that fail do some."""
    if model(request, salt).finish is not Finish.FAILED:
        return None
    return random.Random(request.seed).choice(list(Harm))


def folder_of(kind: Kind) -> str:
    """Where the answers to a kind of requests are committed, of one check at most."""
    asking = dict.fromkeys((Kind.PROPOSE, *OF_STRATEGIES), "proposals")
    return {**asking, Kind.CHECK: "checks"}.get(kind, "labels")


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
    """A `loop.Completer`: a pool of replicas that tells the run some things twice.

    Args:
        paid: Names of the files that were there when this life began, and keys of the requests to which there were
            answers of rounds under way; nobody may ask for what is in them again.
    """

    def __init__(
        self, world: World, salt: int, trouble: Trouble, count: int, paid: set[str], hands: Hands | None
    ) -> None:
        self._world, self._salt, self._trouble, self._paid, self._hands = world, salt, trouble, paid, hands
        deadly = partial(harm, salt=salt) if trouble.deadly else lambda request: None
        self._pool = Pool(world.draw, count, partial(model, salt=salt), deadly, trouble)
        self._asked: dict[str, Request] = {}
        self._again: list[Completion] = []

    @property
    def room(self) -> int:
        return self._pool.room

    def add(self, requests: Sequence[Request]) -> None:
        for request in requests:
            folder = folder_of(request.kind)
            if f"{folder}/{request.id[:6]}" in self._paid:
                raise Violation(f"{request.id} is asked again, though its {folder} were committed before")
            if key_of(request) in self._paid:
                raise Violation(f"{request.id} is asked again, though its answer was kept")
        self._asked |= {request.id: request for request in requests}
        self._pool.add(requests)

    def step(self) -> list[Completion]:
        self._world.turn()
        if self._hands and self._world.draw.random() < 0.5:
            self._hands.work()
        # What the roster says of a culprit tells how it was found, which is never the same: the model's words stand.
        completions = [self._model(each) if each.finish is Finish.FAILED else each for each in self._pool.step()]
        again, self._again = self._again, [each for each in completions if self._world.happens(self._trouble.double)]
        return completions + again

    def _model(self, completion: Completion) -> Completion:
        return model(self._asked[completion.request_id], self._salt)


@cache
def encoder() -> StaticTable:
    """The shipped table, opened once."""
    return shipped_table()


def index_of(settings: RunSettings) -> Measured:
    """An empty index of a run, whether or not it measures."""
    return Measured(make_index(settings.novelty), VectorIndex(encoder()))


class Index:
    """A `MeasuringIndex` whose calls are repeated, and which is lost and fed again."""

    def __init__(self, world: World, settings: RunSettings, trouble: float) -> None:
        self._world, self._settings, self._trouble = world, settings, trouble
        self._index = index_of(settings)
        self._texts: list[str] = []

    def insert(self, first: int, texts: Sequence[str]) -> None:
        self._texts[first:] = texts
        self._index.insert(first, texts)
        while self._world.happens(self._trouble):
            again = self._world.draw.randint(0, len(self._texts))
            self._index.insert(again, self._texts[again:])

    def nearest(self, size: int, texts: Sequence[str], without: Sequence[int | None] = ()) -> list[Neighbour | None]:
        self._may_be_lost()
        return self._index.nearest(size, texts, without)

    def meanings(self, size: int, texts: Sequence[str], without: Sequence[int | None] = ()) -> Meanings:
        self._may_be_lost()
        return self._index.meanings(size, texts, without)

    def _may_be_lost(self) -> None:
        if self._world.happens(self._trouble):
            self._index = index_of(self._settings)
            for at in range(0, len(self._texts), 8):
                self._index.insert(at, self._texts[at : at + 12])  # chunks that overlap
