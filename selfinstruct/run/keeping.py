"""What becomes of answers whose round is not committed yet: a machine without I/O or clock, beside `rounds.Run`.

It is told what is asked, what comes in and what is committed, and says which request need not be asked since an earlier
life of the run has its answer, which answers are to be written as a segment (`storage.segments`), and which segment is
of no use any more. One order is under way at a time, so that a slow store holds up a run's own files by one small file
at most; meanwhile answers gather, and go out as several segments.

Failures are not kept: they are asked again, or a round that lost too many requests would never come through.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import TypeAlias

from selfinstruct.records import CHECKS, Completion, Finish, Request, Table
from selfinstruct.storage.segments import Answer, Segment, key_of, segment_name


@dataclass(frozen=True, slots=True)
class Pace:
    """When a segment is written: what a kill costs at most, beside the requests in flight.

    Args:
        answers: So many at once, and no more in one segment.
        seconds: So long after the first of them came, if there are not so many.
    """

    answers: int = 512
    seconds: float = 15.0


PACE = Pace()


@dataclass(frozen=True, slots=True)
class Save:
    """Write this segment, then report with `Keeping.saved`."""

    segment: Segment


@dataclass(frozen=True, slots=True)
class Remove:
    """Remove the segment of this name, then report with `Keeping.removed`."""

    name: str


Order: TypeAlias = Save | Remove

Place: TypeAlias = tuple[str, int]
"""The table (that of the run's check is `CHECKS`) and the round in which an answer ends."""


@dataclass(frozen=True, slots=True)
class Left:
    """What a life of a run leaves to the next one: requests of rounds that are not committed."""

    kept: int = 0  # answered, and in segments
    in_flight: int = 0  # asked
    failed: int = 0
    unkept: int = 0  # answered, and the store did not take it

    def __str__(self) -> str:
        """In words; empty where nothing was under way."""
        again = [_count(self.in_flight, "request", " in flight")] if self.in_flight else []
        again += [f"{_count(self.failed, 'request')} that failed"] if self.failed else []
        again += [f"{_count(self.unkept, 'answer')} that could not be kept"] if self.unkept else []
        are = "is" if self.in_flight + self.failed + self.unkept == 1 else "are"
        kept = f"{_count(self.kept, 'answer')} of rounds under way {'is' if self.kept == 1 else 'are'} kept"
        return ", ".join(
            [*([kept] if self.kept else []), *([f"{' and '.join(again)} {are} made again"] if again else [])]
        )


def _count(number: int, what: str, which: str = "") -> str:
    return f"{number:,} {what}{'s' if number != 1 else ''}{which}"


def place_of(request_id: str) -> Place:
    """Where the answer to a request goes, by its id (`records`)."""
    head, _, rest = request_id.partition("/")
    table = CHECKS if rest.endswith("/check") else Table.LABELS if "/" in rest else Table.PROPOSALS
    return table, int(head)


@dataclass(slots=True)
class _File:
    """The requests of a file that is not committed, by id. Each is in one of these; those known are kept, too."""

    known: dict[str, Answer] = field(default_factory=dict)  # of an earlier life, and not asked for yet
    asked: dict[str, str] = field(default_factory=dict)  # not answered; with their keys
    failed: set[str] = field(default_factory=set)
    unsaved: dict[str, Answer] = field(default_factory=dict)
    kept: set[str] = field(default_factory=set)  # in segments


class Keeping:
    """One life of a run.

    Args:
        driver: Id of this process, with which the names of its segments begin.
        segments: Those that are there.
        committed: The newest round of each table in which answers end.
    """

    def __init__(
        self, driver: str, segments: Sequence[Segment], committed: Mapping[str, int], pace: Pace = PACE
    ) -> None:
        self._driver = driver
        self._pace = pace
        self._committed = dict(committed)
        self._files: dict[Place, _File] = {}
        self._segments: dict[str, frozenset[Place]] = {}  # that are there, or may be
        self._useless: deque[str] = deque()
        self._number = 0  # of the next segment
        self._since = 0.0  # when the first of the answers came that are in no segment, or a store refused them
        self._refused = False
        self._busy = False
        for segment in segments:
            self._take(segment)
        self._find_useless()

    def _take(self, segment: Segment) -> None:
        """Know the answers of a segment, as far as they are of use."""
        self._segments[segment.name] = _places(segment)
        for answer in segment.answers:
            id = answer.completion.request_id
            if self._is_open(place := place_of(id)):
                file = self._file(place)
                file.known[id] = answer
                file.kept.add(id)

    # ---- what a loop asks and reports

    def asked(self, requests: Sequence[Request]) -> tuple[list[Request], list[Completion]]:
        """Of requests to be completed now, those to be asked, and the answers to the others."""
        fresh, known = [], []
        for request in requests:
            file, key = self._file(place_of(request.id)), key_of(request)
            answer = file.known.pop(request.id, None)
            if answer is not None and answer.request == key:
                known.append(answer.completion)
            else:
                file.kept.discard(request.id)
                file.asked[request.id] = key
                fresh.append(request)
        return fresh, known

    def came(self, completion: Completion, now: float) -> None:
        """A completion came in, `now` on a clock in seconds. One that is not waited for is ignored."""
        file = next((each for each in self._files.values() if completion.request_id in each.asked), None)
        if file is None:
            return
        key = file.asked.pop(completion.request_id)
        if completion.finish is Finish.FAILED:
            file.failed.add(completion.request_id)
            return
        if not self._unsaved:
            self._since = now
        file.unsaved[completion.request_id] = Answer(key, completion.mended())

    def committed(self, table: str, number: int) -> None:
        """A file is in the store: what ends in it is not under way any more."""
        if table in self._committed:
            self._committed[table] = max(number, self._committed[table])
            for place in [place for place in self._files if not self._is_open(place)]:
                del self._files[place]
            self._find_useless()

    def order(self, now: float) -> Order | None:
        """What is to be done now, if anything."""
        if self._busy:
            return None
        if self._useless:
            self._busy = True
            return Remove(self._useless.popleft())
        unsaved, waited = self._unsaved, now - self._since >= self._pace.seconds
        if not unsaved or not (waited or (unsaved >= self._pace.answers and not self._refused)):
            return None
        self._busy = True
        return Save(self._segment())

    def saved(self, segment: Segment, is_there: bool, now: float) -> None:
        """A segment was written, or the store refused it: then it is tried again some time later, under another name.

        A store that did not answer may have it all the same, so it is known from now on either way.
        """
        self._busy, self._refused, self._since = False, not is_there, now
        self._segments[segment.name] = _places(segment)
        for answer in segment.answers if is_there else ():
            id = answer.completion.request_id
            file = self._files.get(place_of(id))
            if file and file.unsaved.pop(id, None):
                file.kept.add(id)
        self._find_useless()

    def removed(self) -> None:
        """The segment is removed, or the store did not let it go; a later life sees it again."""
        self._busy = False

    # ---- the end of a life

    def rest(self) -> Iterator[Segment]:
        """Segments of all answers that are in none yet; each is to be reported before the next one is asked for."""
        while self._unsaved:
            yield self._segment()
            if self._refused:
                return

    @property
    def names(self) -> list[str]:
        """The segments that are there, or may be."""
        return [*self._segments, *self._useless]

    @property
    def left(self) -> Left:
        """What stays if this life ends now."""
        files = self._files.values()
        return Left(
            kept=sum(len(file.kept) for file in files),
            in_flight=sum(len(file.asked) for file in files),
            failed=sum(len(file.failed) for file in files),
            unkept=self._unsaved,
        )

    # ---- in here

    @property
    def _unsaved(self) -> int:
        return sum(len(file.unsaved) for file in self._files.values())

    def _segment(self) -> Segment:
        """The next segment, of answers that are in none."""
        name = segment_name(self._driver, self._number)
        self._number += 1
        unsaved = chain.from_iterable(file.unsaved.values() for file in self._files.values())
        return Segment(name, tuple(islice(unsaved, self._pace.answers)))

    def _file(self, place: Place) -> _File:
        return self._files.setdefault(place, _File())

    def _is_open(self, place: Place) -> bool:
        table, number = place
        return number > self._committed[table]

    def _find_useless(self) -> None:
        """Set aside the segments of which every answer is in a committed file."""
        for name in [name for name, places in self._segments.items() if not any(map(self._is_open, places))]:
            del self._segments[name]
            self._useless.append(name)


def _places(segment: Segment) -> frozenset[Place]:
    return frozenset(place_of(answer.completion.request_id) for answer in segment.answers)
