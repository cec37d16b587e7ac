"""Scores agree with the benchmark's scorer: with cases by hand, and with its definition written down once more."""

from __future__ import annotations

import json
import os
import re
import string
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nltk.stem.porter import PorterStemmer

from jobs.main import main
from selfinstruct.evaluation.scoring import Scorer, figures
from selfinstruct.evaluation.user_tasks import read_user_tasks
from selfinstruct.novelty.rouge import rouge_l, tokenise
from selfinstruct.sources.seeds import load_seeds

SCORER = Scorer()
STEMMER = PorterStemmer()
ASCII = st.text(st.characters(max_codepoint=127), max_size=30)


@pytest.mark.parametrize(
    ("prediction", "references", "expected"),
    [
        # stems "the cat are run" and "the cat run": 3 in common, F = 2 * 3/4 * 1 / (3/4 + 1) = 6/7
        ("The cats are running", ["the cat runs"], (85.7143, 85.7143, 0)),
        ("b a", ["a b"], (50, 100, 0)),
        ("a b c d", ["a x", "c d"], (66.6667, 66.6667, 0)),
        # the best reference of each score on its own: order counts for ROUGE-L only
        ("d c b a", ["a b c d", "d c"], (66.6667, 100, 0)),
        ("  The ANSWER:\n yes. ", ["the answer yes"], (100, 100, 100)),
        ("the answer", ["answer"], (66.6667, 66.6667, 0)),  # articles stay
        ("well-known", ["wellknown"], (0, 0, 100)),  # one word without punctuation, two for ROUGE
        ("yes\u201d", ["yes"], (100, 100, 0)),  # only ASCII punctuation is stripped
        ("", ["yes"], (0, 0, 0)),
        ("", [""], (0, 0, 100)),
        ("\u662f", ["\u662f"], (0, 0, 100)),  # no letters and digits that ROUGE knows
    ],
)
def test_scores_by_hand(prediction: str, references: list[str], expected: tuple[float, float, float]) -> None:
    scores = figures([SCORER(prediction, references)])
    assert (scores["rougeL"], scores["rouge1"], scores["exact_match"]) == expected


def stems(text: str) -> tuple[str, ...]:
    words = re.findall("[a-z0-9]+", text.lower())
    return tuple(STEMMER.stem(word) if len(word) > 3 else word for word in words)


def harmonic(common: int, predicted: int, wanted: int) -> float:
    if not common:
        return 0.0
    precision, recall = common / predicted, common / wanted
    return 2 * precision * recall / (precision + recall)


def longest_common(a: tuple[str, ...], b: tuple[str, ...]) -> int:
    @cache
    def upto(i: int, j: int) -> int:
        if i == 0 or j == 0:
            return 0
        if a[i - 1] == b[j - 1]:
            return upto(i - 1, j - 1) + 1
        return max(upto(i - 1, j), upto(i, j - 1))

    return upto(len(a), len(b))


def bare(text: str) -> list[str]:
    return "".join("" if char in string.punctuation else char for char in text.lower()).split()


WORDS = ["The", "cats", "cat.", "running", "runs,", "a", "Generously", "generous", "3.5", "caf\u00e9", "--", "\t"]
TEXTS = st.lists(st.sampled_from(WORDS), max_size=9).map(" ".join)


@given(prediction=TEXTS, references=st.lists(TEXTS, min_size=1, max_size=3))
def test_scores_are_those_of_the_definition(prediction: str, references: list[str]) -> None:
    a, others = stems(prediction), [stems(reference) for reference in references]
    scores = SCORER(prediction, references)
    assert scores.rougeL == pytest.approx(max(harmonic(longest_common(a, b), len(a), len(b)) for b in others))
    shared = [(sum((Counter(a) & Counter(b)).values()), len(b)) for b in others]
    assert scores.rouge1 == pytest.approx(max(harmonic(common, len(a), size) for common, size in shared))
    assert scores.exact_match == any(bare(prediction) == bare(reference) for reference in references)


def released(name: str) -> Path:
    folder = os.environ.get("SELFINSTRUCT_RELEASED_DATA")
    if not folder:
        pytest.skip("SELFINSTRUCT_RELEASED_DATA is not set")
    return Path(folder) / name


def test_overlap_of_the_released_files_is_the_known_one() -> None:
    tasks = read_user_tasks(str(released("user_oriented_instructions.jsonl")))
    seeds = load_seeds(released("seed_tasks.jsonl"))
    assert len(tasks) == 252
    assert sum(not task.input for task in tasks) == 44
    scores = {
        (task.id, task.instruction, seed.instruction): rouge_l(
            *(tokenise(each.instruction, "rouge") for each in (task, seed))
        )
        for task in tasks
        for seed in seeds
    }
    best: dict[str, float] = {}
    for (id, _, _), score in scores.items():
        best[id] = max(score, best.get(id, 0))
    assert round(sum(best.values()) / 252, 3) == 0.339
    identical = {tuple(texts) for (_, *texts), score in scores.items() if score == 1}
    assert len(identical) == 1  # one pair of texts, though two of the tasks have this instruction


