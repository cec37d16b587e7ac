"""Attention of rows that share a prefix: the prefix's keys and values are read once per step, not once per row.

Softmax attention over two sets of keys is the mean of the attentions over each, weighted by the sums of exponentials
that each has in its denominator. So all rows' queries, and the heads of a group, are folded into one attention over
the prefix, which is never copied; a second one goes over each row's own keys; their log-sum-exps merge the two:

    out = own + sigmoid(lse_prefix - lse_own) * (shared - own)

Models of transformers call a function by name (`AttentionInterface`); ours is registered under `NAME`, and is told
about rows and prefixes by the keyword `ROWS` of the model's forward. It also keeps the keys and values: the cache that
the model sees (`PassThrough`) gives back what it gets. One forward pass may hold several `Segment`s, each with a
prefix and a store of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor
from transformers import AttentionInterface, Cache

from selfinstruct.engines.kernels import (
    STEP,
    Kernel,
    Kernels,
    as_mask,
    by_definition,
    choose_kernel,
    choose_step_kernel,
)

NAME = "selfinstruct_shared_prefix"
ROWS = "selfinstruct_rows"
UNKNOWN = ("s_aux", "sinks", "position_bias", "attention_bias")
"""Keywords of attentions that are none of softmax(query . key): sinks, learnt biases."""


class Unsupported(Exception):  # noqa: N818  (no failure: the model is then served in another way)
    """A model's attention is more than this file computes."""


# ---- keys and values


