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
from selfinstruct.steps.readers.ends import first_turn, without_end
from selfinstruct.steps.readers.forms import leaks
from selfinstruct.steps.readers.marks import ANY, EXAMPLE, TITLES, may_hold, unfenced, without_pleasantry

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
        ("● ", ""),
        ("・", ""),
        ("- [ ] ", ""),
        ("✅ ", ""),
        ("{n}\\. ", ""),
        ("{n}.) ", ""),
        ("({n}). ", ""),
        ("（{n}）", ""),
        ("{n} - ", ""),
        ("{n}/ ", ""),
        ("[{n}] ", ""),
        ("#{n} ", ""),
        ("**{n}** ", ""),
        ("***{n}.*** ", ""),
        ("`{n}.` ", ""),
        ("Task #{n}: ", ""),
        ("Task {n} - ", ""),
        ("Question {n}: ", ""),
        ("Q{n}. ", ""),
        ("第{n}题：", ""),
        ("任务{n}：", ""),
        ("Задание {n}. ", ""),
        ("### Task {n}\n", ""),
        ("**Task {n}**\n", ""),
        ("Task {n}\n", ""),
        ("## {n}\n", ""),
        ("{n}. [Task] ", ""),
        ("{n}. Task - ", ""),
        ("{n}. - ", ""),
        ("- [ ] {n}. ", ""),
        ("{n}. “", "”"),
        ("{n}. 「", "」"),
        ("{n}. '", "'"),
        ('{n}. "', '",'),
    ],
)
@pytest.mark.parametrize("first", [1, 9])
@pytest.mark.parametrize(
    "around",
    [
        "{}",
        "```\n{}\n```",
        "Sure, here are two:\n\n{}\n\nLet me know if you need more!",
        "Sure:\n```\n{}\n```\nI hope these help!",
        "### New tasks\n\n{}\n\n---\n\nThese tasks cover many subjects.",
        "<think>\n8. What now?\n9. No.\n</think>\n\n{}\nFeel free to ask for more.",
    ],
)
def test_lists_as_chat_models_write_them(before: str, after: str, first: int, around: str) -> None:
    lines = [before.format(n=first + at) + text + after for at, text in enumerate(TWO)]
    assert listed(around.format("\n".join(lines))) == TWO
    assert listed(around.format("\n\n".join(lines))) == TWO


@pytest.mark.parametrize(
    "text",
    [
        "① Name a river in Asia.\n② Describe how bread rises.",
        "1️⃣ Name a river in Asia.\n2️⃣ Describe how bread rises.",
        "９．Name a river in Asia.\n１０．Describe how bread rises.",
        "٩. Name a river in Asia.\n١٠. Describe how bread rises.",
        "९. Name a river in Asia.\n१०. Describe how bread rises.",
        "  9. Name a river in Asia.\n  10. Describe how bread rises.",
        "### Places\n9. Name a river in Asia.\n\n### Kitchen\n10. Describe how bread rises.",
        "<|channel|>analysis<|message|>9. No<|end|><|start|>assistant<|channel|>final<|message|>"
        "9. Name a river in Asia.\n10. Describe how bread rises.<|return|>",
        "**Places**\n\n9. Name a river in Asia.\n\n**Kitchen:**\n\n10. Describe how bread rises.",
        "9. Name a river in Asia.\n\n---\n\n10. Describe how bread rises.\n\n---",
        "9. Name a river in Asia.\n10. Describe how bread rises.\n\n(Note: one task a line.)",
        "9. Name a river in Asia.\r\n10. Describe how bread rises.\r\n",
    ],
)
def test_lists_with_other_signs_and_headings(text: str) -> None:
    assert listed(text) == TWO


def test_a_bold_title_is_plain_text() -> None:
    headed = "**Task 9: Place**\nName a river.\n\n**Task 10: Bread**\nAsk a baker."
    assert listed(headed) == ["Place\nName a river.", "Bread\nAsk a baker."]
    titled = ["Place: Name a river in Asia.", "Bread: Describe how it rises."]
    assert listed("9. **Place:** Name a river in Asia.\n10. **Bread**: Describe how it rises.") == titled
    assert listed("**9. Place:** Name a river in Asia.\n**10. Bread**: Describe how it rises.") == titled
    assert listed("9. Explain x**2 and y ** 2.\n10. Explain **how** bread rises.") == [
        "Explain x**2 and y ** 2.",
        "Explain **how** bread rises.",
    ]


