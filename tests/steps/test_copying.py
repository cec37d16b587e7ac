"""How much of an answer stands word for word in the text that it was written from."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from selfinstruct.novelty.rouge import tokenise
from selfinstruct.steps.copying import Copies
from selfinstruct.steps.ngrams import FOUND

WORDS = st.lists(st.sampled_from("abcd"), max_size=24).map(" ".join)


@given(text=WORDS, answer=WORDS)
@example(text="a b c d a b c", answer="b c d a b c a b c d a b")  # two runs that lap over
def test_it_is_the_share_of_words_in_common_runs(text: str, answer: str) -> None:
    words, whole = answer.split(), text.split()
    runs = {
        tuple(whole[at : at + length])
        for length in range(FOUND, len(whole) + 1)
        for at in range(len(whole) - length + 1)
    }
    covered = {
        place
        for at in range(len(words))
        for end in range(at + FOUND, len(words) + 1)
        if tuple(words[at:end]) in runs
        for place in range(at, end)
    }
    copies = Copies(text, "rouge")
    assert copies.share(answer) == (len(covered) / len(words) if words else 0)
    for limit in (0.0, 0.3, 0.5, 1.0):
        assert copies.above(limit, answer) == (len(covered) * 10 > round(limit * 10) * len(words))


def test_case_and_marks_do_not_hide_a_copy_and_a_name_is_none() -> None:
    text = "The council of 1384 forbade the tanners to work above the mill."
    copies = Copies(text, "rouge")
    assert copies.share("the COUNCIL of 1384 -- forbade the tanners to work, above the mill") == 1
    assert copies.share("The council of 1384") == 0
    assert copies.share("Six words, the council of 1384 forbade the wool trade.") == 6 / 10
    assert copies.share("") == 0


def test_a_share_at_the_limit_is_not_above_it() -> None:
    copies = Copies("one two three four five six", "rouge")
    answer = "one two three four five six " + "x " * 14
    assert copies.share(answer) == 0.3
    assert not copies.above(0.3, answer)
    assert copies.above(0.29, answer)
    assert not copies.above(1.0, "one two three four five six")


def test_words_of_other_scripts_are_those_of_the_novelty_check() -> None:
    text = "\u0412\u0435\u0441\u043d\u0430 \u0430 \u0438 \u0441\u043d\u0435\u0433 \u0432\u0435\u0437\u0434\u0435 \u044f"
    assert len(tokenise(text, "unicode")) == FOUND
    assert Copies(text, "unicode").share(text.upper()) == 1
