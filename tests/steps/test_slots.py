"""Slots of prompts: what may fill them, how they are drawn, and what is said of mistakes."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfinstruct.draws import Draws
from selfinstruct.errors import InputError
from selfinstruct.prompts import PromptSet, load_prompts
from selfinstruct.records import Kind
from selfinstruct.sources.slots import read_slots
from selfinstruct.steps.strategies.slots import Slot, Slots


def problem_of(*given: str) -> str:
    with pytest.raises(InputError) as caught:
        read_slots(given)
    (problem,) = caught.value.problems
    return problem


def with_texts(**texts: str) -> PromptSet:
    """The set `base` with other texts in the prompt that asks for instructions."""
    prompts = load_prompts("base")
    changed = replace(prompts[Kind.PROPOSE], **texts)
    return replace(prompts, prompts={**prompts.prompts, Kind.PROPOSE: changed})


# ---- files


def test_values_come_from_lines_rows_and_columns(tmp_path: Path) -> None:
    lines, rows, table = tmp_path / "a.txt", tmp_path / "b.jsonl", tmp_path / "c.parquet"
    lines.write_text("a nurse\n\n  a  sailor \n")
    rows.write_text('{"persona": "a cook", "text": "no"}\n{"text": "a judge"}\n')
    pq.write_table(pa.table({"text": ["a monk", "a pilot"], "weight": [3, 0.5]}), table)
    found = [read_slots([f"persona={path}"])["persona"] for path in (lines, rows, table)]
    assert [each.values for each in found] == [["a nurse", "a sailor"], ["a cook", "a judge"], ["a monk", "a pilot"]]
    assert [each.names for each in found] == [
        ["a.txt:1", "a.txt:3"],
        ["b.jsonl:1", "b.jsonl:2"],
        ["c.parquet:1", "c.parquet:2"],
    ]
    assert [list(each.ends) for each in found] == [[], [], [3_000_000, 3_500_000]]
    assert len({each.digest for each in found}) == 3


def test_the_digest_is_of_the_values_and_not_of_the_place(tmp_path: Path) -> None:
    for name, text in (("a", "x\ny\n"), ("b", "x\ny"), ("c", "x\nz")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "p.txt").write_text(text)
    one, same, other = (read_slots([f"p={tmp_path / name / 'p.txt'}"])["p"].digest for name in "abc")
    assert one == same != other


@pytest.mark.parametrize("name", ["topic", "task_type"])
def test_the_shipped_lists_have_hundreds_or_dozens_of_values_and_none_twice(name: str) -> None:
    values = read_slots([f"{name}=builtin"])[name]
    assert len(values.values) == len(set(values.values)) > {"topic": 400, "task_type": 90}[name]
    assert all(each.startswith("builtin/") for each in values.names)


def test_mistakes_are_one_line_each(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("\n\n")
    (tmp_path / "zero.jsonl").write_text('{"text": "x", "weight": 0}\n')
    (tmp_path / "bad.jsonl").write_text('{"weight": 1}\n')
    (tmp_path / "less.jsonl").write_text('{"text": "x", "weight": -1}\n')
    assert "holds no value" in problem_of(f"p={tmp_path / 'empty.txt'}")
    assert "all weights are 0" in problem_of(f"p={tmp_path / 'zero.jsonl'}")
    assert "bad.jsonl:1: must hold a text in 'p' or 'text'" in problem_of(f"p={tmp_path / 'bad.jsonl'}")
    assert "less.jsonl:1: 'weight' must be" in problem_of(f"p={tmp_path / 'less.jsonl'}")
    assert "cannot be read" in problem_of(f"p={tmp_path / 'nothing.txt'}")
    assert "means something else" in problem_of("number=builtin")
    assert "no name for a slot" in problem_of("A=builtin")
    assert "there are: topic, task_type" in problem_of("persona=builtin")


# ---- prompts


def test_slots_of_prefix_and_tail_go_to_where_each_request_fills_them() -> None:
    prompts = with_texts(prefix="As {persona}, list:\n", tail="\nAll about {topic}. {x}{persona}!")
    prompt = prompts.with_slots(["persona", "topic", "x"])[Kind.PROPOSE]
    assert (prompt.prefix, prompt.tail, prompt.slots) == ("As ", "!", ("persona", "topic", "x"))
    filled = prompt.fill_demonstrations(["Sing {topic}."], {"persona": "a {number}", "topic": "rain", "x": "{x}"})
    assert prompt.prefix + filled + prompt.tail == (
        "As a {number}, list:\n1. Sing {topic}.\n2.\nAll about rain. {x}a {number}!"
    )


def test_a_set_without_slots_is_as_it_was() -> None:
    for name in ("base", "chat", "instruct", "tiny"):
        prompts = load_prompts(name)
        assert prompts.with_slots([]) == prompts


def test_a_slot_needs_values_and_values_need_a_slot() -> None:
    prompts = with_texts(prefix="As {persona}:\n")
    for names, said in ((["topic"], "topic.* hold no"), ([], "holds the slot {persona}")):
        with pytest.raises(InputError, match=said):
            prompts.with_slots(names)


def test_the_set_with_topics_has_the_labelling_of_the_set_that_it_extends() -> None:
    topics, chat = load_prompts("topics"), load_prompts("chat")
    assert {kind: topics[kind] for kind in topics.kinds[1:]} == {kind: chat[kind] for kind in chat.kinds[1:]}
    assert topics.chat
    assert topics.digest != chat.digest
    assert topics.with_slots(["topic", "task_type"])[Kind.PROPOSE].slots == ("topic", "task_type")


def test_only_a_shipped_set_can_be_extended(tmp_path: Path) -> None:
    (tmp_path / "set.toml").write_text('extends = "../base"\n')
    with pytest.raises(InputError, match="'extends' must be the name of a shipped prompt set"):
        load_prompts(str(tmp_path))


# ---- draws


@given(st.lists(st.integers(0, 5), min_size=1, max_size=6).filter(any), st.integers())
def test_a_value_is_as_likely_as_its_weight(weights: list[int], key: int) -> None:
    ends = [sum(weights[: at + 1]) for at in range(len(weights))]
    names = [str(at) for at in range(len(weights))]
    slot = Slot(names, names, ends)
    drawn = Counter(slot.draw(Draws("weights", key, at)) for at in range(600))
    for at, weight in enumerate(weights):
        assert abs(drawn[at] / 600 - weight / ends[-1]) < 0.13
        assert weight or not drawn[at]


def test_a_requests_values_depend_on_its_id_and_the_seed_alone() -> None:
    values = [str(at) for at in range(1000)]
    slots = {name: Slot(values, values) for name in ("a", "b")}
    one = Slots(5, slots).drawn("000001/00002", ["a", "b"])
    assert Slots(5, slots).drawn("000001/00002", ["b"])[0]["b"] == one[0]["b"]
    assert one[1] == tuple(f"{name}:{value}" for name, value in one[0].items())
    assert Slots(6, slots).drawn("000001/00002", ["a", "b"]) != one != Slots(5, slots).drawn("000001/00003", ["a", "b"])


def test_json_rows_with_a_number_for_a_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "p.jsonl").write_text(json.dumps({"text": 5}) + "\n")
    assert "must hold a text" in problem_of(f"p={tmp_path / 'p.jsonl'}")
