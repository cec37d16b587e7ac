"""What the kinds of index have in common: settings, the handling of texts, and what a kind has to say itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from selfinstruct.novelty.rouge import Tokeniser, tokenise
from selfinstruct.records import Neighbour
from selfinstruct.settings import option

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

MOST_PERMUTATIONS = 4096
"""Bands times rows: eight bytes each of every text, and as many hashes of every word."""


@dataclass(frozen=True)
class NoveltySettings:
    """What counts as too similar, and how the index looks for it.

    Args:
        threshold: An instruction is dropped when its ROUGE-L F with one of the pool is above this.
        index: minhash (misses one duplicate in a thousand at most, names the nearest found) or prefix (misses none,
            names a nearest only above the threshold).
        tokeniser: rouge (runs of ASCII letters and digits, as rouge_score) or unicode (words of any script, characters
            where it has no blanks; the screen counts those, too, and instructions may begin with any letter).
        bands: Bands of the MinHash-LSH index.
        rows: Rows per band.
        seed: Seed of the MinHash permutations.
    """

    threshold: float = option(0.7, least=0, most=1)
    index: Literal["minhash", "prefix"] = "minhash"
    tokeniser: Tokeniser = "rouge"
    bands: int = option(79, least=2, on_command_line=False)
    rows: int = option(4, least=1, on_command_line=False)
    seed: int = option(1, least=0, most=2**32 - 1, on_command_line=False)

    def problems(self) -> Iterator[str]:
        """What is wrong with the options together."""
        if self.bands * self.rows > MOST_PERMUTATIONS:
            yield f"bands: {self.bands} of {self.rows} --novelty.rows each, together more than {MOST_PERMUTATIONS:,}"

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
    """A `protocols.PoolIndex` in this process: what the kinds of index have in common.

    A kind says how it finds the nearest of a text that has words; the exact score is `lcs.TokenStore`'s.
    """

    def __init__(self, settings: NoveltySettings) -> None:
        from selfinstruct.novelty.lcs import TokenStore  # late: it brings numba, and settings are read without it

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

    def nearest(self, size: int, texts: Sequence[str], without: Sequence[int | None] = ()) -> list[Neighbour | None]:
        """For each text its nearest among the ordinals below `size`, but for the one that it is compared without."""
        left_out = without or [None] * len(texts)
        return [self.search(self.question(text), size, each) for text, each in zip(texts, left_out, strict=True)]

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

    def search(self, entry: Entry, size: int, without: int | None = None) -> Neighbour | None:
        """The nearest of one encoded text among the ordinals below `size`, but for one."""
        if entry.words:
            found = self.shortlist(entry, size)
            return self._store.nearest(entry.tokens, found if without is None else found[found != without], self.floor)
        same = self._exact.get(entry.text, size)
        return Neighbour(same, 1.0) if same < size and same != without else None

    @property
    def vocabulary_nbytes(self) -> int:
        """Bytes of the dictionary of the vocabulary."""
        return self._store.vocabulary_nbytes

    @property
    def floor(self) -> float:
        """Only a score above this names a nearest."""
        return 0.0

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
