"""Drawing the next token of each row of a batch, so that a row's draw depends on that row alone.

The order is: penalties, temperature, nucleus, Gumbel-max. The Gumbel noise of a token is a hash of (request seed,
step, token id), not the state of a generator: a request draws the same tokens whatever its batch mates, its place
among them or its replica.

That holds as far as the logits hold. In float32 on a CPU other batch mates change their last bits, which turns a draw
only where two tokens are tied to within about 1e-5. In bfloat16 and float16 the last bit is a hundredth of a logit or
so: near-ties are common, so on a GPU a completion may differ with its batch mates from some token on. It is a fair draw
either way. What needs the same bits can take float32 (`--transformers.dtype float32`), or a server whose kernels do not
depend on the batch (vLLM's batch-invariant mode).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from selfinstruct.prompts import Sampling

GOLDEN, MIX_1, MIX_2 = (
    value - (1 << 64) for value in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
)  # splitmix64 (Steele, Lea and Flood 2014) as signed numbers: torch's int64 product wraps alike
NOTHING = -1
"""Stands in the place of a token where there is none: rows of a batch may have begun at different times, and the model
may have given a row nothing to choose by."""

FIRST_LOOK = 64
"""Most nuclei are smaller than this, and the largest 64 logits are found far sooner than a sorted vocabulary."""


def draw(logits: Tensor, generated: Tensor, seeds: Tensor, sampling: Sampling) -> Tensor:
    """The next token of each row.

    Args:
        logits: Of the next token, (rows, vocabulary); computed on in float32.
        generated: The tokens drawn so far, (rows, steps), int64; `NOTHING` before a row's first.
        seeds: The requests' seeds, (rows,), int64.
        sampling: At temperature 0 the largest logit wins, the lowest id among equals.

    Returns:
        Token ids, (rows,), int64; `NOTHING` for a row whose logits hold a NaN.
    """
    logits = penalise(logits.float(), generated, sampling)
    if sampling.temperature == 0:
        largest, drawn = logits.max(-1)
    else:
        kept, tokens = nucleus(logits / sampling.temperature, sampling.top_p)
        best = (kept + gumbel(seeds, (generated != NOTHING).sum(-1), tokens)).argmax(-1, keepdim=True)
        largest, drawn = kept[:, 0], tokens.gather(-1, best).squeeze(-1)
    return drawn.masked_fill(largest.isnan(), NOTHING)  # a NaN counts as larger than any number


def penalise(logits: Tensor, generated: Tensor, sampling: Sampling) -> Tensor:
    """Logits less the presence penalty once and the frequency penalty for each occurrence in `generated`.

    Additive and on generated tokens only, as the API behind the paper defined them; not the multiplicative
    `repetition_penalty` of transformers, which also counts the prompt.
    """
    if not (sampling.presence_penalty or sampling.frequency_penalty):
        return logits
    size = logits.shape[-1]
    generated = generated.where(generated != NOTHING, size)
    logits = functional.pad(logits, (0, 1))  # the last column takes what is nothing
    if sampling.presence_penalty:
        lowered = logits.gather(-1, generated) - sampling.presence_penalty
        logits.scatter_(-1, generated, lowered)  # a repeated token writes the same value again
    if sampling.frequency_penalty:
        cost = torch.full_like(generated, -sampling.frequency_penalty, dtype=logits.dtype)
        logits.scatter_add_(-1, generated, cost)
    return logits[:, :size]


def nucleus(logits: Tensor, top_p: float) -> tuple[Tensor, Tensor]:
    """The fewest likeliest tokens whose probabilities sum to `top_p`, and any token as likely as the last of them.

    Returns:
        Logits (−inf outside the nucleus) and token ids, both (rows, k), the likeliest first.
    """
    total = logits.logsumexp(-1, keepdim=True)
    size = logits.shape[-1]
    k = min(FIRST_LOOK, size)
    while True:
        values, tokens = logits.topk(k)
        chance = (values - total).exp()
        least = values.masked_fill(chance.cumsum(-1) - chance >= top_p, math.inf).amin(-1, keepdim=True)
        if k == size or bool((values[:, -1:] < least).all()):
            return values.masked_fill(values < least, -math.inf), tokens
        k = min(8 * k, size)


def gumbel(seeds: Tensor, steps: Tensor | int, tokens: Tensor) -> Tensor:
    """Standard Gumbel noise for each (row's seed and step, token id), in the shape of `tokens`, float64."""
    key = _mix(_mix(seeds) + steps)
    bits = _shift(_mix(key[:, None] + (tokens + 1) * GOLDEN), 11)
    return -((bits.double() + 0.5) * 2.0**-53).log().neg().log()


def _mix(word: Tensor) -> Tensor:
    word = (word ^ _shift(word, 30)) * MIX_1
    word = (word ^ _shift(word, 27)) * MIX_2
    return word ^ _shift(word, 31)


def _shift(word: Tensor, bits: int) -> Tensor:
    """An unsigned right shift; that of int64 would copy the sign."""
    return (word >> bits) & ((1 << (64 - bits)) - 1)
