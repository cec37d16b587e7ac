"""Completions that go in circles: what counts as one, and how engines end them, whatever their batch mates do."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from selfinstruct.draws import seed_of
from selfinstruct.engines import EngineSettings, TransformersOptions, open_engine
from selfinstruct.engines.repetition import EVERY, LEAST, TIMES, repeats
from selfinstruct.prompts import TWO_STEPS, Prompt, PromptSet, Sampling
from selfinstruct.protocols import Engine
from selfinstruct.records import Completion, Finish, Kind, Request
from selfinstruct.sources.seeds import SEED_TASKS, load_seeds
from selfinstruct.tiny import MODEL
from tests.tools.random_models import make_model, make_tokenizer

TOKENIZER = Tokenizer.from_file(str(Path(MODEL) / "tokenizer.json"))
ROOM = 240


def periodic(tokens: Sequence[int]) -> bool:
    """The rule word for word: some n-gram fills the last tokens, often enough and for long enough."""
    for size in range(1, len(tokens) // TIMES + 1):
        length = max(LEAST, TIMES * size)
        ngram = tokens[len(tokens) - size :]
        tail = tokens[len(tokens) - length :]
        if len(tokens) >= length and all(token == ngram[(at - length) % size] for at, token in enumerate(tail)):
            return True
    return False


@given(
    head=st.lists(st.integers(0, 3), max_size=40),
    ngram=st.lists(st.integers(0, 3), min_size=1, max_size=40),
    times=st.integers(1, 70),
    rest=st.lists(st.integers(0, 3), max_size=3),
)
def test_a_repeated_ngram_is_found_as_the_rule_says(
    head: list[int], ngram: list[int], times: int, rest: list[int]
) -> None:
    tokens = [*head, *ngram * times, *rest]
    assert repeats(tokens) == periodic(tokens)


def test_how_long_and_how_often() -> None:
    assert repeats([7] * LEAST)
    assert not repeats([7] * (LEAST - 1))
    assert not repeats([])
    ngram = list(range(50))
    assert repeats([*range(100, 130), *ngram * TIMES])
    assert not repeats([*range(100, 130), *ngram[1:], *ngram * (TIMES - 1)])
    assert repeats([*ngram * TIMES, *ngram[:7]])
    assert not repeats([*ngram * TIMES, 99])


LISTS = {
    "numbers": ", ".join(map(str, range(1, 200))),
    "numbered items of one wording": "\n".join(f"{n}. Name an animal that lives in country {n}." for n in range(1, 60)),
    "a table": "| name | age |\n| --- | --- |\n" + "\n".join(f"| person {n} | {20 + n % 7} |" for n in range(40)),
    "a times table": "\n".join(f"{a} x {b} = {a * b}" for a in range(2, 10) for b in range(2, 10)),
    "words": "\n".join(f"- {task.instruction.split()[0]}" for task in load_seeds(SEED_TASKS)),
    "code": "\n".join(f"    elif day == {n}:\n        return names[{n}]" for n in range(40)),
    "JSON": json.dumps([{"id": n, "done": False, "tags": []} for n in range(40)]),
    "yes and no": "\n".join("yes" if seed_of(n) % 2 else "no" for n in range(150)),
    "a song": "\n".join(
        f"{n} bottles of lemonade, take one and pass it on, {n - 1} are left." for n in range(40, 0, -1)
    ),
}


def hits(text: str) -> list[int]:
    """The lengths at which a completion of this text would be ended, wherever in it the text began."""
    tokens = TOKENIZER.encode(text).ids
    return [end for end in range(LEAST, len(tokens) + 1) if repeats(tokens[:end])]


@pytest.mark.parametrize("text", LISTS.values(), ids=LISTS)
def test_a_text_that_lists_is_none(text: str) -> None:
    assert len(TOKENIZER.encode(text).ids) > 2 * LEAST
    assert hits(text) == []


def test_the_shipped_seeds_have_none() -> None:
    tasks = load_seeds(SEED_TASKS)
    texts = [text for task in tasks for each in task.instances for text in (task.instruction, each.input, each.output)]
    assert [text for text in texts if hits(text)] == []


RELEASED = os.environ.get("SELFINSTRUCT_RELEASED_DATA")


@pytest.mark.skipif(RELEASED is None, reason="SELFINSTRUCT_RELEASED_DATA names no folder")
def test_released_and_real_texts_have_none() -> None:
    folder = Path(str(RELEASED))
    lines = [folder / "seed_tasks.jsonl", folder / "user_oriented_instructions.jsonl"]
    rows = [json.loads(line) for path in lines for line in path.read_text().splitlines()]
    texts = [text for row in rows for each in row["instances"] for text in (row["instruction"], *each.values())]
    for path in sorted((folder / "real").glob("*.json")):
        texts += ["\n".join(map(str, row.values())) for row in json.loads(path.read_text())]
    assert len(texts) > 800
    for encoded, text in zip(TOKENIZER.encode_batch(texts), texts, strict=True):
        assert not any(repeats(encoded.ids[:end]) for end in range(EVERY, len(encoded.ids) + 1, EVERY)), text


# engines


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Threads that wait for each other cost such small models far more than they give."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def prompt_set(stop_repetition: bool, **changes: float) -> PromptSet:
    values = {"temperature": 0.0, "top_p": 1.0, **changes}
    sampling = Sampling(frequency_penalty=0.0, presence_penalty=0.0, max_tokens=ROOM, stop=(), **values)
    prompts = {kind: Prompt("Task: ", "{instruction}", "\n", sampling) for kind in TWO_STEPS}
    return PromptSet("test", False, prompts, "", stop_repetition=stop_repetition)


def complete(model: str, prompts: PromptSet, requests: Sequence[Request], room: int | None = None) -> list[Completion]:
    options = TransformersOptions(device="cpu", tokens_per_batch=room)
    engine = open_engine(EngineSettings(model=model, transformers=options), prompts)
    return completed(engine, requests)


def completed(engine: Engine, requests: Sequence[Request]) -> list[Completion]:
    engine.add(requests)
    found: dict[str, Completion] = {}
    while len(found) < len(requests):
        found |= {completion.request_id: completion for completion in engine.step()}
    return [found[request.id] for request in requests]


@pytest.fixture(scope="module", params=["llama", "bloom"])  # one by lanes, the other in batches from start to end
def forgetful(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model that sees little but the last token, so that it goes in circles sooner or later."""
    folder = tmp_path_factory.mktemp(request.param)
    model = make_model(request.param, 512)
    for layer in model.model.layers if request.param == "llama" else ():
        layer.self_attn.o_proj.weight.data.zero_()
    make_tokenizer().save_pretrained(folder)
    model.save_pretrained(folder)
    return str(folder)


