"""Attention that also gives the log-sum-exp of the scores, so that attentions over parts can be merged.

Torch's public function keeps it to itself; its inner ones give it. Which of them serve a device, a dtype and a head
size depends on the version and the hardware, so they are tried out rather than trusted (`choose_kernel`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

log = logging.getLogger(__name__)

STEP = 16
"""Rows of masks begin at multiples of this many elements, as CUDA kernels want it; stores grow by it."""

Kernel: TypeAlias = Callable[[Tensor, Tensor, Tensor, "Tensor | None", bool, float], tuple[Tensor, Tensor]]
"""(query, key, value, mask to add or None, causal, scale) -> (output, log-sum-exp in float32).

Query is (rows, heads, queries, size), key and value (rows, heads, columns, size); the log-sum-exp (rows, heads,
queries). A mask is broadcast to (rows, heads, queries, columns); what it hides holds `hidden(dtype)`.
"""

StepKernel: TypeAlias = Callable[[Tensor, Tensor, Tensor, Tensor, int, float], tuple[Tensor, Tensor]]
"""(query, key, value, last, window, scale) -> (output, log-sum-exp in float32).

As `Kernel`, but all queries of a row see its columns up to `last`, (rows,), itself included, and no more than `window`
of them; 0 is no bound. There may be more rows of key and value than of query.
"""


@dataclass(frozen=True, slots=True)
class Kernels:
    """What computes attention of one kind of heads."""

    whole: Kernel
    step: StepKernel | None = None  # where there is none, the other one takes a mask


def hidden(dtype: torch.dtype) -> float:
    """What a mask adds to hide a column: finite, so that a query to which all are hidden gives no NaN."""
    return torch.finfo(dtype).min / 2


def as_mask(seen: Tensor, dtype: torch.dtype) -> Tensor:
    """What is to be added for (..., columns) of what is seen; a view of whole `STEP`s."""
    columns = seen.shape[-1]
    mask = torch.zeros(*seen.shape[:-1], -(-columns // STEP) * STEP, dtype=dtype, device=seen.device)
    return mask[..., :columns].masked_fill_(~seen, hidden(dtype))


def by_definition(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, causal: bool, scale: float, softcap: float = 0.0
) -> tuple[Tensor, Tensor]:
    """The kernel that is right everywhere. `softcap` bounds the scores (Gemma 2)."""
    scores = (query @ key.transpose(-1, -2)).float() * scale
    if softcap:
        scores = (scores / softcap).tanh() * softcap
    if causal:
        above = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).triu(1)
        scores = scores.masked_fill(above, -torch.inf)
    if mask is not None:
        scores = scores + mask
    total = scores.logsumexp(-1)
    return (scores - total[..., None]).exp().to(value.dtype) @ value, total


def _flash_cpu(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, causal: bool, scale: float
) -> tuple[Tensor, Tensor]:
    if mask is not None:
        mask = mask.expand(-1, -1, query.shape[2], -1)
    out, total = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
        query, key, value, 0.0, causal, attn_mask=mask, scale=scale
    )
    return out, total


def _flash_cuda(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, causal: bool, scale: float
) -> tuple[Tensor, Tensor]:
    if mask is not None:  # it takes none
        return _efficient_cuda(query, key, value, mask, causal, scale)
    out, total, *_ = torch.ops.aten._scaled_dot_product_flash_attention(
        query, key, value, 0.0, causal, False, scale=scale
    )
    return out, total[..., : query.shape[2]]


def _efficient_cuda(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, causal: bool, scale: float
) -> tuple[Tensor, Tensor]:
    if mask is not None:
        mask = mask.expand(query.shape[0], query.shape[1], query.shape[2], -1)
    out, total, *_ = torch.ops.aten._scaled_dot_product_efficient_attention(
        query, key, value, mask, True, 0.0, causal, scale=scale
    )
    return out, total[..., : query.shape[2]]  # comes padded to a multiple of 32


CANDIDATES: dict[str, tuple[Kernel, ...]] = {"cpu": (_flash_cpu,), "cuda": (_flash_cuda, _efficient_cuda)}


def choose_kernel(device: torch.device, dtype: torch.dtype, head_size: int) -> Kernel:
    """The first of the device's kernels that agrees with the definition on such heads; else the definition."""
    return next(
        (kernel for kernel in CANDIDATES.get(device.type, ()) if _agrees(kernel, device, dtype, head_size)),
        by_definition,
    )


