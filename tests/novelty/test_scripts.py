"""Both kinds of index against brute force on texts of many scripts, and the verdicts of the whole check there."""

from __future__ import annotations

import json
import random
import unicodedata
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from jobs.main import main
from selfinstruct.novelty import prefix
from selfinstruct.novelty.check import make_index, nearer
from selfinstruct.novelty.index import NoveltySettings
from selfinstruct.novelty.rouge import rouge_l, tokenise
from selfinstruct.records import Neighbour
from tests.tools.texts import SCRIPTS, script_texts

THRESHOLD = 0.7


def brute_force(texts: list[str], query: str) -> Neighbour | None:
    tokens = tokenise(query, "unicode")
    scored = (Neighbour(at, rouge_l(tokens, tokenise(text, "unicode"))) for at, text in enumerate(texts))
    return nearer(near for near in scored if near.rouge_l > THRESHOLD)


@pytest.mark.parametrize("script", [*SCRIPTS, "all"])
def test_no_duplicate_is_missed_in_any_script(script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefix, "TAIL", 16)
    draw = random.Random(script)
    parts = SCRIPTS if script == "all" else [script]
    texts = [text for part in parts for text in script_texts(part, 300 // len(parts), draw)]
    draw.shuffle(texts)
    pool, queries = texts[:200], texts[200:]
    expected = [brute_force(pool, query) for query in queries]
    assert 10 < sum(each is not None for each in expected) < len(queries)
    for kind in ("prefix", "minhash"):
        index = make_index(NoveltySettings(index=kind, tokeniser="unicode", threshold=THRESHOLD))
        index.insert(0, pool)
        found = index.nearest(len(pool), queries)
        assert [each if each and each.rouge_l > THRESHOLD else None for each in found] == expected


# ---- by the command


def verdicts(folder: Path, texts: list[str], *options: str) -> list[tuple[bool, str | None, float | None]]:
    path = folder / "set.jsonl"
    path.write_text("\n".join(json.dumps({"instruction": text}) for text in texts))
    assert main(["dedup", str(path), "--seeds", "none", "--out", str(folder / "out"), *options]) == 0
    rows = pq.read_table(folder / "out/verdicts.parquet").to_pylist()
    return [(row["accepted"], row["reason"], row["rouge_l"]) for row in rows]


@pytest.mark.parametrize("index", ["minhash", "prefix"])
@pytest.mark.parametrize(
    ("texts", "score"),
    [
        (["काला कीला कोल कुल", "केला किला कौल कील"], None),  # the same consonants, no word in common
        (["请把左边这幅关于秋天的画讲给孩子听。", "请把右边这幅关于秋天的画讲给孩子听。"], 16 / 17),
        (["Décris l'été à Orléans", unicodedata.normalize("NFD", "Décris l'été à Orléans")], 1.0),
        (["사과와 배를 그려 보세요", unicodedata.normalize("NFD", "사과와 배를 그려 보세요")], 1.0),
        (["Name four rivers of the north", "Ｎａｍｅ　ｆｏｕｒ　ｒｉｖｅｒｓ　ｏｆ　ｔｈｅ　ｎｏｒｔｈ"], 1.0),
        (["Miss die Straße und den Fluß", "MISS DIE STRASSE UND DEN FLUSS"], 1.0),
    ],
)
def test_verdicts_on_two_texts(tmp_path: Path, texts: list[str], score: float | None, index: str) -> None:
    found = verdicts(tmp_path, texts, "--no_screen", "--novelty.tokeniser", "unicode", "--novelty.index", index)
    assert found[0][:2] == (True, None)
    assert found[1] == ((False, "similar", pytest.approx(score)) if score else (True, None, None))


def test_the_screen_counts_characters_where_there_are_no_blanks(tmp_path: Path) -> None:
    texts = [
        "请写一首关于雪的诗。",
        "写诗。",
        "ช่วยเขียนกลอนเกี่ยวกับหิมะ",
        "「雪」という字を説明して",
        "雪" * 151,
        "¿Qué es la nieve del norte?",
    ]
    found = verdicts(tmp_path, texts, "--novelty.tokeniser", "unicode")
    reasons = [None, "too_short", None, "starts_with_punctuation", "too_long", None]
    assert [reason for _, reason, _ in found] == reasons


# ---- what people are told who did not know of the option

RUSSIAN = ["Назови 7 рек севера", "Опиши 7 дней зимы"]
WARNING = "are not ASCII, and are no part of words here; --novelty.tokeniser unicode reads words of any script"


def test_a_set_of_other_letters_is_told_of_the_tokeniser(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = verdicts(tmp_path, RUSSIAN, "--no_screen")
    assert [accepted for accepted, *_ in found] == [True, False]  # "7" is all that they have
    assert capsys.readouterr().err == f"warning: most letters of the set {WARNING}\n"
    for more in (["--novelty.tokeniser", "unicode"], ["--novelty.tokeniser", "rouge"]):
        (tmp_path / more[1]).mkdir()
    verdicts(tmp_path / "unicode", RUSSIAN, "--no_screen", "--novelty.tokeniser", "unicode")
    verdicts(tmp_path / "rouge", [*RUSSIAN, "Name two or three birds of the cold northern sea"], "--no_screen")
    assert capsys.readouterr().err == ""


def test_import_and_generate_tell_of_it_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    texts, seeds = tmp_path / "set.jsonl", tmp_path / "seeds.jsonl"
    texts.write_text("\n".join(json.dumps({"instruction": text, "output": "7"}) for text in RUSSIAN))
    instances = {"instances": [{"output": "Нева."}], "is_classification": False}
    seeds.write_text("\n".join(json.dumps({"instruction": text, **instances}) for text in RUSSIAN))
    told = f"most letters of the seed tasks and of the set {WARNING}\n"
    run = str(tmp_path / "run")
    assert main(["import", str(texts), "--no_check_pool", "--seeds", str(seeds), "--out", run]) == 0
    assert capsys.readouterr().err == f"warning: {told}"
    options = ["--engine", "template", "--seeds", str(seeds), "--out", run]
    assert main(["generate", *options]) == 2  # the pool's screen differs
    warnings = [line for line in capsys.readouterr().err.splitlines() if "ASCII" in line]
    assert warnings == [f"warning: most letters of the seed tasks {WARNING}"]
    assert main(["generate", *options, "--novelty.tokeniser", "unicode"]) == 2
    error = capsys.readouterr().err
    assert "ASCII" not in error
    assert "novelty.tokeniser: the run has 'rouge', this command 'unicode'" in error
    assert "tables" not in error
