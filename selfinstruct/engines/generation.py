"""A model, and the requests that are under way in it.

In place of `model.generate`, which carries rows until the last of a batch ends and computes the same few-shot prompt
for every row: requests join and leave one by one, and what all prompts of a kind begin with is computed once.
`lanes` does so for models whose attention goes through transformers' interface, `expanded` serves the others.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch
from transformers import DynamicCache

from selfinstruct.engines.attention import Unsupported
from selfinstruct.engines.checkpoint import Located
from selfinstruct.engines.drafts import Draft, Ending
from selfinstruct.engines.encoding import EncodedRequest
from selfinstruct.engines.expanded import ExpandedDecoder
from selfinstruct.engines.lanes import Decoder, SharedDecoder
from selfinstruct.engines.opening import check_vocabulary, open_model, open_tokenizer, quietly, vocabulary
from selfinstruct.engines.settings import TransformersOptions
from selfinstruct.errors import InputError
from selfinstruct.prompts import PromptSet, Sampling
from selfinstruct.records import Completion, Kind

log = logging.getLogger(__name__)

ON_CPU = 2 * 2**30
"""Bytes for keys and values where the memory is not the model's alone."""
ON_GPU = 0.5
"""Share for keys and values of a GPU's free memory; passes need some of the rest, stores that grow the other."""


def load(at: Located, options: TransformersOptions) -> tuple[Any, Any]:
    """The tokenizer and the model, in evaluation mode on its device.

    Raises:
        InputError: dtype or device is unknown or not there, the files cannot be loaded or lack some weights, or the
            model does not decode with a cache of keys and values.
    """
    device = device_of(options)
    tokenizer, model = open_tokenizer(at), open_model(at, _dtype(options, device))
    check_vocabulary(at, tokenizer, model)
    if "past_key_values" not in inspect.signature(model.forward).parameters:
        raise InputError(f"--model: {at.model}: keeps no keys and values; take a transformer for causal LM")
    if device.type == "cuda":
        torch.cuda.set_device(device)  # where graphs are recorded, and where Triton's kernels run
    return tokenizer, model.to(device)


def reach(model: Any) -> int | None:
    """The most tokens, prompt and completion, that the model's positions reach; None where they have no end."""
    return getattr(model.config.get_text_config(decoder=True), "max_position_embeddings", None)


class Generator:
    """Completes requests with one model, any number at a time.

    Args:
        tokenizer, model: As `load` gives them.
        prompts: The sampling settings of each kind.
        prefixes: The first tokens of all prompts of a kind.
        ends: The tokens that end a completion.
    """

    def __init__(
        self,
        tokenizer: Any,
        model: Any,
        prompts: PromptSet,
        prefixes: Mapping[Kind, Sequence[int]],
        ends: Collection[int],
    ) -> None:
        self._model = model
        self._room = {kind: prompts[kind].sampling.max_tokens for kind in prompts.kinds}
        self._token_size = _token_size(model)
        self._endings = {
            kind: Ending(tokenizer, ends, prompts[kind].sampling.stop, prompts.of(kind).stop_repetition)
            for kind in prompts.kinds
        }
        self._decoder = _decoder(model, {kind: prompts[kind].sampling for kind in prompts.kinds}, prefixes)
        self._drafts: list[Draft] = []

    @property
    def vocabulary(self) -> int:
        """How many tokens the model knows."""
        return vocabulary(self._model)

    @property
    def context(self) -> int | None:
        """As `reach` of the model."""
        return reach(self._model)

    @property
    def capacity(self) -> int:
        """The tokens whose keys and values the device has memory for beside the model and what else is there now."""
        device, room = self._model.device, ON_CPU
        if device.type == "cuda":
            room = int(ON_GPU * torch.cuda.mem_get_info(device)[0])
        return room // self._token_size

    @property
    def under_way(self) -> list[EncodedRequest]:
        """The requests that have joined and not ended."""
        return [draft.encoded for draft in self._drafts]

    def takes(self, kind: Kind) -> bool:
        """Whether requests of this kind may join now."""
        return self._decoder.takes(kind)

    def columns(self, encoded: EncodedRequest) -> int:
        """The tokens of a prompt that take up memory of their own."""
        return self._decoder.columns(encoded)

    def cost(self, kind: Kind, count: int, longest: int) -> int:
        """The padded tokens that so many requests of a kind hold, up to the ends of their completions."""
        return self._decoder.shared(kind) + count * (longest + self._room[kind])

    def join(self, batch: Sequence[EncodedRequest]) -> list[Completion]:
        """Begin requests, all of one kind; returns those that have ended with their first tokens.

        Raises:
            torch.OutOfMemoryError: they are too many for the device; `clear` and begin again with fewer.
        """
        kind = batch[0].request.kind
        drafts = [Draft(encoded, self._endings[kind], cached=self._decoder.cached(kind)) for encoded in batch]
        self._drafts += drafts
        return self._completions(self._decoder.join(drafts))

    def step(self) -> list[Completion]:
        """Draw a token for each request; returns those that have ended.

        Raises:
            torch.OutOfMemoryError: as with `join`.
        """
        return self._completions(self._decoder.step())

    def _completions(self, ended: Sequence[Draft]) -> list[Completion]:
        if ended:
            self._drafts = [draft for draft in self._drafts if not draft.ended]
        return [draft.completion() for draft in ended]

    def clear(self) -> None:
        """Forget all requests and free their memory."""
        self._drafts = []
        self._decoder.clear()
        if self._model.device.type == "cuda":
            torch.cuda.empty_cache()


@torch.inference_mode()
def _token_size(model: Any) -> int:
    """Bytes of a token's keys and values, all layers together: of one that goes through the model."""
    cache = DynamicCache(config=model.config)
    model(input_ids=torch.zeros(1, 1, dtype=torch.int64, device=model.device), past_key_values=cache, use_cache=True)
    kept = [getattr(layer, name, None) for layer in cache.layers for name in ("keys", "values")]
    return sum(one.nbytes for one in kept if one is not None) or 1


def _decoder(model: Any, sampling: Mapping[Kind, Sampling], prefixes: Mapping[Kind, Sequence[int]]) -> Decoder:
    try:
        with quietly():
            return SharedDecoder(model, sampling, prefixes)
    except Unsupported as reason:
        log.info("prefixes are copied into every row, which is slower: of this model's attention, %s", reason)
        return ExpandedDecoder(model, sampling, prefixes)


def device_of(options: TransformersOptions) -> torch.device:
    """The device that is asked for.

    Raises:
        InputError: it is unknown or not there.
    """
    name = options.device
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(
            f"--transformers.device: {name!r} is not there ({' '.join(str(error).split())[:200]}); "
            "take auto, cpu, cuda or cuda:N"
        ) from error
    return device


def _dtype(options: TransformersOptions, device: torch.device) -> torch.dtype | str:
    if options.dtype == "auto":
        return torch.float32 if device.type == "cpu" else "auto"
    dtype: torch.dtype = getattr(torch, options.dtype)
    return dtype
