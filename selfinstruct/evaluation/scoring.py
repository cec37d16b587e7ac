"""Scores of a prediction against its references, as the scorer of Super-NaturalInstructions takes them.

ROUGE by the package `rouge_score`, with Porter stemming, F, the best over the references. Exact match: equal to one of
the references in lower case, without ASCII punctuation and with runs of white space as one blank; articles stay.
The tokeniser `unicode` reads other scripts, too: tokens are those of the novelty check (stems where they are ASCII),
and exact match folds forms and leaves out punctuation of any script. In ASCII texts it changes nothing.
Each score is the best over the references on its own, in [0, 1]; means are given times 100.
"""

from __future__ import annotations

import string
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rouge_score.rouge_scorer import RougeScorer
from rouge_score.tokenizers import DefaultTokenizer

from selfinstruct.novelty import words
from selfinstruct.novelty.rouge import Tokeniser, tokenise

_WITHOUT_PUNCTUATION = str.maketrans("", "", string.punctuation)


@dataclass(frozen=True, slots=True)
class Scores:
    """The three scores of one prediction, or their means times 100. The fields are named as users see them."""

    rougeL: float  # noqa: N815
    rouge1: float
    exact_match: float


class _AnyScript:
    """A tokenizer for `rouge_score`: words of any script, the ASCII ones among them as it has them."""

    def __init__(self) -> None:
        self._stems = DefaultTokenizer(use_stemmer=True)

    def tokenize(self, text: str) -> list[str]:
        tokens = (self._stems.tokenize(word) if word.isascii() else [word] for word in tokenise(text, "unicode"))
        return [token for each in tokens for token in each]


class Scorer:
    """Scores predictions; holds the stemmer."""

    def __init__(self, tokeniser: Tokeniser = "rouge") -> None:
        tokens = _AnyScript() if tokeniser == "unicode" else None
        self._rouge = RougeScorer(["rouge1", "rougeL"], use_stemmer=True, tokenizer=tokens)
        self._normalised = words.bare if tokeniser == "unicode" else normalised

    def __call__(self, prediction: str, references: Sequence[str]) -> Scores:
        """The best scores over the references, of which there is at least one."""
        best = self._rouge.score_multi(references, prediction)
        plain = self._normalised(prediction)
        return Scores(
            rougeL=float(best["rougeL"].fmeasure),
            rouge1=float(best["rouge1"].fmeasure),
            exact_match=float(any(plain == self._normalised(reference) for reference in references)),
        )


def normalised(text: str) -> str:
    """The form in which exact match compares."""
    return " ".join(text.lower().translate(_WITHOUT_PUNCTUATION).split())


def mean(scores: Sequence[Scores]) -> Scores:
    """The mean of each score, times 100; of none, zeros."""
    count = max(1, len(scores))
    return Scores(
        rougeL=100 * sum(each.rougeL for each in scores) / count,
        rouge1=100 * sum(each.rouge1 for each in scores) / count,
        exact_match=100 * sum(each.exact_match for each in scores) / count,
    )


def grouped(scores: Iterable[tuple[str, Scores]]) -> Mapping[str, list[Scores]]:
    """Scores by the name of their group, groups in order of appearance."""
    groups: dict[str, list[Scores]] = {}
    for name, score in scores:
        groups.setdefault(name, []).append(score)
    return groups


def figures(scores: Sequence[Scores]) -> dict[str, float | int]:
    """Number and means to the fourth decimal, as JSON."""
    means = mean(scores)
    return {
        "number": len(scores),
        "rougeL": round(means.rougeL, 4),
        "rouge1": round(means.rouge1, 4),
        "exact_match": round(means.exact_match, 4),
    }
