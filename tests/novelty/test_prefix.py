"""The exact index against brute force: any texts, thresholds, orders of insertion and ways to divide the pool."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selfinstruct.novelty import prefix
from selfinstruct.novelty.check import admit, nearer
from selfinstruct.novelty.index import NoveltySettings
from selfinstruct.novelty.prefix import PrefixIndex
from selfinstruct.novelty.rouge import rouge_l, tokenise
from selfinstruct.records import Neighbour
from tests.tools.texts import zipf_texts


def brute_force(texts: list[str], query: str, threshold: float) -> Neighbour | None:
    tokens = tokenise(query, "rouge")
    if not tokens:
        return Neighbour(texts.index(query), 1.0) if query in texts else None
    scored = (Neighbour(at, rouge_l(tokens, tokenise(text, "rouge"))) for at, text in enumerate(texts))
    return nearer(near for near in scored if near.rouge_l > threshold)


def index_of(texts: list[str], threshold: float) -> PrefixIndex:
    index = PrefixIndex(NoveltySettings(index="prefix", threshold=threshold))
    index.insert(0, texts)
    return index


@pytest.mark.parametrize("tail", [2, 16, 256])
@settings(max_examples=12)
@given(st.integers(0, 1_000_000), st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.65, 0.7, 0.8, 0.9, 1.0]))
def test_answers_are_those_of_brute_force(tail: int, seed: int, threshold: float) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prefix, "TAIL", tail)
        draw = random.Random(seed)
        texts = zipf_texts(300, draw)
        pool, queries = texts[:240], texts[200:]
        index = index_of(pool, threshold)
        assert index.nearest(240, queries) == [brute_force(pool, query, threshold) for query in queries]
        size = draw.randrange(240)
        assert index.nearest(size, queries) == [brute_force(pool[:size], query, threshold) for query in queries]


@pytest.mark.parametrize("lengths", [(4, 3, 3), (10, 10, 7), (13, 7, 7), (20, 20, 14), (50, 50, 35), (130, 70, 70)])
def test_partners_of_the_least_admissible_overlap(
    lengths: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pairs on or just above the threshold whose shared words are the commonest, so they come last in both orders."""
    monkeypatch.setattr(prefix, "TAIL", 1)
    m, n, common = lengths
    for extra in (0, 1):
        shared = [f"c{i}" for i in range(min(common + extra, n))]
        x = " ".join([*shared, *(f"x{i}" for i in range(m - len(shared)))])
        y = " ".join([*shared, *(f"y{i}" for i in range(n - len(shared)))])
        others = [f"c{i} c{i} z{j}" for j in range(3) for i in range(common)]
        for stored, query in ((x, y), (y, x)):
            pool = [*others, stored]
            assert index_of(pool, 0.7).nearest(len(pool), [query]) == [brute_force(pool, query, 0.7)]


def test_repeated_words_count_as_often_as_they_occur(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefix, "TAIL", 1)
    pool = ["a " * 10, "a " * 300, "b a " * 300, "a b " * 5, "b"]
    index = index_of(pool, 0.7)
    for query in ["a " * 8, "a " * 320, "a b " * 290, "b a " * 5, "b", "a"]:
        assert index.nearest(5, [query]) == [brute_force(pool, query, 0.7)]


def test_lengths_beyond_every_class(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefix, "TAIL", 1)
    longest = int(prefix.LENGTHS[-1])
    draw = random.Random(0)
    pool = [" ".join(f"w{draw.randrange(50)}" for _ in range(length)) for length in (longest - 1, longest + 5000, 9)]
    index = index_of(pool, 0.7)
    for at in range(2):
        words = pool[at].split()
        answer = index.nearest(3, [" ".join(words[: len(words) * 19 // 20])])[0]
        assert answer is not None
        assert answer.ordinal == at


def test_segments_grow_like_a_binary_counter_and_cover_the_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefix, "TAIL", 4)
    index = index_of(zipf_texts(403, random.Random(0)), 0.7)
    firsts = [segment.first for segment in index._segments]
    assert firsts[0] == 0
    assert firsts == sorted(set(firsts))
    assert len(firsts) <= 8


@pytest.mark.parametrize("shards", [1, 2, 5])
def test_admission_by_rounds_and_shards_equals_the_one_by_one_loop(shards: int) -> None:
    novelty = NoveltySettings(index="prefix")
    texts = zipf_texts(900, random.Random(3))
    pool: list[str] = []
    expected = []
    for text in texts:
        nearest = brute_force(pool, text, 0.7)
        expected.append((nearest is None, nearest))
        if nearest is None:
            pool.append(text)
    parts = [PrefixIndex(novelty) for _ in range(shards)]
    held: list[str] = []
    actual = []
    for first in range(0, len(texts), 170):
        now = texts[first : first + 170]
        answers = [
            [near and Neighbour(near.ordinal * shards + shard, near.rouge_l) for near in part.nearest(len(part), now)]
            for shard, part in enumerate(parts)
        ]
        verdicts = admit(novelty, len(held), now, [nearer(nears) for nears in zip(*answers, strict=True)])
        for text, (new, _) in zip(now, verdicts, strict=True):
            if new:
                parts[len(held) % shards].insert(len(held) // shards, [text])
                held.append(text)
        actual += verdicts
    assert actual == expected


def test_without_numba_the_answers_are_the_same() -> None:
    program = """
import random, sys
if sys.argv[1] == "plain":
    sys.modules["numba"] = None
from selfinstruct.novelty import compiled, prefix
from selfinstruct.novelty.check import admit, make_index
from selfinstruct.novelty.index import NoveltySettings
from tests.tools.texts import zipf_texts
assert compiled.COMPILED == (sys.argv[1] != "plain")
prefix.TAIL = 64
texts = zipf_texts(240, random.Random(1))
for kind in ("minhash", "prefix"):
    settings = NoveltySettings(index=kind, bands=20)
    index = make_index(settings)
    index.insert(0, texts[:150])
    print(admit(settings, 150, texts[150:], index.nearest(150, texts[150:])))
"""
    root = Path(__file__).parents[2]
    printed = {
        mode: subprocess.run(
            [sys.executable, "-W", "error", "-c", program, mode], cwd=root, capture_output=True, text=True, check=True
        ).stdout
        for mode in ("plain", "compiled")
    }
    assert "Neighbour" in printed["plain"]
    assert printed["plain"] == printed["compiled"]
