"""Decoding a batch of one kind: left-padded prompts, a cache of keys and values, a token per row and step.

A loop of our own in place of `model.generate`: a step takes as long (a 3 M-parameter Llama, 16 to 32 rows, one
thread), and rows that have ended leave the batch, where `generate` carries them until the last one ends.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer, DynamicCache
from transformers.utils import logging

from selfinstruct.engines import EngineSettings, TransformersOptions
from selfinstruct.engines.encoding import EncodedRequest
from selfinstruct.engines.sampling import draw
from selfinstruct.errors import InputError
from selfinstruct.prompts import PromptSet, Sampling
from selfinstruct.records import Completion, Finish, Kind

RETIRE = 0.75
"""Rows leave when no more than this share of a batch goes on: leaving copies the cache of those that stay."""


def load(folder: Path, settings: EngineSettings) -> tuple[Any, Any]:
    """The tokenizer and the model, in evaluation mode on its device.

    Raises:
        InputError: dtype or device is unknown or not there, the files cannot be loaded or lack some weights, or the
            model does not decode with a cache of keys and values.
    """
    options = settings.transformers
    device = _device(options)
    code = {"trust_remote_code": options.trust_remote_code}
    try:
        with _quietly():
            tokenizer = AutoTokenizer.from_pretrained(folder, **code)
            model, report = AutoModelForCausalLM.from_pretrained(
                folder, dtype=_dtype(options, device), use_safetensors=True, output_loading_info=True, **code
            )
    except (OSError, ValueError, KeyError, ImportError, RuntimeError, SafetensorError) as error:
        raise InputError(f"--model: {settings.model}: cannot be loaded: {' '.join(str(error).split())}") from error
    if report["missing_keys"]:
        missing = ", ".join(sorted(report["missing_keys"])[:3])
        raise InputError(f"--model: {settings.model}: its safetensors lack weights ({missing} ...); save it whole")
    if "past_key_values" not in inspect.signature(model.forward).parameters:
        raise InputError(f"--model: {settings.model}: keeps no keys and values; take a transformer for causal LM")
    return tokenizer, model.eval().to(device)


class Generator:
    """Completes batches with one model.

    Args:
        tokenizer, model: As `load` gives them.
        prompts: The sampling settings of each kind.
    """

    def __init__(self, tokenizer: Any, model: Any, prompts: PromptSet) -> None:
        self._model = model
        self._prompts = prompts
        eos = model.generation_config.eos_token_id
        ends = {tokenizer.eos_token_id, *(eos if isinstance(eos, list) else [eos])}
        self._endings: Mapping[Kind, Ending] = {
            kind: Ending(tokenizer, ends, prompts[kind].sampling.stop) for kind in prompts.kinds
        }

    @property
    def context(self) -> int | None:
        """The most tokens, prompt and completion, that the model's positions reach; None where they have no end."""
        return getattr(self._model.config.get_text_config(decoder=True), "max_position_embeddings", None)

    @torch.inference_mode()
    def complete(self, batch: Sequence[EncodedRequest]) -> list[Completion]:
        """One completion for each request, in their order. All are of one kind.

        Raises:
            torch.OutOfMemoryError: the batch is too large for the device.
        """
        kind = batch[0].request.kind
        sampling, ending = self._prompts[kind].sampling, self._endings[kind]
        drafts = [_Draft(encoded) for encoded in batch]
        rows, state = drafts, _BatchState(self._model, batch, sampling.max_tokens)
        for _ in range(sampling.max_tokens):
            for draft, token in zip(rows, state.step(sampling), strict=True):
                draft.extend(token, ending)
            going = [at for at, draft in enumerate(rows) if not draft.ended]
            if not going:
                break
            if len(going) <= RETIRE * len(rows):
                state.keep(going)
                rows = [rows[at] for at in going]
        return [draft.completion(ending) for draft in drafts]


