"""Whatever JSON a server answers with is a completion or none, and nothing else happens."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from selfinstruct.engines.server_answers import NoCompletionError, Said, problem_in, said_in, tokens_in

WORDS = st.text() | st.sampled_from(["", " ", "text", "stop", "length", "error", "400", "thinking", "refusal"])
FIELDS = "choices message content text type error code detail finish_reason refusal usage thinking value status"
KEYS = st.sampled_from(FIELDS.split())
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=6),
    max_leaves=30,
)
CONTENTS = st.none() | WORDS | st.lists(st.fixed_dictionaries({"type": WORDS, "text": ANYTHING}), max_size=3)
CHOICES = st.fixed_dictionaries({"finish_reason": ANYTHING, "message": st.fixed_dictionaries({"content": CONTENTS})})


@given(ANYTHING | st.fixed_dictionaries({"choices": st.lists(ANYTHING | CHOICES, min_size=1, max_size=2)}))
def test_any_json_is_a_completion_or_none(answer: Any) -> None:
    words, status = problem_in(answer)
    assert isinstance(words, str)
    assert status is None or 400 <= status < 600
    try:
        said = said_in(answer)
    except NoCompletionError:
        return
    assert isinstance(said.text, str)
    assert isinstance(said.words, str)
    assert not (said.text.strip() and said.words)


@given(CHOICES)
def test_an_answer_with_a_content_is_a_completion(choice: Any) -> None:
    said = said_in({"choices": [choice]})
    content = choice["message"]["content"]
    if isinstance(content, str):
        assert said.text == content
    assert isinstance(said, Said)


@given(ANYTHING)
def test_a_count_is_what_a_table_can_hold(usage: Any) -> None:
    count = tokens_in({"tokens": usage}, "tokens")
    assert count is None or (0 <= count < 2**31 and count == usage)
    assert tokens_in(usage, "usage") is None or isinstance(usage, dict)
