"""The compiled exact score against rapidfuzz and `rouge_score`, to the last bit."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rouge_score.rouge_scorer import _score_lcs

from selfinstruct.novelty.compiled import COMPILED
from selfinstruct.novelty.lcs import TokenStore
from selfinstruct.novelty.rouge import rouge_l
from selfinstruct.records import Neighbour

TEXT = st.lists(st.sampled_from("abcdefgh"), max_size=150)


def score(a: list[str], b: list[str]) -> float:
    near = store_of([b]).nearest(*question(store_of([b]), a))
    return near.rouge_l if near else 0.0


def store_of(texts: list[list[str]]) -> TokenStore:
    store = TokenStore()
    for text in texts:
        store.append(store.learn(text))
    return store


def question(store: TokenStore, text: list[str], floor: float = 0.0) -> tuple[np.ndarray, np.ndarray, float]:
    return store.look_up(text), np.arange(len(store), dtype=np.uint32), floor


def make_text(draw: random.Random, length: int) -> list[str]:
    alphabet = draw.choice([2, 8, 60, 1000])
    return [f"w{draw.randrange(alphabet)}" for _ in range(length)]


def perturbed(draw: random.Random, text: list[str]) -> list[str]:
    text = list(text)
    for _ in range(draw.randrange(len(text) // 2 + 1)):
        at = draw.randrange(len(text) + 1)
        text[at : at + draw.randrange(3)] = draw.choice([[], ["w1"], ["new"], text[:2]])
    return text


@given(TEXT, TEXT)
def test_any_pair(a: list[str], b: list[str]) -> None:
    assert score(a, b) == rouge_l(a, b) == score(b, a)


@pytest.mark.skipif(not COMPILED, reason="without numba the score is rapidfuzz's own")
def test_tens_of_thousands_of_pairs() -> None:
    """Each alone: the highest of many would hide the others."""
    draw = random.Random(0)
    positive = 0
    for _ in range(30_000):
        a = make_text(draw, draw.choice([0, 1, 3, 10, 20, 40, 63, 64, 65, 100]))
        b = perturbed(draw, a) if draw.random() < 0.6 else make_text(draw, draw.randrange(60))
        expected = rouge_l(a, b)
        assert score(a, b) == expected
        positive += expected > 0.7
    assert 5_000 < positive < 25_000


@pytest.mark.parametrize("length", [1, 63, 64, 65, 127, 128, 129, 192, 193, 500])
def test_rouge_score_itself_at_the_edges_of_words(length: int) -> None:
    draw = random.Random(length)
    for _ in range(3):
        a = make_text(draw, length)
        for b in (a, perturbed(draw, a), make_text(draw, draw.randrange(1, 200)), a[::-1]):
            assert score(a, b) == _score_lcs(b, a).fmeasure


def test_exact_ties_with_the_threshold() -> None:
    for m in range(1, 80):
        for n in range(m, 80):
            common = 7 * (m + n) // 20
            if 0 < common <= m:
                a = [f"w{i}" for i in range(common)] + [f"a{i}" for i in range(m - common)]
                b = [f"w{i}" for i in range(common)] + [f"b{i}" for i in range(n - common)]
                assert score(a, b) == rouge_l(a, b)


def test_the_highest_is_named_and_ties_go_to_the_lowest_ordinal() -> None:
    store = store_of([["a", "b", "x"], [], ["a", "b", "c", "x"], ["a", "b", "c", "y"]])
    query, all_of_them, _ = question(store, ["a", "b", "c", "d"])
    for order in (all_of_them, all_of_them[::-1].copy()):
        assert store.nearest(query, order, 0.0) == Neighbour(2, 0.75)
    assert store.nearest(query, all_of_them, 0.75) is None
    assert store.nearest(query, all_of_them[:1], 0.0) == Neighbour(0, rouge_l("abcd", "abx"))
    assert store.nearest(query, all_of_them[:0], 0.0) is None


def test_unknown_tokens_match_nothing() -> None:
    store = store_of([["a", "b"]])
    assert store.nearest(*question(store, ["new", "newer"])) is None
    assert store.nearest(*question(store, [])) is None
    assert store.nearest(*question(store, ["new", "a", "newer"])) == Neighbour(0, rouge_l(["n", "a", "o"], ["a", "b"]))
