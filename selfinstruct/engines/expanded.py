"""Decoding for models that compute attention in a way of their own: a batch of one kind from its start to its end.

Uses only what every causal model of transformers understands: left-padded rows, a mask, positions and a cache. The
prefix goes through the model once; its keys and values are copied into every row. So that a row's columns stay
together whatever its length, as sliding windows need it, rows with short suffixes compute the end of their prefix
again in place of padding.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from selfinstruct.engines.drafts import Draft
from selfinstruct.engines.encoding import EncodedRequest
from selfinstruct.engines.sampling import draw
from selfinstruct.prompts import Sampling
from selfinstruct.records import Kind

RETIRE = 0.75
"""Rows leave when no more than this share of a batch goes on: leaving copies the cache of those that stay."""

ATTENTION = {"full_attention", "sliding_attention", "chunked_attention"}
"""Layers whose keys and values can be kept whole and looked at in part."""


class ExpandedDecoder:
    """Batches of one kind. Satisfies `lanes.Decoder`.

    Args:
        model: In evaluation mode.
        sampling: Of each kind.
        prefixes: The first tokens of all prompts of a kind.
    """

    def __init__(self, model: Any, sampling: Mapping[Kind, Sampling], prefixes: Mapping[Kind, Sequence[int]]) -> None:
        self._model = model
        self._accepted = inspect.signature(model.forward).parameters
        self._sampling = sampling
        layers = getattr(model.config.get_text_config(decoder=True), "layer_types", None) or ()
        whole = ATTENTION.issuperset(layers)
        self._prefixes = {kind: ids[:-1] if whole else () for kind, ids in prefixes.items()}  # a row computes something
        self._kept: dict[Kind, list[tuple[Tensor, Tensor]]] = {}
        self._drafts: list[Draft] = []
        self._cache: Any
        self._ids: Tensor  # and what belongs to them, a row for each draft
        self._mask: Tensor
        self._positions: Tensor
        self._check(prefixes)

    def takes(self, kind: Kind) -> bool:
        """Only when there are no rows."""
        return not self._drafts

    def columns(self, encoded: EncodedRequest) -> int:
        """All of them."""
        return len(encoded.ids)

    def shared(self, kind: Kind) -> int:
        """None: every row has its copy."""
        return 0

    def cached(self, kind: Kind) -> int:
        """The prefix, of which every row gets a copy."""
        return len(self._prefixes[kind])

    @torch.inference_mode()
    def join(self, drafts: Sequence[Draft]) -> list[Draft]:
        """Begin a batch; none has ended yet.

        Raises:
            torch.OutOfMemoryError: no batch is begun.
        """
        kind = drafts[0].encoded.request.kind
        self._begin(kind, [draft.encoded.ids for draft in drafts])
        self._seeds = torch.tensor([draft.encoded.request.seed for draft in drafts], device=self._model.device)
        self._generated = self._ids[:, :0]
        self._drafts = list(drafts)
        self._kind = kind
        return []

    @torch.inference_mode()
    def step(self) -> list[Draft]:
        """A token for each row.

        Raises:
            torch.OutOfMemoryError: the batch is lost; `clear` it.
        """
        if not self._drafts:
            return []
        tokens = draw(self._logits(), self._generated, self._seeds, self._sampling[self._kind])
        self._ids = tokens[:, None].clamp(min=0)  # a row that has no token waits to leave
        self._mask = torch.cat([self._mask, torch.ones_like(self._ids)], dim=-1)
        self._positions = self._positions[:, -1:] + 1
        self._generated = torch.cat([self._generated, self._ids], dim=-1)
        going = [draft for draft in self._drafts if not draft.ended]
        for draft, token in zip(self._drafts, tokens.tolist(), strict=True):
            draft.extend(token)
        rows = [row for row, draft in enumerate(self._drafts) if not draft.ended]
        if not rows:
            self.clear()
        elif len(rows) <= RETIRE * len(self._drafts):
            self._keep(rows)
        return [draft for draft in going if draft.ended]

    def clear(self) -> None:
        """Drop the batch; prefixes stay."""
        self._drafts = []
        self._cache = self._ids = self._mask = self._positions = self._seeds = self._generated = None  # type: ignore[assignment]

    @torch.inference_mode()
    def _check(self, prefixes: Mapping[Kind, Sequence[int]]) -> None:
        """Take two rows of unequal length through the model, so that what it cannot do is known at once."""
        for kind, ids in list(prefixes.items())[:1]:
            self._begin(kind, [[*ids, 0], [*ids, 0, 0]])
            self._logits()
            self.clear()

    def _begin(self, kind: Kind, prompts: Sequence[Sequence[int]]) -> None:
        """Set up the rows: a cache with as much of the prefix as a row does not compute itself, the other ids, the
        mask of both, and the ids' positions."""
        prefix = len(self._prefixes[kind])
        width = max(map(len, prompts)) - prefix  # what is computed of each row
        ids = torch.zeros(len(prompts), width, dtype=torch.int64)
        mask = torch.zeros(len(prompts), prefix + width, dtype=torch.int64)
        copied = []  # tokens of the prefix that a row takes over
        for row, prompt in enumerate(prompts):
            tail = prompt[-width:]
            ids[row, width - len(tail) :] = torch.tensor(tail)
            mask[row, -len(prompt) :] = 1
            copied.append(len(prompt) - len(tail))
        device = self._model.device
        cache = DynamicCache() if prefix else DynamicCache(config=self._model.config)
        for layer, pair in enumerate(self._prefix(kind)):
            key, value = (_shifted(whole, copied) for whole in pair)
            cache.update(key, value, layer)
        self._cache, self._ids, self._mask = cache, ids.to(device), mask.to(device)
        self._positions = (self._mask.cumsum(-1) - 1).clamp(min=0)[:, -width:]

    def _prefix(self, kind: Kind) -> list[tuple[Tensor, Tensor]]:
        ids = self._prefixes[kind]
        if ids and kind not in self._kept:
            cache = DynamicCache()
            self._model(input_ids=torch.tensor([ids], device=self._model.device), past_key_values=cache, use_cache=True)
            self._kept[kind] = [(layer.keys, layer.values) for layer in cache.layers]
        return self._kept.get(kind, [])

    def _keep(self, rows: Sequence[int]) -> None:
        """Go on with these rows only."""
        chosen = torch.tensor(rows, device=self._ids.device)
        self._cache.reorder_cache(chosen)
        self._ids, self._mask, self._positions = self._ids[chosen], self._mask[chosen], self._positions[chosen]
        self._seeds, self._generated = self._seeds[chosen], self._generated[chosen]
        self._drafts = [self._drafts[row] for row in rows]

    def _logits(self) -> Tensor:
        inputs = {
            "input_ids": self._ids,
            "attention_mask": self._mask,
            "position_ids": self._positions,
            "past_key_values": self._cache,
            "use_cache": True,
            "logits_to_keep": 1,
        }
        output = self._model(**{name: value for name, value in inputs.items() if name in self._accepted})
        logits: Tensor = output.logits[:, -1]
        return logits


def _shifted(whole: Tensor, lengths: Sequence[int]) -> Tensor:
    """The first so many columns of (1, heads, columns, size) for each row, moved to the end."""
    rows = whole.new_zeros(len(lengths), *whole.shape[1:])
    for row, length in enumerate(lengths):
        if length:
            rows[row, :, -length:] = whole[0, :, :length]
    return rows
