"""The novelty check: an instruction is new when its ROUGE-L with everything in the pool is at most the threshold
(paper, section 2.2.4).

ROUGE-L with the whole pool is too much work, so a MinHash-LSH index shortlists and the exact score decides. The
longest common subsequence is at most the multiset overlap, so F >= t implies a Jaccard similarity of at least
t / (2 - t) (7/13 at 0.7) over *counted* unigrams, that is pairs (token, k-th occurrence). Bands and rows are set
for that bound, never for the threshold itself: one pair is missed with probability (1 - J ** rows) ** bands, at most
0.01 % at the bound with the default (79, 4).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from selfinstruct.records import Neighbour
from selfinstruct.rouge import rouge_l, tokenise

if TYPE_CHECKING:
    from datasketch import MinHash


@dataclass(frozen=True)
class NoveltySettings:
    """What counts as too similar, and how the index looks for it.

    Args:
        threshold: An instruction is dropped when its ROUGE-L F with one of the pool is above this.
        tokeniser: rouge (runs of ASCII letters and digits, as rouge_score) or unicode (words of any script).
        bands: Bands of the MinHash-LSH index.
        rows: Rows per band.
        seed: Seed of the MinHash permutations.
    """

    threshold: float = 0.7
    tokeniser: Literal["rouge", "unicode"] = "rouge"
    bands: int = 79
    rows: int = 4
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Entry:
    """A text made ready for the index. `signature` is None for a text without tokens, which is compared as it is."""

    text: str
    tokens: tuple[int, ...]
    signature: MinHash | None


class MinHashIndex:
    """A `protocols.NoveltyIndex` on datasketch's `MinHashLSH`, keyed by ordinal.

    The whole shortlist is scored, so `nearest` names the highest ROUGE-L in it.
    """

    def __init__(self, settings: NoveltySettings) -> None:
        from datasketch import MinHash, MinHashLSH  # late: it brings scipy, and settings are read without it

        self._settings = settings
        self._bulk = MinHash.bulk
        self._numbers: dict[str, int] = {}  # of tokens, in the order of first sight: quicker to compare than texts
        num_perm = settings.bands * settings.rows
        self._lsh = MinHashLSH(num_perm=num_perm, params=(settings.bands, settings.rows))
        self._tokens: list[tuple[int, ...]] = []
        self._exact: dict[str, int] = {}  # texts without tokens, by their first ordinal

    def __len__(self) -> int:
        return len(self._tokens)

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
        return [self.search(entry, size) for entry in self.encode(texts)]

    def encode(self, texts: Iterable[str]) -> list[Entry]:
        """Tokens and signatures of a batch of texts; the permutations are set up once for all of them."""
        settings, numbers = self._settings, self._numbers
        texts = list(texts)
        tokens = [tokenise(text, settings.tokeniser) for text in texts]
        signatures = self._bulk(map(_counted, tokens), num_perm=settings.bands * settings.rows, seed=settings.seed)
        return [
            Entry(text, tuple(numbers.setdefault(word, len(numbers)) for word in words), signature if words else None)
            for text, words, signature in zip(texts, tokens, signatures, strict=True)
        ]

    def add(self, entry: Entry) -> None:
        """Hold one encoded text under the next ordinal."""
        ordinal = len(self)
        self._tokens.append(entry.tokens)
        if entry.signature is None:
            self._exact.setdefault(entry.text, ordinal)
        else:
            self._lsh.insert(ordinal, entry.signature, check_duplication=False)

    def search(self, entry: Entry, size: int) -> Neighbour | None:
        """The nearest of one encoded text among the ordinals below `size`."""
        if entry.signature is None:
            same = self._exact.get(entry.text, size)
            return Neighbour(same, 1.0) if same < size else None
        shortlist = (ordinal for ordinal in self._lsh.query(entry.signature) if ordinal < size)
        return nearer(Neighbour(ordinal, rouge_l(entry.tokens, self._tokens[ordinal])) for ordinal in shortlist)


def _counted(tokens: Sequence[str]) -> list[bytes]:
    """The counted unigrams of a text: each token with the number of its occurrence."""
    seen: Counter[str] = Counter()
    elements = []
    for token in tokens:
        elements.append(f"{token} {seen[token]}".encode())
        seen[token] += 1
    return elements


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
    within_round = MinHashIndex(settings)
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
