"""Random draws by keyed hash: the same key gives the same draws on every machine, Python and library version."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


def key_of(*parts: str | int) -> bytes:
    """A 32-byte key from parts; different lists of parts give different keys."""
    pieces: list[bytes] = []
    for part in parts:
        data = str(part).encode()
        pieces += len(data).to_bytes(8, "little"), data
    return hashlib.blake2b(b"".join(pieces), digest_size=32).digest()


def seed_of(*parts: str | int) -> int:
    """A 63-bit unsigned integer from parts."""
    return int.from_bytes(key_of(*parts)[:8], "little") >> 1


def rank_of(id: str, seed: int) -> int:
    """Where a row stands among those to be looked at (63 bits): the same for shares and for counts of rows, which so
    have most of their rows in common."""
    return seed_of("sample", seed, id)


def in_share(id: str, share: float, seed: int) -> bool:
    """Whether a row is in the keyed share (0 to 1) of all rows. A smaller share is part of a larger one."""
    return rank_of(id, seed) < share * (1 << 63)


def permuted(n: int, at: int, *parts: str | int) -> int:
    """Where a keyed permutation of [0, n) puts `at`: a bijection, without a list of it.

    Four rounds of a Feistel network on the least even number of bits that n fits in, walked until it is below n.
    """
    half = max(1, (n - 1).bit_length() + 1 >> 1)
    mask = (1 << half) - 1
    while True:
        left, right = at >> half, at & mask
        for step in range(4):
            left, right = right, left ^ seed_of("permuted", step, right, *parts) & mask
        at = left << half | right
        if at < n:
            return at


class Draws:
    """A stream of draws under one key: blake2b of the key and a counter."""

    def __init__(self, *parts: str | int) -> None:
        self._words = _words(key_of(*parts))

    def below(self, n: int) -> int:
        """A uniform integer in [0, n), without modulo bias."""
        limit = (1 << 64) - (1 << 64) % n
        return next(word for word in self._words if word < limit) % n

    def sample(self, population: Sequence[T], k: int) -> list[T]:
        """`k` distinct elements in random order (all of them, shuffled, when there are fewer). O(k) draws."""
        k = min(k, len(population))
        moved: dict[int, int] = {}  # a partial Fisher-Yates shuffle that remembers only what it moved
        chosen = []
        for last in range(len(population) - 1, len(population) - 1 - k, -1):
            at = self.below(last + 1)
            chosen.append(population[moved.get(at, at)])
            moved[at] = moved.get(last, last)
        return chosen


def _words(key: bytes) -> Iterator[int]:
    counter = 0
    while True:
        block = hashlib.blake2b(counter.to_bytes(8, "little"), key=key, digest_size=64).digest()
        for at in range(0, 64, 8):
            yield int.from_bytes(block[at : at + 8], "little")
        counter += 1
