"""Reading what real models write: lists, markers, JSON, yes and no, in the many forms that they come in."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfinstruct.prompts import load_prompts
from selfinstruct.records import Instance, Kind, Reason
from selfinstruct.steps.instantiate import InstanceSettings, filter_instances
from selfinstruct.steps.readers import reader_of
from selfinstruct.steps.readers.ends import without_end
from selfinstruct.steps.readers.forms import leaks
from selfinstruct.steps.readers.marks import unfenced, without_pleasantry

CHAT, BASE, INSTRUCT = (reader_of(load_prompts(name)) for name in ("chat", "base", "instruct"))
PAPER = reader_of(load_prompts("base"), "paper")
TWO = ["Name a river in Asia.", "Describe how bread rises."]


def listed(text: str, opened: int = 9) -> list[str]:
    return [found for found, reason in CHAT.proposals(text, opened, cut=False) if reason is None]


def pairs(text: str, kind: Kind = Kind.INPUT_FIRST) -> list[tuple[str, str]]:
    found = filter_instances(CHAT.instances(kind, text, cut=False), InstanceSettings(), 0, "id")
    return [(instance.input, instance.output) for instance, reason in found if reason is None]


# ---- lists


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("{n}. ", ""),
        ("{n}.", ""),
        ("{n}) ", ""),
        ("({n}) ", ""),
        ("**{n}.** ", ""),
        ("**{n}. ", "**"),
        ("**{n}**. ", ""),
        ("### {n}. ", ""),
        ("- {n}. ", ""),
        ("> {n}. ", ""),
        ("{n}．", ""),
        ("{n}、", ""),
        ("{n}: ", ""),
        ("Task {n}: ", ""),
        ("**Task {n}:** ", ""),
        ("{n}. Instruction: ", ""),
        ("{n}. **Task:** ", ""),
        ('{n}. "', '"'),
        ("{n}. **", "**"),
        ("- ", ""),
        ("* ", ""),
        ("• ", ""),
    ],
)
@pytest.mark.parametrize("first", [1, 9])
@pytest.mark.parametrize("around", ["{}", "```\n{}\n```", "Sure, here are two:\n\n{}\n\nLet me know if you need more!"])
def test_lists_as_chat_models_write_them(before: str, after: str, first: int, around: str) -> None:
    lines = [before.format(n=first + at) + text + after for at, text in enumerate(TWO)]
    assert listed(around.format("\n".join(lines))) == TWO
    assert listed(around.format("\n\n".join(lines))) == TWO


def test_markdown_that_counts_by_itself() -> None:
    assert listed("1. Name a river in Asia.\n1. Describe how bread rises.") == TWO


@pytest.mark.parametrize(
    "item",
    [
        "Put these steps in order:\n1. Boil water\n2. Add tea\n3. Pour",
        "Round these numbers:\n3. 14159\n2. 71828",
        "Say what happened in these years:\n1969. A landing\n1989. A wall",
        "Correct the sum.\n2.5 + 2.5 = 6",
    ],
)
def test_only_the_next_number_opens_an_item(item: str) -> None:
    found = BASE.proposals(f" {item}\n10. Name three metals.", 9, cut=False)
    assert found == [(item, None), ("Name three metals.", None)]
    assert listed(f"9. {item}\n10. Name three metals.") == [item, "Name three metals."]


def test_of_a_list_that_was_cut_the_whole_items_are_kept() -> None:
    text = "9. Name a river in Asia.\n10. Describe how bread rises.\n11. Compare the pri"
    found = CHAT.proposals(text, 9, cut=True)
    assert found == [(TWO[0], None), (TWO[1], None), ("Compare the pri", Reason.CUT_BY_LENGTH)]
    assert PAPER.proposals(text, 9, cut=True) == []


@pytest.mark.parametrize("stop", ["\n\n", "\n16", "16.", "16 ."])
def test_an_item_that_a_stop_string_cut_in_mid_line_is_dropped(stop: str) -> None:
    text = " Name a river in Asia.\n10. Name the winner of the vote in 2016. Then say why."
    text = text[: text.find(stop)] if stop in text else text
    whole = [found for found, reason in BASE.proposals(text, 9, cut=False) if reason is None]
    assert whole == ([TWO[0]] if stop == "16." else [TWO[0], "Name the winner of the vote in 2016. Then say why."])


TASK = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp", "Zs")), min_size=1, max_size=30)
PLAIN = TASK.map(lambda text: "Say " + re.sub(r"[*_`\"“”«»:：#>]", "", text) + ".")


@given(
    st.lists(PLAIN, min_size=1, max_size=12), st.integers(1, 30), st.sampled_from(["{}. ", "{}) ", "**{}.** ", "{}."])
)
def test_a_list_is_read_back(items: list[str], first: int, mark: str) -> None:
    text = "\n".join(mark.format(first + at) + item for at, item in enumerate(items))
    assert listed(text, first) == items
    assert [found for found, _ in BASE.proposals(text.removeprefix(mark.format(first)), first, cut=False)] == items


# ---- markers


@pytest.mark.parametrize(
    ("example", "given_", "output"),
    [
        ("Example {n}", "Input: ", "Output: "),
        ("**Example {n}**", "**Input:** ", "**Output:** "),
        ("**Example {n}:**", "**Input**: ", "**Output**: "),
        ("### Example {n}", "Input: ", "Output: "),
        ("EXAMPLE {n}:", "INPUT: ", "OUTPUT: "),
        ("Example {n}.", "input: ", "output: "),
        ("Example {n}", "- Input: ", "- Output: "),
        ("Example {n}", "Input：", "Output："),
        ("{n}. Example {n}", "Input {n}: ", "Output {n}: "),
    ],
)
def test_markers_as_models_write_them(example: str, given_: str, output: str) -> None:
    texts = [
        f"{example.format(n=n)}\n{given_.format(n=n)}{left}\n{output.format(n=n)}{right}\n"
        for n, left, right in ((1, "3 x 3", "9"), (2, "4 x 4", "16"))
    ]
    assert pairs("\n".join(texts)) == [("3 x 3", "9"), ("4 x 4", "16")]


def test_a_marker_in_mid_line_is_text() -> None:
    text = 'Example 1\nInput: def f():\n    print("Output: 3")\nOutput: It prints the text Output: 3 once.'
    assert pairs(text) == [('def f():\n    print("Output: 3")', "It prints the text Output: 3 once.")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Output: A\nOutput: B", [("", "A")]),
        ("Input: 1\nOutput: one\nInput: 2\nOutput: two", [("1", "one"), ("2", "two")]),
        ("Input: None\nOutput: Nine.", [("", "Nine.")]),
        ("Input: N/A\nOutput: Nine.", [("", "Nine.")]),
        ("Input: <noinput>\nOutput: Nine.", [("", "Nine.")]),
        ("Input: (no input needed)\nOutput: Nine.", [("", "Nine.")]),
        ("Input: 3\nOutput: <nooutput>", []),
        ("Input: 3", []),
        ("Output: Nine.\n\nI hope this helps!", [("", "Nine.")]),
        ("Output: ```python\nx = 1\n    y = 2\n```", [("", "x = 1\n    y = 2")]),
        ("```\nExample 1\nInput: 3\nOutput: 9\n```", [("3", "9")]),
        ("Output:\n    indented = True\nlast", [("", "    indented = True\nlast")]),
    ],
)
def test_what_stands_around_an_answer(text: str, expected: list[tuple[str, str]]) -> None:
    assert pairs(text) == expected


@pytest.mark.parametrize(
    "mark", ["Class label: ", "**Class label:** ", "Class Label: ", "### Class label: ", "Class label："]
)
def test_labels_as_models_write_them(mark: str) -> None:
    text = f"{mark}positive\nText: I like it.\n\nExample 2\n{mark}**negative**\nInput: I do not.\nOutput: negative"
    assert pairs(text, Kind.OUTPUT_FIRST) == [("Text: I like it.", "positive"), ("I do not.", "negative")]


def test_a_marker_that_is_left_is_no_data() -> None:
    found = CHAT.instances(Kind.INPUT_FIRST, "Example 1\nText: a\nClass label: b\nOutput: c", cut=False)
    assert [reason for _, reason in found] == [Reason.LEAKED_MARKER]


PIECES = st.sampled_from(["Input:", "Output:", "Example 1", "Class label:", "**", "\n", " ", "x", "1."])


@given(st.lists(PIECES, max_size=25).map("".join))
def test_no_accepted_text_holds_a_marker(text: str) -> None:
    for kind in (Kind.INPUT_FIRST, Kind.OUTPUT_FIRST, Kind.INSTANTIATE):
        for reader in (BASE, CHAT, INSTRUCT):
            for instance, reason in reader.instances(kind, text, cut=False):
                assert reason or not leaks(instance)


# ---- yes or no


@pytest.mark.parametrize(
    ("text", "says"),
    [
        *((text, True) for text in ("Yes", " yes", "YES.", "Yes, it is.", "**Yes**", '"Yes"', "Yes!", "Answer: Yes")),
        *((text, True) for text in ("The answer is Yes.", "**Answer:** yes", "True", "Is it classification? Yes")),
        *(
            (text, False)
            for text in ("No", "no.", "No, yes would be wrong.", "**No**", "Answer: no", "The answer is: No")
        ),
        *((text, None) for text in ("", "Maybe", "It depends.", "Yesterday", "None", "Nothing", "classification")),
    ],
)
def test_yes_or_no(text: str, says: bool | None) -> None:
    assert CHAT.classification(text) is says
    assert BASE.classification(text) is says


# ---- JSON


def in_json(text: str, cut: bool = False) -> list[tuple[str, str]]:
    found = filter_instances(INSTRUCT.instances(Kind.INSTANTIATE, text, cut), InstanceSettings(), 0, "id")
    return [(instance.input, instance.output) for instance, reason in found if reason is None]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (r"half: \(x\)", r"half: \(x\)"),
        (r"\frac{1}{2} \beta \times \theta \neq \rho", r"\frac{1}{2} \beta \times \theta \neq \rho"),
        (r"\\frac{1}{2}", r"\frac{1}{2}"),
        (r"\alpha \sum \leq \%", r"\alpha \sum \leq \%"),
        (r"first\nsecond\tthird \"quoted\" \u00e9", 'first\nsecond\tthird "quoted" é'),
        (r"C:\new folder", "C:\new folder"),
        ('she said "yes" twice', 'she said "yes" twice'),
        ("two\nlines", "two\nlines"),
        (r"a\u0000b", "a\ufffdb"),
        ("    code\n        more", "    code\n        more"),
    ],
)
def test_escapes_in_json_mean_what_was_meant(written: str, meant: str) -> None:
    text = '{"classification": false, "labels": [], "instances": [{"input": "x", "output": "' + written + '"}]}'
    assert in_json(text) == [("x", meant)]
    assert in_json(f"Here it is:\n```json\n{text}\n```\nDone.") == [("x", meant)]


def test_commas_too_many_and_objects_cut_off() -> None:
    assert in_json('{"instances": [{"input": "x", "output": "y",},],}') == [("x", "y")]
    text = '{"classification": false, "instances": [{"input": "x", "output": "y"}, {"input": "z", "output": "w'
    assert in_json(text, cut=True) == [("x", "y")]


@pytest.mark.parametrize(
    "text",
    [
        '{"tasks": ["Name a river in Asia.", "Describe how bread rises."]}',
        '{"thoughts": ["vary verbs"], "tasks": ["Name a river in Asia.", "Describe how bread rises.",]}',
        '{"tasks": [{"instruction": "Name a river in Asia."}, {"task": "Describe how bread rises.", "id": 2}]}',
        '["Name a river in Asia.", "Describe how bread rises."]',
        "1. Name a river in Asia.\n2. Describe how bread rises.",
    ],
)
def test_tasks_in_json(text: str) -> None:
    assert [found for found, _ in INSTRUCT.proposals(text, 9, cut=False)] == TWO


@given(st.text(st.characters(codec="utf-8"), max_size=40), st.text(st.characters(codec="utf-8"), max_size=40))
def test_well_formed_json_is_read_as_it_is(given_: str, output: str) -> None:
    written = json.dumps({"instances": [{"input": given_, "output": output}]})
    if not re.search(r"\\[bfnrt][a-zA-Z]", written):  # may be a command of LaTeX
        clean = Instance(given_.replace("\0", "\ufffd").strip("\r\n"), output.replace("\0", "\ufffd").strip("\r\n"))
        (found,) = INSTRUCT.instances(Kind.INSTANTIATE, written, cut=False)
        assert found[1] is not None or found[0] in (clean, Instance("", clean.output))


@given(st.text(st.sampled_from('{}[]",:\\nfu0 x\n'), max_size=120))
def test_any_json_like_text_is_read(text: str) -> None:
    for cut in (False, True):
        INSTRUCT.proposals(text, 9, cut)
        INSTRUCT.instances(Kind.INSTANTIATE, text, cut)
    INSTRUCT.told(text)


def test_a_hostile_answer_costs_no_more_than_a_long_one() -> None:
    pieces = (
        "[",
        '{"a',
        '["',
        '{"x": "\\',
        "9. ",
        "9.\n",
        "**",
        "\n",
        " ",
        "> ",
        "- ",
        "Output:\n",
        "Example 1\n",
        "\n \n",
    )
    for text in (piece * (20_000 // len(piece)) for piece in pieces):
        INSTRUCT.proposals(text, 9, cut=False)
        INSTRUCT.instances(Kind.INSTANTIATE, text, cut=False)
        CHAT.instances(Kind.INPUT_FIRST, text, cut=False)


# ---- around a text


def test_end_of_turn_texts_are_cut_at_the_end_alone() -> None:
    assert without_end("9</s>") == "9"
    assert without_end("9 <|eot_id|></s>\n") == "9"
    assert without_end("Strike <s>this</s> out") == "Strike <s>this</s> out"
    assert pairs("Example 1\nInput: 3\nOutput: 9</s>") == [("3", "9")]


def test_only_a_fence_around_all_is_taken_away() -> None:
    assert unfenced("```python\nx = 1\n```") == "x = 1"
    assert unfenced("Use:\n```python\nx = 1\n```") == "Use:\n```python\nx = 1\n```"
    assert unfenced("```\na\n```\nand\n```\nb\n```") == "```\na\n```\nand\n```\nb\n```"


def test_only_a_last_polite_paragraph_is_taken_away() -> None:
    assert without_pleasantry("Nine.\n\nLet me know if you need more!") == "Nine."
    for text in ("Let me know if it rains.", "Dear Ann,\n\nI will come.\n\nBest,\nBen", "A.\n\nNotes are here."):
        assert without_pleasantry(text) == text
