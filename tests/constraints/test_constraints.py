"""Constraints: texts made to keep them and to break them, in four scripts; what is drawn, and how it is worded."""

from __future__ import annotations

import doctest
import json
import string
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import selfinstruct as si
from selfinstruct.constraints import Constraint, checking, holds, read
from selfinstruct.constraints.checking import KINDS, written
from selfinstruct.constraints.counting import sentence_count, word_count
from selfinstruct.constraints.drawing import MOST_WORDS, constrained, drawn, together, wordings
from selfinstruct.draws import Draws
from selfinstruct.novelty.rouge import tokenise
from selfinstruct.records import Instance, Kind
from selfinstruct.run.settings import RunSettings, StepSettings
from selfinstruct.run.verdicts import Criteria
from selfinstruct.steps.constraints import Asked, ConstraintSettings, asked
from selfinstruct.steps.rules import _MAY_REPEAT
from tests.tools.witness import candidate, witness


@dataclass(frozen=True)
class Script:
    """Words of a script that are no part of each other, and how it puts them together."""

    words: tuple[str, ...]
    others: tuple[str, ...]  # words that no text has unless it is told to
    between: str
    stop: str


SCRIPTS = {
    "latin": Script(("stone", "moon", "élan", "well-known", "don't", "Fjord"), ("river", "été"), " ", ". "),
    "devanagari": Script(("नदी", "किताब", "हिन्दी", "घर"), ("पानी", "सूरज"), " ", "। "),
    "han": Script(("山", "水", "人", "天", "学"), ("河流", "书"), "", "。"),
    "arabic": Script(("كتاب", "بيت", "مدرسة", "شمس"), ("نهر", "قمر"), " ", "؟ "),
}

MARKS = st.sampled_from(["", "", "", " –", " *", ",", " ( )"])


def made(script: Script, count: int, draw: Callable[..., Any]) -> str:
    """So many words of a script, with marks between them that are none."""
    pieces = [draw(st.sampled_from(script.words)) + draw(MARKS) for _ in range(count)]
    return script.between.join(pieces)


def sentences(script: Script, count: int, draw: Callable[..., Any]) -> str:
    pieces = [
        script.between.join(draw(st.lists(st.sampled_from(script.words), min_size=1, max_size=3))) for _ in range(count)
    ]
    ends = [draw(st.sampled_from([script.stop, "! ", "?\n", "\n", '." ', "... "])) for _ in pieces]
    return "".join(piece + end for piece, end in zip(pieces, ends, strict=True))


def bounds(kind: str, arguments: Mapping[str, Any]) -> tuple[int, int]:
    """The least and the most that a kind allows, written down once more."""
    count = arguments.get("count", 0)
    near = [n for n in range(1, 2 * count + 2) if abs(n - count) * 10 <= count] or [0]
    return {
        "exactly": (count, count),
        "at_most": (1, count),
        "at_least": (count, count + 20),
        "between": (arguments.get("least", 0), arguments.get("most", 0)),
        "around": (near[0], near[-1]),
    }[kind.partition("_")[2]]


@st.composite
def lengths(draw: Callable[..., Any], kind: str, *, kept: bool) -> tuple[Constraint, str]:
    script = SCRIPTS[draw(st.sampled_from(sorted(SCRIPTS)))]
    most = 60 if kind.startswith("words") else 12
    least = draw(st.integers(2, most))
    arguments = {"least": least, "most": least + draw(st.integers(0, 9))} if "between" in kind else {"count": least}
    low, high = bounds(kind, arguments)
    outside = [n for n in range(high + 12) if not low <= n <= high and not ("at_least" in kind and n > high)]
    count = draw(st.integers(low, high)) if kept else draw(st.sampled_from(outside))
    write = made if kind.startswith("words") else sentences
    return Constraint(kind, arguments), write(script, count, draw)


