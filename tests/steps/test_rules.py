"""The rules: what each drops, what it leaves alone, and that it finds nothing in data that people wrote."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfinstruct.prompts import SHIPPED, load_prompts
from selfinstruct.records import Instance, Kind, Reason
from selfinstruct.settings import with_facts
from selfinstruct.sources.seeds import SEED_TASKS
from selfinstruct.steps.ngrams import REPEATED, Runs, repeated_share
from selfinstruct.steps.rules import Rules, RuleSettings
from selfinstruct.steps.statements import asks_nothing

BASE = load_prompts("base")
RULES = Rules(RuleSettings(), "rouge", BASE.texts)
ALL = Rules(RuleSettings(statement=True), "rouge", BASE.texts)
NONE = Rules(with_facts(RuleSettings(), {}), "rouge", BASE.texts)
GO_ON = " She went to the market, and bought a basket of ripe plums." * 3
DEMONSTRATION = "Explain to a young apprentice why a chisel is sharpened on one side and how often it should be done."


def of_output(output: str, instruction: str, rules: Rules = RULES) -> Reason | None:
    return rules.of_instance(instruction, Instance("", output))


def shown_by(rules: Rules, *texts: str) -> Sequence[str]:
    """Demonstrations as the rules look for them."""
    by_id = {str(at): text for at, text in enumerate(texts)}
    return list(rules.demonstrations(lambda ids: {id: by_id[id] for id in ids}, by_id.keys()).values())


@pytest.mark.parametrize(
    ("instruction", "output"),
    [
        ("Build a car that can drive itself.", "Build a car that can drive itself."),
        ("Build a car that can drive itself.", "  build a car\nthat can drive itself "),
        ("How to make a joke about fashion?", '"How to make a joke about fashion?"'),
        (
            "The most beautiful thing here is that it's not too big for you to take care of your pets.",
            "It's not too big for you to take care of your pets.",
        ),
        (
            "A friend of mine came, and I am going to be having dinner with them.",
            "I am going to be having dinner with them.",
        ),
        ("Опишите самый красивый город вашей страны.", "опишите самый красивый город вашей страны"),
    ],
)
def test_an_output_that_is_its_instruction_is_an_echo(instruction: str, output: str) -> None:
    rules = Rules(RuleSettings(), "rouge" if instruction.isascii() else "unicode", [])
    assert of_output(output, instruction, rules) is Reason.ECHOES_INSTRUCTION
    assert of_output(output, instruction, NONE) is None


@pytest.mark.parametrize(
    ("instruction", "output"),
    [
        ("Say hello there.", "Say hello there."),  # a few words
        ("Is the review positive or negative?", "positive"),
        ("Is the review positive or negative?", "positive or negative"),
        ("Repeat the sentence I am going to have my dinner here.", "I am going to have my dinner here."),
        ("Repeat this sentence, please.", "Repeat this sentence, please."),
        ("Capitalise the title the long way home over the green hills.", "The Long Way Home over the Green Hills"),
        (
            "Which weighs more, a ton of feathers in a big sack or a ton of iron?",
            "a ton of feathers in a big sack",
        ),
        (
            "Make it polite: I want you to be here before nine in the morning.",
            "I want you to be here before nine in the morning.",
        ),
        ("Translate “we will meet at the old mill by the river”.", "We will meet at the old mill by the river."),
        ("Reword this.\nthe cat sat on the mat all day long", "the cat sat on the mat all day long"),
        ("Fix it: def greet(): print('Hello, World!') greet()", "def greet():\n    print('Hello, World!')\ngreet()"),
        ("We meet on the first Monday of May in the old hall. When?", "on the first Monday of May in the old hall"),
        ("What is the best way to handle this?", "The best way to handle this is to wait."),
        ("Tell me of the town where they had been living in their best years.", "in their best years"),
        ("Name a woman who had been living alone.", "A woman who had been living alone is Ann."),
        ("Write a poem.", ""),
        ("Write a poem.", "..."),
    ],
)
def test_what_is_no_echo(instruction: str, output: str) -> None:
    assert of_output(output, instruction) is None


def test_a_piece_must_be_long_enough() -> None:
    instruction, output = "The best of it is that it is not big for you and me.", "it is not big for you and me"
    assert of_output(output, instruction) is Reason.ECHOES_INSTRUCTION
    assert of_output(output, instruction, Rules(RuleSettings(echo_words=9), "rouge", [])) is None
    assert of_output(output, f"{instruction} {GO_ON}") is None  # less than half


EXAMPLE = "If the river rises above the second step, the market stays closed."
"""A worked example of the prompt set `base`."""


@pytest.mark.parametrize(
    "text",
    [
        EXAMPLE,
        f"Sure: {EXAMPLE.upper()}",
        "The market stays closed if the river rises above the second step.",
        "Play every key from the lowest to the highest and listen for notes that stick, buzz or stay silent.",
    ],
)
def test_worked_examples_are_no_data(text: str) -> None:
    assert of_output(text, "Explain the word market.") is Reason.FROM_PROMPT
    assert RULES.of_instance("Explain a word.", Instance(text, "a place")) is Reason.FROM_PROMPT
    assert RULES.of_instruction(text) is Reason.FROM_PROMPT
    assert NONE.of_instruction(text) is NONE.of_instance("Explain a word.", Instance(text, "a place")) is None


@pytest.mark.parametrize(
    "text",
    [
        "Yes",  # an output of the prompt, and of many a task
        "chisel; clamp; plane",
        "The market stays closed if it rains.",
        "Nadia left the choir early and went to the cinema with her brother.",
    ],
)
def test_what_a_prompt_has_too_is_data(text: str) -> None:
    assert EXAMPLE in " ".join(BASE[Kind.INPUT_FIRST].prefix.split())
    assert of_output(text, "Explain the word market.") is None


@pytest.mark.parametrize("name", sorted(path.parent.name for path in SHIPPED.glob("*/set.toml")))
def test_the_directions_of_every_prompt_set_are_no_data(name: str) -> None:
    prompts = load_prompts(name)
    rules = Rules(RuleSettings(), "rouge", prompts.texts)
    for kind in prompts.kinds:
        long = [line for line in prompts[kind].prefix.splitlines() if len(line.split()) > 14 and "{" not in line]
        assert {rules.of_instruction(line) for line in long} <= {Reason.FROM_PROMPT}, kind


def test_a_whole_demonstration_is_no_new_instruction() -> None:
    shown = shown_by(RULES, "Name a bird.", DEMONSTRATION)
    assert RULES.of_instruction(f"{DEMONSTRATION} Then write a song of it for ten people.", shown) is Reason.FROM_PROMPT
    assert RULES.of_instruction("Name a bird. Then write down where it lives in winter and why.", shown) is None
    assert RULES.of_instruction(DEMONSTRATION.replace("chisel", "knife"), shown) is None  # is for the novelty check
    assert RULES.of_instruction(f"{DEMONSTRATION} Then write a song of it for ten people.") is None
    assert shown_by(NONE, DEMONSTRATION) == []


@pytest.mark.parametrize(
    ("output", "instruction", "dropped"),
    [
        ("And so on" + " and so on" * 9, "Tell me a story.", True),
        (GO_ON, "Tell me a story.", True),
        ("1. Bring back what you borrow.\n2. Bring back what you borrow.\n3. Bring back what you borrow.", "Hm.", True),
        (GO_ON, "Write it three times.", False),
        (GO_ON, "Write the chorus of a song.", False),
        ("no no no no no no no no", "What did she say?", False),  # a few words
        ("She keeps them alive. She keeps them well. She keeps them all in a barn.", "Tell me a story.", False),
        (
            "def add(x, y):\n  return x + y\n\ndef sub(x, y):\n  return x - y\n\ndef mul(x, y):\n  return x * y",
            "Go.",
            False,
        ),
        (
            r"^(?:(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])\.){3}(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9])$",
            "Go.",
            False,
        ),
        ("1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2", "Go on.", False),
    ],
)
def test_repetition(output: str, instruction: str, dropped: bool) -> None:
    assert of_output(output, instruction) is (Reason.REPEATS_ITSELF if dropped else None)
    assert of_output(output, instruction, NONE) is None


def test_an_instruction_may_repeat_itself_too() -> None:
    assert RULES.of_instruction(f"Go on:{GO_ON}") is Reason.REPEATS_ITSELF
    assert Rules(RuleSettings(repeated=0.9), "rouge", []).of_instruction(f"Go on:{GO_ON}") is None


@pytest.mark.parametrize(
    "text",
    [
        "I am going to the bathroom. I will not have a toilet.",
        "I\u2019m having dinner tonight.",
        "His wife is older than him. She is 74.",
        "This sentence is nonsensical.",
        "The most recent episode of a popular show has been canceled.",
        "There was a very old lady; she had a small house.",
    ],
)
def test_statements_ask_nothing(text: str) -> None:
    assert asks_nothing(text)
    assert ALL.of_instruction(text) is Reason.ASKS_NOTHING
    assert RULES.of_instruction(text) is None  # unless it is asked for


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I would like a very short story.",
        "I have a meeting at nine. Can I still take the bus?",
        "I have two eggs. Suggest a dish.",
        "I'd love a poem about rain.",
        "A song about a female character.",
        "The story of a person who is described by another person.",
        "My favorite review of the series is this:",
        "You are a time machine, and you're on Mars.",
        "Write a poem.",
        "Я иду домой.",
        "今天天气很好。",
    ],
)
def test_what_may_be_a_task_is_left_alone(text: str) -> None:
    assert not asks_nothing(text)


def test_of_two_rules_the_first_says_why() -> None:
    assert of_output(EXAMPLE, EXAMPLE) is Reason.ECHOES_INSTRUCTION
    assert of_output(f"{EXAMPLE} " * 3, "Go on.") is Reason.FROM_PROMPT
    assert RULES.of_instruction(f"{EXAMPLE} " * 3) is Reason.FROM_PROMPT
    order = [*Reason]
    assert order.index(Reason.ECHOES_INSTRUCTION) < order.index(Reason.FROM_PROMPT) < order.index(Reason.REPEATS_ITSELF)


def test_words_of_any_script_are_looked_at_where_they_are_compared() -> None:
    output = "我们明天一起去公园散步吧" * 6
    assert of_output(output, "讲个故事") is None
    assert of_output(output, "讲个故事", Rules(RuleSettings(), "unicode", [])) is Reason.REPEATS_ITSELF


# ---- what holds for any text

ANY = st.text(max_size=200)
PLAIN = st.text(st.characters(max_codepoint=126), max_size=200) | st.lists(
    st.sampled_from(["go", "on", "and", "the", "I", "am", "here.", "Yes,", "river", "1."]), max_size=40
).map(" ".join)
EACH = pytest.mark.parametrize("rules", [ALL, Rules(RuleSettings(statement=True), "unicode", BASE.texts)])


@EACH
@given(instruction=ANY, given_=ANY, output=ANY)
def test_any_text_gets_a_verdict(rules: Rules, instruction: str, given_: str, output: str) -> None:
    shown = shown_by(rules, instruction, output)
    assert rules.of_instruction(given_, shown) in {None, Reason.FROM_PROMPT, Reason.REPEATS_ITSELF, Reason.ASKS_NOTHING}
    assert rules.of_instance(instruction, Instance(given_, output)) in {
        None,
        Reason.ECHOES_INSTRUCTION,
        Reason.FROM_PROMPT,
        Reason.REPEATS_ITSELF,
    }


@EACH
@given(instruction=PLAIN, given_=PLAIN, output=PLAIN)
def test_case_and_blanks_make_no_difference(rules: Rules, instruction: str, given_: str, output: str) -> None:
    def verdicts(change: str) -> tuple[Reason | None, Reason | None]:
        one, two, three = (
            text.upper() if change == "case" else f"  {text}\n" for text in (instruction, given_, output)
        )
        return rules.of_instruction(one), rules.of_instance(one, Instance(two, three))

    as_it_is = rules.of_instruction(instruction), rules.of_instance(instruction, Instance(given_, output))
    assert verdicts("case") == verdicts("blanks") == as_it_is


@given(st.text(st.sampled_from("ab cd"), min_size=20, max_size=120))
def test_an_output_is_an_echo_of_itself(text: str) -> None:
    echo = of_output(text, text) is Reason.ECHOES_INSTRUCTION
    assert echo is (len(text.split()) >= 4)


@given(st.lists(st.sampled_from("abc"), max_size=60), st.integers(2, 6))
def test_the_share_is_of_words_that_came_before(words: list[str], times: int) -> None:
    share = repeated_share(words)
    assert 0 <= share < 1
    again = repeated_share(words * times)
    if len(words) >= REPEATED:
        assert again >= (times - 1) / times - 1e-12
    if len({*words}) == len(words):
        assert share == 0


@given(
    st.lists(st.lists(st.sampled_from("abcd"), max_size=30), max_size=4), st.lists(st.sampled_from("abcd"), max_size=30)
)
def test_runs_that_are_there_are_found(texts: list[list[str]], words: list[str]) -> None:
    def stands(piece: Sequence[str]) -> bool:
        return any(piece == text[at : at + len(piece)] for text in texts for at in range(len(text)))

    pieces = [words[at : at + 12] for at in range(len(words) - 11)] or [words] * (len(words) >= 6)
    if any(map(stands, pieces)):
        assert Runs(texts).hold(words, 12)
    if not any(stands(words[at : at + 6]) for at in range(len(words) - 5)):
        assert not Runs(texts).hold(words, 12)


# ---- data that people wrote


def rows_of(path: Path) -> Iterator[tuple[str, Instance]]:
    with path.open(encoding="utf-8") as lines:
        for task in map(json.loads, lines):
            for each in task["instances"]:
                yield task["instruction"], Instance(each["input"], each["output"])


def hits(rows: Sequence[tuple[str, Instance]], rules: Rules) -> list[tuple[Reason, str]]:
    verdicts = [(rules.of_instruction(instruction), instruction) for instruction in dict(rows)]
    verdicts += [(rules.of_instance(*row), row[1].output) for row in rows]
    return [(reason, text) for reason, text in verdicts if reason is not None]


@pytest.mark.parametrize("tokeniser", ["rouge", "unicode"])
@pytest.mark.parametrize("name", sorted(path.parent.name for path in SHIPPED.glob("*/set.toml")))
def test_the_seeds_are_no_hits(name: str, tokeniser: str) -> None:
    rows = list(rows_of(SEED_TASKS))
    assert len(dict(rows)) == 200
    rules = Rules(replace(RuleSettings(), statement=True), tokeniser, load_prompts(name).texts)  # type: ignore[arg-type]
    assert hits(rows, rules) == []


@pytest.mark.parametrize(("file", "number"), [("seed_tasks", 175), ("user_oriented_instructions", 252)])
def test_released_data_has_no_hits(file: str, number: int) -> None:
    if (folder := os.environ.get("SELFINSTRUCT_RELEASED_DATA")) is None:
        pytest.skip("SELFINSTRUCT_RELEASED_DATA is not set")
    rows = list(rows_of(Path(folder) / f"{file}.jsonl"))
    assert len(rows) >= number
    for prompts in map(load_prompts, ("base", "chat", "instruct", "tiny")):
        assert hits(rows, Rules(RuleSettings(statement=True), "rouge", prompts.texts)) == []
        assert hits(rows, Rules(RuleSettings(statement=True), "unicode", prompts.texts)) == []
