"""A step's attention over each row's own tokens, on a GPU (Triton).

Torch's kernels take rows of one length, so they read a store up to its longest row and want a mask; and they work on 64
queries at once where a step has the few of a group of heads. This one reads what a row has, no more, at close to the
memory's speed. A row's sums are taken in the same order whatever the other rows are.

Importing this file needs Triton, which comes with torch for CUDA.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

BLOCK = 16 * 2**10
"""Bytes of keys, or of values, that are read at once: of 64 columns, for heads of 128 in half precision."""


def over_own_columns(
    query: Tensor, key: Tensor, value: Tensor, last: Tensor, window: int, scale: float
) -> tuple[Tensor, Tensor]:
    """As `kernels.StepKernel` has it."""
    rows, heads, group, size = query.shape
    padded_size = max(16, triton.next_power_of_2(size))  # 16 is the least that matrix units take
    out = torch.empty_like(query, memory_format=torch.contiguous_format)
    total = torch.empty(rows, heads, group, dtype=torch.float32, device=query.device)
    _attend[(rows, heads)](
        query,
        key,
        value,
        last,
        out,
        total,
        *query.stride()[:3],
        *key.stride()[:3],
        *value.stride()[:3],
        window or 2**31 - 1,
        scale,
        heads=heads,
        group=group,
        at_once=max(16, triton.next_power_of_2(group)),
        size=size,
        padded_size=padded_size,
        step=max(16, min(64, BLOCK // (padded_size * query.element_size()))),
        num_warps=4,
        num_stages=2,
    )
    return out, total


@triton.jit(do_not_specialize=["window"])  # type: ignore[untyped-decorator]
def _attend(  # type: ignore[no-untyped-def]
    query,
    key,
    value,
    last,
    out,
    total,
    query_row,
    query_head,
    query_group,
    key_row,
    key_head,
    key_column,
    value_row,
    value_head,
    value_column,
    window,
    scale,
    heads: tl.constexpr,
    group: tl.constexpr,
    at_once: tl.constexpr,
    size: tl.constexpr,
    padded_size: tl.constexpr,
    step: tl.constexpr,
):
    """One program for each row and head: softmax over its columns, as many at once as step, kept as running sums."""
    row, head = tl.program_id(0).to(tl.int64), tl.program_id(1).to(tl.int64)
    end = tl.load(last + row) + 1
    begin = tl.maximum(end - window, 0)
    queries, places = tl.arange(0, at_once), tl.arange(0, padded_size)
    within = (queries < group)[:, None] & (places < size)[None, :]
    asked = tl.load(
        query + row * query_row + head * query_head + queries[:, None] * query_group + places[None, :], within, 0.0
    )
    keys = key + row * key_row + head * key_head
    values = value + row * value_row + head * value_head
    best = tl.full([at_once], -float("inf"), tl.float32)
    summed = tl.zeros([at_once], tl.float32)
    mixed = tl.zeros([at_once, padded_size], tl.float32)
    for start in range(begin // step * step, end, step):
        columns = start + tl.arange(0, step)
        seen = (columns >= begin) & (columns < end)
        held = seen[:, None] & (places < size)[None, :]
        block = tl.load(keys + columns[:, None] * key_column + places[None, :], held, 0.0)
        scores = tl.dot(asked, tl.trans(block), input_precision="ieee") * scale
        scores = tl.where(seen[None, :], scores, -float("inf"))
        better = tl.maximum(best, tl.max(scores, 1))
        weights, kept = tl.exp(scores - better[:, None]), tl.exp(best - better)
        block = tl.load(values + columns[:, None] * value_column + places[None, :], held, 0.0)
        mixed = mixed * kept[:, None] + tl.dot(weights.to(block.dtype), block, input_precision="ieee")
        summed = summed * kept + tl.sum(weights, 1)
        best = better
    place = (row * heads + head) * group + queries
    tl.store(out + place[:, None] * size + places[None, :], (mixed / summed[:, None]).to(asked.dtype), within)
    tl.store(total + place, best + tl.log(summed), queries < group)