def test_markdown_that_counts_by_itself() -> None:
    assert listed("1. Name a river in Asia.\n1. Describe how bread rises.") == TWO


@pytest.mark.parametrize(
    "item",
    [
        "Put these steps in order:\n1. Boil water\n2. Add tea\n3. Pour",
        "Round these numbers:\n3. 14159\n2. 71828",
        "Say what happened in these years:\n1969. A landing\n1989. A wall",
        "Correct the sum.\n2.5 + 2.5 = 6",
        "Solve it:\n10 - 3\n10 / 2\n10:30\n10.5",
        "Plan a day:\n- morning\n- evening",
        "Fix the code:\n```python\nx = 1\n```",
        "Read the text.\n\nThe cat sat.\n\nSum it up.",
        "Read the table:\n| a | b |\n|---|---|\n| 1 | 2 |",
    ],
)
def test_only_the_next_number_opens_an_item(item: str) -> None:
    found = BASE.proposals(f" {item}\n10. Name three metals.", 9, cut=False)
    assert found == [(item, None), ("Name three metals.", None)]
    assert listed(f"9. {item}\n10. Name three metals.") == [item, "Name three metals."]


def test_a_deeper_list_is_part_of_its_item() -> None:
    assert listed("1. Sort the steps:\n   1. Boil\n   2. Pour\n2. Name three metals.") == [
        "Sort the steps:\n   1. Boil\n   2. Pour",
        "Name three metals.",
    ]
    assert listed("- Plan a day:\n  - morning\n  - evening\n- Name three metals.") == [
        "Plan a day:\n  - morning\n  - evening",
        "Name three metals.",
    ]


def test_what_the_last_item_leads_up_to_is_no_remark() -> None:
    text = "9. Name three metals.\n10. Fix the code:\n\n```python\nx = 1\n```"
    assert listed(text) == ["Name three metals.", "Fix the code:\n\n```python\nx = 1\n```"]


@pytest.mark.parametrize("begun", ["11", "11.", "11. ", "\n11. Compare the pri"])
def test_an_item_that_was_only_begun_costs_no_other(begun: str) -> None:
    found = CHAT.proposals(f"9. {TWO[0]}\n10. {TWO[1]}\n{begun}", 9, cut=True)
    assert [text for text, reason in found if reason is None] == TWO


def test_an_instruction_with_a_marker_is_not_accepted() -> None:
    found = BASE.proposals(" Say how it sounds.\nInput: I love it\nOutput: glad\n10. Name three metals.", 9, cut=False)
    assert [reason for _, reason in found] == [Reason.LEAKED_MARKER, None]
    assert listed("9. Say what Input: means here.\n10. Name three metals.")[0] == "Say what Input: means here."


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
        ("Example #{n}", "Input #{n}: ", "Output #{n}: "),
        ("(Example {n})", "[Input]: ", "[Output]: "),
        ("Instance {n}", "Input : ", "Output : "),
        ("***Example {n}***", "*Input:* ", "_Output:_ "),
        ("__Example {n}__", "__Input:__ ", "__Output:__ "),
        ("`Example {n}`", "`Input:` ", "`Output:` "),
        ("> Example {n}", "> Input: ", "> Output: "),
        ("📝 Example {n}", "**📥 Input:** ", "**📤 Output:** "),
        ("### Example {n}", "\n**Input**\n\n", "\n**Output**\n\n"),
        ("", "### Input\n", "### Output\n"),
        ("# Example {n}", "# Input\n", "# Output\n"),
        ("**Example {n}: An easy one**", "Input: ", "Output: "),
        ("### Example {n} - An easy one", "**Input:** ", "**Output:** "),
        ("Example {n}", "    Input: ", "    Output: "),
        ("Example {n}", "Input:\xa0", "Output:\xa0"),
        ("Example {n}", "Input:\n```\n", "```\nOutput:\n"),
        ("---\n**Example {n}**", "Input: Input: ", "Output: Output: "),
    ],
)
def test_markers_as_models_write_them(example: str, given_: str, output: str) -> None:
    texts = [
        f"{example.format(n=n)}\n{given_.format(n=n)}{left}\n{output.format(n=n)}{right}\n"
        for n, left, right in ((1, "3 x 3", "9"), (2, "4 x 4", "16"))
    ]
    assert pairs("\n".join(texts)) == [("3 x 3", "9"), ("4 x 4", "16")]


