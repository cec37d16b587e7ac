"""The first step of the released Self-Instruct code, written anew from its description, for `bench peers`.

As that code does, it asks for one batch after the other, each with six seed tasks and two of its own instructions in
every prompt, waits for the whole batch, and takes what has a ROUGE-L (the package rouge_score, nothing kept between two
comparisons) of less than 0.7 with every instruction there is, over a pool of processes. Requests of a batch go out
together, over connections that are kept. Prompt and answer have the form of the prompt set `base`.

`python -m jobs.bench.released_loop URL ROWS BATCH LIMIT` prints when it had its first instruction, and how many in the
end, as JSON; after LIMIT seconds it stops early.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import re
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

from selfinstruct.prompts import load_prompts
from selfinstruct.records import Kind
from selfinstruct.sources.seeds import SEED_TASKS, load_seeds

SEEDS, OWN = 6, 2
THRESHOLD = 0.7


class Server:
    """Asks, over a connection for each thread."""

    def __init__(self, url: str) -> None:
        self._parts, self._own = urlsplit(url), threading.local()

    def complete(self, prompt: str) -> str:
        """The text that a model goes on with."""
        if not hasattr(self._own, "connection"):
            self._own.connection = HTTPConnection(self._parts.hostname or "", self._parts.port)
        body = {"model": "m", "prompt": prompt, "max_tokens": 1024, "temperature": 0.7, "top_p": 0.5, "stop": ["\n16"]}
        headers = {"Content-Type": "application/json"}
        self._own.connection.request("POST", f"{self._parts.path}/completions", json.dumps(body), headers)
        return str(json.loads(self._own.connection.getresponse().read())["choices"][0]["text"])


def prompt_of(seeds: Sequence[str], own: Sequence[str], draws: random.Random) -> str:
    """Eight numbered instructions in random order, and the ninth number."""
    shown = [*draws.sample(seeds, SEEDS), *draws.sample(own, min(OWN, len(own)))]
    draws.shuffle(shown)
    listed = "".join(f"{number}. {text}\n" for number, text in enumerate(shown, 1))
    return f"{load_prompts('base')[Kind.PROPOSE].prefix}{listed}{len(shown) + 1}."


def parsed(text: str) -> list[str]:
    """The instructions of an answer."""
    return [" ".join(piece.split()) for piece in re.split(r"(?:^|\n)\d+\s?\. ?", text) if piece.strip()]


def similarity(text: str, other: str) -> float:
    """ROUGE-L of two texts, from the beginning each time."""
    return float(_scorer().score(text, other)["rougeL"].fmeasure)


@cache
def _scorer() -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(["rougeL"], use_stemmer=False)


def bootstrap(url: str, rows: int, batch: int, limit: float) -> tuple[float, int]:
    """When the first instruction was taken (`time.time`), and how many were."""
    server, draws = Server(url), random.Random(0)
    seeds = [task.instruction for task in load_seeds(SEED_TASKS)]
    own: list[str] = []
    end, first = time.time() + limit, 0.0
    with multiprocessing.Pool(os.cpu_count()) as processes, ThreadPoolExecutor(batch) as threads:
        while len(own) < rows and time.time() < end:
            prompts = [prompt_of(seeds, own, draws) for _ in range(batch)]
            answers = list(threads.map(server.complete, prompts))
            for text in (text for answer in answers for text in parsed(answer)):
                if time.time() > end:
                    break
                if max(processes.map(partial(similarity, text), [*seeds, *own])) < THRESHOLD:
                    own.append(text)
                    first = first or time.time()
    return first, len(own)


def main(argv: Sequence[str]) -> None:
    """The process."""
    url, rows, batch, limit = argv
    first, count = bootstrap(url, int(rows), int(batch), float(limit))
    print(json.dumps({"first": first, "rows": count}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
