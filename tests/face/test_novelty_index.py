"""`NoveltyIndex`: the verdicts of the run's own check, in this process and over shards, saved and opened again."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import ray
from hypothesis import given, settings
from hypothesis import strategies as st

import selfinstruct as si
from selfinstruct.face import saved
from tests.tools.head import start_ray
from tests.tools.texts import one_by_one, reworded_seeds

TEXTS = reworded_seeds(300, seed=8)
EXPECTED = [new for new, _ in one_by_one(TEXTS)]


def in_batches(index: si.NoveltyIndex, texts: list[str], cuts: list[int]) -> list[si.Verdict]:
    ends = [0, *sorted(cut % len(texts) for cut in cuts), len(texts)]
    return [verdict for a, b in pairwise(ends) for verdict in index.admit(texts[a:b])]


@settings(max_examples=10)
@given(st.sampled_from(["prefix", "minhash"]), st.lists(st.integers(0, 10**6), max_size=5))
def test_verdicts_are_those_of_one_text_after_the_other(kind: str, cuts: list[int]) -> None:
    index = si.NoveltyIndex(kind=kind)  # type: ignore[arg-type]
    verdicts = in_batches(index, TEXTS, cuts)
    assert [verdict.accepted for verdict in verdicts] == EXPECTED
    assert [verdict.id for verdict in verdicts] == [str(number) for number in range(len(TEXTS))]
    assert len(index) == sum(EXPECTED)
    for verdict in verdicts:
        assert (verdict.reason is si.Reason.SIMILAR) is not verdict.accepted
        if not verdict.accepted:
            assert verdict.nearest == TEXTS[int(verdict.nearest_id or "")]


def test_shards_on_the_cluster_that_is_there_give_the_same_verdicts(tmp_path: Path) -> None:
    start_ray(num_cpus=1)
    try:
        with si.NoveltyIndex(shards=2) as index:
            verdicts = in_batches(index, TEXTS[:200], [50])
            index.save(tmp_path / "index")
        with si.NoveltyIndex.open(tmp_path / "index", shards=3) as index:
            verdicts += in_batches(index, TEXTS[200:], [40])
        assert verdicts == in_batches(si.NoveltyIndex(), TEXTS, [])
        assert ray.is_initialized()  # it was not the index that had started it
    finally:
        ray.shutdown()


def test_threads_wait_for_each_other() -> None:
    index = si.NoveltyIndex()
    with ThreadPoolExecutor(8) as threads:
        verdicts = [verdict for batch in threads.map(index.admit, [[text] for text in TEXTS]) for verdict in batch]
    assert sorted(int(verdict.id) for verdict in verdicts) == list(range(len(TEXTS)))
    accepted = [verdict.text for verdict in verdicts if verdict.accepted]
    assert len(accepted) == len(index)
    assert all(near and near.rouge_l == 1.0 for near in index.nearest(accepted))


def test_the_nearest_by_name() -> None:
    index = si.NoveltyIndex(tokeniser="unicode")
    assert index.nearest(["Назови три птицы."]) == [None]
    index.admit(["Назови три птицы моря."], ids=["birds"])
    near = index.nearest(["Назови три птицы моря!", "Отсортируй слова."])
    assert near == [si.NearestText("birds", "Назови три птицы моря.", 1.0), None]


@pytest.mark.parametrize("kind", ["prefix", "minhash"])
def test_an_index_that_is_saved_goes_on_where_it_was(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "deep" / "novelty.index"
    index = si.NoveltyIndex(0.6, kind)  # type: ignore[arg-type]
    index.admit(TEXTS[:100])
    index.save(path)
    index.admit(TEXTS[100:200])
    index.save(path)  # in place of the older one
    opened = si.NoveltyIndex.open(path, threshold=0.6)
    assert len(opened) == len(index)
    assert opened.admit(TEXTS[200:]) == index.admit(TEXTS[200:])
    assert [file.name for file in path.parent.iterdir()] == ["novelty.index"]


def test_a_broken_text_of_a_model_is_mended_and_saved(tmp_path: Path) -> None:
    index = si.NoveltyIndex()
    [verdict] = index.admit(["\ud83d\ude00 \ude00 Name a bird\0."])
    assert verdict.text == "\U0001f600 \ufffd Name a bird\ufffd."
    index.save(tmp_path / "index")
    assert si.NoveltyIndex.open(tmp_path / "index").nearest(["\ude00\0"]) == index.nearest(["\ude00\0"])


def test_an_index_on_an_object_store(bucket: str) -> None:
    index = si.NoveltyIndex()
    index.admit(TEXTS[:50])
    for _ in range(2):
        index.save(f"{bucket}/novelty.index")
    assert len(si.NoveltyIndex.open(f"{bucket}/novelty.index")) == len(index)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    index = si.NoveltyIndex()
    index.admit(TEXTS[:60])
    index.save(tmp_path / "novelty.index")
    return tmp_path / "novelty.index"


@settings(max_examples=40)
@given(st.floats(0, 1, exclude_max=True), st.integers(1, 255))
def test_no_damaged_file_is_taken_for_a_good_one(
    tmp_path_factory: pytest.TempPathFactory, place: float, flip: int
) -> None:
    path = tmp_path_factory.mktemp("damaged") / "novelty.index"
    index = si.NoveltyIndex()
    index.admit(TEXTS[:30])
    index.save(path)
    good = path.read_bytes()
    data = bytearray(good)
    data[int(place * len(data))] ^= flip
    for damaged in (bytes(data), good[: int(place * len(good))]):
        path.write_bytes(damaged)
        opened = opened_or_why_not(path)
        if isinstance(opened, str):
            assert opened.startswith(f"{path}: ")
            assert "\n" not in opened
        else:  # the byte says nothing, as one of a statistic
            assert opened.nearest(TEXTS) == index.nearest(TEXTS)


def opened_or_why_not(path: Path) -> si.NoveltyIndex | str:
    try:
        return si.NoveltyIndex.open(path)
    except (si.CorruptError, si.InputError) as error:
        return str(error)


def test_what_cannot_be_opened_is_one_clear_line(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(si.InputError, match=r"saved with threshold 0\.7, not 0\.8"):
        si.NoveltyIndex.open(path, threshold=0.8)
    with pytest.raises(si.InputError, match="saved with index 'prefix', not 'minhash'"):
        si.NoveltyIndex.open(path, kind="minhash")
    with pytest.raises(si.InputError, match="there is no saved index"):
        si.NoveltyIndex.open(path.with_name("none"))
    with pytest.raises(si.InputError, match="must be the name of a file"):
        si.NoveltyIndex.open(f"{path.parent}/")
    other = path.with_name("other.parquet")
    pq.write_table(pa.table({"id": ["a"], "text": ["b"]}), other)
    with pytest.raises(si.CorruptError, match="is damaged, or no saved index"):
        si.NoveltyIndex.open(other)
    monkeypatch.setattr(saved, "FORMAT", 0)
    with pytest.raises(si.InputError, match="was saved by a newer version"):
        si.NoveltyIndex.open(path)


def test_an_index_of_settings_that_are_not_known_yet_is_of_a_newer_version(path: Path) -> None:
    index = si.NoveltyIndex()
    newer = saved.NoveltySettings(tokeniser="unicode2")  # type: ignore[arg-type]
    saved.write_index(str(path.with_name("newer")), saved.SavedIndex(newer, 0, []))
    for use in (si.NoveltyIndex.open, index.save):
        with pytest.raises(si.InputError, match="was saved by a newer version"):
            use(path.with_name("newer"))


def test_an_index_of_the_older_words_of_any_script_is_not_gone_on_with(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = ["काला कीला कोल", "केला किला कौल", "काला कीला कोल कुल", "काला कीला कोल और"]
    index = si.NoveltyIndex(tokeniser="unicode")
    admitted = [verdict.accepted for verdict in index.admit(texts[:2])]
    index.save(path.with_name("hindi"))
    opened = si.NoveltyIndex.open(path.with_name("hindi"))
    assert admitted == [True, True]
    assert [verdict.accepted for verdict in opened.admit(texts[2:])] == [False, False]
    for version, reason in ((1, "was saved when words were told otherwise"), (3, "was saved by a newer version")):
        with monkeypatch.context() as patch:
            patch.setattr(saved, "ANY_SCRIPT", version)
            index.save(path.with_name(f"other{version}"))
        with pytest.raises(si.InputError, match=reason):
            si.NoveltyIndex.open(path.with_name(f"other{version}"))


def test_nothing_else_is_ever_written_over(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(si.InputError, match=r"saved with threshold 0\.7, not 0\.8"):
        si.NoveltyIndex(0.8).save(path)
    assert path.read_bytes() == before
    mine = path.with_name("mine.jsonl")
    mine.write_text('{"instruction": "Name a bird."}\n')
    with pytest.raises(si.InputError, match="is there already, and is no saved index"):
        si.NoveltyIndex().save(mine)
    assert mine.read_text() == '{"instruction": "Name a bird."}\n'


def test_what_is_given_wrongly_is_said_at_once() -> None:
    with pytest.raises(si.InputError) as caught:
        si.NoveltyIndex(1.5, "lsh", shards=0, tokeniser="words")  # type: ignore[arg-type]
    assert caught.value.problems == (
        "NoveltyIndex: 'threshold' is 1.5, must be at least 0 and at most 1",
        "NoveltyIndex: 'kind' takes one of minhash, prefix, not the text 'lsh'",
        "NoveltyIndex: 'shards' is 0, must be at least 1",
        "NoveltyIndex: 'tokeniser' takes one of rouge, unicode, not the text 'words'",
    )
    index = si.NoveltyIndex()
    with pytest.raises(TypeError, match="give a list of texts"):
        index.admit("Name a bird.")
    with pytest.raises(TypeError, match="number 1 of the texts is of type NoneType"):
        index.admit(["Name a bird.", None])  # type: ignore[list-item]
    with pytest.raises(si.InputError, match="there are 1 for 2 texts"):
        index.admit(["Name a bird.", "Sort the words."], ids=["one"])
    assert len(index) == 0


def test_an_index_is_never_copied_into_another_process() -> None:
    with pytest.raises(TypeError, match="stays in its process"):
        pickle.dumps(si.NoveltyIndex())