@pytest.mark.parametrize(
    "around",
    [
        "**Example {n}**\n**Input: {i}**\n**Output: {o}**",
        "```\nInput: {i}\nOutput: {o}\n```",
        "Input: {i}\nOutput: {o}\n\n***",
    ],
)
def test_what_stands_around_instances_is_no_part_of_them(around: str) -> None:
    text = "\n\n".join(around.format(n=n, i=i, o=o) for n, i, o in ((1, 3, 9), (2, 4, 16)))
    assert pairs(text) == [("3", "9"), ("4", "16")]


@pytest.mark.parametrize(
    "output",
    [
        "print(f(2))\n# Output: 4",
        "open('a')\n// Output: 4",
        "readline({\n        input: stream,\n        output: other,\n})",
        "Use a simile.\nExample: He ran like the wind.",
        "Two forms:\nExample: one\nExample: two",
        "example.txt holds the names.",
        "Steps:\nInput validation: check it.\nOutput format: JSON.",
        "# Title\n\n## Part\n\n1. one\n2. two",
        "name: Ann\n---\nname: Ben\n---",
        "Dear Ann,\n\nI will come.\n\nThank you for your time.",
        "Dear Ann,\n\nI will come.\n\nI hope to see you soon.",
        "Dear guests,\n\nIf you have any questions about the event, please write to us.",
        "Boil the rice.\n\nNote: salt the water first.",
        "Boil the rice.\n\nEnjoy your meal!",
        "None",
        "No output",
        "Sure, I will be there.",
    ],
)
def test_what_well_formed_answers_hold_is_kept(output: str) -> None:
    assert pairs(f"Output: {output}") == [("", output)]
    assert pairs(f"Example 1\nInput: 3\nOutput: {output}\n\nExample 2\nInput: 4\nOutput: 16") == [
        ("3", output),
        ("4", "16"),
    ]


def test_a_marker_in_mid_line_is_text() -> None:
    text = 'Example 1\nInput: def f():\n    print("Output: 3")\nOutput: It prints the text Output: 3 once.'
    assert pairs(text) == [('def f():\n    print("Output: 3")', "It prints the text Output: 3 once.")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Output: A\nOutput: B", [("", "A")]),
        ("Output: A\n\nInput: none", [("", "A")]),
        ("It is easy.\nOutput: A\nInput: 2\nOutput: B", [("", "A"), ("2", "B")]),
        ("Input: 1\nOutput: one\nInput: 2\nOutput: two", [("1", "one"), ("2", "two")]),
        ("Input: None\nOutput: Nine.", [("", "Nine.")]),
        ("Input: N/A\nOutput: Nine.", [("", "Nine.")]),
        ("Input: <noinput>\nOutput: Nine.", [("", "Nine.")]),
        ("Input: (no input needed)\nOutput: Nine.", [("", "Nine.")]),
        *(
            (f"Input: {nothing}\nOutput: Nine.", [("", "Nine.")])
            for nothing in (
                *("-", "—", '""', "null", "n.a.", "*None*", "`None`", "**N/A**", "Not needed", "None required."),
                *("No additional input needed.", "None (no input needed)", "[No input required]", "No specific input"),
            )
        ),
        ("Input: None of them sang.\nOutput: Nine.", [("None of them sang.", "Nine.")]),
        *((f"Input: 3\nOutput: {nothing}", []) for nothing in ("<no output>", "[No output]", "Nooutput")),
        ("Output: Nine.\n\nWould you like me to explain it?", [("", "Nine.")]),
        ("Output: Nine.\n\nFeel free to ask for more!", [("", "Nine.")]),
        ("Output: Nine.\n\nIf you need more examples, just let me know.", [("", "Nine.")]),
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
    "mark",
    [
        *(
            "Class label: ",
            "**Class label:** ",
            "Class Label: ",
            "### Class label: ",
            "Class label：",
            "Class label 1: ",
        ),
        *("Class_label: ", "class-label: ", "- Class label: ", "Class label:\n", "`Class label:` "),
    ],
)
def test_labels_as_models_write_them(mark: str) -> None:
    text = f"{mark}positive\nText: I like it.\n\nExample 2\n{mark}**negative**\nInput: I do not.\nOutput: negative"
    assert pairs(text, Kind.OUTPUT_FIRST) == [("Text: I like it.", "positive"), ("I do not.", "negative")]


