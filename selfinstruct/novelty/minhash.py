"""The default novelty index: datasketch's `MinHashLSH` over counted unigrams, on storages of numpy arrays.

datasketch makes the permutations and defines bands and rows; the tables are ours. Stock ones hold a set for each bucket
and cost 10 to 25 kB per entry. Here a band is a hash table of three arrays: `heads` (the newest entry of each bucket),
and for each entry a 32-bit `print` of its rows and the `link` to the entry before it, together 12 to 16 bytes per band
and entry and nothing for the garbage collector to visit. Two entries share a band when their prints are equal there:
a property of the pair, whatever else is held, so shards and rounds cannot change a shortlist. (Unequal rows have equal
prints once in four thousand million times; the exact score decides in any case.)

Signatures are bit for bit datasketch's: SHA-1 of each element, its first 32 bits mixed by MurmurHash3's finaliser and
sent through the permutations a h + b modulo 2 ** 32, of which the minimum is kept.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from datasketch import MinHash, MinHashLSH
from datasketch.storage import DictListStorage, DictSetStorage

from selfinstruct.novelty.compiled import COMPILED, kernel
from selfinstruct.novelty.index import Entry, LocalIndex, NoveltySettings
from selfinstruct.novelty.lcs import Ordinals

Signature: TypeAlias = npt.NDArray[np.uint32]


class MinHashIndex(LocalIndex):
    """A `protocols.PoolIndex` that misses a duplicate with a small, known probability.

    `nearest` names the highest ROUGE-L among the texts that share a band with the question, duplicates or not.

    Attributes:
        lsh: datasketch's index; its hash tables are views of ours.
    """

    def __init__(self, settings: NoveltySettings) -> None:
        super().__init__(settings)
        bands, rows = settings.bands, settings.rows
        self._bands = _Bands(bands, rows)
        self.lsh = MinHashLSH(num_perm=bands * rows, params=(bands, rows))
        self.lsh.hashtables = [BandStorage(self._bands, band) for band in range(bands)]
        self.lsh.keys = KeyStorage(self._bands)
        self._empty = MinHash(num_perm=bands * rows, seed=settings.seed)

    @property
    def nbytes(self) -> int:
        """Bytes in use by numbers, without the dictionary of the vocabulary."""
        return self._bands.nbytes + self._store.nbytes

    def _sign(self, words: Sequence[str]) -> Signature:
        return sign(words, self._empty)

    def _index(self, ordinal: int, entry: Entry) -> None:
        if not entry.words:
            self._bands.hold(ordinal)
        elif COMPILED:
            self._bands.insert(ordinal, entry.signature)
        else:
            self.lsh.insert(ordinal, self._minhash(entry.signature), check_duplication=False)

    def shortlist(self, entry: Entry, size: int) -> Ordinals:
        """The ordinals below `size` that share a band with the entry, each once, in any order."""
        if COMPILED:
            return self._bands.query(entry.signature, size)
        found = self.lsh.query(self._minhash(entry.signature))
        return np.array([ordinal for ordinal in found if ordinal < size], np.uint32)

    def _minhash(self, signature: Signature) -> MinHash:
        minhash = self._empty.copy()
        minhash.hashvalues = signature
        return minhash


def sign(words: Sequence[str], empty: MinHash) -> Signature:
    """The signature of the counted unigrams of a text, as `empty` would give after an update with each."""
    seen: Counter[str] = Counter()
    hashes = np.empty(len(words), np.uint32)
    for position, word in enumerate(words):
        hashes[position] = _hash(word, seen[word])
        seen[word] += 1
    mixed = _mix(hashes)
    if COMPILED:
        return _permute(mixed, empty.permutations)
    a, b = empty.permutations
    signature: Signature = (a * mixed[:, None] + b).min(axis=0, initial=np.uint32(0xFFFFFFFF))
    return signature


@lru_cache(maxsize=1 << 15)
def _hash(word: str, occurrence: int) -> int:
    return int.from_bytes(hashlib.sha1(f"{word} {occurrence}".encode()).digest()[:4], "little")


class _Bands:
    """The hash tables of all bands, as arrays (bands, capacity); the capacity is a power of two.

    The system gives memory to what is written: heads for the whole capacity, prints and links for the entries.
    """

    def __init__(self, bands: int, rows: int) -> None:
        self.rows = rows
        self.count = 0
        self.heads: npt.NDArray[np.int32] = np.full((bands, 64), -1, np.int32)
        self.prints: npt.NDArray[np.uint32] = np.empty((bands, 64), np.uint32)
        self.links: npt.NDArray[np.int32] = np.empty((bands, 64), np.int32)
        self._marks: npt.NDArray[np.uint8] = np.zeros(64, np.uint8)  # zeros between queries
        self._found: Ordinals = np.empty(64, np.uint32)

    @property
    def nbytes(self) -> int:
        """Bytes in use."""
        bands, capacity = self.heads.shape
        return int(4 * bands * (capacity + 2 * self.count) + self._marks.nbytes + self._found.nbytes)

    def insert(self, ordinal: int, signature: Signature) -> None:
        self.hold(ordinal)
        _link(ordinal, signature, self.rows, self.heads, self.prints, self.links)

    def hold(self, ordinal: int) -> None:
        """Make room for an ordinal, which need not be in any band. They come in order."""
        if ordinal == self.count:
            if ordinal == self.heads.shape[1]:
                self._double()
            self.links[:, ordinal] = ABSENT
            self.count += 1

    def query(self, signature: Signature, size: int) -> Ordinals:
        count = _collect(signature, self.rows, size, self.heads, self.prints, self.links, self._marks, self._found)
        return self._found[:count]

    def _double(self) -> None:
        bands, capacity = self.heads.shape
        self.heads = np.empty((bands, 2 * capacity), np.int32)
        for name in ("prints", "links"):
            old = getattr(self, name)
            new = np.empty((bands, 2 * capacity), old.dtype)
            new[:, :capacity] = old
            setattr(self, name, new)
        _relink(self.count, self.heads, self.prints, self.links)
        self._marks = np.zeros(2 * capacity, np.uint8)
        self._found = np.empty(2 * capacity, np.uint32)


ABSENT = -2
"""The link of an entry that is not in the band; -1 ends a bucket."""


class BandStorage(DictSetStorage):  # type: ignore[misc]
    """One band as a datasketch storage: from the bytes of the band's rows to ordinals."""

    def __init__(self, bands: _Bands, band: int) -> None:
        self._bands = bands
        self._band = slice(band, band + 1)

    def insert(self, key: bytes, *vals: int, **kwargs: Any) -> None:
        for ordinal in vals:
            self._bands.hold(ordinal)
            _link(ordinal, _rows_of(key), self._bands.rows, *self._tables())

    def get(self, key: bytes) -> list[int]:
        bands = self._bands
        found = np.empty(bands.count, np.uint32)
        marks = np.zeros(bands.count, np.uint8)
        count = _collect(_rows_of(key), bands.rows, bands.count, *self._tables(), marks, found)
        ordinals: list[int] = found[:count].tolist()
        return ordinals

    def _tables(self) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.uint32], npt.NDArray[np.int32]]:
        bands = self._bands
        return bands.heads[self._band], bands.prints[self._band], bands.links[self._band]


