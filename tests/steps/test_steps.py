"""The pure steps: demonstrations, parsing, screening, labelling. Each case is a rule of the paper or the release."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfinstruct.draws import Draws, seed_of
from selfinstruct.pool import Pool
from selfinstruct.prompts import load_prompts
from selfinstruct.records import Candidate, Instance, Kind, Origin, Reason
from selfinstruct.steps.instantiate import InstanceSettings, filter_instances
from selfinstruct.steps.readers.original import OriginalReader
from selfinstruct.steps.readers.read import last_dropped, whole
from selfinstruct.steps.screen import Screen, ScreenSettings
from selfinstruct.steps.strategies.listed import Paper
from selfinstruct.steps.strategies.planned import PlannedRequest, PoolView
from selfinstruct.steps.strategies.settings import ProposeSettings
from tests.tools.reading import BASE as PAPER
from tests.tools.reading import CHAT, TOLERANT_BASE, TOLERANT_CHAT, instances, proposals

BASE = load_prompts("base")
READERS = (PAPER, CHAT, TOLERANT_BASE, TOLERANT_CHAT, OriginalReader())


def make_candidate(id: str, text: str, origin: Origin = Origin.MODEL) -> Candidate:
    return Candidate(id, 0, None, None, origin, text, True, None, None, None)


def make_pool(seeds: int, generated: int) -> Pool:
    pool = Pool()
    pool.extend([make_candidate(f"seed/s{n}", f"Seed task number {n}.", Origin.SEED) for n in range(seeds)])
    pool.extend([make_candidate(f"000001/{n:05d}/00", f"Generated task number {n}.") for n in range(generated)])
    return pool


def plan(id: str, pool: Pool, size: int, seed: int = 0) -> PlannedRequest:
    return Paper(ProposeSettings(), seed, BASE).plan(id, PoolView(pool, size))


# ---- draws


@given(st.integers(1, 10**12), st.text())
def test_a_draw_is_below_its_bound_and_the_same_each_time(bound: int, key: str) -> None:
    assert 0 <= Draws(key).below(bound) == Draws(key).below(bound) < bound


@given(st.integers(0, 60), st.integers(0, 70), st.integers())
def test_a_sample_has_no_repetition(population: int, count: int, key: int) -> None:
    sample = Draws(key).sample(range(population), count)
    assert len(sample) == len(set(sample)) == min(population, count)


def test_samples_are_uniform() -> None:
    counts = Counter(number for key in range(4000) for number in Draws("uniform", key).sample(range(10), 3))
    assert all(abs(count - 1200) < 150 for count in counts.values())


def test_seeds_differ_between_lists_of_parts_that_join_alike() -> None:
    assert len({seed_of("ab", "c"), seed_of("a", "bc"), seed_of("abc"), seed_of("abc", "")}) == 4


# ---- propose


def test_a_prompt_shows_six_seeds_and_two_generated_shuffled() -> None:
    pool = make_pool(20, 30)
    plans = [plan(f"000002/{n:05d}", pool, 50) for n in range(60)]
    for each in plans:
        assert sum(ordinal < 20 for ordinal in each.demonstrations) == 6
        assert len(set(each.demonstrations)) == 8
        for number, ordinal in enumerate(each.demonstrations, start=1):
            assert f"{number}. {pool.texts[ordinal]}\n" in each.request.suffix
        assert each.request.suffix.endswith("9.")
    assert len({ordinal >= 20 for each in plans for ordinal in each.demonstrations[:1]}) == 2  # shuffled


def test_seeds_stand_in_while_nothing_is_generated_and_few_seeds_are_all_used() -> None:
    assert len(set(plan("000001/00000", make_pool(20, 0), 20).demonstrations)) == 8
    few = plan("000001/00000", make_pool(3, 0), 3)
    assert sorted(few.demonstrations) == [0, 1, 2]
    assert few.request.suffix.endswith("4.")


def test_a_plan_depends_on_the_first_entries_of_the_pool_only() -> None:
    short, long = make_pool(20, 5), make_pool(20, 50)
    plans = [plan("000003/00007", pool, 25, seed=9) for pool in (short, long)]
    assert plans[0] == plans[1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (" first task here\n10. second  task\n11 . third\ttask", ["First task here", "Second task", "Third task"]),
        (" Keep the REST as it Is.", ["Keep the REST as it Is."]),
        (" one\ntwo\n10. three", ["One two", "Three"]),
        (" version 2.5 of it\n10. next one", ["Version 2.5 of it", "Next one"]),
        ("\n10. \n11. only this", ["Only this"]),
        (" Add up a note of 50. How much is it?", ["Add up a note of 50. How much is it?"]),
        (" 9. the number again\n10. next", ["The number again", "Next"]),
        ("", []),
    ],
)
def test_parsing_a_base_models_proposals(text: str, expected: list[str]) -> None:
    assert proposals(PAPER, text) == expected


def test_parsing_a_chat_models_proposals() -> None:
    text = "Here are new tasks:\n9. write a haiku\n10. sort these words"
    assert proposals(CHAT, text) == ["Write a haiku", "Sort these words"]
    assert proposals(CHAT, "9. write a haiku\n10. sort") == ["Write a haiku", "Sort"]
    assert proposals(CHAT, "I cannot do that.") == []


# ---- screen


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Write a poem now", None),
        ("Write a poem", Reason.TOO_SHORT),
        ("word " * 150, None),
        ("word " * 151, Reason.TOO_LONG),
        ("Describe the image in two sentences", Reason.BANNED_WORD),
        ("Read the FILES and sum them", Reason.BANNED_WORD),
        ("Please go to the next page now", Reason.BANNED_WORD),
        ("Imagine a profile of a mapmaker", None),
        ("Write a program that sorts numbers", Reason.ASKS_FOR_PROGRAM),
        ("Explain how to write a program", None),
        ('"Quote" is the first word here', Reason.STARTS_WITH_PUNCTUATION),
        ("Été is a season in French", Reason.STARTS_NON_ASCII),
        ("Translate été into English please", None),
    ],
)
def test_screening(text: str, reason: Reason | None) -> None:
    assert Screen(ScreenSettings())(text) is reason


def test_screening_with_other_settings() -> None:
    assert Screen(ScreenSettings(), any_script=True)("Été is a season in French") is None
    assert Screen(ScreenSettings(banned=(), ascii_start=False, shortest=1))("Été image") is None
    assert Screen(ScreenSettings(banned=("c++",)))("Explain what C++ means") is Reason.BANNED_WORD


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("画一座山和一条河", Reason.BANNED_WORD),
        ("请把这张图片讲给我听", Reason.BANNED_WORD),
        ("请把这张纸讲给我听", None),
        ("लाल फल के नाम लिखो", Reason.BANNED_WORD),
        ("लाल फूल के नाम लिखो", None),  # the same consonants
        ("लाल फलों के नाम लिखो", None),
        ("Décris une IMAGE\u0301 de la mer", Reason.BANNED_WORD),
        ("Décris un paysage de la mer", None),
        ("Say « oui » to a file", Reason.BANNED_WORD),
        ("Wow!! is all there is to say", Reason.BANNED_WORD),
        ("« Oui » est le mot", Reason.STARTS_WITH_PUNCTUATION),
        ("「雪」という字を説明して", Reason.STARTS_WITH_PUNCTUATION),
        ("。请写一首诗", Reason.STARTS_WITH_PUNCTUATION),
        ("★ Name three birds", Reason.STARTS_WITH_PUNCTUATION),
        ("\u200f«سلام» چه معنایی دارد", Reason.STARTS_WITH_PUNCTUATION),
        ("\u200fسلام چه معنایی دارد", None),
        ("¿Qué es la nieve?", None),
        ("①写一首短诗", None),
        ("٣ أسئلة عن البحر", None),
    ],
)
def test_screening_in_any_script(text: str, reason: Reason | None) -> None:
    banned = ("画", "图片", "फल", "imagé", "file", "wow!!")
    assert Screen(ScreenSettings(banned=banned, shortest=3), any_script=True)(text) is reason


LETTERS = st.text(st.sampled_from("aAsSkK\u017f\u212a +"), max_size=8)  # two of them are s and k in another case


@given(st.lists(LETTERS.filter(str.strip), max_size=3), LETTERS)
def test_no_banned_word_is_passed_over_in_a_hurry(banned: list[str], text: str) -> None:
    whole = any(re.search(rf"(?<!\w){re.escape(each)}(?!\w)", text, re.IGNORECASE) for each in banned)
    screen = Screen(ScreenSettings(banned=tuple(banned), shortest=0))
    assert (screen(text) is Reason.BANNED_WORD) == whole


@given(st.text(st.characters(max_codepoint=127)))
def test_ascii_texts_are_screened_alike_in_any_script(text: str) -> None:
    assert Screen(ScreenSettings(), any_script=True)(text) is Screen(ScreenSettings())(text)


# ---- classify, instantiate


@pytest.mark.parametrize(
    ("answer", "expected"),
    [(" Yes", True), ("yes\n", True), ("YES.", True), (" No", False), ("Yes, it is", False), ("", False)],
)
def test_reading_the_answer_to_the_classification_question(answer: str, expected: bool) -> None:
    assert bool(PAPER.classification(answer)) is expected


def test_prompts_hold_the_instruction_as_it_is() -> None:
    instruction = "Format {instruction} as {number} with \\n kept"
    for kind in (Kind.CLASSIFY, Kind.INPUT_FIRST, Kind.OUTPUT_FIRST):
        assert instruction in BASE[kind].fill(instruction=instruction)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "Example 1\nSentence: It rains.\nOutput: Il pleut.\n\nExample 2.\nSentence: It snows.\nOutput: Il neige.",
            [("Sentence: It rains.", "Il pleut."), ("Sentence: It snows.", "Il neige.")],
        ),
        ("Example 1\nInput: 2, 3\nOutput: 5", [("2, 3", "5")]),
        ("Example\nInput 1: a\nOutput 1: b\nInput 2: c\nOutput 2: d", [("a", "b")]),
        ("Output: A haiku.\nLine two.", [("", "A haiku.\nLine two.")]),
        ("Example 1\nJust the answer", [("", "Just the answer")]),
        ("Sure!\nExample 1\nOutput: yes", [("", "yes")]),
        ("Output: one\nExample 2\nOutput: two", [("", "one"), ("", "two")]),
        ("Example 1\nText: An Example of rain.\nOutput: ok", [("Text: An Example of rain.", "ok")]),
        ("Nothing of the kind", []),
        ("", []),
    ],
)
def test_parsing_input_first(text: str, expected: list[tuple[str, str]]) -> None:
    assert instances(PAPER, Kind.INPUT_FIRST, text) == [Instance(*pair) for pair in expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "Class label: Positive\nReview: Great!\n\nClass label: Negative\nReview: Bad.\nVery bad.",
            [("Review: Great!", "Positive"), ("Review: Bad.\nVery bad.", "Negative")],
        ),
        ("Class label: Yes\nInput: It is.", [("It is.", "Yes")]),
        ("Class label: Yes", [("", "Yes")]),
        ("Class label:\nReview: lost", [("", "Review: lost")]),
        ("Positive", []),
    ],
)
def test_parsing_output_first(text: str, expected: list[tuple[str, str]]) -> None:
    assert instances(PAPER, Kind.OUTPUT_FIRST, text) == [Instance(*pair) for pair in expected]


def reasons(pairs: list[tuple[str, str]], cut: bool = False, most: int = 5) -> list[Reason | None]:
    instances = [Instance(*pair) for pair in pairs]
    found = last_dropped(instances) if cut else whole(instances)
    return [reason for _, reason in filter_instances(found, InstanceSettings(most), 0, "id")]


def test_filtering_instances() -> None:
    assert reasons([("a", "b"), ("c", "")]) == [None, Reason.EMPTY_OUTPUT]
    assert reasons([("a", "a"), ("a:", "b"), ("c", "d:")]) == [
        Reason.OUTPUT_IS_INPUT,
        Reason.ENDS_WITH_COLON,
        Reason.ENDS_WITH_COLON,
    ]
    assert reasons([("a", "b"), ("c", "d")], cut=True) == [None, Reason.CUT_BY_LENGTH]
    assert reasons([("a", "b"), ("a", "c"), ("d", "e")]) == [Reason.CONFLICTING] * 3
    assert reasons([("", "b"), ("", "c")]) == [None, None]  # without an input there is nothing to conflict on
    assert reasons([("a", "b"), ("a", "b")]) == [None, Reason.DUPLICATE]
    assert reasons([("a", "b"), ("a", "")]) == [None, Reason.EMPTY_OUTPUT]  # an invalid instance conflicts with none


@given(st.integers(0, 12), st.integers(1, 6))
def test_at_most_so_many_instances_are_kept(count: int, most: int) -> None:
    verdicts = reasons([(str(n), f"out {n}") for n in range(count)], most=most)
    assert verdicts.count(None) == min(count, most)
    assert verdicts.count(Reason.SURPLUS) == max(0, count - most)


@given(st.text())
def test_any_text_parses_to_something(text: str) -> None:
    for reader in READERS:
        assert all(found for found, _ in reader.proposals(text, 9, cut=False))
        assert reader.classification(text) in (True, False, None)
        for kind in (Kind.INPUT_FIRST, Kind.OUTPUT_FIRST, Kind.INSTANTIATE):
            reader.instances(kind, text, cut=True)