def test_labels_in_a_numbered_list() -> None:
    text = "1. Class label: positive\n   Text: I like it.\n\n---\n\n2. **Class label: negative**\n   Text: I do not."
    assert pairs(text, Kind.OUTPUT_FIRST) == [("Text: I like it.", "positive"), ("Text: I do not.", "negative")]


def test_a_marker_that_is_left_is_no_data() -> None:
    found = CHAT.instances(Kind.INPUT_FIRST, "Example 1\nText: a\nClass label: b\nOutput: c", cut=False)
    assert [reason for _, reason in found] == [Reason.LEAKED_MARKER]


PIECES = st.sampled_from(["Input:", "Output:", "Example 1", "Class label:", "**", "\n", " ", "x", "1."])


@given(st.lists(PIECES, max_size=25).map("".join))
def test_no_accepted_text_holds_a_marker(text: str) -> None:
    for kind in (Kind.INPUT_FIRST, Kind.OUTPUT_FIRST, Kind.INSTANTIATE):
        for reader in (BASE, CHAT, INSTRUCT):
            for instance, reason in reader.instances(kind, text, cut=False):
                assert reason or not leaks(instance.input, instance.output)


ODD = st.sampled_from(
    ["OUTPUT:", "ınput:", "İnput：", "claſs label:", "Instance 2", "example 3:", "nothing", "\n", " ", "é"]
)


@given(st.lists(PIECES | ODD, max_size=8).map("".join))
def test_no_marker_is_passed_over_in_a_hurry(text: str) -> None:
    assert leaks(text) == any(each.search(text) for each in ANY)
    assert may_hold(text, *TITLES) or not EXAMPLE.search(text)


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
        *(
            (text, True)
            for text in ("It is a classification task.", "Is it a classification task? Yes", "“Yes”", "✅ Yes")
        ),
        *(
            (text, True)
            for text in ("The correct answer is **yes**", "Final answer: Yes", "Output: Yes", "1. Yes", "_Yes_")
        ),
        *(
            (text, True)
            for text in (r"$\boxed{\text{Yes}}$", '{"answer": "Yes"}', "Answer - Yes", "Answer=Yes", "A: Yes")
        ),
        *((text, True) for text in ("Classification: Yes", "is_classification: true", "I would say yes.", "Yes\nNo")),
        *((text, False) for text in ("Not a classification task.", "It isn't a classification task", r"\boxed{No}")),
        *((text, False) for text in ("This task is not a classification task", "Is this classification? No")),
        *((text, None) for text in ("Yes or No", "yes/no", "Yes|No?", "True or false", "No idea", "ja", "nein", "oui")),
        *(
            (text, None)
            for text in ("是", "はい", "Normally yes", "Is it classification?", "The answer is", "Note", "Nope")
        ),
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


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (r"n = 3\ni = 0\nu = 2\ne.g. this\tto that", "n = 3\ni = 0\nu = 2\ne.g. this\tto that"),
        (r"$\nu = 2$ and $\tau \to 0$", r"$\nu = 2$ and $\tau \to 0$"),
        (r"\alpha \ne \nu", r"\alpha \ne \nu"),
        (r"it\'s", "it's"),
        ('he said "yes", and "no": fine', 'he said "yes", and "no": fine'),
        (r"re.match(r\"\d+\s\", t)", r're.match(r"\d+\s", t)'),
    ],
)
def test_a_line_break_is_none_of_latex(written: str, meant: str) -> None:
    text = '{"classification": false, "labels": [], "instances": [{"input": "x", "output": "' + written + '"}]}'
    assert in_json(text) == [("x", meant)]