class Store:
    """Keys and values of rows, by layer: row r's column c holds what the c-th of its own tokens gave.

    Layers are allocated as they are first written, since only then their heads and sizes are known. Rows grow by
    eights, columns by half, and one layer after the other, so that no two of all are there at a time.
    """

    def __init__(self) -> None:
        self.layers: dict[int, tuple[Tensor, Tensor]] = {}
        self._rows = 0
        self._columns = 0

    def reserve(self, rows: int, columns: int) -> None:
        """Make room for so many rows and columns; what is there stays."""
        if rows <= self._rows and columns <= self._columns:
            return
        if columns > self._columns:
            self._columns = -(-max(columns, 3 * self._columns // 2) // STEP) * STEP
        self._rows = max(self._rows, -(-rows // 8) * 8) if rows > 1 else max(self._rows, rows)
        for layer, (key, value) in self.layers.items():
            self.layers[layer] = self._grown(key), self._grown(value)

    def layer(self, number: int, like_key: Tensor, like_value: Tensor) -> tuple[Tensor, Tensor]:
        """A layer's keys and values, (rows, heads, columns, size) each; for heads like the given ones."""
        if number not in self.layers:
            self.layers[number] = self._new(like_key), self._new(like_value)
        return self.layers[number]

    def move(self, origins: Tensor, places: Tensor, columns: int) -> None:
        """Copy rows over other ones, so far as they are filled."""
        for pair in self.layers.values():
            for whole in pair:
                whole[places, :, :columns] = whole[origins, :, :columns]

    def blank(self, rows: Tensor) -> None:
        """Zeros in place of what these rows hold, for whoever comes there next."""
        for pair in self.layers.values():
            for whole in pair:
                whole[rows] = 0

    def _new(self, like: Tensor) -> Tensor:
        return like.new_zeros(self._rows, like.shape[1], self._columns, like.shape[3])  # a hidden NaN would still tell

    def _grown(self, whole: Tensor) -> Tensor:
        new = self._new(whole)
        new[: whole.shape[0], :, : whole.shape[2]] = whole
        return new


@dataclass(frozen=True, slots=True)
class Prefix:
    """The first tokens of all prompts of a kind, by their keys and values."""

    length: int
    store: Store  # of one row


class PassThrough(Cache):  # type: ignore[misc]
    """The cache that the model sees. It keeps nothing: the attention function does."""

    def __init__(self) -> None:
        super().__init__(layers=[])

    def update(
        self, key_states: Tensor, value_states: Tensor, layer_idx: int, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        return key_states, value_states


# ---- the attention function


@dataclass(frozen=True, slots=True)
class Layer:
    """What a model's layer wants of attention."""

    number: int
    scale: float  # of the scores
    window: int  # how many tokens up to itself one sees; 0 for all
    softcap: float | None  # bounds the scores


class Attending(Protocol):
    """What a pass of the model brings with it, to be asked in each layer."""

    def attend(self, layer: Layer, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """The attention of the pass's tokens.

        Args:
            layer: Which it is of.
            query, key, value: (1, heads, tokens, size) each; there may be fewer heads of key and value.

        Returns:
            (tokens, heads, size of values).
        """


@dataclass(slots=True)
class Segment:
    """Consecutive tokens of a forward pass, of rows that have a prefix and a store in common.

    A pass is one long sequence for the model, without padding. Either each row brings its first tokens, row after row
    (`padded` says where they lie if every row is given as many), or one token each.
    """

    store: Store
    prefix: Prefix | None
    rows: Tensor  # in the store, (rows,)
    at: Tensor  # the column of each token among its row's own, (tokens,)
    least: int  # the least and the largest of them
    most: int
    padded: Tensor | None = None  # (tokens,), below rows * (most + 1)
    _own_masks: dict[int, Tensor] = field(default_factory=dict)  # by window, as the following
    _prefix_masks: dict[int, tuple[int, Tensor | None]] = field(default_factory=dict)

    def attend(self, layer: Layer, query: Tensor, key: Tensor, value: Tensor, kernels: Kernels) -> Tensor:
        """The attention of these tokens, as `Attending` has it."""
        heads, group = query.shape[1], query.shape[1] // key.shape[1]
        length = self.prefix.length if self.prefix else 0
        window = 0 if length + self.most < layer.window else layer.window
        if self.padded is None:
            own, own_total = self._step(layer, window, query, key, value, kernels)
        else:
            own, own_total = self._opening(layer, window, query, key, value, kernels, self.padded)
        start, mask = self._prefix_mask(length, window, query.dtype, group)
        if self.prefix is None or start >= length:
            return own
        keys, values = (one[:, :, start:length] for one in self.prefix.store.layers[layer.number])
        folded = query.reshape(1, key.shape[1], -1, query.shape[-1])
        shared, total = kernels.whole(folded, keys, values, mask, False, layer.scale)
        shared, total = shared.reshape(heads, -1, shared.shape[-1]).transpose(0, 1), total.reshape(heads, -1).T
        share = (total - own_total).sigmoid()[..., None]
        return torch.lerp(own.float(), shared.float(), share).to(query.dtype)

    def _step(
        self, layer: Layer, window: int, query: Tensor, key: Tensor, value: Tensor, kernels: Kernels
    ) -> tuple[Tensor, Tensor]:
        """One token of each row over what its row has in the store; those of a group of heads go together."""
        keys, values = self.store.layer(layer.number, key, value)
        for whole, new in ((keys, key), (values, value)):
            whole[self.rows, :, self.at] = new[0].transpose(0, 1)
        count, width = len(self.rows), -(-(self.most + 1) // STEP) * STEP
        folded = query[0].transpose(0, 1).reshape(count, key.shape[1], -1, query.shape[-1])
        if kernels.step is not None:
            own, total = kernels.step(folded, keys, values, self.at, window, layer.scale)
        else:
            mask = self._own_mask(width, window, query.dtype)
            own, total = kernels.whole(
                folded, keys[:count, :, :width], values[:count, :, :width], mask, False, layer.scale
            )
        return own.reshape(count, query.shape[1], -1), total.reshape(count, -1)

    def _opening(
        self,
        layer: Layer,
        window: int,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        kernels: Kernels,
        padded: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """First tokens over those before them in their rows, which are padded for that."""
        count, width = len(self.rows), self.most + 1

        def pad(flat: Tensor) -> Tensor:
            whole = flat.new_zeros(count * width, flat.shape[1], flat.shape[3])
            whole[padded] = flat[0].transpose(0, 1)
            return whole.view(count, width, *whole.shape[1:]).transpose(1, 2)

        query, key, value = pad(query), pad(key), pad(value)
        for whole, new in zip(self.store.layer(layer.number, key, value), (key, value), strict=True):
            whole[self.rows, :, :width] = new
        mask = self._own_mask(width, window, query.dtype) if window else None  # else it is the causal one
        key, value = (_repeated(one, query.shape[1] // key.shape[1]) for one in (key, value))
        own, total = kernels.whole(query, key, value, mask, mask is None, layer.scale)
        own, total = own.transpose(1, 2).flatten(0, 1), total.transpose(1, 2).flatten(0, 1)
        return own[padded], total[padded]

    def _own_mask(self, width: int, window: int, dtype: torch.dtype) -> Tensor:
        """The mask over own columns, (rows, 1, 1, width), or (1, 1, width, width) where each row has all of them."""
        if window not in self._own_masks:
            columns = torch.arange(width, device=self.at.device)
            at = self.at[:, None, None, None] if self.padded is None else columns[None, None, :, None]
            back = at - columns
            self._own_masks[window] = as_mask((back >= 0) & (back < window) if window else back >= 0, dtype)
        return self._own_masks[window]

    def _prefix_mask(self, length: int, window: int, dtype: torch.dtype, group: int) -> tuple[int, Tensor | None]:
        """The first column of the prefix that any token sees, and the mask over it and those after it."""
        if window not in self._prefix_masks:
            start, mask = max(0, length + self.least - window + 1) if window else 0, None
            if window and start < length:
                far = self.at[:, None] + length - torch.arange(start, length, device=self.at.device)
                mask = as_mask((far < window).repeat(group, 1), dtype)[None, None]
            self._prefix_masks[window] = start, mask
        return self._prefix_masks[window]


def _repeated(heads: Tensor, times: int) -> Tensor:
    """Each head for all of its group."""
    return heads.repeat_interleave(times, dim=1) if times > 1 else heads


@dataclass(slots=True)
class Rows:
    """The rows of a pass: its segments, and how their attention is computed."""

    segments: list[Segment]
    kernels: dict[tuple[int, int], Kernels]  # by the head sizes of query and value, found as they are met
    windows: list[int] = field(default_factory=list)  # of the layers as they were computed

    def attend(self, layer: Layer, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """As `Attending` has it, one segment after the other."""
        self.windows.append(layer.window)
        kernels = self._kernels_for(query, value, layer.softcap)
        pieces, start = [], 0
        for segment in self.segments:
            part = slice(start, start + len(segment.at))
            tokens = query[:, :, part], key[:, :, part], value[:, :, part]
            pieces.append(segment.attend(layer, *tokens, kernels))
            start = part.stop
        return pieces[0] if len(pieces) == 1 else torch.cat(pieces)

    def _kernels_for(self, query: Tensor, value: Tensor, softcap: float | None) -> Kernels:
        """The best kernels for such heads."""
        if softcap:
            return Kernels(_capped(softcap))
        sizes = query.shape[-1], value.shape[-1]
        if sizes not in self.kernels:
            heads = query.device, query.dtype, sizes[0]
            alike = sizes[0] == sizes[1]
            chosen = Kernels(choose_kernel(*heads), choose_step_kernel(*heads)) if alike else Kernels(by_definition)
            self.kernels[sizes] = chosen
        return self.kernels[sizes]


def _capped(softcap: float) -> Kernel:
    def kernel(
        query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, causal: bool, scale: float
    ) -> tuple[Tensor, Tensor]:
        return by_definition(query, key, value, mask, causal, scale, softcap)

    return kernel


def attend(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: object,
    *,
    scaling: float | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    **others: Any,
) -> tuple[Tensor, None]:
    """What models call in place of their own attention. Masks are ours alone.

    Raises:
        Unsupported: the model's attention is more than this.
    """
    if any(others.get(name) is not None for name in UNKNOWN):
        raise Unsupported("its attention has sinks or biases")
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    attending: Attending = others[ROWS]
    out = attending.attend(Layer(module.layer_idx, scale, sliding_window or 0, softcap), query, key, value)
    return out[None], None


AttentionInterface.register(NAME, attend)
