"""Chat models: thoughts, JSON among prose, one request for kind and instances, variables of the template."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.settings import GenerateSettings
from jobs.main import main
from selfinstruct.engines import EngineSettings, TemplateOptions, open_engine
from selfinstruct.errors import InputError
from selfinstruct.novelty.check import make_index
from selfinstruct.prompts import PromptSet, load_prompts
from selfinstruct.protocols import Engine
from selfinstruct.records import Completion, Finish, Instance, Kind, Reason, Request
from selfinstruct.run.inputs import read_inputs
from selfinstruct.run.loop import SingleCompleter, drive
from selfinstruct.run.rounds import Run, Stage
from selfinstruct.run.settings import RoundSettings, RunSettings
from selfinstruct.settings import facts_of
from selfinstruct.sources.seeds import SEED_TASKS, load_seeds
from selfinstruct.steps.readers import reader_of
from selfinstruct.steps.readers.json_answers import values
from selfinstruct.steps.readers.thoughts import spoken
from selfinstruct.storage.store import RunStore
from selfinstruct.storage.verify import digest, verify
from tests.tools.reading import instances, proposals

BASE, CHAT, INSTRUCT = load_prompts("base"), load_prompts("chat"), load_prompts("instruct")
SEEDS = load_seeds(SEED_TASKS)[:24]
SETTINGS = RunSettings(seed=5, target=60, rounds=RoundSettings(least=2, most=6))

# thoughts


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Yes", "Yes"),
        ("<think>\n\n</think>\n\nYes", "Yes"),
        ("<think>Is it? No: </thinking no\nmatter.</think>Yes", "Yes"),
        ("still thinking, the template opened it\n</think>\n\nYes", "Yes"),
        ("<think>one</think><think>two</think> Yes", "Yes"),
        ("<thinking>hm</thinking>\nYes", "Yes"),
        ("<thought>hm</thought>Yes", "Yes"),
        ("<reasoning>hm</reasoning>Yes", "Yes"),
        ("<seed:think>hm</seed:think>Yes", "Yes"),
        ("◁think▷hm◁/think▷Yes", "Yes"),
        ("[THINK]hm[/THINK]Yes", "Yes"),
        ("<|begin_of_thought|>hm<|end_of_thought|>Yes", "Yes"),
        ("<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>Yes", "Yes"),
        ("analysisThe user asks.assistantfinalYes", "Yes"),
        ("<think>hm</think><answer>Yes</answer>", "Yes"),
        ("<response>\nYes\n</response>\n", "Yes"),
        ("analysis of variance is a method", "analysis of variance is a method"),
        ("Explain the tag <think> of HTML.", "Explain the tag <think> of HTML."),
        ("", ""),
        ("<think>I have not", None),
        ("  <think>", None),
        ("[THINK]never closed", None),
        ("<|channel|>analysis<|message|>never", None),
    ],
)
def test_what_a_chat_model_says_comes_after_its_thoughts(text: str, expected: str | None) -> None:
    assert spoken(text) == expected


def test_a_base_model_has_no_thoughts() -> None:
    text = " Explain the tag </think> to a parser.\n10. Name a river that flows north."
    assert proposals(reader_of(BASE), text) == [
        "Explain the tag </think> to a parser.",
        "Name a river that flows north.",
    ]


def reading(kind: Kind, text: str, prompts: PromptSet) -> tuple[bool, list[Instance]]:
    """What an answer that holds instances tells, and the instances."""
    reader = reader_of(prompts)
    return (reader.told(text) if kind is Kind.INSTANTIATE else kind is Kind.OUTPUT_FIRST), instances(reader, kind, text)


def test_thoughts_count_for_nothing() -> None:
    thought = "<think>1. Maybe a poem?\nClass label: good\nExample 1\nOutput: draft. Yes</think>\n"
    assert proposals(reader_of(CHAT), f"{thought}9. Name a river.\n10. Add two and two.") == [
        "Name a river.",
        "Add two and two.",
    ]
    assert reader_of(CHAT).classification(f"{thought}Yes")
    assert not reader_of(CHAT).classification("<think>Yes")
    for kind, text in {Kind.INPUT_FIRST: "Output: 4", Kind.OUTPUT_FIRST: "Class label: 4"}.items():
        assert reading(kind, thought + text, CHAT) == (kind is Kind.OUTPUT_FIRST, [Instance("", "4")])


# JSON

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES, st.sampled_from(["", "Here you are:\n```json\n", "Sure! "]), st.sampled_from(["", "\n```\nDone."]))
def test_json_is_found_among_prose(value: object, before: str, after: str) -> None:
    text = before + json.dumps([value]) + after
    assert list(values(text)) == [[value]]


@given(st.text(alphabet='[]{}",:a\\1 \ud800', max_size=60) | st.text())
def test_any_text_can_be_read(text: str) -> None:
    for prompts in (BASE, CHAT, INSTRUCT):
        proposals(reader_of(prompts), text)
        reader_of(prompts).classification(text)
        for kind in set(prompts.kinds) - {Kind.PROPOSE, Kind.CLASSIFY}:
            for instance in instances(reader_of(prompts), kind, text):
                if prompts is INSTRUCT:
                    assert isinstance(instance.output, str)


def test_nesting_without_end_is_only_text() -> None:
    assert reading(Kind.INSTANTIATE, '{"output": ' + "[" * 30_000, INSTRUCT) == (False, [])
    assert proposals(reader_of(INSTRUCT), "[" * 30_000) == []


def test_proposals_in_json_or_failing_that_in_a_list() -> None:
    expected = ["Name a river.", "Add two and two."]
    for text in (
        '{"tasks": ["name a river.", "\\nAdd two and two.\\n", ""]}',
        '```json\n["name a river.", "Add two and two.", 3]\n```',
        '<think>["no"]</think>{"note": "x", "list": ["name a river.", "Add two and two."]}',
        "1. name a river.\n2. Add two and two.",
    ):
        assert proposals(reader_of(INSTRUCT), text) == expected, text
    assert proposals(reader_of(INSTRUCT), '{"tasks": []}') == []


def test_instances_in_json_or_failing_that_in_the_base_sets_form() -> None:
    yes = '{"classification": true, "labels": ["a", "b"], "instances": [{"input": "x", "output": "a"}, {"output": 2}]}'
    assert reading(Kind.INSTANTIATE, yes, INSTRUCT) == (True, [Instance("x", "a"), Instance("", "2")])
    assert reading(Kind.INSTANTIATE, yes.replace("true", "false"), INSTRUCT)[0] is False
    assert reading(Kind.INSTANTIATE, yes.replace("true", '"Yes"'), INSTRUCT)[0] is True
    cut = yes[: yes.index(', {"output": 2')]
    assert reading(Kind.INSTANTIATE, cut, INSTRUCT) == (True, [Instance("x", "a")])
    surrogate = '{"instances": [{"input": null, "output": "half \\ud800"}]}'
    assert reading(Kind.INSTANTIATE, surrogate, INSTRUCT) == (None, [Instance("", "half \ufffd")])
    plain = "Class label: a\nLetter: x"
    assert reading(Kind.INSTANTIATE, plain, INSTRUCT) == (True, [Instance("Letter: x", "a")])
    plain = "Example 1\nLetter: x\nOutput: y"
    assert reading(Kind.INSTANTIATE, plain, INSTRUCT) == (False, [Instance("Letter: x", "y")])


# whole runs


class Thinker:
    """The template engine as a model that thinks aloud; some thoughts have no end, and answers come in any order."""

    def __init__(self, seed: int, batch: int = 8) -> None:
        options = TemplateOptions(batch=batch, failure_rate=0.01)
        self._engine = open_engine(EngineSettings("template", template=options), INSTRUCT)
        self._draw = random.Random(seed)

    def add(self, requests: Sequence[Request]) -> None:
        self._engine.add(requests)

    def step(self) -> list[Completion]:
        done = [self._think(completion) for completion in self._engine.step()]
        self._draw.shuffle(done)
        return done

    def _think(self, completion: Completion) -> Completion:
        if completion.finish is Finish.FAILED:
            return completion
        thought = '<think>Perhaps {"classification": true}? 1. Or not.'
        unfinished = random.Random(completion.text).random() < 0.25
        return replace(completion, text=thought + ("" if unfinished else f"</think>\n{completion.text}"))


def run_to_the_end(folder: Path, engine: Engine, in_flight: int = 40) -> RunStore:
    settings = replace(SETTINGS, rounds=replace(SETTINGS.rounds, max_failed=1.0))
    store = RunStore(str(folder))
    line = SingleCompleter(engine, in_flight), (Stage.PROPOSE, Stage.LABEL)
    drive(Run(settings, INSTRUCT, SEEDS), store, make_index(settings.novelty), [line], facts_of(settings))
    return store


def rows(folder: Path, table: str) -> list[dict[str, object]]:
    return [row for path in sorted((folder / table).glob("*.parquet")) for row in pq.read_table(path).to_pylist()]


def test_a_run_with_one_request_per_instruction(tmp_path: Path) -> None:
    store = run_to_the_end(tmp_path / "one", Thinker(1))
    assert verify(store) == []
    again = run_to_the_end(tmp_path / "again", Thinker(2, batch=3), in_flight=7)
    assert digest(again) == digest(store)
    labels, instances = rows(tmp_path / "one", "labels"), rows(tmp_path / "one", "instances")
    accepted = {row["id"] for row in rows(tmp_path / "one", "candidates") if row["accepted"] and row["round"]}
    assert len(accepted) >= SETTINGS.target
    assert {row["kind"] for row in labels} == {"instantiate"}
    assert {row["instruction_id"] for row in labels} == accepted
    assert len(labels) == len(accepted)
    assert {row["instruction_id"] for row in instances if row["round"]} == accepted
    ours = [row for row in instances if row["round"]]
    assert Counter(row["is_classification"] for row in ours if row["accepted"]).keys() == {True, False}
    # failed ones do not say what they are, unfinished thoughts are cut by length, raw texts are kept
    failed = [row for row in labels if row["finish"] == "failed"]
    reasons = Counter(str(row["reason"]) for row in ours)
    assert reasons[Reason.FAILED] == len(failed)
    assert all(row["is_classification"] is None for row in ours if row["reason"] == Reason.FAILED)
    unfinished = [row for row in labels if "<think>" in str(row["text"]) and "</think>" not in str(row["text"])]
    assert reasons[Reason.CUT_BY_LENGTH] == len(unfinished) > 0
    lost = Counter(str(row["reason"]) for row in rows(tmp_path / "one", "candidates") if row["text"] == "")
    assert lost[Reason.CUT_BY_LENGTH] > 0


def test_trying_a_set_of_one_step(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["try", "--engine", "template", "--prompts", "instruct", "--number", "10"]) == 0
    shown = capsys.readouterr().out
    assert shown.count("instantiate") == 8
    assert "classify" not in shown


# sets and their options


def folder_with(tmp_path: Path, **changes: str) -> Path:
    """The instruct set with lines put before those of its files."""
    folder = tmp_path / "mine"
    folder.mkdir()
    for path in (Path(__file__).parents[2] / "selfinstruct" / "prompts" / "instruct").iterdir():
        (folder / path.name).write_text(changes.get(path.stem, "") + path.read_text())
    return folder


def test_what_a_set_may_say(tmp_path: Path) -> None:
    loaded = load_prompts(str(folder_with(tmp_path, set="chat_template_kwargs = {enable_thinking = true}\n")))
    assert loaded.template == {"enable_thinking": True}
    assert loaded.one_step
    assert loaded.kinds == (Kind.PROPOSE, Kind.INSTANTIATE)
    assert not BASE.one_step
    assert Kind.INSTANTIATE not in BASE.kinds


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"set": "chat_template_kwargs = 3\n"}, "'chat_template_kwargs' must be a dict"),
        ({"propose": "schema = 3\n"}, "cannot be read"),
    ],
)
def test_what_it_may_not_say(tmp_path: Path, changes: dict[str, str], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        load_prompts(str(folder_with(tmp_path, **changes)))


def test_a_system_message_needs_a_chat_set(tmp_path: Path) -> None:
    folder = folder_with(tmp_path)
    (folder / "set.toml").write_text('description = "x"\nsystem = "Be brief."\n')
    (folder / "propose.toml").write_text((folder / "propose.toml").read_text().replace("schema = '''", "schema = '''["))
    with pytest.raises(InputError) as caught:
        load_prompts(str(folder))
    assert [problem.rpartition(": ")[2] for problem in caught.value.problems] == [
        "'schema' must be a JSON schema, as a text that holds a JSON object",
        "'system' is for chat sets; say 'chat = true', or leave it out",
    ]


def test_the_system_message_and_the_variables_reach_the_models_template() -> None:
    from transformers import AutoTokenizer

    from selfinstruct.engines.encoding import PromptEncoder
    from selfinstruct.tiny import MODEL

    tokenizer = AutoTokenizer.from_pretrained(MODEL)
    tokenizer.chat_template = (
        "{% for message in messages %}[{{ message.role }}] {{ message.content }}\n{% endfor %}"
        "{{ effort | default('none') }} {% if enable_thinking is defined and not enable_thinking %}answer:{% endif %}"
    )

    def prompt(**variables: object) -> str:
        request = Request("a", Kind.INSTANTIATE, "Name a river.", 1)
        return str(tokenizer.decode(PromptEncoder(tokenizer, INSTRUCT.with_template(variables)).encode(request).ids))

    assert prompt().startswith(f"[system] {INSTRUCT.system}\n[user] A task of the collection")
    assert prompt().endswith("The task: Name a river.\nnone answer:")
    assert prompt(enable_thinking=True, effort="low").endswith("The task: Name a river.\nlow ")


def test_variables_of_the_template_are_part_of_what_a_run_is_made_from(tmp_path: Path) -> None:
    def facts(*given: str, prompts: str = "chat") -> object:
        settings = GenerateSettings(out=str(tmp_path), engine="template", prompts=prompts, chat_template_kwargs=given)
        return read_inputs(settings).facts["prompts"]

    assert facts() == CHAT.digest
    assert facts("enable_thinking=true") != facts()
    assert facts("a=1", "b=x") == facts("b=x", "a=1")
    with pytest.raises(InputError, match="--chat_template_kwargs: the prompt set 'base' is no chat set"):
        facts("enable_thinking=true", prompts="base")
    with pytest.raises(InputError, match="not of the form name=value"):
        facts("enable_thinking")
