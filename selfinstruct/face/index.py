"""`NoveltyIndex`: the novelty check as a part for others, in this process or over shards on Ray."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Self

from selfinstruct.errors import InputError
from selfinstruct.face.options import read_arguments
from selfinstruct.face.saved import SavedIndex, check_settings, read_index, write_index
from selfinstruct.novelty.dedup import Verdict, judge_batch
from selfinstruct.novelty.index import NoveltySettings
from selfinstruct.novelty.rouge import Tokeniser
from selfinstruct.records import mended
from selfinstruct.sources.options import Kind, kinds_of

if TYPE_CHECKING:
    from os import PathLike


@dataclass(frozen=True, slots=True)
class NearestText:
    """A text of an index and its ROUGE-L F, in [0, 1], with the text that was asked about."""

    id: str
    text: str
    rouge_l: float


class NoveltyIndex:
    """Texts of which no two are similar: a text is admitted when its ROUGE-L with every one before is low enough.

    >>> index = NoveltyIndex(threshold=0.7)
    >>> verdicts = index.admit(["Name three birds of the sea.", "Name three birds of the sea now.", "Sort the words."])
    >>> [verdict.accepted for verdict in verdicts]
    [True, False, True]
    >>> verdicts[1].reason, verdicts[1].nearest, round(verdicts[1].rouge_l, 2)
    (<Reason.SIMILAR: 'similar'>, 'Name three birds of the sea.', 0.92)
    >>> len(index)
    2

    Verdicts are those of judging the texts one after the other, however they are batched, and whatever the number of
    shards. Calls from several threads wait for each other; an index is never copied into another process.

    Args:
        threshold: A text is rejected when its ROUGE-L F with one that was admitted is above this.
        kind: prefix (misses no duplicate, names a nearest text only above the threshold) or minhash (misses one in a
            thousand at most, names the nearest that it finds).
        shards: Ray actors that hold the index, on the cluster that this process is connected to, else that of
            `RAY_ADDRESS`, else a local one; None keeps it in this process, without Ray.
        tokeniser: rouge (runs of ASCII letters and digits) or unicode (words of any script, characters where it has no
            blanks).

    Raises:
        InputError: a value is not one of these.
        FailureError: there is no such cluster.
    """

    def __init__(
        self,
        threshold: float = 0.7,
        kind: Literal["prefix", "minhash"] = "prefix",
        shards: int | None = None,
        *,
        tokeniser: Tokeniser = "rouge",
    ) -> None:
        given = _checked(threshold=threshold, kind=kind, shards=shards, tokeniser=tokeniser)
        given.pop("shards", None)
        self._begin(NoveltySettings(index=given.pop("kind"), **given), shards)

    def _begin(self, settings: NoveltySettings, shards: int | None) -> None:
        from cluster.indexing import indexing
        from cluster.settings import RaySettings

        self._settings = settings
        self._held: list[tuple[str, str]] = []  # ids and texts by ordinal
        self._offered = 0
        self._lock = threading.Lock()
        self._resources = ExitStack()
        self._index = self._resources.enter_context(indexing(settings, shards or 0, RaySettings()))

    def __len__(self) -> int:
        return len(self._held)

    def admit(self, batch: Iterable[str], ids: Iterable[str] | None = None) -> list[Verdict]:
        """Judge texts in their order, and hold those that are new.

        Args:
            ids: Names by which verdicts speak of the texts (default: their place among all texts that this index has
                judged, from 0 on).

        Returns:
            A `Verdict` for each text: `accepted`, the `reason` if it was not, and the nearest text that was found, as
            `nearest_id`, `nearest` and `rouge_l`.
        """
        with self._lock:
            pairs = named(batch, ids, self._offered)
            self._offered += len(pairs)
            return judge_batch(pairs, self._held, self._index, self._settings)

    def nearest(self, batch: Iterable[str]) -> list[NearestText | None]:
        """The nearest text to each, of those that are held; None where none comes into question. Holds nothing.

        >>> index = NoveltyIndex(kind="minhash")
        >>> _ = index.admit(["Name three birds of the sea."], ids=["birds"])
        >>> index.nearest(["Name three birds of the lake.", "Add up."])
        [NearestText(id='birds', text='Name three birds of the sea.', rouge_l=0.8333333333333334), None]
        """
        texts = _texts(batch)
        with self._lock:
            found = self._index.nearest(len(self._held), texts)
            return [NearestText(*self._held[each.ordinal], each.rouge_l) if each else None for each in found]

    def save(self, path: str | PathLike[str]) -> None:
        """Write the texts and settings to a file, local or s3://, gs://, az://, whole or not at all.

        An older file of an index with the same settings is replaced, another one never.

        Raises:
            InputError: something else is there under this name, or the place cannot be written.
            FailureError: the disk or the store failed.
        """
        with self._lock:
            write_index(str(path), SavedIndex(self._settings, self._offered, self._held))

    @classmethod
    def open(
        cls,
        path: str | PathLike[str],
        *,
        threshold: float | None = None,
        kind: Literal["prefix", "minhash"] | None = None,
        shards: int | None = None,
        tokeniser: Tokeniser | None = None,
    ) -> Self:
        """An index as it was saved; it goes on as if it had never been closed.

        >>> with NoveltyIndex(threshold=0.6) as index:
        ...     _ = index.admit(["Name three birds of the sea."])
        ...     index.save("novelty.index")
        >>> NoveltyIndex.open("novelty.index").admit(["Name three birds of the sea."])[0].accepted
        False

        The texts are indexed again, half a minute for a million of them.

        Args:
            shards: As for a new index, whatever the saved one had.
            threshold, kind, tokeniser: If given, what the index must have been saved with.

        Raises:
            InputError: there is no such file, it has other settings, or a newer version wrote it.
            CorruptError: it is damaged, or something else.
        """
        saved = read_index(str(path))
        wanted = {"threshold": threshold, "index": kind, "tokeniser": tokeniser}
        check_settings(str(path), {key: value for key, value in wanted.items() if value is not None}, saved.settings)
        _checked(shards=shards)
        index = cls.__new__(cls)
        index._begin(saved.settings, shards)
        index._held, index._offered = list(saved.held), saved.offered
        index._index.insert(0, [text for _, text in saved.held])
        return index

    def close(self) -> None:
        """End the shards, and Ray if it was started for them. An index in this process needs no closing."""
        self._resources.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a NoveltyIndex stays in its process, since two copies would admit the same text; make it where it is used,"
            " for instance in the class that ray.data.map_batches is given, or save it and open it there"
        )


def _checked(**given: Any) -> dict[str, Any]:
    """The arguments that are not None. InputError for what a type checker would not let through."""
    kinds = kinds_of(NoveltySettings)
    shards = Kind(int, {"bounds": {"at least": 1}})
    return read_arguments(given, kinds | {"kind": kinds["index"], "shards": shards}, "NoveltyIndex")


def _texts(batch: Iterable[str]) -> list[str]:
    """The batch as a list, fit for a file. TypeError for one text in place of several, or for anything else in it."""
    if isinstance(batch, str):
        raise TypeError("one text was given; give a list of texts")
    texts = list(batch)
    for position, text in enumerate(texts):
        if not isinstance(text, str):
            raise TypeError(f"number {position} of the texts is of type {type(text).__name__}, not str")
    return list(map(mended, texts))


def named(texts: Iterable[str], ids: Iterable[str] | None, first: int = 0) -> list[tuple[str, str]]:
    """Texts with their ids, which are numbers from `first` on if there are none.

    Raises:
        InputError: there are more of the ones than of the others.
        TypeError: what was given are not texts.
    """
    held = _texts(texts)
    names = list(map(str, range(first, first + len(held)))) if ids is None else _texts(ids)
    if len(names) != len(held):
        raise InputError(f"ids: there are {len(names)} for {len(held)} texts; give one for each")
    return list(zip(names, held, strict=True))
