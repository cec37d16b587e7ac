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

from selfinstruct.engines.kernels import STEP, Kernel, as_mask, by_definition, choose_kernel

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
    _masks: dict[int, tuple[Tensor | None, int, Tensor | None]] = field(default_factory=dict)

    def attend(self, layer: Layer, query: Tensor, key: Tensor, value: Tensor, kernel: Kernel) -> Tensor:
        """The attention of these tokens, as `Attending` has it."""
        heads, group = query.shape[1], query.shape[1] // key.shape[1]
        own_mask, start, prefix_mask = self._masks_for(layer.window, query.dtype, group)
        if self.padded is None:
            own, own_total = self._step(layer, query, key, value, kernel, own_mask)
        else:
            own, own_total = self._opening(layer, query, key, value, kernel, own_mask, self.padded)
        if self.prefix is None or start >= self.prefix.length:
            return own
        keys, values = (one[:, :, start : self.prefix.length] for one in self.prefix.store.layers[layer.number])
        folded = query.reshape(1, key.shape[1], -1, query.shape[-1])
        shared, total = kernel(folded, keys, values, prefix_mask, False, layer.scale)
        shared, total = shared.reshape(heads, -1, shared.shape[-1]).transpose(0, 1), total.reshape(heads, -1).T
        share = (total - own_total).sigmoid()[..., None]
        return torch.lerp(own.float(), shared.float(), share).to(query.dtype)

    def _step(
        self,
        layer: Layer,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        kernel: Kernel,
        mask: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        """One token of each row over what its row has in the store; those of a group of heads go together."""
        keys, values = self.store.layer(layer.number, key, value)
        for whole, new in ((keys, key), (values, value)):
            whole[self.rows, :, self.at] = new[0].transpose(0, 1)
        count, width = len(self.rows), self._width
        folded = query[0].transpose(0, 1).reshape(count, key.shape[1], -1, query.shape[-1])
        own, total = kernel(folded, keys[:count, :, :width], values[:count, :, :width], mask, False, layer.scale)
        return own.reshape(count, query.shape[1], -1), total.reshape(count, -1)

    def _opening(
        self,
        layer: Layer,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        kernel: Kernel,
        mask: Tensor | None,
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
        group = query.shape[1] // key.shape[1]
        own, total = kernel(query, _repeated(key, group), _repeated(value, group), mask, mask is None, layer.scale)
        own, total = own.transpose(1, 2).flatten(0, 1), total.transpose(1, 2).flatten(0, 1)
        return own[padded], total[padded]

    @property
    def _width(self) -> int:
        return -(-(self.most + 1) // STEP) * STEP

    def _masks_for(self, window: int, dtype: torch.dtype, group: int) -> tuple[Tensor | None, int, Tensor | None]:
        """The mask over own columns, the first column of the prefix that any token sees, and the mask over the rest."""
        length = self.prefix.length if self.prefix else 0
        if length + self.most < window:
            window = 0
        if window not in self._masks:
            start = max(0, length + self.least - window + 1) if window else 0
            prefix_mask = None
            if window and start < length:
                far = self.at[:, None] + length - torch.arange(start, length, device=self.at.device)
                prefix_mask = as_mask((far < window).repeat(group, 1), dtype)[None, None]
            self._masks[window] = self._own_mask(window, dtype), start, prefix_mask
        return self._masks[window]

    def _own_mask(self, window: int, dtype: torch.dtype) -> Tensor | None:
        if self.padded is None:
            back = self.at[:, None, None, None] - torch.arange(self._width, device=self.at.device)
        elif window:
            columns = torch.arange(self.most + 1, device=self.at.device)
            back = (columns[:, None] - columns)[None, None]
        else:
            return None  # causal
        return as_mask((back >= 0) & (back < window) if window else back >= 0, dtype)


def _repeated(heads: Tensor, times: int) -> Tensor:
    """Each head for all of its group."""
    return heads.repeat_interleave(times, dim=1) if times > 1 else heads


@dataclass(slots=True)
class Rows:
    """The rows of a pass: its segments, and how their attention is computed."""

    segments: list[Segment]
    kernels: dict[tuple[int, int], Kernel]  # by the head sizes of query and value, found as they are met
    windows: list[int] = field(default_factory=list)  # of the layers as they were computed

    def attend(self, layer: Layer, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """As `Attending` has it, one segment after the other."""
        self.windows.append(layer.window)
        kernel = self._kernel(query, value, layer.softcap)
        pieces, start = [], 0
        for segment in self.segments:
            part = slice(start, start + len(segment.at))
            tokens = query[:, :, part], key[:, :, part], value[:, :, part]
            pieces.append(segment.attend(layer, *tokens, kernel))
            start = part.stop
        return pieces[0] if len(pieces) == 1 else torch.cat(pieces)

    def _kernel(self, query: Tensor, value: Tensor, softcap: float | None) -> Kernel:
        """The best kernel for such heads."""
        if softcap:
            return _capped(softcap)
        sizes = query.shape[-1], value.shape[-1]
        if sizes not in self.kernels:
            alike = sizes[0] == sizes[1]
            self.kernels[sizes] = choose_kernel(query.device, query.dtype, sizes[0]) if alike else by_definition
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