@st.composite
def others(draw: Callable[..., Any], kind: str, *, kept: bool) -> tuple[Constraint, str]:
    script = SCRIPTS[draw(st.sampled_from(sorted(SCRIPTS)))]
    text = made(script, draw(st.integers(1, 12)), draw)
    wanted = draw(st.lists(st.sampled_from(script.others), min_size=1, unique=True))
    with_all = script.between.join([text, *(f"{word}," for word in wanted), text])
    match kind:
        case "keywords":
            told = wanted if kept else [*wanted, "Ωμέγα"]
            return Constraint(kind, {"words": told}), with_all
        case "without":
            return Constraint(kind, {"words": wanted}), text if kept else with_all
        case "bullets":
            count = draw(st.integers(1, 9))
            items = count if kept else draw(st.integers(0, 12).filter(lambda n: n != count))
            marks = [draw(st.sampled_from(["- ", "* ", "• ", "•", "  – ", "・"])) for _ in range(items)]
            lines = [f"{mark}{draw(st.sampled_from(script.words))}" for mark in marks]
            return Constraint(kind, {"count": count}), "\n".join([draw(st.sampled_from(script.words)), *lines, "-5"])
        case "json":
            return Constraint(kind, {}), draw(json_texts(script, kept=kept))
        case "upper" | "lower":
            cased = "Straße Élan" if script.words[0] in ("stone",) else f"Abc {text}"
            right, wrong = (cased.upper(), cased.lower()) if kind == "upper" else (cased.lower(), cased.upper())
            return Constraint(kind, {}), right if kept else draw(st.sampled_from([wrong, f"{right} Xx", "12", ""]))
        case _:
            phrase = script.between.join(wanted) + draw(st.sampled_from([".", "!", "。", ""]))
            edge, inner = draw(st.sampled_from(["", " ", "\n"])), script.words[0]
            begun = f"{edge}{phrase.swapcase()} {inner}" if kind == "begins" else f"{inner} {phrase.swapcase()}{edge}"
            missed = f"{inner} {phrase} {inner}"
            return Constraint(kind, {"phrase": phrase}), begun if kept else missed


@st.composite
def json_texts(draw: Callable[..., Any], script: Script, *, kept: bool) -> str:
    leaves = st.one_of(st.integers(), st.sampled_from(script.words), st.none(), st.booleans())
    value = draw(st.recursive(leaves, lambda each: st.lists(each) | st.dictionaries(st.sampled_from("abc"), each)))
    text = json.dumps({"a": value} if draw(st.booleans()) else [value], ensure_ascii=draw(st.booleans()), indent=1)
    if kept:
        return draw(st.sampled_from([text, f"\n{text}\n", f"```json\n{text}\n```", f"```\n{text}\n```\n"]))
    word = script.words[0]
    return draw(
        st.sampled_from([text[:-1], f"{word} {text}", f"{text} {word}", word, "12", "", "[NaN]", "[" * 100_000])
    )


def texts(kind: str, *, kept: bool) -> st.SearchStrategy[tuple[Constraint, str]]:
    return lengths(kind, kept=kept) if kind.startswith(("words", "sentences")) else others(kind, kept=kept)


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_a_text_that_was_made_to_keep_it_does(kind: str, data: st.DataObject) -> None:
    constraint, text = data.draw(texts(kind, kept=True))
    assert holds(constraint, text)


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_a_text_that_was_made_to_break_it_does(kind: str, data: st.DataObject) -> None:
    constraint, text = data.draw(texts(kind, kept=False))
    assert not holds(constraint, text)


@pytest.mark.parametrize(
    ("text", "words", "count"),
    [
        ("", 0, 0),
        ("One, two - three.", 3, 1),
        ("It costs 3.50 (about). Fine!", 5, 2),
        ("我喜欢山。你呢？", 6, 2),
        ("यह घर है। वह नदी है।", 6, 2),
        ("ما هذا؟ هذا كتاب۔", 4, 2),
        ("1. First\n2. Second", 4, 2),
        ("タオは道。", 4, 1),
        ("Wait... what?!", 2, 2),
    ],
)
def test_words_and_sentences_as_people_count_them(text: str, words: int, count: int) -> None:
    assert (word_count(text), sentence_count(text)) == (words, count)


def test_other_forms_of_a_word_are_other_words() -> None:
    river = Constraint("keywords", {"words": ["river"]})
    assert [holds(river, text) for text in ("RIVER!", "a river-bank", "rivers", "driver")] == [True, True, False, False]


def test_the_examples_of_the_docstrings() -> None:
    assert doctest.testmod(checking).failed == 0


def test_what_no_version_knows_is_said() -> None:
    with pytest.raises(si.InputError, match="there is no kind 'rhymes'"):
        holds(Constraint("rhymes", {}), "")
    with pytest.raises(si.InputError, match="are no arguments of bullets"):
        holds(Constraint("bullets", {"number": 3}), "")
    for column in ("{", "[1]", '[{"kind": "json"}]'):
        with pytest.raises(si.InputError, match="must be a list of kind, arguments and wording"):
            read(column)


# ---- what is drawn


def many(number: int, *, two: bool, text: str = "Tell me about cats") -> list[tuple[Constraint, ...]]:
    return [drawn(Draws("test", at), text, two=two) for at in range(number)]


def test_what_is_drawn_goes_to_a_file_and_back() -> None:
    assert all(read(written(each)) == each for each in many(200, two=True))
    assert read(None) == read("") == ()
    assert written(()) is None


def test_all_kinds_and_all_wordings_are_drawn() -> None:
    seen = Counter(each.kind for (each,) in many(4000, two=False))
    assert set(seen) == set(KINDS)
    assert min(seen.values()) > 4000 / len(KINDS) / 2
    assert set(wordings().wordings) == set(KINDS)
    assert all(len(set(choices)) >= 4 for choices in wordings().wordings.values())
    assert sum(map(len, wordings().wordings.values())) >= 80


