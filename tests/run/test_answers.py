"""Runs whose instructions are answered as a chat model answers a user: inputs, samples, thoughts."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.main import main
from selfinstruct.engines import EngineSettings, TemplateOptions, open_engine
from selfinstruct.errors import InputError
from selfinstruct.novelty.check import make_index
from selfinstruct.prompts import load_prompts
from selfinstruct.records import Completion, Finish, InstanceRow, Kind, Label, Reason, Table
from selfinstruct.run.loop import SingleCompleter, Watch, drive
from selfinstruct.run.rounds import Run, Stage
from selfinstruct.run.settings import FormSettings, RoundSettings, RunSettings
from selfinstruct.settings import facts_of, problems_of
from selfinstruct.sources.seeds import SEED_TASKS, load_seeds
from selfinstruct.steps.readers.answers import answer_of, input_of
from selfinstruct.storage.store import RunStore
from selfinstruct.storage.verify import digest, verify
from tests.tools.kills import killed_at
from tests.tools.server import Server, choice, serving
from tests.tools.shuffling import Shuffling

PROMPTS = load_prompts("chat", "answer")
SEEDS = load_seeds(SEED_TASKS)[:24]
SAMPLES = 3
SETTINGS = RunSettings(
    seed=3, target=40, rounds=RoundSettings(least=2, most=5, max_failed=1.0), label=FormSettings("answer", SAMPLES)
)


class Ending(Watch):
    """Ends a life of the run in the midst of it."""

    def __init__(self, after: int) -> None:
        self._left = after

    def completed(self, completion: Completion) -> None:
        self._left -= 1
        if self._left == 0:
            raise KeyboardInterrupt


def grow(folder: Path, seed: int = 0, watch: Watch | None = None) -> RunStore:
    store = RunStore(str(folder))
    run = Run(SETTINGS, PROMPTS, SEEDS)
    options = TemplateOptions(batch=8, cut_rate=0.05, failure_rate=0.03)
    engine = open_engine(EngineSettings("template", template=options), PROMPTS)
    line = SingleCompleter(Shuffling(engine, seed), 30)
    both = (Stage.PROPOSE, Stage.LABEL)
    drive(run, store, make_index(SETTINGS.novelty), [(line, both)], facts_of(SETTINGS), watch=watch)
    return store


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    store = grow(tmp_path_factory.mktemp("whole"))
    assert verify(store) == []
    return store


def rows(store: RunStore, table: Table) -> list[Any]:
    return [row for number in store.rounds(table) if number > 0 for row in store.read(table, number).rows]


@settings(max_examples=6)
@given(seed=st.integers(0, 10**6), after=st.integers(1, 150))
def test_the_tables_depend_on_neither_order_nor_the_lives_of_a_run(
    tmp_path_factory: pytest.TempPathFactory, whole: RunStore, seed: int, after: int
) -> None:
    folder = tmp_path_factory.mktemp("run")
    with pytest.raises(KeyboardInterrupt):
        grow(folder, seed, Ending(after))
    assert digest(grow(folder, seed + 1)) == digest(whole)


def test_every_instruction_gets_one_input_and_so_many_answers(whole: RunStore) -> None:
    accepted = {row.id for row in rows(whole, Table.CANDIDATES) if row.accepted}
    labels: dict[str, list[Label]] = defaultdict(list)
    for label in cast(list[Label], rows(whole, Table.LABELS)):
        labels[label.instruction_id].append(label)
    instances: dict[str, list[InstanceRow]] = defaultdict(list)
    for row in cast(list[InstanceRow], rows(whole, Table.INSTANCES)):
        instances[row.instruction_id].append(row)
    assert labels.keys() == instances.keys() == accepted
    for id in accepted:
        first, *answers = labels[id]
        assert (first.request_id, first.kind) == (f"{id}/input", Kind.INPUT)
        if input_of(first) is None:
            assert not answers
            assert [row.id for row in instances[id]] == [id]
            continue
        assert [each.request_id for each in answers] == [f"{id}/answer/{at}" for at in range(SAMPLES)]
        assert [row.id for row in instances[id]] == [f"{id}/{at}" for at in range(SAMPLES)]
        assert {row.input for row in instances[id]} == {input_of(first)}
        assert len({row.output for row in instances[id] if row.accepted}) == sum(row.accepted for row in instances[id])


def test_samples_differ_and_are_neither_conflicting_nor_surplus(whole: RunStore) -> None:
    accepted = Counter(row.instruction_id for row in rows(whole, Table.INSTANCES) if row.accepted and row.input)
    assert max(accepted.values()) == SAMPLES
    reasons = Counter(row.reason for row in rows(whole, Table.INSTANCES))
    assert reasons[Reason.DUPLICATE] > 0
    assert not reasons.keys() & {Reason.CONFLICTING, Reason.SURPLUS}
    assert {Reason.FAILED, Reason.CUT_BY_LENGTH} < reasons.keys()
    counts = whole.totals()[Table.INSTANCES]
    assert not counts["unreadable"]


def test_thoughts_have_a_column_of_their_own(whole: RunStore) -> None:
    found: list[InstanceRow] = rows(whole, Table.INSTANCES)
    assert any(row.thought for row in found if row.accepted)
    assert any(row.thought is None for row in found if row.accepted)
    assert not [row for row in found if "think>" in row.output]
    unsaid = [row for row in found if row.thought and not row.output]
    assert {row.reason for row in unsaid} <= {Reason.CUT_BY_LENGTH, Reason.FAILED}


def test_reparsed_it_is_the_same(tmp_path: Path) -> None:
    run, again = tmp_path / "run", tmp_path / "again"
    command = ["generate", "--out", str(run), "--engine", "template", "--prompts", "chat", "--replicas", "0"]
    command += ["--target", "30", "--label.as", "answer", "--label.samples", "2", "--rounds.least", "3"]
    assert main(command) == 0
    assert main(["reparse", str(run), "--out", str(again)]) == 0
    for number in RunStore(str(run)).rounds(Table.INSTANCES):
        files = [RunStore(str(place)).read(Table.INSTANCES, number) for place in (run, again)]
        assert files[0].rows == files[1].rows
    assert main(["show", str(run), "000001/00000/00/answer/1"]) == 0
    assert main(["report", str(run), "--out", str(tmp_path / "page.html")]) == 0


def test_who_asks_and_nobody_else(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for prompts in ("base", "tiny"):
        with pytest.raises(InputError, match=r"--label\.as answer asks chat models; take --prompts chat or instruct"):
            load_prompts(prompts, "answer")
    assert problems_of(RunSettings(label=FormSettings(samples=2))) == [
        "--label.samples: is 2, and only with --label.as answer there are several"
    ]
    command = ["generate", "--out", str(tmp_path / "run"), "--engine", "template", "--label.as", "answer"]
    assert main(command) == 2
    assert "'tiny' has no input.toml and answer.toml" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "finish", "given"),
    [
        ("NONE", Finish.STOP, ""),
        ("None needed.", Finish.STOP, ""),
        ("<think>A letter is wanted.</think>\nDear Ms Holt", Finish.STOP, "Dear Ms Holt"),
        ("Input: 3, 4, 5", Finish.STOP, "3, 4, 5"),
        ("Text: one\nKey: two<|im_end|>", Finish.STOP, "Text: one\nKey: two"),
        ("", Finish.STOP, None),
        ("<think>A letter", Finish.STOP, None),
        ("Dear Ms", Finish.LENGTH, None),
        ("Dear Ms", Finish.FAILED, None),
    ],
)
def test_inputs_are_read(text: str, finish: Finish, given: str | None) -> None:
    assert input_of(Completion("x", text, finish, 1, 1)) == given


@pytest.mark.parametrize(
    ("text", "thought", "output", "reason"),
    [
        ("Yes.", None, "Yes.", None),
        ("<think>\nHm.\n</think>\n\nYes.", "Hm.", "Yes.", None),
        ("Hm.</think>Yes.", "Hm.", "Yes.", None),  # the template has opened it
        ("<think>\n\n</think>\n\nYes.", None, "Yes.", None),
        ("<think>Hm.", "Hm.", "", Reason.CUT_BY_LENGTH),
        ("analysisHm.assistantfinalYes.", "Hm.", "Yes.", None),
        ('{"tag": "</think>"}', None, '{"tag": "</think>"}', None),
        ("# A list\n\n1. Output: one\n2. two", None, "# A list\n\n1. Output: one\n2. two", None),
    ],
)
def test_answers_are_read(text: str, thought: str | None, output: str, reason: Reason | None) -> None:
    found = answer_of(Completion("x", text, Finish.STOP, 1, 1))
    assert (found.thought, found.output, found.reason) == (thought, output, reason)


# a real server


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as found:
        yield found


def says(prompt: str) -> str:
    if "NONE" in prompt:
        return "NONE"
    if len(prompt) < 200:
        return f"It means {sum(prompt.encode())}."
    return "\n".join(f"{at}. {task}" for at, task in enumerate(TASKS, 9))


TASKS = (
    "Describe the call of an owl to a deaf poet.",
    "Why do tides come twice a day?",
    "Multiply nineteen by twelve without paper.",
    "Recommend three cheeses that go with rye bread.",
    "Compose a limerick on ferries in fog.",
    "Which clock would suit a kitchen painted green?",
    "Give directions from bedroom to cellar for somebody blindfolded.",
    "Summarise what rivers do in spring.",
)


@pytest.mark.parametrize("prompts", ["chat", "instruct"])
def test_the_task_alone_is_the_user_s_turn_and_the_server_s_thoughts_are_kept(
    server: Server, tmp_path: Path, prompts: str
) -> None:
    def answer(body: dict[str, Any]) -> Any:
        def reply(handler: Any) -> None:
            said = choice(says(body["messages"][-1]["content"]), chat=True)
            said["choices"][0]["message"]["reasoning_content"] = "I weigh it."
            handler.reply(said)

        return reply

    server.always = answer
    run = tmp_path / "run"
    command = ["generate", "--out", str(run), "--engine", "openai", "--model", "m", "--openai.url", server.url]
    command += ["--prompts", prompts, "--replicas", "0", "--target", "6", "--rounds.least", "2"]
    assert main([*command, "--label.as", "answer", "--label.samples", "2"]) == 0
    found: list[InstanceRow] = [row for row in rows(RunStore(str(run)), Table.INSTANCES) if row.accepted]
    assert found
    assert {row.thought for row in found} == {"I weigh it."}
    assert all(row.output.startswith("It means") for row in found)
    turns = [body["messages"] for body in server.bodies]
    for row in found:
        assert [{"role": "user", "content": row.instruction}] in turns
    seeds = [body["seed"] for body in server.bodies if body["messages"][-1]["content"] == found[0].instruction]
    assert len(set(seeds)) == 2
    proposals = RunStore(str(run)).read(Table.PROPOSALS, 1).rows
    assert not [row for row in proposals if "weigh" in row.text]  # elsewhere thoughts are left out, as ever


def test_killed_again_and_again_it_ends_the_same(tmp_path: Path) -> None:
    def command(out: Path) -> list[str]:
        options = ["generate", "--out", str(out), "--engine", "template", "--prompts", "chat", "--replicas", "0"]
        options += ["--seed", "3", "--target", "60", "--rounds.least", "2", "--rounds.most", "3"]
        return [*options, "--label.as", "answer", "--label.samples", "3"]

    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert main(command(whole)) == 0
    slow = ["--template.latency", "0.1", "--template.batch", "8", "--in_flight", "24"]
    assert killed_at([*command(killed), *slow], killed, (3, 7, 10, 14)) >= 2
    assert main(command(killed)) == 0
    assert verify(RunStore(str(killed))) == []
    assert digest(RunStore(str(killed))) == digest(RunStore(str(whole)))
