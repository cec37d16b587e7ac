"""The nearest text by what texts are about: as brute force says, however the pool is divided."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selfinstruct.draws import Draws
from selfinstruct.novelty.check import admit
from selfinstruct.novelty.index import NoveltySettings
from selfinstruct.semantic import index as module
from selfinstruct.semantic.admission import Admission
from selfinstruct.semantic.cells import CELLS, cells_of, nearest_cells
from selfinstruct.semantic.index import NOTHING, PROBED, Meanings, VectorIndex, is_whole, nearest_of
from selfinstruct.semantic.make_cells import made_up, shipped_seeds
from selfinstruct.semantic.table import StaticTable, shipped_table
from selfinstruct.semantic.vectors import cosines, dots, lengths, squares

TABLE = shipped_table()
WORDS = ["Write", "Compose", "a", "poem", "verse", "about", "the", "sea", "bread", "in", "French", "now", "数え"]
texts = st.lists(st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join), min_size=1, max_size=30)


@pytest.fixture(params=[1 << 16, 0], ids=["whole", "probed"])
def searched(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pools are looked at whole, or cell by cell however small they are."""
    monkeypatch.setattr(module, "EXACT", request.param)


def filled(texts: Sequence[str], table: StaticTable = TABLE) -> VectorIndex:
    index = VectorIndex(table)
    index.insert(0, texts)
    return index


def sharded(
    pool: Sequence[str], asked: Sequence[str], shards: int, size: int, without: Sequence[int | None] = ()
) -> Meanings:
    parts = []
    for shard in range(shards):
        held = len(range(shard, size, shards))
        own = [None if each is None or each % shards != shard else each // shards for each in without]
        index = filled(pool[shard::shards])
        parts.append(index.meanings(held, asked, is_whole(size), own, shard, shards))
    return nearest_of(parts)


def brute(pool: Sequence[str], size: int, text: str, whole: int, without: int | None = None) -> tuple[int, float]:
    """The nearest of one text, one pair after the other."""
    (vector,) = TABLE.embed([text])
    probed = nearest_cells(vector[None, :], PROBED)[0]
    best = (-1, NOTHING)
    for ordinal, other in enumerate(pool[:size]):
        held = TABLE.embed([other])
        if ordinal != without and (whole >= size or cells_of(held)[0] in probed):
            cosine = float(cosines(vector[None, :], held)[0, 0])
            if cosine > best[1]:
                best = (ordinal, cosine)
    return best


def test_a_cosine_is_the_same_bits_from_both_sides_and_near_the_true_one() -> None:
    vectors = TABLE.embed(made_up(TABLE, shipped_seeds(), 60, "cosines"))
    found = cosines(vectors, vectors)
    assert (found == found.T).all()
    wide = vectors.astype(np.float64)
    norms = np.linalg.norm(wide, axis=1)
    assert np.abs(found - wide @ wide.T / np.outer(norms, norms)).max() < 1e-12
    assert np.abs(found.diagonal() - 1).max() < 1e-12
    assert lengths(np.zeros((1, 256), np.int8)) == 1


def test_the_nearest_cells_are_those_of_a_whole_sort() -> None:
    vectors = TABLE.embed(made_up(TABLE, shipped_seeds(), 40, "cells"))
    from selfinstruct.semantic.cells import centres

    near = 2 * dots(vectors, centres()) - squares(centres())
    whole = np.argsort(-near, axis=1, kind="stable")
    assert (nearest_cells(vectors, PROBED) == whole[:, :PROBED]).all()
    assert (nearest_cells(vectors, 1)[:, 0] == cells_of(vectors)).all()
    assert (np.sort(nearest_cells(vectors, CELLS), axis=1) == np.arange(CELLS)).all()


@pytest.mark.usefixtures("searched")
@settings(max_examples=40, deadline=None)
@given(texts, texts, st.integers(1, 5), st.integers(0, 30), st.data())
def test_shards_say_what_brute_force_says(
    pool: list[str], asked: list[str], shards: int, size: int, data: st.DataObject
) -> None:
    size = min(size, len(pool))
    parents = st.one_of(st.none(), st.integers(0, len(pool) - 1))  # what a text was made of is left out
    without = data.draw(st.one_of(st.just([]), st.lists(parents, min_size=len(asked), max_size=len(asked))))
    found = sharded(pool, asked, shards, size, without)
    for at, text in enumerate(asked):
        expected = brute(pool, size, text, module.EXACT, without[at] if without else None)
        assert (found.ordinals[at], found.cosines[at]) == expected


@pytest.mark.usefixtures("searched")
@settings(max_examples=40, deadline=None)
@given(texts, texts, st.integers(1, 4), st.sampled_from([0.6, 0.8, 0.95, 1.0]))
def test_a_gate_decides_as_one_by_one(pool: list[str], asked: list[str], shards: int, limit: float) -> None:
    """Whatever the shards: as a loop that holds each text against all before it and takes in what it accepts."""
    lexical = NoveltySettings(threshold=1.0)
    admission = Admission(len(pool), sharded(pool, asked, shards, len(pool)), limit)
    verdicts = admit(lexical, len(pool), asked, [None] * len(asked), admission.passes)
    whole = module.EXACT if len(pool) <= module.EXACT else -1
    held = list(pool)
    for at, text in enumerate(asked):
        ordinal, cosine = brute(held, len(held), text, len(held) if whole >= 0 else -1)
        assert admission.nearest(at) == (ordinal, cosine)
        assert admission.cell(at) == cells_of(TABLE.embed([text]))[0]
        assert verdicts[at][0] == (cosine <= limit)
        held += [text] if cosine <= limit else []


def test_what_words_reject_is_measured_and_never_asked_about() -> None:
    asked = ["Write a poem about the sea.", "Write a poem about the sea now.", "Compose a verse about the sea."]
    index = filled(["Bake some bread."])
    admission = Admission(1, index.meanings(1, asked, whole=True), 0.99)
    verdicts = admit(NoveltySettings(), 1, asked, [None] * 3, admission.passes)
    assert [new for new, _ in verdicts] == [True, False, True]
    assert admission.nearest(1)[0] == 1  # the first one of the round
    assert admission.nearest(2)[0] == 1  # not the second, which is not in the pool


def test_an_index_is_fed_in_any_pieces() -> None:
    pool = made_up(TABLE, shipped_seeds(), 300, "pieces")
    whole, pieces = filled(pool), VectorIndex(TABLE)
    for first, end in ((0, 100), (50, 180), (180, 181), (0, 300)):
        pieces.insert(first, pool[first:end])
    asked, draws = made_up(TABLE, shipped_seeds(), 40, "asked"), Draws("sizes")
    for size in (0, 1, 299, draws.below(300)):
        for exact in (True, False):
            ours, theirs = (each.meanings(size, asked, exact) for each in (whole, pieces))
            assert (ours.ordinals == theirs.ordinals).all()
            assert (ours.cosines == theirs.cosines).all()
            assert (ours.ordinals < size).all()
    assert whole.nbytes >= 300 * 256
    with pytest.raises(ValueError, match="would leave a gap"):
        pieces.insert(400, ["One."])