REQUESTS = [
    Request(f"r{at}", kind, f"Write about {'the sea, ' * at}", seed_of("repetition", at))
    for at in range(6)
    for kind in [TWO_STEPS[at % 2]]
]


def test_a_completion_that_goes_in_circles_is_ended(forgetful: str) -> None:
    free = complete(forgetful, prompt_set(False), REQUESTS)
    ended = complete(forgetful, prompt_set(True), REQUESTS)
    assert all(each.finish is not Finish.REPETITION for each in free)
    looped = [at for at, each in enumerate(ended) if each.finish is Finish.REPETITION]
    assert looped
    for at, (whole, part) in enumerate(zip(free, ended, strict=True)):
        if at not in looped:
            assert part == whole
            continue
        assert LEAST <= part.completion_tokens < ROOM
        assert part.completion_tokens % EVERY == 0
        assert whole.text.startswith(part.text.rstrip("\ufffd"))  # a character may be cut in two
        assert part.error is None


@pytest.mark.parametrize("temperature", [0.0, 0.2])
def test_batch_mates_do_not_matter(forgetful: str, temperature: float) -> None:
    prompts = prompt_set(True, temperature=temperature)
    engine = open_engine(EngineSettings(model=forgetful), prompts)
    together = completed(engine, REQUESTS)
    assert Finish.REPETITION in {each.finish for each in together}
    assert completed(engine, REQUESTS[::-1])[::-1] == together
    assert [completed(engine, [request])[0] for request in REQUESTS] == together
    assert complete(forgetful, prompts, REQUESTS, room=2 * ROOM) == together


def test_a_stop_string_goes_first(forgetful: str) -> None:
    (free,) = complete(forgetful, prompt_set(True), REQUESTS[:1])
    prompts = prompt_set(True)
    sampling = replace(prompts[Kind.PROPOSE].sampling, stop=(free.text[10:12],))
    prompts = replace(prompts, prompts={kind: replace(prompts[kind], sampling=sampling) for kind in prompts.kinds})
    (stopped,) = complete(forgetful, prompts, REQUESTS[:1])
    assert stopped.finish is Finish.STOP
