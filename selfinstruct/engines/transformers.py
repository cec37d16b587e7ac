"""The engine that runs a causal language model of transformers in this process, on a GPU or the CPU.

- A prompt's tokens are ids(prefix) + ids(suffix) + ids(tail) (`encoding`).
- A batch holds requests of one kind: proposals first in line, then the kind with the most waiting. It is the oldest
  request and those nearest to it in length, as many as `tokens_per_batch` holds with the padding; at least one.
- A completion depends on its request alone, not on its batch (`sampling`). It ends at an end token of the model, at
  the earliest stop string of its text, or at `max_tokens`. `completion_tokens` counts all drawn tokens, those of the
  stop included; the text is the decoding of them all, special tokens left out, cut before the stop.
- A prompt that leaves no room for `max_tokens` in the model's context fails alone. When the device's memory is
  exhausted, the batch is halved, and later ones are no larger.
- Only safetensors are read. The model's own sampling settings are not used; the prompt set's are.

This file imports no torch: identifying a model must not wait for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from selfinstruct.engines import EngineSettings
from selfinstruct.engines.checkpoint import fingerprint, locate
from selfinstruct.engines.encoding import EncodedRequest, PromptEncoder
from selfinstruct.errors import InputError
from selfinstruct.prompts import PromptSet
from selfinstruct.records import Completion, Finish, Kind, Request

if TYPE_CHECKING:
    from selfinstruct.engines.generation import Generator

DTYPES = ("auto", "float32", "bfloat16", "float16")


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
    folder = locate(settings)
    from selfinstruct.engines.generation import Generator, load

    tokenizer, model = load(folder, settings)
    encoder, generator = PromptEncoder(tokenizer, prompts), Generator(tokenizer, model, prompts)
    _check_context(settings.model, encoder, prompts, generator.context)
    return TransformersEngine(encoder, generator, prompts, settings.transformers.tokens_per_batch)


class TransformersEngine:
    """Queues requests by kind and completes a batch with each step.

    Args:
        encoder: Gives each request its prompt's ids.
        generator: Completes a batch.
        prompts: The sampling settings of each kind.
        tokens_per_batch: The most padded tokens, prompts and completions, of one batch.
    """

    def __init__(self, encoder: PromptEncoder, generator: Generator, prompts: PromptSet, tokens_per_batch: int) -> None:
        self._encoder = encoder
        self._generator = generator
        self._room = {kind: prompts[kind].sampling.max_tokens for kind in prompts.kinds}
        self._tokens_per_batch = tokens_per_batch
        self._waiting: dict[Kind, list[EncodedRequest]] = {kind: [] for kind in prompts.kinds}
        self._failed: list[Completion] = []

    def add(self, requests: Sequence[Request]) -> None:
        """Encode and queue requests."""
        for encoded in map(self._encoder.encode, requests):
            if (error := self._excess(encoded)) is None:
                self._waiting[encoded.request.kind].append(encoded)
            else:
                self._failed.append(Completion(encoded.request.id, "", Finish.FAILED, len(encoded.ids), 0, error))

    def step(self) -> list[Completion]:
        """Complete one batch.

        Raises:
            torch.OutOfMemoryError: a single request is more than the device's memory holds.
        """
        failed, self._failed = self._failed, []
        batch = self._take()
        return failed + (self._complete(batch) if batch else [])

    def _excess(self, encoded: EncodedRequest) -> str | None:
        room, context = self._room[encoded.request.kind], self._generator.context
        if context is None or len(encoded.ids) + room <= context:
            return None
        return f"prompt of {len(encoded.ids)} tokens leaves no room for {room} more in a context of {context}"

    def _take(self) -> list[EncodedRequest]:
        fullest = max(self._waiting, key=lambda kind: len(self._waiting[kind]))
        queue = self._waiting[Kind.PROPOSE] or self._waiting[fullest]
        batch: list[EncodedRequest] = []
        for encoded in sorted(queue, key=lambda encoded: abs(len(encoded.ids) - len(queue[0].ids))):
            if batch and self._cost([*batch, encoded]) > self._tokens_per_batch:
                break
            batch.append(encoded)
        taken = {id(encoded) for encoded in batch}
        queue[:] = [encoded for encoded in queue if id(encoded) not in taken]
        return batch

    def _cost(self, batch: Sequence[EncodedRequest]) -> int:
        """The padded tokens of a batch, prompts and completions."""
        return len(batch) * (max(len(encoded.ids) for encoded in batch) + self._room[batch[0].request.kind])

    def _complete(self, batch: Sequence[EncodedRequest]) -> list[Completion]:
        import torch

        try:
            return self._generator.complete(batch)
        except torch.OutOfMemoryError:
            if len(batch) == 1:
                raise
        # here, and not in the handler, whose traceback holds the tensors of the failed batch
        self._tokens_per_batch = min(self._tokens_per_batch, self._cost(batch) // 2)
        half = len(batch) // 2
        return self._complete(batch[:half]) + self._complete(batch[half:])


def _check_dtype(settings: EngineSettings) -> None:
    if (dtype := settings.transformers.dtype) not in DTYPES:
        raise InputError(f"--transformers.dtype: {dtype!r} is unknown (known: {', '.join(DTYPES)})")


def _check_context(model: str, encoder: PromptEncoder, prompts: PromptSet, context: int | None) -> None:
    problems = []
    for kind in prompts.kinds:
        constant, room = sum(map(len, encoder.frame(kind))), prompts[kind].sampling.max_tokens
        if context is not None and constant + room >= context:
            problems.append(
                f"--model: {model}: its context of {context} tokens cannot hold the {kind} prompt of {constant}, "
                f"an instruction and {room} new tokens; take another model, or other --prompts"
            )
    if problems:
        raise InputError(*problems)
