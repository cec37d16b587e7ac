"""Words of any script: marks, scripts without blanks, forms and case, and places in a text.

Texts and expected words are invented; the properties hold for any text.
"""

from __future__ import annotations

import hashlib
import unicodedata

import pytest
import regex
from hypothesis import assume, example, given
from hypothesis import strategies as st
from rouge_score.tokenize import tokenize

from selfinstruct.novelty import words
from selfinstruct.novelty.rouge import count_words, rouge_l, token_places, tokenise

FORMS = ("NFC", "NFD", "NFKC", "NFKD")

MARKS = regex.compile(r"\p{M}")
CHARACTERS = [chr(code) for code in range(0x40000) if not 0xD800 <= code < 0xE000]
ODD = st.sampled_from(
    [char for char in CHARACTERS if unicodedata.decomposition(char) or MARKS.match(char) or char != char.casefold()]
)
TEXTS = st.one_of(
    st.text(max_size=30), st.lists(st.one_of(ODD, ODD, st.characters()), max_size=12).map("".join)
).filter(lambda text: not any("\ud800" <= char <= "\udfff" for char in text))
IGNORABLE = "\u00ad\u034f\u061c\u115f\u180b\u200b\u200c\u200d\u200e\u2060\u3164\ufe0f\ufeff\U000e0100"


def of(text: str) -> list[str]:
    return tokenise(text, "unicode")


# ---- what a word is


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("नदी के किनारे दो घर", ["नदी", "के", "किनारे", "दो", "घर"]),
        ("দুটি নৌকা বাঁধো।", ["দুটি", "নৌকা", "বাঁধো"]),
        ("பூனை எங்கே?", ["பூனை", "எங்கே"]),
        ("رَسَمَ القِطُّ", ["رَسَمَ", "القِطُّ"]),
        ("שָׁלוֹם לַיֶּלֶד", ["שָׁלוֹם", "לַיֶּלֶד"]),
        ("Чай и 2 сырника", ["чай", "и", "2", "сырника"]),
        ("ΑΓΟΡΆ, αγορά", ["αγορά", "αγορά"]),
        ("사과 두 개", ["사과", "두", "개"]),
        ("x1 and snake_case", ["x1", "and", "snake", "case"]),
    ],
)
def test_words_keep_their_marks(text: str, expected: list[str]) -> None:
    assert of(text) == [unicodedata.normalize("NFC", word) for word in expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("写3首诗。", ["写", "3", "首", "诗"]),
        ("用Python写", ["用", "python", "写"]),
        ("お茶をコーヒーに", ["お", "茶", "を", "コ", "ー", "ヒ", "ー", "に"]),
        ("ﾊﾟﾝ", ["パ", "ン"]),  # half-width, with a mark that is none of Unicode's
        ("人々と〇", ["人", "々", "と", "〇"]),
        ("ที่นี่", ["ที่", "นี่"]),
        ("น้ำทำ", ["น้\u0e4dา", "ท\u0e4dา"]),  # NFKC takes the vowel apart, one character it stays
        ("ນ້ຳ", ["ນ້\u0ecdາ"]),
        ("ဗမာစာ", ["ဗ", "မာ", "စာ"]),
        ("ខ្មែរ", ["ខ្", "មែ", "រ"]),
        ("ราคา ๑๒๕ บาท", ["ร", "า", "ค", "า", "๑๒๕", "บ", "า", "ท"]),
    ],
)
def test_characters_count_where_there_are_no_blanks(text: str, expected: list[str]) -> None:
    assert of(text) == expected


@pytest.mark.parametrize(
    "text", ["१२३", "٤٥٦", "۷۸۹", "๑๒๓", "၁၂၃", "１２３", "𝟏𝟐𝟑"], ids=lambda text: hex(ord(text[0]))
)
def test_digits_of_any_script_are_one_number(text: str) -> None:
    assert len(of(f"{text}, {text}")) == 2
    assert of(text)[0].isdecimal()


def test_different_vowel_signs_make_different_words() -> None:
    assert rouge_l(of("काला कीला कोल"), of("कुल कैल केले")) == 0
    assert rouge_l(of("قُلْ"), of("قل")) == 0


