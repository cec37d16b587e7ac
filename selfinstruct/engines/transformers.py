"""The engine that runs a causal language model of transformers in this process, on a GPU or the CPU.

- A prompt's tokens are ids(prefix) + ids(suffix) + ids(tail) (`encoding`).
- Requests join those under way as soon as there is room and leave when they have ended: proposals first in line, then
  the kind with the most waiting; of a kind the oldest and those nearest to it in length. `tokens_per_batch` bounds what
  all of them hold, padding and room for completions included; what a kind's prompts begin with counts once. If it is
  not given, the device's memory decides.
- A completion depends on its request alone, not on its batch (`sampling`). It ends at an end token of the model
  (`ends`), at the earliest stop string of its text, at `max_tokens`, or, where the prompt set says so, when it goes in
  circles (`repetition`). `completion_tokens` counts all drawn tokens, those of the stop included; the text is the
  decoding of them all, special tokens left out, cut before the stop.
- A prompt that leaves no room for `max_tokens` in the model's context fails alone. When the device's memory is
  exhausted, all requests under way begin again, half as many at once, and later ones are no more. A single one that
  exhausts it fails if others were served; if none was, that is the engine's failure.
- Only safetensors are read. The model's own sampling settings are not used; the prompt set's are.

This file imports no torch: identifying a model must not wait for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from selfinstruct.engines.checkpoint import fingerprint, locate
from selfinstruct.engines.contents import CONFIG, blamed
from selfinstruct.engines.encoding import EncodedRequest, PromptEncoder
from selfinstruct.engines.ends import end_tokens
from selfinstruct.engines.settings import EngineSettings, Traits
from selfinstruct.errors import InputError
from selfinstruct.prompts import PromptSet
from selfinstruct.records import Completion, Finish, Kind, Request

if TYPE_CHECKING:
    from selfinstruct.engines.generation import Generator

DTYPES = ("auto", "float32", "bfloat16", "float16")
SHARE = 8
"""A step ends when one in so many requests has ended: new ones come in time, and the stepping costs little."""


def traits(settings: EngineSettings) -> Traits:
    """A checkpoint, on one GPU unless it is to run elsewhere. JSON schemas are of no effect."""
    return Traits(checkpoint=True, devices=0 if settings.transformers.device == "cpu" else 1, schemas=False, raw="yes")


def identify(settings: EngineSettings) -> dict[str, str]:
    """The model's content (a hub repository's commit), and the dtype as asked for.

    Raises:
        InputError: the model cannot be reached, or the dtype is unknown.
    """
    _check_dtype(settings)
    return {"engine": "transformers", **fingerprint(settings), "dtype": settings.transformers.dtype}


def open_engine(settings: EngineSettings, prompts: PromptSet) -> TransformersEngine:
    """Load model and tokenizer, and encode the constant part of each kind's prompt.

    Raises:
        InputError: the model cannot be reached or loaded, dtype or device are wrong, a chat set meets a model without
            a chat template, or the model's context cannot hold a kind's constant part and completion.
    """
    _check_dtype(settings)
    at = locate(settings)
    from selfinstruct.engines.generation import Generator, load, reach
    from selfinstruct.engines.opening import vocabulary

    tokenizer, model = load(at, settings.transformers)
    encoder = PromptEncoder(tokenizer, prompts)
    with blamed(at.model, CONFIG):
        _check_prompts(at.model, encoder, prompts, reach(model), vocabulary(model))
        prefixes = {kind: encoder.frame(kind)[0] for kind in prompts.kinds}
        generator = Generator(tokenizer, model, prompts, prefixes, end_tokens(at, tokenizer, encoder.turn_ends))
    given = settings.transformers.tokens_per_batch
    return TransformersEngine(encoder, generator, prompts, generator.capacity if given is None else given)


class TransformersEngine:
    """Queues requests by kind, lets them join those under way, and gives back what has ended.

    Args:
        encoder: Gives each request its prompt's ids.
        generator: Completes requests.
        prompts: The sampling settings of each kind.
        tokens_per_batch: The most tokens that requests under way hold, padding and room for completions included.
    """

    def __init__(self, encoder: PromptEncoder, generator: Generator, prompts: PromptSet, tokens_per_batch: int) -> None:
        self._encoder = encoder
        self._generator = generator
        self._room = {kind: prompts[kind].sampling.max_tokens for kind in prompts.kinds}
        self._tokens_per_batch = tokens_per_batch
        self._waiting: dict[Kind, list[EncodedRequest]] = {kind: [] for kind in prompts.kinds}
        self._failed: list[Completion] = []
        self._served = False  # whether any request has been completed

    def add(self, requests: Sequence[Request]) -> None:
        """Encode and queue requests."""
        for encoded in map(self._encoder.encode, requests):
            if (error := self._refusal(encoded)) is None:
                self._waiting[encoded.request.kind].append(encoded)
            else:
                self._failed.append(_failed(encoded, error))

    def step(self) -> list[Completion]:
        """Let waiting requests join, and go on until one in `SHARE` of those under way has ended.

        Raises:
            torch.OutOfMemoryError: the device's memory holds not one request, and has held none before.
        """
        done, self._failed = self._failed, []
        done += self._join()
        least = max(1, len(self._generator.under_way) // SHARE)
        while self._generator.under_way and len(done) < least:
            done += self._guarded(self._generator.step)
        return done

    def _refusal(self, encoded: EncodedRequest) -> str | None:
        if not self._generator.columns(encoded):
            return "prompt has no token of its own"
        if (token := max(encoded.ids)) >= self._generator.vocabulary:
            return f"prompt has the token {token}, of which the model knows nothing"
        room, context = self._room[encoded.request.kind], self._generator.context
        if context is None or len(encoded.ids) + room <= context:
            return None
        return f"prompt of {len(encoded.ids)} tokens leaves no room for {room} more in a context of {context}"

    def _join(self) -> list[Completion]:
        """Proposals first, then the kind with the most waiting, as far as there is room."""
        done: list[Completion] = []
        for kind in sorted(self._waiting, key=lambda kind: (kind is not Kind.PROPOSE, -len(self._waiting[kind]))):
            if self._waiting[kind] and self._generator.takes(kind) and (batch := self._take(kind)):
                done += self._guarded(partial(self._generator.join, batch))
        return done

    def _take(self, kind: Kind) -> list[EncodedRequest]:
        """The oldest request of a kind and those nearest to it in length, as many as there is room for; at least one
        if nothing is under way."""
        queue, under_way = self._waiting[kind], self._generator.under_way
        rows = [encoded for encoded in under_way if encoded.request.kind is kind]
        room = self._tokens_per_batch - self._cost([encoded for encoded in under_way if encoded.request.kind != kind])
        longest = max(map(self._generator.columns, rows), default=0)
        batch: list[EncodedRequest] = []
        for encoded in sorted(queue, key=lambda encoded: abs(len(encoded.ids) - len(queue[0].ids))):
            longest = max(longest, self._generator.columns(encoded))
            fits = self._generator.cost(kind, len(rows) + len(batch) + 1, longest) <= room
            if not fits and (under_way or batch):
                break
            batch.append(encoded)
        taken = {id(encoded) for encoded in batch}
        queue[:] = [encoded for encoded in queue if id(encoded) not in taken]
        return batch

    def _cost(self, requests: Sequence[EncodedRequest]) -> int:
        """The padded tokens, prompts and completions at their longest, of requests that are under way together."""
        longest: dict[Kind, list[int]] = {}
        for encoded in requests:
            longest.setdefault(encoded.request.kind, []).append(self._generator.columns(encoded))
        return sum(self._generator.cost(kind, len(columns), max(columns)) for kind, columns in longest.items())

    def _guarded(self, work: Callable[[], list[Completion]]) -> list[Completion]:
        """Do it; when memory is exhausted, all begin again, and from now on no more than half as much is taken on."""
        import torch

        try:
            done = work()
            self._served = self._served or bool(done)
            return done
        except torch.OutOfMemoryError:
            pass
        # here, and not in the handler, whose traceback holds the tensors of the failed pass
        requests = self._generator.under_way
        self._generator.clear()
        if len(requests) > 1:
            self._tokens_per_batch = min(self._tokens_per_batch, self._cost(requests) // 2)
            for encoded in reversed(requests):
                self._waiting[encoded.request.kind].insert(0, encoded)
            return []
        if not self._served:
            raise torch.OutOfMemoryError("the device's memory does not hold the model and one request")
        return [_failed(encoded, "exhausts the device's memory, which held others") for encoded in requests]


def _failed(encoded: EncodedRequest, error: str) -> Completion:
    return Completion(encoded.request.id, "", Finish.FAILED, len(encoded.ids), 0, error)


def _check_dtype(settings: EngineSettings) -> None:
    if (dtype := settings.transformers.dtype) not in DTYPES:
        raise InputError(f"--transformers.dtype: {dtype!r} is unknown (known: {', '.join(DTYPES)})")


def _check_prompts(model: str, encoder: PromptEncoder, prompts: PromptSet, context: int | None, known: int) -> None:
    """InputError if a kind's constant part has tokens beyond those that the model knows, or leaves it no room."""
    problems = []
    for kind in prompts.kinds:
        constant, room = [token for part in encoder.frame(kind) for token in part], prompts[kind].sampling.max_tokens
        if constant and max(constant) >= known:
            problems.append(
                f"--model: {model}: the {kind} prompt has the token {max(constant)}, the model knows {known}; take the "
                "tokenizer that was saved with the weights"
            )
        if context is not None and len(constant) + room >= context:
            problems.append(
                f"--model: {model}: its context of {context} tokens cannot hold the {kind} prompt of {len(constant)}, "
                f"an instruction and {room} new tokens; take another model, or other --prompts"
            )
    if problems:
        raise InputError(*problems)