def choose_step_kernel(device: torch.device, dtype: torch.dtype, head_size: int) -> StepKernel | None:
    """Triton's on a GPU, if it is there and agrees with the definition."""
    if device.type != "cuda":
        return None
    try:
        from selfinstruct.engines.step_kernel import over_own_columns

        return over_own_columns if step_agrees(over_own_columns, device, dtype, head_size) else None
    except torch.OutOfMemoryError:  # says nothing about the kernel
        raise
    except Exception as error:  # no Triton, or none that can compile for this GPU on this machine
        reason = " ".join(str(error).split())[:200]
        log.warning("a step's attention takes torch's kernels, slower than Triton's, which wants gcc: %s", reason)
        return None


def step_agrees(kernel: StepKernel, device: torch.device, dtype: torch.dtype, head_size: int) -> bool:
    """Whether a kernel gives what it should for rows of many lengths, with and without a window."""
    source = torch.Generator().manual_seed(0)
    query, key, value = (
        torch.randn(rows, 2, columns, head_size, generator=source).to(device, dtype)
        for rows, columns in ((6, 3), (7, 150), (7, 150))
    )
    last = torch.tensor([0, 5, 63, 64, 127, 149], device=device)
    for window in (0, 1, 40, 200):
        back = last[:, None, None, None] - torch.arange(150, device=device)
        mask = as_mask((back >= 0) & (back < (window or 150)), torch.float32)
        wanted = by_definition(query.float(), key[:6].float(), value[:6].float(), mask, False, 0.3)
        out, total = _near(kernel(query, key, value, last, window, 0.3), wanted, dtype)
        if not bool((out & total).all()):
            return False
    return True


def _near(found: tuple[Tensor, Tensor], wanted: tuple[Tensor, Tensor], dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Whether the output and the log-sum-exp of each query are what they should be, but for rounding."""
    bound = 1e-4 if dtype == torch.float32 else 0.03  # numbers are rounded by their size
    apart = (found[0].float() - wanted[0]).abs().amax(-1)
    out = apart <= bound * wanted[0].abs().amax(-1).clamp(min=1)
    return out, (found[1] - wanted[1]).abs() <= bound * wanted[1].abs().clamp(min=1)


def _agrees(kernel: Kernel, device: torch.device, dtype: torch.dtype, head_size: int) -> bool:
    """Whether a kernel gives what it should where it will be used: over a prefix, masked, causal."""
    source = torch.Generator().manual_seed(0)

    def random(*shape: int) -> Tensor:
        return torch.randn(*shape, head_size, generator=source).to(device, dtype)

    columns = torch.arange(2 * STEP, device=device)
    mask = as_mask(columns < torch.tensor([2 * STEP, 5, 0], device=device)[:, None, None, None], dtype)
    odd = as_mask(columns[:9] <= columns[:9, None], dtype)[None, None]
    store = random(4, 2, 3 * STEP), random(4, 2, 3 * STEP)
    key, value = (whole[:3, :, : 2 * STEP] for whole in store)  # views, as the engine reads them
    cases: list[tuple[Tensor, Tensor, Tensor, Tensor | None, bool]] = [
        (random(1, 2, 37), random(1, 2, 61), random(1, 2, 61), None, False),
        (random(3, 2, 4), key, value, mask, False),
        (random(3, 2, 9), random(3, 2, 9), random(3, 2, 9), None, True),
        (random(3, 2, 9), random(3, 2, 9), random(3, 2, 9), odd, False),
    ]
    try:
        for query, key, value, added, causal in cases:
            found = kernel(query, key, value, added, causal, 0.3)
            exact = None if added is None else added.float()
            wanted = by_definition(query.float(), key.float(), value.float(), exact, causal, 0.3)
            seen = wanted[1] > hidden(dtype) / 4  # where all is hidden, any output will do that is a number
            out, total = _near(found, wanted, dtype)
            if not bool((total & torch.isfinite(found[0]).all(-1) & (out | ~seen)).all()):
                return False
    except torch.OutOfMemoryError:  # says nothing about the kernel
        raise
    except (RuntimeError, NotImplementedError, AttributeError):  # not for this hardware, dtype or size; not there
        return False
    return True