# ---- forms


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Crème brûlée à volonté", unicodedata.normalize("NFD", "Crème brûlée à volonté")),
        ("사과를 그려요", unicodedata.normalize("NFD", "사과를 그려요")),
        ("Ｎａｍｅ　ｏｎｅ　ｂｉｒｄ", "name one bird"),
        ("Maße und Füße", "MASSE UND FÜSSE"),
        ("ﬁnd ½ of x²", "find 1⁄2 of x2"),
        ("ΟΔΟΣ", "οδος"),
        ("ガラス", "ｶﾞﾗｽ"),
        ("می‌روم", "میروم"),  # joined or not, the letters are the same
        ("क्‍ष", "क्ष"),
        ("葛\U000e0100飾", "葛飾"),  # a variation selector
        ("co\u00adop", "coop"),
        ("\ufeffbird", "bird"),
        ("Ꭰ", "ꭰ"),  # the case of Cherokee
        ("ᾳ", "αι"),
    ],
)
def test_forms_and_case_do_not_count(one: str, other: str) -> None:
    assert of(one) == of(other) != []


@given(TEXTS)
@example("\u0345\u0301α")
@example("ﾊ\uff9f")
def test_the_forms_of_a_text_have_the_same_words(text: str) -> None:
    assume(not words.LATER.search(text))  # one Python has forms of these, and another has none
    for form in FORMS:
        assert of(unicodedata.normalize(form, text)) == of(text)


@given(TEXTS)
def test_folding_again_changes_nothing(text: str) -> None:
    folded = words.fold(text)
    assert words.fold(folded) == folded
    assert of(" ".join(of(text))) == of(text)


@given(TEXTS, st.data())
def test_ignorable_characters_do_not_count(text: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(text)))
    assert of(text[:at] + data.draw(st.sampled_from(IGNORABLE)) + text[at:]) == of(text)


@given(TEXTS, st.lists(ODD.filter(lambda char: bool(MARKS.fullmatch(words.fold(char)))), min_size=1, max_size=3))
def test_no_word_is_lost_by_marks_behind_it(text: str, marks: list[str]) -> None:
    before, after = of(text), of(text + "".join(marks))
    assert len(after) == len(before)
    assert after[:-1] == before[:-1]


@given(st.text(st.characters(max_codepoint=127)))
def test_in_ascii_words_are_those_of_rouge_score(text: str) -> None:
    assert of(text) == tokenise(text, "rouge") == tokenize(text, None)
    assert count_words(text, "unicode") == count_words(text, "rouge") == len(text.split())


@given(TEXTS)
def test_the_default_tokeniser_is_rouge_scores(text: str) -> None:
    assert tokenise(text, "rouge") == tokenize(text, None)


def test_no_python_has_other_forms() -> None:
    """The digest is that of Python 3.11, 3.12 and 3.13, whose tables are of Unicode 14, 15 and 15.1."""
    digest = hashlib.sha256()
    for shape in ("{}", "{}\u0327\u0301", "a\u0301{}\u0327"):  # forms, what is composed, and the order of marks
        digest.update(words.fold("\n".join(shape.replace("{}", char) for char in CHARACTERS)).encode())
    assert digest.hexdigest() == "6af8d9f01e2f6ac61dea7f9274da969a49867317e3c83c2cdcec7e94160ee346"


def test_later_characters_stay_as_they_are() -> None:
    """A letter of 2024 with a small form, and one that is composed of two."""
    assert words.fold("\U00010d50a\U000105d2\u0307") == "\U00010d50a\U000105d2\u0307"
    assert of("\U00010d50B") == ["\U00010d50b"]


# ---- counting, and places


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Nenne drei Vögel - am Meer!", 6),
        ("नदी के किनारे", 3),
        ("请写一首诗。", 5),
        ("请用 Python 写一首诗", 7),
        ("ช่วยเขียนกลอน", 11),
        ("お茶を飲む", 5),
        ("", 0),
    ],
)
def test_words_are_counted_as_people_see_them(text: str, expected: int) -> None:
    assert count_words(text, "unicode") == expected


@given(TEXTS)
@example("ﾊﾟﾝ ½ ㍿ ㄱㅏ 각")
def test_words_stand_where_they_are_said_to_be(text: str) -> None:
    found = token_places(text, "unicode")
    assert [word for word, _, _ in found] == of(text)
    for word, start, end in found:
        assert word in words.fold(text[start:end])
    assert [start for _, start, _ in found] == sorted(start for _, start, _ in found)
    assert [end for *_, end in found] == sorted(end for *_, end in found)


def test_places_of_the_default_tokeniser() -> None:
    assert token_places("İki Gün x1", "rouge") == [("i", 0, 1), ("ki", 1, 3), ("g", 4, 5), ("n", 6, 7), ("x1", 8, 10)]