JSON_LIKE = [
    "{{'labels': [], 'instances': [{{'input': {0!r}, 'output': {1!r}}}, {{'input': {2!r}, 'output': {3!r}}}]}}",
    '{{classification: false, instances: [{{input: "{0}", output: "{1}"}}, {{input: "{2}", output: "{3}"}}]}}',
    '{{"instances": [ // two\n {{"input": "{0}", "output": "{1}"}}, /* and */ {{"input": "{2}", "output": "{3}"}}]}}',
    '{{"instances": [{{"input": "{0}" "output": "{1}"}} {{"input": "{2}",\n"output": "{3}"}}]}}',
    '{{"instances": [{{"input": "{0}", "output": "{1}"}}, {{"input": "{2}", "output": "{3}"}}, ...]}}',
    '{{"instances": [{{"input": "{0}", "output": "{1}"}}, {{"input": "{2}", "output": "{3}"}}',
    '{{{{"instances": [{{"input": "{0}", "output": "{1}"}}, {{"input": "{2}", "output": "{3}"}}]}}}}',
    '{{"Instances": [{{"Input": "{0}", "Output": "{1}"}}, {{"Input": "{2}", "Output": "{3}"}}]}}',
    '{{"instances": [{{"input": "{0}", "label": "{1}"}}, {{"input": "{2}", "answer": "{3}"}}]}}',
    '{{"instances": {{"1": {{"input": "{0}", "output": "{1}"}}, "2": {{"input": "{2}", "output": "{3}"}}}}}}',
    '{{"input": "{0}", "output": "{1}"}}\n{{"input": "{2}", "output": "{3}"}}',
    "{{“instances”: [{{“input”: “{0}”, “output”: “{1}”}}, {{“input”: “{2}”, “output”: “{3}”}}]}}",
    '\ufeff{{"instances": [{{"input": """{0}""", "output": """{1}"""}}, {{"input": "{2}", "output": "{3}"}}]}}',
    '{{"instances": [{{"input": "Input: {0}", "output": "Output: {1}"}}, {{"input": "{2}", "output": "{3}"}}]}}',
]


@pytest.mark.parametrize("form", JSON_LIKE)
@pytest.mark.parametrize(("before", "after"), [("", ""), ("Here it is [as asked]:\n```json\n", "\n```\nDone {all}.")])
def test_what_models_write_for_json(form: str, before: str, after: str) -> None:
    text = before + form.format("a rose", "red, too", "it's", "blue") + after
    assert in_json(text) == [("a rose", "red, too"), ("it's", "blue")]


def test_json_within_a_text_of_json() -> None:
    instances = [{"input": "x", "output": 'a "quoted"\nline'}]
    assert in_json(json.dumps(json.dumps({"instances": instances}))) == [("x", 'a "quoted"\nline')]
    assert in_json(json.dumps({"instances": json.dumps(instances)})) == [("x", 'a "quoted"\nline')]


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
        '{"tasks": ["9. Name a river in Asia.", "10. Describe how bread rises."]}',
        '{"tasks": ["Task 1: Name a river in Asia.", "Task 2: Describe how bread rises."]}',
        "{'tasks': ['Name a river in Asia.', 'Describe how bread rises.']}",
        '{tasks: ["Name a river in Asia.",\n"Describe how bread rises.", // two\n]}',
        '{"tasks": ["Name a river in Asia."\n"Describe how bread rises."]}',
        '{"tasks": {"1": "Name a river in Asia.", "2": "Describe how bread rises."}}',
        '{"task_1": "Name a river in Asia.", "task_2": "Describe how bread rises."}',
        '{"task": "Name a river in Asia."}\n{"task": "Describe how bread rises."}',
        '{"data": {"labels": ["a"], "Tasks": [["Name a river in Asia."], ["Describe how bread rises."]]}}',
        '{"labels": ["a"], "tasks": [{"kind": "a", "goal": "Name a river in Asia."}, "Describe how bread rises."]}',
        '{"tasks": ["Name a river in Asia.", "Describe how bread rises."',
        '{"tasks": ["Name a river in Asia.", "Describe how bread rises.", "Comp',
        '{"a": ["b"], "tasks": [{"task": "Name a river in Asia."}, {"task": "Describe how bread rises."}, {"task": "C',
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


