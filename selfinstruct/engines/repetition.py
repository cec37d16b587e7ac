"""When a completion goes in circles: its last tokens are one n-gram over and over.

A model that has begun to repeat itself seldom stops before its limit, so the engines that run a model here end such a
completion. Only exact repetition counts: a list whose items differ by as little as their number is none.
"""

from __future__ import annotations

from collections.abc import Sequence

EVERY = 32
"""A completion is looked at whenever so many tokens have been added to it, whatever its batch mates do."""

LEAST = 64
"""Tokens at its end that must repeat, at least."""

TIMES = 4
"""How often the n-gram must be there, at least."""


def repeats(tokens: Sequence[int]) -> bool:
    """Whether the last `LEAST` tokens or more are one n-gram, `TIMES` times or more, of which the first may be cut.

    Takes microseconds: an n-gram comes into question only if its last token is the last of all.
    """
    last = tokens[-1] if tokens else None
    for size in range(1, len(tokens) // TIMES + 1):
        if tokens[-1 - size] == last and len(tokens) >= LEAST:
            tail = tokens[-max(LEAST, TIMES * size) :]
            if tail[size:] == tail[:-size]:
                return True
    return False


def has_begun_to_repeat(tokens: Sequence[int]) -> bool:
    """The same, but only at every `EVERY`-th token."""
    return len(tokens) % EVERY == 0 and repeats(tokens)
