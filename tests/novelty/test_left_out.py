"""The novelty check with one text of the pool left out, as a rewritten instruction is compared without its parent."""

from __future__ import annotations

from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selfinstruct.novelty.check import make_index
from selfinstruct.novelty.index import NoveltySettings
from tests.tools.texts import reworded_seeds

TEXTS = [*reworded_seeds(120), "...", "!?", "..."]


@pytest.mark.parametrize("kind", ["minhash", "prefix"])
@settings(max_examples=40)
@given(st.data())
def test_what_is_left_out_is_as_if_it_had_never_been_there(
    kind: Literal["minhash", "prefix"], data: st.DataObject
) -> None:
    size = data.draw(st.integers(1, len(TEXTS) - 1))  # the last is there twice: a text without words is found once
    out = data.draw(st.integers(0, size - 1))
    asked = data.draw(st.sampled_from(TEXTS))
    whole, others = make_index(NoveltySettings(index=kind)), make_index(NoveltySettings(index=kind))
    whole.insert(0, TEXTS)
    others.insert(
        0, [text if at != out else "something else altogether that nobody asks for" for at, text in enumerate(TEXTS)]
    )
    assert whole.nearest(size, [asked], [out]) == others.nearest(size, [asked])
    assert whole.nearest(size, [asked, asked], [None, out]) == [
        whole.nearest(size, [asked])[0],
        whole.nearest(size, [asked], [out])[0],
    ]