@pytest.mark.parametrize("two", [False, True], ids=["one", "two"])
def test_whatever_is_drawn_can_be_kept(two: bool) -> None:
    """The pairs of all kinds that may come together are among them."""
    pairs = Counter()
    for constraints in many(6000, two=two):
        text = witness(constraints)
        assert all(holds(each, text) for each in constraints), (constraints, text)
        pairs[frozenset(each.kind for each in constraints)] += 1
    wanted = {frozenset(pair) for pair in product(KINDS, KINDS) if together(*pair)}
    assert set(pairs) == (wanted if two else {frozenset({kind}) for kind in KINDS})


def test_words_of_the_instruction_are_neither_demanded_nor_forbidden() -> None:
    text = f"Explain {' '.join(wordings().words[:50])}"
    taken = {word for each in many(500, two=True, text=text) for one in each for word in one.arguments.get("words", [])}
    assert taken == set(wordings().words[50:])
    assert len(wordings().words) == len(set(wordings().words)) >= 50 + 2 * MOST_WORDS


def test_no_case_is_asked_of_letters_that_have_none() -> None:
    kinds = {one.kind for each in many(500, two=True, text="介绍一下长城。") for one in each}
    assert kinds == set(KINDS) - {"upper", "lower"}


def test_phrases_have_no_word_that_may_be_forbidden() -> None:
    phrases = " ".join([*wordings().begins, *wordings().ends])
    assert not set(tokenise(phrases, "unicode")) & set(wordings().words)


def test_every_wording_says_what_is_drawn() -> None:
    for each in (one for pair in many(3000, two=True) for one in pair):
        assert not set("{}") & set(each.wording)
        numbers = [str(each.arguments[key]) for key in ("count", "least", "most") if key in each.arguments]
        wanted = [*numbers, *each.arguments.get("words", []), *filter(None, [each.arguments.get("phrase")])]
        assert all(word in each.wording for word in wanted), each


def test_no_wording_lets_an_answer_go_in_circles() -> None:
    assert not [each for choices in wordings().wordings.values() for each in choices if _MAY_REPEAT.search(each)]


def test_the_constraint_stands_after_the_instruction() -> None:
    one = (Constraint("json", {}, "Answer with JSON."),)
    assert constrained("Tell me about cats ", one) == "Tell me about cats. Answer with JSON."
    assert constrained("What is a cat?", one) == "What is a cat? Answer with JSON."
    assert constrained("介绍一下长城。", one * 2) == "介绍一下长城。 Answer with JSON. Answer with JSON."
    assert constrained("As it is ", ()) == "As it is "


def test_a_larger_share_holds_a_smaller_one_and_classification_has_none() -> None:
    def which(share: float, kind: Kind = Kind.INPUT_FIRST) -> dict[str, str]:
        rows = (candidate(f"000001/{at:05d}/00", f"Tell tale {at}") for at in range(2000))
        told = {row.id: asked(ConstraintSettings(share), 3, row, kind) for row in rows}
        return {id: each.text for id, each in told.items() if each.constraints}

    small, large = which(0.1), which(0.4)
    assert small.items() <= large.items()
    assert 0.08 < len(small) / 2000 < 0.12
    assert 0.37 < len(large) / 2000 < 0.43
    assert which(0.4, Kind.INSTANTIATE) == large
    assert not which(1.0, Kind.OUTPUT_FIRST)
    assert not which(1.0, Kind.CLASSIFY)
    assert not which(0.0)


def test_a_constraint_does_not_excuse_an_echo() -> None:
    """`capitals`, `list` and the like let an output be words of its instruction; those of a constraint do not."""
    criteria = Criteria.of(StepSettings(), ())
    plain = candidate("000001/00000/00", "Describe how a mill by the river grinds its corn")
    told = Asked(plain.text, (Constraint("upper", {}, "Let each letter be a capital."),))
    assert criteria.of_instance(told, Instance("", plain.text.upper())) is si.Reason.ECHOES_INSTRUCTION
    assert criteria.of_instance(told, Instance("", "WITH TWO STONES")) is None
    assert criteria.of_instance(told, Instance("", "With two stones")) is si.Reason.BREAKS_CONSTRAINT


def test_runs_have_none_unless_they_are_told_to() -> None:
    assert RunSettings().constraints.share == 0


@given(st.text(string.printable + "éß山नदीكत。।", max_size=40), st.sampled_from(KINDS))
def test_any_text_gets_an_answer(text: str, kind: str) -> None:
    arguments: dict[str, Any] = {"count": 3, "least": 2, "most": 4, "words": ["a b", "山"], "phrase": "山 b."}
    assert holds(Constraint(kind, arguments), text) in (True, False)