@pytest.mark.parametrize(
    ("prediction", "reference", "expected"),
    [
        ("सफ़ेद फूल", "सफेद फल", (0, 0, 0)),
        ("Новый дом!", "новый дом", (100, 100, 100)),
        ("一只猫。", "一只狗", (66.6667, 66.6667, 0)),
        ("「猫」です", "猫です", (100, 100, 100)),
        ("\u30ab\u3099", "ｶﾞ", (100, 100, 100)),
        ("Die Straße läuft", "DIE STRASSE LÄUFT", (100, 100, 100)),
        ("été running", "ÉTÉ runs", (100, 100, 0)),  # English words by their stems, wherever they stand
    ],
)
def test_scores_of_other_scripts(prediction: str, reference: str, expected: tuple[float, float, float]) -> None:
    scores = figures([Scorer("unicode")(prediction, [reference])])
    assert (scores["rougeL"], scores["rouge1"], scores["exact_match"]) == expected


@given(ASCII, ASCII)
def test_ascii_texts_are_scored_alike_by_both_tokenisers(prediction: str, reference: str) -> None:
    assert Scorer("unicode")(prediction, [reference]) == SCORER(prediction, [reference])


# ---- the command


def write(path: Path, *rows: object) -> str:
    path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows))
    return str(path)


def test_a_file_is_scored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(
        tmp_path / "made.jsonl",
        {"said": "The cats are running", "wanted": "the cat runs", "kind": "x"},
        {"said": "yes!", "wanted": ["no", "Yes"], "kind": "y"},
        {"said": "", "wanted": ["no", "Yes"], "kind": "x"},
    )
    out = tmp_path / "scores.json"
    asked = ["score", file, "--prediction", "said", "--reference", "wanted"]
    assert main([*asked, f"--json={out}"]) == 0
    expected = {"number": 3, "rougeL": 61.9048, "rouge1": 61.9048, "exact_match": 33.3333}
    assert json.loads(out.read_text())["figures"] == expected
    assert "61.9048" in capsys.readouterr().out
    assert main([*asked, "--by", "kind", f"--json={out}"]) == 0
    assert json.loads(out.read_text())["figures"]["groups"]["x"] == {**expected, "number": 2, "rougeL": 42.8571} | {
        "rouge1": 42.8571,
        "exact_match": 0,
    }


def test_what_a_model_writes_is_scored_whatever_it_is(tmp_path: Path) -> None:
    file = write(tmp_path / "odd.jsonl", {"said": "yes\0\ud800", "wanted": "yes"}, {"said": "\u2028", "wanted": [""]})
    out = tmp_path / "scores.json"
    assert main(["score", file, "--prediction", "said", "--reference", "wanted", f"--json={out}"]) == 0
    assert json.loads(out.read_text())["figures"]["rougeL"] == 50


def test_a_package_that_is_missing_is_named(tmp_path: Path) -> None:
    file = write(tmp_path / "made.jsonl", {"said": "a", "wanted": "a"})
    program = f"""
import sys
sys.modules["rouge_score"] = None  # as if it was not installed
from jobs.main import main
sys.exit(main(["score", {file!r}, "--prediction", "said", "--reference", "wanted"]))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 2
    assert "pip install 'selfinstruct[evaluate]'" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_bad_lines_of_a_file_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path / "bad.jsonl", {"said": "a", "wanted": []}, {"said": "a", "wanted": "b"}, {"said": "a"})
    asked = ["score", file, "--prediction", "said", "--reference", "wanted"]
    assert main([*asked, f"--json={tmp_path / 'out.json'}"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(": ")[1] for line in lines] == [f"{file}:1", f"{file}:3"]
    assert main(["score", file, "--prediction", "text", "--reference", "wanted"]) == 2
    assert "no text under 'text' (there are: said, wanted)" in capsys.readouterr().err
    assert main(["score", write(tmp_path / "none.jsonl"), "--prediction", "a", "--reference", "b"]) == 2
    assert main(["score", str(tmp_path / "absent.jsonl"), "--prediction", "a", "--reference", "b"]) == 2
    assert not (tmp_path / "out.json").exists()


def test_other_letters_are_told_of_the_tokeniser(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path / "ru.jsonl", {"said": "белый дом", "wanted": ["белый дом у реки", "дом"]})
    asked = ["score", file, "--prediction", "said", "--reference", "wanted"]
    assert main(asked) == 0
    told = capsys.readouterr()
    assert told.out.split()[-3:] == ["0.0000", "0.0000", "0.0000"]
    assert told.err == (
        "warning: most letters of the set are not ASCII, and are no part of words here;"
        " --tokeniser unicode reads words of any script\n"
    )
    assert main([*asked, "--tokeniser", "unicode"]) == 0
    told = capsys.readouterr()
    assert told.out.split()[-3:] == ["66.6667", "66.6667", "0.0000"]
    assert told.err == ""
