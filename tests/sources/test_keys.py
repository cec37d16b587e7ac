"""What the keys of brought rows mean: public sets' own names, values that are no texts, and nothing lost unsaid."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfinstruct.errors import InputError
from selfinstruct.evaluation.user_tasks import read_user_tasks
from selfinstruct.finetune.examples import read_examples
from selfinstruct.records import Instance
from selfinstruct.run.pools import read_pool
from selfinstruct.sources.keys import CONVERSATION, INPUT, INSTRUCTION, OUTPUT, task_of, text_of
from selfinstruct.sources.texts import read_tasks

ASK, GIVEN, TOLD = "Name the harbour.", "The boats lie in Whitby.", "Whitby."

TURNS = [{"role": "user", "content": ASK}, {"role": "assistant", "content": TOLD}]
LONG = [{"role": "system", "content": "Be short."}, *TURNS, {"role": "user", "content": "And the next?"}]
SHARED = [{"from": "human", "value": ASK}, {"from": "gpt", "value": TOLD}, {"from": "human", "value": "Thanks."}]

ROWS: list[tuple[dict[str, Any], str, str, int]] = [
    ({"instruction": ASK, "input": GIVEN, "output": TOLD}, GIVEN, TOLD, 0),
    ({"instruction": ASK, "input": GIVEN, "response": TOLD}, GIVEN, TOLD, 0),  # GPTeacher
    ({"instruction": ASK, "context": GIVEN, "response": TOLD, "category": "qa"}, GIVEN, TOLD, 0),  # Dolly
    ({"prompt": ASK, "completion": TOLD}, "", TOLD, 0),
    ({"context": GIVEN, "question": ASK, "answer": TOLD}, GIVEN, TOLD, 0),
    ({"instruction": ASK, "question": GIVEN, "answer": TOLD}, GIVEN, TOLD, 0),
    ({"instruction": ASK, "input": "", "context": GIVEN, "output": "", "answer": TOLD}, GIVEN, TOLD, 0),
    ({"instruction": ASK, "input": "Whitby", "context": "Yorkshire", "output": TOLD}, "Whitby\n\nYorkshire", TOLD, 0),
    ({"instruction": ASK, "input": GIVEN, "context": GIVEN, "output": TOLD}, GIVEN, TOLD, 0),
    ({"instruction": ASK, "instances": [{"context": GIVEN, "answer": TOLD}]}, GIVEN, TOLD, 0),
    ({"instruction": ASK, "instances": None, "output": TOLD}, "", TOLD, 0),
    ({"instruction": ASK, "instances": float("nan"), "output": TOLD}, "", TOLD, 0),
    ({"messages": TURNS}, "", TOLD, 0),
    ({"messages": LONG}, "", TOLD, 2),
    ({"conversations": SHARED, "id": "a"}, "", TOLD, 1),
    ({"conversation": SHARED}, "", TOLD, 1),
    ({"prompt": ASK, "messages": TURNS}, "", TOLD, 0),
    ({"messages": [{"role": "user", "content": [{"type": "text", "text": ASK}]}, TURNS[1]]}, "", TOLD, 0),
    ({"messages": TURNS[:1]}, "", "", 0),
    ({"messages": TURNS[:1], "completion": TOLD}, "", TOLD, 0),
    ({"messages": LONG[:2], "completion": TURNS[1:]}, "", TOLD, 1),
    ({"prompt": TURNS[:1], "completion": TURNS[1:]}, "", TOLD, 0),  # TRL
    ({"prompt": ASK, "completion": TURNS[1]}, "", TOLD, 0),
    ({"messages": json.dumps(TURNS)}, "", TOLD, 0),
    ({"conversations": [ASK, TOLD], "source": "a"}, "", TOLD, 0),  # LIMA
    ({"conversation": [{"input": ASK, "output": TOLD}, {"input": "And?", "output": "No."}]}, "", TOLD, 2),
    ({"messages": [{"author": "user", "content": ASK}, {"author": "bot", "content": TOLD}]}, "", TOLD, 0),
    ({"messages": [{"role": "user", "text": ASK}, {"role": "assistant", "text": TOLD}]}, "", TOLD, 0),
    ({"messages": [{"role": "user", "content": {"type": "text", "text": ASK}}, TURNS[1]]}, "", TOLD, 0),
    ({"messages": [{"role": "user", "content": [ASK]}, TURNS[1]]}, "", TOLD, 0),
    ({"messages": [TURNS[0], {"role": "tool", "content": "x"}, TURNS[1]]}, "", "", 2),
    ({"instruction": ASK, "input": None, "output": float("nan")}, "", "", 0),
    ({"instruction": ASK, "input": "  \n", "output": " "}, "", "", 0),
    ({"instruction": ASK, "target": TOLD}, "", "", 0),
]


@pytest.mark.parametrize(("row", "given_input", "output", "left_out"), ROWS)
def test_a_row_by_the_keys_that_people_use(row: dict[str, Any], given_input: str, output: str, left_out: int) -> None:
    read = task_of(row)
    assert (read.instruction, read.instances, read.left_out) == (ASK, (Instance(given_input, output),), left_out)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (5, "5"),
        (0, "0"),
        (-2.5, "-2.5"),
        (True, "true"),
        (False, "false"),
        (["red", "boat"], '["red", "boat"]'),
        ({"Straße": [1, None, float("nan")]}, '{"Straße": [1, null, null]}'),
        ([], "[]"),
        (None, ""),
        (float("nan"), ""),
        ("null", "null"),
        (date(2020, 2, 3), "2020-02-03"),
        ([date(2020, 2, 3)], '["2020-02-03"]'),
    ],
)
def test_a_value_as_text(value: object, text: str) -> None:
    assert text_of(value) == text
    assert task_of({"instruction": ASK, "output": value}).instances == (Instance("", text),)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (
            {"inputs": "a", "targets": "b"},
            r"no text under 'instruction' or another of .*messages.*\(there are: inputs, tar",
        ),
        ({"instruction": None, "output": "b"}, r"no text under 'instruction' .*\(there are: instruction, output\)"),
        ({"instruction": b"a"}, "'instruction' is binary; write it as text"),
        ({"instruction": "a", "output": b"b"}, "'output' is binary; write it as text"),
        ({"instruction": "a", "output": [{"b": b"c"}]}, "'output' is binary"),
        ({"instruction": "a", "output": "x" * 100_001}, "'output' has 100,001 characters"),
        ({"instruction": "a", "output": ["x"] * 100_000}, "'output' has 500,000 characters"),
        ({"instruction": "a", "instances": "b"}, "'instances' must be a list of objects"),
        ({"instruction": "a", "instances": ["b"]}, "'instances' must be a list of objects"),
        (
            {"messages": [{"role": "system", "content": "a"}]},
            r"no turn of a user under 'messages' \(there are: system\)",
        ),
        ({"conversations": [1]}, "no turn of a user under 'conversations'"),
        ({"messages": [{"who": "a", "said": "b"}]}, r"no turn of a user under 'messages' \(turns have: said, who\)"),
        ({"messages": "[{"}, r"no text under 'instruction' .*\(there are: messages\)"),
    ],
)
def test_rows_that_are_refused_by_name(row: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        task_of(row)


CODE = "    y = 2 * x\n\n    return y  "


def test_code_keeps_its_lines_and_indentation(tmp_path: Path) -> None:
    path = tmp_path / "code.jsonl"
    row = {
        "instruction": "\nComplete the body:\n  def twice(x):\n",
        "input": f"\r\n{CODE}\n",
        "output": f"\n\n{CODE}\n",
    }
    path.write_text(json.dumps(row) + "\n" + json.dumps({**row, "instruction": "  Complete \t the body: \n"}))
    first, second = read_tasks([str(path)])
    assert first.instruction == "Complete the body:\n  def twice(x):"
    assert second.instruction == "Complete the body:"
    assert first.instances == second.instances == (Instance(CODE, CODE),)
    example = read_examples([str(path)]).examples[0]
    assert (example.instruction, example.input, example.output) == (first.instruction, CODE, CODE)
    question = read_user_tasks(str(path))[0]
    assert (question.instruction, question.input, question.references) == (first.instruction, CODE, (CODE,))


def written(path: Path, *rows: object) -> str:
    path.write_text("\n".join(map(json.dumps, rows)))
    return str(path)


def test_what_is_not_used_is_counted_and_named(tmp_path: Path) -> None:
    rows = [{"instruction": ASK, "output": TOLD}, {"instruction": ASK, "target": TOLD}, {"messages": LONG}]
    rows += [
        {"instruction": ASK, "output": "a\0b"},
        {"instruction": ASK, "is_classification": float("nan"), "output": 5},
    ]
    path, alone = written(tmp_path / "a.jsonl", *rows), written(tmp_path / "b.jsonl", rows[0])
    notes: list[str] = []
    tasks = read_tasks([path, alone], notes)
    assert [len(task.instances) for task in tasks] == [1, 0, 1, 0, 1, 1]
    assert tasks[4].is_classification is None
    without, unfit, turns = notes
    assert without.startswith(
        f"{path}: 1 of 5 rows had no output (row 2), which goes by output, response, completion, "
    )
    assert without.endswith("(there are: instruction, target)")
    assert unfit == f"{path}: 1 instances hold NUL or half of a surrogate pair, and are left out"
    assert turns.startswith(f"{path}: of 1 of 5 rows the first turn of a user and its answer are read; 2 other turns")
    same: list[str] = []
    assert len(read_pool([path, alone], same)) == len(tasks)
    assert same == notes
    assert read_examples([path, alone]).notes == notes


def test_a_file_without_outputs_is_nothing_to_tune_on(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", {"instruction": ASK, "target": TOLD})
    with pytest.raises(InputError) as caught:
        read_examples([path])
    assert "has no accepted instance to tune on" in caught.value.problems[0]
    assert "1 of 1 rows had no output" in caught.value.problems[0]


def test_columns_of_parquet(tmp_path: Path) -> None:
    path = str(tmp_path / "a.parquet")
    pq.write_table(
        pa.table({"question": [ASK], "answer": [5], "is_classification": pa.array([None], pa.bool_())}), path
    )
    assert read_tasks([path])[0].instances == (Instance("", "5"),)
    pq.write_table(pa.table({"conversations": [SHARED]}), path)
    assert read_tasks([path])[0].instances == (Instance("", TOLD),)
    pq.write_table(pa.table({"instruction": [ASK], "output": [b"\xff"]}), path)
    with pytest.raises(InputError, match="'output' is binary; write it as text"):
        read_tasks([path])


TEXTS = st.text(st.sampled_from("ab \t\n\r:é字"), max_size=12)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


@given(value=VALUES)
def test_json_is_read_back_as_what_it_was(value: Any) -> None:
    text = text_of(value)
    if isinstance(value, str):
        assert text == value
    elif value is None or value != value:
        assert text == ""
    else:
        assert json.dumps(json.loads(text)) == json.dumps(value).replace("NaN", "null")


@given(
    keys=st.tuples(st.sampled_from(INSTRUCTION), st.sampled_from(INPUT), st.sampled_from(OUTPUT)),
    instruction=TEXTS.filter(str.strip),
    given_input=TEXTS,
    output=VALUES,
    others=st.dictionaries(st.sampled_from(["id", "category", "text", "target", "system"]), VALUES),
)
def test_texts_under_known_keys_come_through_verbatim(
    keys: tuple[str, str, str], instruction: str, given_input: str, output: Any, others: dict[str, Any]
) -> None:
    as_instruction, as_input, as_output = keys
    if as_instruction == as_input:
        return
    if as_input == "question" and as_instruction != "instruction":  # then it is the question that is asked
        as_input = "context"
    read = task_of({as_instruction: instruction, as_input: given_input, as_output: output, **others})
    (instance,) = read.instances
    for before, after in (
        (instruction, read.instruction),
        (given_input, instance.input),
        (text_of(output), instance.output),
    ):
        assert after == (before.strip("\r\n") if before.strip() else "")


@given(
    key=st.sampled_from(CONVERSATION),
    turns=st.lists(
        st.tuples(st.sampled_from(["user", "human", "assistant", "gpt", "system", "tool"]), TEXTS), max_size=6
    ),
)
def test_of_a_conversation_the_first_question_and_its_answer(key: str, turns: list[tuple[str, str]]) -> None:
    row = {key: [{"role": role, "content": text} for role, text in turns]}
    users = [at for at, (role, _) in enumerate(turns) if role in ("user", "human")]
    if not users:
        with pytest.raises(ValueError, match=r"no text under|no turn of a user"):
            task_of(row)
        return
    read, rest = task_of(row), turns[users[0] :]
    assert read.instruction == (rest[0][1].strip("\r\n") if rest[0][1].strip() else "")
    answered = len(rest) > 1 and rest[1][0] in ("assistant", "gpt")
    answer = rest[1][1].strip("\r\n") if answered and rest[1][1].strip() else ""
    assert read.instances == (Instance("", answer),)
    assert read.left_out == len(turns) - 1 - answered