class Ending:
    """When a completion ends, and the text it then has.

    Args:
        tokenizer: Decodes tokens.
        ends: The end tokens that model and tokenizer name; None stands for one that is not named.
        stop: Strings that end a completion wherever its text holds one.
    """

    def __init__(self, tokenizer: Any, ends: set[int | None], stop: tuple[str, ...]) -> None:
        self._tokenizer = tokenizer
        self._ends = ends
        self._stop = stop
        self._hidden = {at for at, token in tokenizer.added_tokens_decoder.items() if token.special}
        # a byte takes one token at most; the token before them may lose its leading blank where a text begins
        self._window = 1 + max((len(text.encode()) for text in stop), default=0)

    def reached(self, tokens: Sequence[int]) -> bool:
        """Whether the last of `tokens` ends the completion; the ones before did not.

        Decodes only the last few tokens where those show what the whole text would.
        """
        if tokens[-1] in self._ends:
            return True
        tail = tokens[-self._window :]
        text = self._decode(tail)
        sure = "\ufffd" not in text and self._hidden.isdisjoint(tail)  # no character cut in two, no token left out
        if sure and self._find(text) < 0:
            return False
        return self._find(self._decode(tokens)) >= 0

    def cut(self, tokens: Sequence[int]) -> tuple[str, bool]:
        """The text before the first stop string or end token, and whether there was one."""
        ended = tokens[-1] in self._ends
        text = self._decode(tokens[:-1] if ended else tokens)
        at = self._find(text)
        return (text, ended) if at < 0 else (text[:at], True)

    def _find(self, text: str) -> int:
        return min((at for at in map(text.find, self._stop) if at >= 0), default=-1)

    def _decode(self, tokens: Sequence[int]) -> str:
        return str(self._tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False))


@dataclass(slots=True)
class _Draft:
    """One completion in the making."""

    encoded: EncodedRequest
    tokens: list[int] = field(default_factory=list)
    ended: bool = False

    def extend(self, token: int, ending: Ending) -> None:
        """Take a token, unless the completion has ended and its row only waits to leave."""
        if not self.ended:
            self.tokens.append(token)
            self.ended = ending.reached(self.tokens)

    def completion(self, ending: Ending) -> Completion:
        text, stopped = ending.cut(self.tokens)
        finish = Finish.STOP if stopped else Finish.LENGTH
        return Completion(self.encoded.request.id, text, finish, len(self.encoded.ids), len(self.tokens))


class _BatchState:
    """The tensors of a batch. Row i of each belongs to the same request.

    Args:
        model: In evaluation mode.
        batch: The requests.
        room: The most tokens that a completion may take.
    """

    def __init__(self, model: Any, batch: Sequence[EncodedRequest], room: int) -> None:
        width = max(len(encoded.ids) for encoded in batch)
        ids = torch.zeros(len(batch), width, dtype=torch.int64)
        mask = torch.ones(len(batch), width + room, dtype=torch.int64)
        for row, encoded in enumerate(batch):
            pad = width - len(encoded.ids)
            ids[row, pad:] = torch.tensor(encoded.ids)
            mask[row, :pad] = 0
        self._model = model
        self._accepted = inspect.signature(model.forward).parameters
        self._cache = DynamicCache(config=model.config)
        self._ids = ids.to(model.device)  # what the model has not seen yet
        self._mask = mask.to(model.device)
        self._positions = (self._mask[:, :width].cumsum(-1) - 1).clamp(min=0)
        self._seeds = torch.tensor([encoded.request.seed for encoded in batch], device=model.device)
        self._generated = self._ids[:, :0]

    def step(self, sampling: Sampling) -> list[int]:
        """Draw the next token of each row."""
        tokens = draw(self._logits(), self._generated, self._seeds, sampling)
        self._ids = tokens[:, None]
        self._generated = torch.cat([self._generated, self._ids], dim=-1)
        self._positions = self._positions[:, -1:] + 1
        return [int(token) for token in tokens.tolist()]

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these rows only."""
        chosen = torch.tensor(rows, device=self._ids.device)
        self._cache.reorder_cache(chosen)
        self._ids, self._mask, self._positions = self._ids[chosen], self._mask[chosen], self._positions[chosen]
        self._seeds, self._generated = self._seeds[chosen], self._generated[chosen]

    def _logits(self) -> Tensor:
        seen = self._cache.get_seq_length() + self._ids.shape[1]
        inputs = {
            "input_ids": self._ids,
            "attention_mask": self._mask[:, :seen],
            "position_ids": self._positions,
            "past_key_values": self._cache,
            "use_cache": True,
            "logits_to_keep": 1,
        }
        output = self._model(**{name: value for name, value in inputs.items() if name in self._accepted})
        logits: Tensor = output.logits[:, -1]
        return logits


def _device(options: TransformersOptions) -> torch.device:
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


@contextmanager
def _quietly() -> Iterator[None]:
    """Loading without progress bars and notes; what matters of them is checked."""
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