class KeyStorage(DictListStorage):  # type: ignore[misc]
    """Which keys are held. Their bands are not kept: nothing is ever removed."""

    def __init__(self, bands: _Bands) -> None:
        self._bands = bands

    def insert(self, key: int, *vals: bytes, **kwargs: Any) -> None:
        pass  # the tables say it all

    def size(self) -> int:
        return self._bands.count

    def has_key(self, key: int) -> bool:
        return 0 <= key < self._bands.count


def _rows_of(key: bytes) -> Signature:
    """datasketch's key of a band, its rows in swapped byte order, as numbers."""
    return np.frombuffer(key, np.uint32).byteswap()


def _mix(hashes: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    """MurmurHash3's finaliser, as datasketch mixes hashes before it permutes them."""
    hashes = (hashes ^ (hashes >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    hashes = (hashes ^ (hashes >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    return hashes ^ (hashes >> np.uint32(16))


@kernel
def _permute(mixed: npt.NDArray[np.uint32], permutations: npt.NDArray[np.uint32]) -> Signature:
    a, b = permutations[0], permutations[1]
    signature = np.full(len(a), 0xFFFFFFFF, np.uint32)
    for element in mixed:
        for at in range(len(a)):
            signature[at] = min(signature[at], np.uint32(np.uint32(a[at] * element) + b[at]))
    return signature


@kernel
def _print(rows: Signature) -> np.uint32:
    """A 32-bit hash of the rows of one band; its low bits choose the bucket."""
    state = np.uint64(0)
    for row in rows:
        state = (state ^ np.uint64(row)) * np.uint64(0x9E3779B97F4A7C15)
        state ^= state >> np.uint64(32)
    return np.uint32(state & np.uint64(0xFFFFFFFF))


@kernel
def _link(
    ordinal: int,
    signature: Signature,
    rows: int,
    heads: npt.NDArray[np.int32],
    prints: npt.NDArray[np.uint32],
    links: npt.NDArray[np.int32],
) -> None:
    """Put an entry at the head of its bucket in each band."""
    mask = np.uint32(heads.shape[1] - 1)
    for band in range(len(heads)):
        mark = _print(signature[band * rows : (band + 1) * rows])
        prints[band, ordinal] = mark
        links[band, ordinal] = heads[band, mark & mask]
        heads[band, mark & mask] = ordinal


@kernel
def _relink(
    count: int,
    heads: npt.NDArray[np.int32],
    prints: npt.NDArray[np.uint32],
    links: npt.NDArray[np.int32],
) -> None:
    """Fill empty heads from the prints of the first `count` entries."""
    mask = np.uint32(heads.shape[1] - 1)
    for band in range(len(heads)):
        heads[band, :] = -1
        for ordinal in range(count):
            if links[band, ordinal] != ABSENT:
                bucket = prints[band, ordinal] & mask
                links[band, ordinal] = heads[band, bucket]
                heads[band, bucket] = ordinal


@kernel
def _collect(
    signature: Signature,
    rows: int,
    size: int,
    heads: npt.NDArray[np.int32],
    prints: npt.NDArray[np.uint32],
    links: npt.NDArray[np.int32],
    marks: npt.NDArray[np.uint8],
    found: Ordinals,
) -> int:
    """Write the entries below `size` that share a band with the signature, each once; returns how many."""
    mask = np.uint32(heads.shape[1] - 1)
    count = 0
    for band in range(len(heads)):
        mark = _print(signature[band * rows : (band + 1) * rows])
        entry = heads[band, mark & mask]
        while entry >= 0:
            if prints[band, entry] == mark and entry < size and marks[entry] == 0:
                marks[entry] = 1
                found[count] = entry
                count += 1
            entry = links[band, entry]
    for at in range(count):
        marks[found[at]] = 0
    return count
