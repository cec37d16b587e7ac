"""The novelty check against `rouge_score` and brute force, on real instructions and their perturbations."""

from __future__ import annotations

import pytest
from datasketch import MinHash, MinHashLSH
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from selfinstruct.novelty.check import admit
from selfinstruct.novelty.index import NoveltySettings
from selfinstruct.novelty.minhash import MinHashIndex, sign
from selfinstruct.novelty.rouge import rouge_l, tokenise
from selfinstruct.records import Neighbour
from tests.tools.texts import SEEDS, one_by_one, reworded_seeds

SETTINGS = NoveltySettings()
SCORER = RougeScorer(["rougeL"], use_stemmer=False)
WORDS = st.lists(st.sampled_from(["a", "b", "c", "d", "it's", "x1", "é"]), max_size=30)


def reference(a: str, b: str) -> float:
    return float(SCORER.score(a, b)["rougeL"].fmeasure)


@given(WORDS, WORDS)
def test_rouge_l_is_that_of_rouge_score(a: list[str], b: list[str]) -> None:
    texts = " ".join(a), " ".join(b)
    tokens = [tokenise(text, "rouge") for text in texts]
    assert rouge_l(*tokens) == reference(*texts)
    assert rouge_l(*reversed(tokens)) == reference(*texts)


def test_rouge_l_on_exact_ties() -> None:
    """Every pair of lengths whose score lies exactly on, or next to, the threshold."""
    for m in range(1, 60):
        for n in range(1, 60):
            common = round(0.7 * (m + n) / 2)
            if 0 < common <= min(m, n):
                a = [f"w{i}" for i in range(common)] + [f"a{i}" for i in range(m - common)]
                b = [f"w{i}" for i in range(common)] + [f"b{i}" for i in range(n - common)]
                assert (rouge_l(a, b) > 0.7) == (reference(" ".join(a), " ".join(b)) > 0.7)


