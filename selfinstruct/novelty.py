"""The novelty check: an instruction is new when its ROUGE-L with everything in the pool is at most the threshold
(paper, section 2.2.4).

ROUGE-L with the whole pool is too much work, so an index shortlists and the exact score decides. The longest common
subsequence is at most the multiset overlap, so F >= t implies a Jaccard similarity of at least t / (2 - t) (7/13 at
0.7) over *counted* unigrams, that is pairs (token, k-th occurrence). Two kinds of index use that:

    minhash  MinHash-LSH with bands and rows for that bound, never for the threshold itself: one pair is missed with
             probability (1 - J ** rows) ** bands, at most 0.1 % at the bound with the default (79, 4)
    prefix   an inverted index that misses none

Both give the same answers however the pool is divided into shards and rounds.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from selfinstruct.records import Neighbour
from selfinstruct.rouge import tokenise

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True)
class NoveltySettings:
    """What counts as too similar, and how the index looks for it.

    Args:
        threshold: An instruction is dropped when its ROUGE-L F with one of the pool is above this.
        index: minhash (misses one duplicate in a thousand at most, names the nearest found) or prefix (misses none,
            names a nearest only above the threshold).
        tokeniser: rouge (runs of ASCII letters and digits, as rouge_score) or unicode (words of any script; then
            instructions may begin with any letter).
        bands: Bands of the MinHash-LSH index.
        rows: Rows per band.
        seed: Seed of the MinHash permutations.
    """

    threshold: float = 0.7
    index: Literal["minhash", "prefix"] = "minhash"
    tokeniser: Literal["rouge", "unicode"] = "rouge"
    bands: int = 79
    rows: int = 4
    seed: int = 1

    @property
    def any_script(self) -> bool:
        """Whether words of any script are compared."""
        return self.tokeniser == "unicode"


@dataclass(frozen=True, slots=True)
class Entry:
    """A text made ready for the index. One without words is compared as it is."""

    text: str
    words: Sequence[str]
    tokens: npt.NDArray[np.uint32]  # the words as the index numbers them
    signature: Any  # of the kind of index


class LocalIndex(ABC):
    """A `protocols.NoveltyIndex` in this process: what the kinds of index have in common.

    A kind says how it finds the nearest of a text that has words; the exact score is `lcs.TokenStore`'s.
    """

    def __init__(self, settings: NoveltySettings) -> None:
        from selfinstruct.lcs import TokenStore  # late: it brings numba, and settings are read without it

        self._settings = settings
        self._store = TokenStore()
        self._exact: dict[str, int] = {}  # texts without words, by their first ordinal

    def __len__(self) -> int:
        return len(self._store)

    def insert(self, first: int, texts: Sequence[str]) -> None:
        """Hold `texts` as the ordinals from `first` on; what is held already is passed over.

        Raises:
            ValueError: `first` would leave a gap.
        """
        if first > len(self):
            raise ValueError(f"index holds {len(self)} texts; inserting from {first} on would leave a gap")
        for entry in self.encode(texts[len(self) - first :]):
            self.add(entry)

    def nearest(self, size: int, texts: Sequence[str]) -> list[Neighbour | None]:
        """For each text its nearest among the ordinals below `size`."""
        return [self.search(self.question(text), size) for text in texts]

    def question(self, text: str) -> Entry:
        """The text as an entry to search for; the vocabulary stays as it is."""
        return self._entry(text, self._store.look_up)

    def encode(self, texts: Iterable[str]) -> Iterator[Entry]:
        """The texts as entries of this index, which may be added."""
        return (self._entry(text, self._store.learn) for text in texts)

    def add(self, entry: Entry) -> None:
        """Hold one encoded text under the next ordinal."""
        if not entry.words:
            self._exact.setdefault(entry.text, len(self))
        self._store.append(entry.tokens)
        self._index(len(self) - 1, entry)

    def search(self, entry: Entry, size: int) -> Neighbour | None:
        """The nearest of one encoded text among the ordinals below `size`."""
        if entry.words:
            return self._find(entry, size)
        same = self._exact.get(entry.text, size)
        return Neighbour(same, 1.0) if same < size else None

    @property
    def vocabulary_nbytes(self) -> int:
        """Bytes of the dictionary of the vocabulary."""
        return self._store.vocabulary_nbytes

    @property
    @abstractmethod
    def nbytes(self) -> int:
        """Bytes in use by numbers, without the dictionary of the vocabulary."""

    @abstractmethod
    def shortlist(self, entry: Entry, size: int) -> npt.NDArray[np.uint32]:
        """The ordinals below `size` whose score decides about an entry with words, each once, in any order."""

    def _entry(self, text: str, numbers: Callable[[Sequence[str]], npt.NDArray[np.uint32]]) -> Entry:
        words = tokenise(text, self._settings.tokeniser)
        return Entry(text, words, numbers(words), self._sign(words))

    @abstractmethod
    def _sign(self, words: Sequence[str]) -> Any:
        """What the index needs to know of a text beside its tokens."""

    @abstractmethod
    def _index(self, ordinal: int, entry: Entry) -> None:
        """Make an entry findable whose tokens are stored under the ordinal."""

    @abstractmethod
    def _find(self, entry: Entry, size: int) -> Neighbour | None:
        """The nearest of an entry with words among the ordinals below `size`."""


def make_index(settings: NoveltySettings) -> LocalIndex:
    """An empty index of the kind that the settings name."""
    if settings.index == "prefix":
        from selfinstruct.prefix import PrefixIndex

        return PrefixIndex(settings)
    from selfinstruct.minhash import MinHashIndex  # late: datasketch brings scipy

    return MinHashIndex(settings)


def nearer(neighbours: Iterable[Neighbour | None]) -> Neighbour | None:
    """The highest ROUGE-L, ties to the lowest ordinal."""
    found = (neighbour for neighbour in neighbours if neighbour is not None)
    return max(found, key=lambda neighbour: (neighbour.rouge_l, -neighbour.ordinal), default=None)


def admit(
    settings: NoveltySettings, size: int, texts: Sequence[str], committed: Sequence[Neighbour | None]
) -> list[tuple[bool, Neighbour | None]]:
    """Whether each text is new, and its nearest; equal to a one-by-one loop that inserts what it accepts.

    Args:
        size: Texts in the committed pool; admitted texts get the ordinals from here on.
        texts: The round's survivors in canonical order.
        committed: The nearest of each in the committed pool.
    """
    within_round = make_index(settings)
    verdicts = []
    for entry, nearest in zip(within_round.encode(texts), committed, strict=True):
        inside = within_round.search(entry, len(within_round))
        if inside is not None:
            nearest = nearer([nearest, Neighbour(size + inside.ordinal, inside.rouge_l)])
        new = nearest is None or nearest.rouge_l <= settings.threshold
        if new:
            within_round.add(entry)
        verdicts.append((new, nearest))
    return verdicts
