"""Steps on a GPU, launched layer by layer and not kernel by kernel.

A step of a few hundred tokens takes the GPU less time than it takes Python to launch its kernels, some thirty in a
layer beside attention. CUDA can record what is launched, and launch it all again at once (CUDA graphs). Attention is
left out of that: its shapes change with the rows. So the model runs once on so many tokens while CUDA records, the
recording pauses wherever the model calls for attention, and a step plays the pieces with the rows' attention between.
Recordings are made as they are needed, for sizes a few apart, and are good for any rows, prefixes and kinds.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor

from selfinstruct.engines.attention import Attending, Layer, Rows

MOST = 1024
"""Tokens of the largest recording: from there on the GPU takes longer for a step than Python."""

Forward: TypeAlias = Callable[[Tensor, Tensor, Attending, Tensor], Tensor]
"""(tokens, positions, what attends, places of the tokens whose logits are wanted) -> logits."""


class Unrecordable(Exception):  # noqa: N818  (no failure: kernels are then launched one by one)
    """A model waits for the GPU within a pass, or memory is short."""


def recorded_size(tokens: int) -> int:
    """Tokens of the recording that serves so many: of multiples of 8, four for each doubling."""
    step = max(8, (1 << (tokens - 1).bit_length()) // 8)
    return -(-tokens // step) * step


@dataclass(frozen=True, slots=True)
class Gap:
    """A place between two pieces of a recording, where attention goes. Row i of each tensor is the i-th token's."""

    layer: Layer
    inputs: tuple[Tensor, ...]  # query, key and value, (MOST, heads, size) each
    output: Tensor  # (MOST, heads, size)


class Graphs:
    """Passes of a model with one token of each row.

    Args:
        forward: Runs the model.
        device: A GPU.
    """

    def __init__(self, forward: Forward, device: torch.device) -> None:
        self._forward = forward
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]  # CUDA records none that is the default
        self._pool: Any = torch.cuda.graph_pool_handle()  # of all recordings, since one is played at a time
        self._places = _Places()
        self._recordings: dict[int, _Recording] = {}
        self._ids, self._positions = torch.zeros(2, MOST, dtype=torch.int64, device=device)
        self._all = torch.arange(MOST, device=device)
        self._logits = torch.empty(0)  # of the last pass

    def logits(self, ids: Tensor, positions: Tensor, rows: Rows) -> Tensor:
        """The logits after each of at most `MOST` tokens, (tokens, vocabulary); good until the next call.

        Raises:
            Unrecordable: such a pass cannot be recorded; the rows are as they were.
        """
        count = len(ids)
        size = recorded_size(count)
        if size not in self._recordings:
            self._recordings[size] = self._recorded(size)
        pieces, gaps = self._recordings[size].pieces, self._recordings[size].gaps
        self._ids[:count], self._positions[:count] = ids, positions
        for piece, gap in zip(pieces, gaps, strict=False):
            piece.replay()
            tokens = (whole[:count].transpose(0, 1)[None] for whole in gap.inputs)
            gap.output[:count] = rows.attend(gap.layer, *tokens)
        pieces[-1].replay()
        return self._logits[:count]

    def _recorded(self, size: int) -> _Recording:
        current = torch.cuda.current_stream()
        self._stream.wait_stream(current)
        try:
            with torch.cuda.stream(self._stream), _uncollected():
                self._run(size, _Rehearsal(self._places))  # what is set up at first use must not be recorded
                recording = _Recording(self._places, self._pool)
                recording.begin()
                try:
                    self._run(size, recording)
                finally:
                    recording.end()
        except RuntimeError as error:  # torch's, for anything that CUDA refuses
            raise Unrecordable(str(error)) from error
        current.wait_stream(self._stream)
        return recording

    def _run(self, size: int, attending: Attending) -> None:
        logits = self._forward(self._ids[:size], self._positions[:size], attending, self._all[:size])
        self._logits = self._places.take("logits", logits)


class _Places:
    """Where pieces leave what is needed after them: the same for all layers and sizes, one after the other."""

    def __init__(self) -> None:
        self._tensors: dict[tuple[object, ...], Tensor] = {}

    def of(self, name: str, like: Tensor, *shape: int) -> Tensor:
        """A tensor that stays, (MOST, *shape)."""
        key = name, shape, like.dtype
        if key not in self._tensors:
            self._tensors[key] = like.new_zeros(MOST, *shape)
        return self._tensors[key]

    def take(self, name: str, tokens: Tensor) -> Tensor:
        """Copy what there is of each token to its place, which is returned."""
        place = self.of(name, tokens, *tokens.shape[1:])
        place[: len(tokens)] = tokens
        return place


class _Rehearsal:
    """A pass without attention, after which everything has its place."""

    def __init__(self, places: _Places) -> None:
        self._places = places

    def attend(self, layer: Layer, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Where attention's output is to be found, (tokens, heads, size)."""
        return self._gap(layer, query, key, value).output[: query.shape[2]]

    def _gap(self, layer: Layer, query: Tensor, key: Tensor, value: Tensor) -> Gap:
        named = {"query": query, "key": key, "value": value}
        inputs = tuple(self._places.take(name, one[0].transpose(0, 1)) for name, one in named.items())
        return Gap(layer, inputs, self._places.of("output", value, query.shape[1], value.shape[-1]))


class _Recording(_Rehearsal):
    """What a pass launches, in pieces, with a gap after each but the last."""

    def __init__(self, places: _Places, pool: Any) -> None:
        super().__init__(places)
        self._pool = pool
        self.pieces: list[torch.cuda.CUDAGraph] = []
        self.gaps: list[Gap] = []

    def attend(self, layer: Layer, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """End a piece and begin the next."""
        gap = self._gap(layer, query, key, value)
        self.end()
        self.gaps.append(gap)
        self.begin()
        return gap.output[: query.shape[2]]

    def begin(self) -> None:
        """From now on what this thread launches is recorded, not run."""
        self.pieces.append(torch.cuda.CUDAGraph())
        self.pieces[-1].capture_begin(pool=self._pool, capture_error_mode="thread_local")

    def end(self) -> None:
        """Until now."""
        self.pieces[-1].capture_end()


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without garbage collection, which may free something of CUDA's, another recording say, and so end this one."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()