def test_verdicts_are_those_of_one_by_one() -> None:
    texts = reworded_seeds(3000)
    expected = one_by_one(texts)
    actual = admit(SETTINGS, 0, texts, [None] * len(texts))
    assert [new for new, _ in actual] == [new for new, _ in expected]
    assert 0.1 < sum(new for new, _ in expected) / len(texts) < 0.9
    for (new, nearest), (_, best) in zip(actual, expected, strict=True):
        if not new:
            assert nearest is not None
            assert best is not None
            assert nearest.rouge_l == best.rouge_l


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.lists(st.integers(1, 40), min_size=1, max_size=5), st.integers(1, 4))
def test_admission_equals_a_one_by_one_loop_for_any_rounds_and_shards(seed: int, sizes: list[int], shards: int) -> None:
    texts = reworded_seeds(sum(sizes), seed)
    single = MinHashIndex(SETTINGS)
    expected = []
    for text in texts:
        nearest = single.nearest(len(single), [text])[0]
        new = nearest is None or nearest.rouge_l <= SETTINGS.threshold
        if new:
            single.insert(len(single), [text])
        expected.append((new, nearest))

    parts = [MinHashIndex(SETTINGS) for _ in range(shards)]
    pool: list[str] = []
    actual = []
    for size in sizes:
        now, texts = texts[:size], texts[size:]
        answers = [part.nearest(len(part), now) for part in parts]
        committed = [
            max(
                (
                    Neighbour(near.ordinal * shards + shard, near.rouge_l)
                    for shard, near in enumerate(nears)
                    if near is not None
                ),
                key=lambda near: (near.rouge_l, -near.ordinal),
                default=None,
            )
            for nears in zip(*answers, strict=True)
        ]
        verdicts = admit(SETTINGS, len(pool), now, committed)
        for text, (new, _) in zip(now, verdicts, strict=True):
            if new:
                parts[len(pool) % shards].insert(len(pool) // shards, [text])
                pool.append(text)
        actual += verdicts
    assert actual == expected


def test_inserting_again_changes_nothing_and_a_gap_is_refused() -> None:
    texts = reworded_seeds(50)
    index = MinHashIndex(SETTINGS)
    for first in (0, 0, 20, 49):
        index.insert(first, texts[first:])
    assert len(index) == 50
    assert index.nearest(50, texts) == index_of(texts).nearest(50, texts)
    with pytest.raises(ValueError, match="gap"):
        index.insert(51, ["one more"])


def test_only_the_first_so_many_are_looked_at() -> None:
    texts = ["Name three birds of the sea.", "Name four birds of the sea.", "Name five birds of the sea."]
    assert index_of(texts).nearest(1, [texts[2]]) == [Neighbour(0, rouge(texts[2], texts[0]))]
    assert index_of(texts).nearest(0, [texts[2]]) == [None]


def test_ties_go_to_the_lowest_ordinal() -> None:
    texts = ["alpha beta gamma delta one", "alpha beta gamma delta two", "alpha beta gamma delta three"]
    four = "alpha beta gamma delta four"
    assert index_of(texts).nearest(3, [four]) == [Neighbour(0, rouge(four, texts[0]))]


def test_texts_without_tokens_are_compared_as_they_are() -> None:
    index = index_of(["写一首关于秋天的诗", "Été é"])
    assert index.nearest(2, ["写一首关于秋天的诗", "写一首关于春天的诗"]) == [Neighbour(0, 1.0), None]


def test_the_unicode_tokeniser_compares_words_of_any_script() -> None:
    index = MinHashIndex(NoveltySettings(tokeniser="unicode"))
    index.insert(0, ["Напиши короткое стихотворение про осень"])
    assert index.nearest(1, ["Напиши короткое стихотворение про зиму"]) == [Neighbour(0, pytest.approx(0.8))]


def test_signatures_are_those_of_datasketch() -> None:
    empty = MinHash(num_perm=316, seed=1)
    for text in [*reworded_seeds(300), "", "a a a b a b"]:
        words = tokenise(text, "rouge")
        minhash = empty.copy()
        minhash.update_batch([f"{word} {words[:at].count(word)}".encode() for at, word in enumerate(words)])
        assert sign(words, empty).tobytes() == minhash.hashvalues.tobytes()


def test_a_fixed_sentence_keeps_its_signature() -> None:
    """Another version of datasketch that hashed otherwise would miss other pairs than the run did before."""
    signature = sign(tokenise("Write a short poem about the sea, and about the sky.", "rouge"), MinHash(num_perm=4))
    assert signature.tolist() == [591987158, 921996840, 315025269, 603391153]


def test_shortlists_are_those_of_stock_datasketch() -> None:
    """By the compiled tables, by datasketch's own code on our storages, and by its own storages."""
    texts = reworded_seeds(1500)
    index = index_of(texts[:1400])
    stock = MinHashLSH(num_perm=316, params=(79, 4))
    entries = list(index.encode(texts))
    for ordinal, entry in enumerate(entries[:1400]):
        stock.insert(ordinal, index._minhash(entry.signature))
    assert len(index.lsh.keys) == 1400
    for entry in entries[1300:]:
        minhash = index._minhash(entry.signature)
        expected = set(stock.query(minhash))
        assert set(index.lsh.query(minhash)) == expected
        assert sorted(index.shortlist(entry, 1400)) == sorted(expected)
        assert set(index.shortlist(entry, 700)) == {ordinal for ordinal in expected if ordinal < 700}


def test_an_entry_takes_two_kilobytes() -> None:
    index = index_of([f"{text} w{at}" for at, text in enumerate(SEEDS * 6)][:1025])  # just after doubling
    assert index.nbytes < 2_100 * len(index)


def test_the_default_bands_are_the_fewest_that_miss_one_in_a_thousand_at_the_bound() -> None:
    """A pair at the threshold t has a Jaccard similarity of at least t / (2 - t); a band of r rows finds J ** r."""
    bound = SETTINGS.threshold / (2 - SETTINGS.threshold)
    missed = [(1 - bound**SETTINGS.rows) ** bands for bands in (SETTINGS.bands, SETTINGS.bands - 1)]
    assert missed[0] <= 0.001 < missed[1]


def index_of(texts: list[str]) -> MinHashIndex:
    index = MinHashIndex(SETTINGS)
    index.insert(0, texts)
    return index


def rouge(a: str, b: str) -> float:
    return rouge_l(tokenise(a, "rouge"), tokenise(b, "rouge"))