ANYTHING = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=20)


def cut_anywhere(head: str, items: list[object], at: float) -> tuple[str, int]:
    """A JSON object with these items in a list, cut off, and how many of them are whole."""
    written = [json.dumps(each) for each in items]
    ends = [len(head + ", ".join(written[:count])) for count in range(1, len(written) + 1)]
    text = head + ", ".join(written) + "]}"
    cut = int(at * len(text))
    return text[:cut], sum(end <= cut for end in ends)


@given(st.lists(st.tuples(ANYTHING, ANYTHING), min_size=1, max_size=4), st.floats(0, 1))
def test_of_json_that_was_cut_anywhere_the_whole_objects_are_kept(texts: list[tuple[str, str]], at: float) -> None:
    text, whole = cut_anywhere(
        '{"labels": ["a"], "instances": [', [{"input": left, "output": right} for left, right in texts], at
    )
    found = INSTRUCT.instances(Kind.INSTANTIATE, text, cut=True)
    expected = INSTRUCT.instances(
        Kind.INSTANTIATE,
        cut_anywhere('{"instances": [', [{"input": left, "output": right} for left, right in texts], 1)[0],
        cut=False,
    )
    assert found == expected[:whole]


@given(st.lists(PLAIN, min_size=1, max_size=4), st.floats(0, 1))
def test_of_json_that_was_cut_anywhere_the_whole_tasks_are_kept(texts: list[str], at: float) -> None:
    text, whole = cut_anywhere('{"thoughts": ["a"], "tasks": [', list(texts), at)
    found = INSTRUCT.proposals(text, 9, cut=True)
    assert found == [(each, None) for each in texts[:whole]]


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


@pytest.mark.parametrize(
    "end",
    [
        *(
            "</s>",
            "<|im_end|>\n",
            "<|eot_id|><|end_of_text|>",
            "<|END_RESPONSE|><|END_OF_TURN_TOKEN|>",
            "<|endofturn|>",
        ),
        *("<end_of_utterance>", "<eoa>", "<|im_end|>\n<|im_start|>assistant\n", "</s>[INST] Next? [/INST]"),
        *("<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nNext?", "<end_of_turn>\n<start_of_turn>user\nNext?"),
        *(
            "<|end|><|user|>\nNext?",
            "<｜end▁of▁sentence｜><｜User｜>Next?",
            "<|im_end|>\n<|im_start|>user\nA<|im_end|>",
        ),
    ],
)
def test_what_follows_the_end_of_a_turn_is_cut(end: str) -> None:
    assert pairs(f"Example 1\nInput: 3\nOutput: 9{end}") == [("3", "9")]
    assert first_turn(f"Write {end.strip()[:6]} there.") == f"Write {end.strip()[:6]} there."


def test_only_a_fence_around_all_is_taken_away() -> None:
    assert unfenced("```python\nx = 1\n```") == "x = 1"
    assert unfenced("Use:\n```python\nx = 1\n```") == "Use:\n```python\nx = 1\n```"
    assert unfenced("```\na\n```\nand\n```\nb\n```") == "```\na\n```\nand\n```\nb\n```"


def test_only_a_last_polite_paragraph_is_taken_away() -> None:
    assert without_pleasantry("Nine.\n\nLet me know if you need more!") == "Nine."
    for text in ("Let me know if it rains.", "Dear Ann,\n\nI will come.\n\nBest,\nBen", "A.\n\nNotes are here."):
        assert without_pleasantry(text) == text
