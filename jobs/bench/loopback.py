"""The server of `bench peers`: OpenAI's protocol on the loopback, in a process of its own, with no model behind it.

It reads no more of a request than tells what is asked, and sends answers that were put together beforehand, so that it
costs less than any client. `python -m jobs.bench.loopback --latency 0.2` prints its port, serves until its standard
input ends, and then prints what it has seen (`Served`) as JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import cycle, islice
from typing import Any, TypeAlias

from selfinstruct.engines.wide import vocabulary

WORDS = vocabulary(30_000)
OPENINGS = ("Explain", "Describe", "List", "Compare", "Summarise", "Name", "Rewrite", "Find", "Plan", "Suggest")

LISTED = 8
"""Instructions in an answer that lists some."""

ANSWERS = 512
"""Different answers of a kind that are put together beforehand; those that list instructions are made each time."""

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"

Maker: TypeAlias = Callable[[random.Random], str]


@dataclass(frozen=True, slots=True)
class Served:
    """What a server has seen. Times are of `time.time`."""

    requests: int
    first: float  # when the first request came
    last: float  # when the last answer went
    most: int  # requests under way at once
    processor_seconds: float

    @property
    def seconds(self) -> float:
        """From the first request to the last answer."""
        return self.last - self.first


def instruction(draws: random.Random) -> str:
    """One that nobody has written before: of more than 10 ** 50."""
    return f"{draws.choice(OPENINGS)} {_words(draws, 12)}."


def numbered(draws: random.Random) -> str:
    """As a base model goes on with a list whose ninth number is open."""
    return "\n".join(f"{n}. {instruction(draws)}" for n in range(9, 9 + LISTED)).removeprefix("9.") + "\n"


def in_lines(draws: random.Random) -> str:
    """An instruction a line."""
    return "\n".join(instruction(draws) for _ in range(LISTED))


def tasks(draws: random.Random) -> str:
    """Instructions as JSON."""
    return json.dumps({"tasks": [instruction(draws) for _ in range(LISTED)]})


def instances(draws: random.Random) -> str:
    """A kind and an instance as JSON."""
    instance = {"input": _words(draws, 15), "output": _words(draws, 15)}
    return json.dumps({"classification": False, "labels": [], "instances": [instance]})


def in_fields(draws: random.Random) -> str:
    """An instance in named fields."""
    return f"Example 1\nText: {_words(draws, 15)}\nOutput: {_words(draws, 15)}\n"


def _no(draws: random.Random) -> str:
    return " No"


def _text(draws: random.Random) -> str:
    return _words(draws, 30)


def _words(draws: random.Random, count: int) -> str:
    return " ".join(draws.choices(WORDS, k=count))


MARKS: Sequence[tuple[bytes, Maker]] = (
    (b"Here is a list of many different tasks", numbered),
    (b"Write eight more tasks", tasks),
    (b"Develop %d user queries" % LISTED, in_lines),
    (b'Is it classification?"', _no),
    (b"Every task below is", in_fields),
    (b"Write instances of it", instances),
)
"""By what a body is known that asks for the prompt sets' and the peers' kinds of answer; any other gets a text."""


def completion(text: str, chat: bool) -> bytes:
    """A whole HTTP answer with this text."""
    said: dict[str, Any] = {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
    counts = {"prompt_tokens": 200, "completion_tokens": len(text.split()), "total_tokens": 200 + len(text.split())}
    answer = {
        "id": "c",
        "object": "chat.completion" if chat else "text_completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "finish_reason": "stop", **said}],
        "usage": counts,
    }
    body = json.dumps(answer).encode()
    return HEAD % (len(body), body)


_LIST = b'{"object": "list", "data": [{"id": "m", "object": "model"}]}'
MODELS = HEAD % (len(_LIST), _LIST)
"""The answer to what has no body."""


FIRST_LOOK = b'"prompt": "Hello"'
"""In the one-token request by which a client sees that there are completions; it makes nothing, and is not counted."""


class Answers:
    """What is said to a body."""

    def __init__(self, seed: int = 0) -> None:
        draws = random.Random(seed)
        self._by_mark = [(mark, self._endless(maker, draws, chat=_chats(maker))) for mark, maker in MARKS]
        self._text = self._endless(_text, draws, chat=True)

    def to(self, body: bytes) -> bytes:
        """The next answer to such a body."""
        return next(next((answers for mark, answers in self._by_mark if mark in body), self._text))

    def _endless(self, maker: Maker, draws: random.Random, chat: bool) -> Iterator[bytes]:
        fresh = (completion(maker(draws), chat) for _ in iter(int, 1))
        return fresh if maker in (numbered, tasks, in_lines) else cycle(list(islice(fresh, ANSWERS)))


def _chats(maker: Maker) -> bool:
    return maker not in (numbered, _no, in_fields)


class Seen:
    """Counts what comes and goes."""

    def __init__(self) -> None:
        self.requests = self.under_way = self.most = 0
        self.first = self.last = 0.0

    def came(self) -> None:
        self.first = self.first or time.time()
        self.requests += 1
        self.under_way += 1
        self.most = max(self.most, self.under_way)

    def went(self) -> None:
        self.under_way -= 1
        self.last = time.time()

    def served(self) -> Served:
        return Served(self.requests, self.first, self.last, self.most, time.process_time())


class Connection(asyncio.Protocol):
    """One client's connection, kept open."""

    def __init__(self, answers: Answers, latency: float, seen: Seen) -> None:
        self._answers, self._latency, self._seen = answers, latency, seen
        self._loop = asyncio.get_running_loop()
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where answers go."""
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        """Answer each whole request."""
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            end += 4
            at = self._received[:end].lower().find(b"\r\ncontent-length:")
            length = int(self._received[at + 17 : self._received.index(b"\r\n", at + 2)]) if at >= 0 else 0
            if len(self._received) < end + length:
                return
            body, self._received = self._received[end : end + length], self._received[end + length :]
            if not length:
                self._transport.write(MODELS)
                continue
            answer = self._answers.to(body)
            if FIRST_LOOK in body:
                self._loop.call_later(self._latency, self._transport.write, answer)
                continue
            self._seen.came()
            if self._latency:
                self._loop.call_later(self._latency, self._send, answer)
            else:
                self._send(answer)

    def _send(self, answer: bytes) -> None:
        self._seen.went()
        self._transport.write(answer)


async def serve(latency: float) -> None:
    """Serve until standard input ends."""
    loop, seen, answers = asyncio.get_running_loop(), Seen(), Answers()
    server = await loop.create_server(lambda: Connection(answers, latency, seen), "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    print(json.dumps(asdict(seen.served())), flush=True)


def main(argv: Iterable[str] | None = None) -> None:
    """The process."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--latency", type=float, default=0.0)
    asyncio.run(serve(parser.parse_args(None if argv is None else list(argv)).latency))


if __name__ == "__main__":
    main()
