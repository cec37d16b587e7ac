"""`selfinstruct try`: answers as they come, and the table by which one chooses prompts."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from pathlib import Path

import pytest

from cluster.settings import GenerateSettings, LabelPoolSettings
from jobs.main import main
from selfinstruct.engines import EngineSettings, TemplateOptions, open_engine
from selfinstruct.face.options import settings_of
from selfinstruct.prompts import load_prompts
from selfinstruct.recipes import read_recipe
from selfinstruct.records import Kind, Table
from selfinstruct.run.inputs import read_inputs, warnings_about
from selfinstruct.run.settings import StepSettings
from selfinstruct.run.trial import Trial
from selfinstruct.sources.seeds import SEED_TASKS, load_seeds
from selfinstruct.storage.accounts import tally
from selfinstruct.storage.store import RunStore
from selfinstruct.tiny import MODEL
from tests.tools.runs import make_run

SLOW = """
import hashlib, json, os
from pathlib import Path
from selfinstruct.records import Completion, Finish, Kind

class Slow:
    identity = {"version": "1"}

    def __init__(self, model, prompts):
        self.queue, self.log = [], Path(os.environ["SLOW_LOG"])

    def note(self, event):
        with self.log.open("a") as log:
            log.write(json.dumps(event) + "\\n")

    def add(self, requests):
        self.note(["add", [each.id for each in requests]])
        self.queue += requests

    def step(self):
        if not self.queue:
            return []
        each = self.queue.pop()  # the last one asked is the first one answered
        self.note(["answer", each.id])
        words = " ".join(hashlib.sha256(each.id.encode()).hexdigest()[at : at + 5] for at in range(0, 40, 5))
        texts = {Kind.PROPOSE: f" Describe {words}.", Kind.CLASSIFY: " No"}
        print("[[answered", each.id, "]]")
        return [Completion(each.id, texts.get(each.kind, "Output: A thing."), Finish.STOP, 5, 7)]
"""


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")


def table_of(shown: str) -> dict[str, list[str]]:
    """The last table: heading -> cells, in their order."""
    lines = shown[shown.rindex("What came of it") :].replace("┃", "│").splitlines()
    rows = [line.strip("│").split("│") for line in lines]
    return {row[0].strip(): [cell.strip() for cell in row[1:]] for row in rows if len(row) > 1}


def test_the_answers_are_shown_from_prompt_to_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["try", "--engine", "template", "--number", "10"]) == 0
    shown = capsys.readouterr().out
    for title in ("tiny  000001/00000  propose", "tiny  000001/00000/00/classify", "000001/00000/00/instances"):
        assert title in shown
    assert re.search(r"new( 0\.\d\d)?: ", shown)
    assert "accepted" in shown
    assert "no classification" in shown
    table = table_of(shown)
    assert table["asked for instructions"] == ["2"]
    assert table["labelled"] == ["4"]


def test_all_is_asked_at_once_and_shown_as_it_comes(
    modules: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "log"
    monkeypatch.setenv("SLOW_LOG", str(log))
    (modules / "slow.py").write_text(SLOW)
    assert main(["try", "--engine", "slow:Slow", "--number", "15"]) == 0
    events = [json.loads(line) for line in log.read_text().splitlines()]
    proposals = [f"000001/0000{at}" for at in range(3)]
    assert events[:4] == [["add", proposals], *(["answer", id] for id in reversed(proposals))]
    questions = list(events[4][1])
    assert len(questions) == 3
    assert all(id.endswith("/classify") for id in questions)
    assert events[4][0] == "add"
    shown = capsys.readouterr().out
    answered = re.findall(r"\[\[answered (\S+) \]\]|base  (\S+)  (?:propose|classify|input_first)", shown)
    assert [a or b for a, b in answered] == [
        id for event, id in events if event == "answer" for id in (id, id)
    ]  # each is shown before the next one is waited for


def test_sets_stand_side_by_side(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["try", "--engine", "template", "--number", "40", "--seed", "3"]
    assert main([*command, "--compare", "base", "instruct"]) == 0
    both = table_of(capsys.readouterr().out)
    assert both[""] == ["base", "instruct"]
    assert both["asked for instructions"] == ["8", "8"]
    assert both["labelled"] == ["16", "32"]
    for at, name in enumerate(("base", "instruct")):
        assert main([*command, "--prompts", name]) == 0
        alone = table_of(capsys.readouterr().out)
        assert {heading: [cells[at]] for heading, cells in both.items() if heading in alone} == alone
        assert {cells[at] for heading, cells in both.items() if heading not in alone} <= {"0"}


def test_the_table_counts_what_a_run_would(tmp_path: Path) -> None:
    """With as many requests as a run's first round: the same answers, the same verdicts."""
    store = make_run(tmp_path / "run", target=1)
    proposed = len(store.read(Table.PROPOSALS, 1).rows)
    options = TemplateOptions(failure_rate=0.05, cut_rate=0.05)
    prompts = load_prompts("tiny")
    trial = Trial(StepSettings(), prompts, load_seeds(SEED_TASKS), 5 * proposed)
    engine = open_engine(EngineSettings("template", template=options), prompts)
    answers = list(trial.run(engine))
    figures = trial.figures()
    candidates = tally(store.read(Table.CANDIDATES, 1))
    assert figures.proposals == proposed
    assert figures.new == candidates["accepted"]
    rejected = {key.removeprefix("rejected."): n for key, n in candidates.items() if key.startswith("rejected.")}
    assert figures.lost + figures.screened == rejected
    asked = {answer.request.id: answer for answer in answers}
    labels = {row.request_id: row for row in store.read(Table.LABELS, 1).rows}
    both = asked.keys() & labels.keys()
    assert len(both) >= figures.labelled
    assert all(asked[id].completion.text == labels[id].text for id in both)
    kept = {row.instruction_id for row in store.read(Table.INSTANCES, 1).rows if row.accepted}
    labelled = {id.rpartition("/")[0] for id in both}
    assert figures.usable == len(kept & labelled)


def test_the_runs_options_count(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["try", "--engine", "template", "--number", "10"]
    assert main([*command, "--screen.banned", "the", "a", "of"]) == 0
    assert int(table_of(capsys.readouterr().out)["banned_word"][0]) > 5
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("version: 1\nnovelty: {threshold: 0.05}\n")
    assert main([*command, "--recipe", str(recipe)]) == 0
    assert int(table_of(capsys.readouterr().out)["similar"][0]) > 5


MIX = "strategies: {paper: 0.3, spread: 0.1, query: 0.2, evolve: 0.2, document: 0.2}\n"


@pytest.fixture
def mixed(tmp_path: Path) -> str:
    """A recipe with all strategies, and a slot."""
    words = [f"word{at}" for at in range(40)]
    lines = [json.dumps({"text": " ".join(f"{word}of{at}" for word in words)}) for at in range(50)]
    (tmp_path / "texts.jsonl").write_text("\n".join(lines) + "\n")
    (tmp_path / "mixed.yaml").write_text(f"version: 1\n{MIX}documents: {{files: [{tmp_path / 'texts.jsonl'}]}}\n")
    return str(tmp_path / "mixed.yaml")


def test_a_recipes_strategies_are_tried(mixed: str, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["try", "--engine", "template", "--prompts", "chat", "--number", "120", "--recipe", mixed]
    assert main(command) == 0
    shown = capsys.readouterr().out
    titles = Counter(re.findall(r"^chat {2}\S+ {2}(\w+)", shown, re.MULTILINE))
    assert {"propose", "query", "evolve", "document", "document_answer", "classify"} <= titles.keys()
    assert titles["propose"] + titles["query"] + titles["evolve"] + titles["document"] == 24
    assert "word3of" in shown  # of the document, in the prompt for an instruction or for its answer
    assert "% copied" in shown


def test_answers_are_tried_as_they_are_asked(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["try", "--engine", "template", "--prompts", "chat", "--number", "30", "--label.as", "answer"]
    assert main([*command, "--label.samples", "2"]) == 0
    shown = capsys.readouterr().out
    titles = Counter(re.findall(r"^chat {2}\S+ {2}(\w+)", shown, re.MULTILINE))
    assert titles["propose"] == 6
    assert titles["input"] == 8
    assert 0 < titles["answer"] <= 16
    assert "no input is needed" in shown
    assert int(table_of(shown)["labelled"][0]) == 8
    assert main([*command[:-1], "none"]) == 0
    assert table_of(capsys.readouterr().out)["labelled"] == ["0"]


def test_a_trial_of_a_mix_asks_what_the_run_asks(mixed: str, tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = ["generate", "--out", str(out), "--engine", "template", "--prompts", "chat", "--recipe", mixed]
    assert main([*command, "--replicas", "0", "--target", "5", "--rounds.least", "24"]) == 0
    store = RunStore(str(out))
    rows = store.read(Table.PROPOSALS, 1).rows
    recipe = settings_of(GenerateSettings(out="run"), {"prompts": "chat", "engine": "template"}, "", read_recipe(mixed))
    inputs = read_inputs(recipe)
    trial = Trial(recipe, inputs.prompts, inputs.seeds, 5 * len(rows), inputs.material)
    asked = {answer.request.id: answer for answer in trial.run(open_engine(inputs.proposer, inputs.prompts))}
    assert [asked[row.request_id].completion.text for row in rows] == [row.text for row in rows]
    assert trial.figures().new == tally(store.read(Table.CANDIDATES, 1))["accepted"]
    labels = {row.request_id: row.text for row in store.read(Table.LABELS, 1).rows}
    both = asked.keys() & labels.keys()
    assert {asked[id].request.kind for id in both} > {Kind.DOCUMENT_ANSWER}
    assert all(asked[id].completion.text == labels[id] for id in both)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--prompts", "tiny"], "'tiny' has no query.toml"),
        (["--prompts", "chat", "--engine", "openai", "--model", "m"], "does not know the model's chat template"),
    ],
)
def test_a_set_or_engine_that_cannot_be_asked_so_is_refused(
    mixed: str, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert main(["try", "--engine", "template", *arguments, "--recipe", mixed]) == 2
    assert said in capsys.readouterr().err


def test_nothing_new_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["try", "--engine", "template", "--number", "10", "--screen.shortest", "149"]) == 0
    shown = capsys.readouterr().out
    assert table_of(shown)["new"][0].startswith("0")
    assert "tiny proposed nothing new; seed tasks were labelled." in " ".join(shown.split())
    assert "/classify" in shown


def test_failed_and_cut_answers_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["try", "--engine", "template", "--number", "10", "--template.failure_rate", "1"]) == 0
    shown = capsys.readouterr().out
    assert shown.count("dropped whole: failed") == 2
    assert "the template engine was told to let this request fail" in shown
    assert table_of(shown)["failed"] == ["4"]  # of those that were labelled
    assert main(["try", "--engine", "template", "--number", "10", "--template.cut_rate", "1"]) == 0
    assert int(table_of(capsys.readouterr().out)["answers cut by length"][0]) >= 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--compare", "base", "base"], "--compare: names a prompt set twice"),
        (["--compare", "base", "chat", "--prompts", "tiny"], "--compare: names the prompt sets itself"),
        (["--compare", "base", "bsae"], "--prompts: no folder 'bsae', and no shipped set of that name"),
        (["--number", "2"], "--number: is 2, must be at least 3"),
        (["--chat_template_kwargs", "a=1", "--prompts", "base"], "the prompt set 'base' is no chat set"),
        (["--sampling.propose.temperature", "cold"], "--sampling: propose.temperature must be a number"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_asked(
    capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert main(["try", "--engine", "template", *arguments]) == 2
    done = capsys.readouterr()
    assert done.out == ""
    assert said in done.err


def test_the_engine_that_holds_to_no_schema_says_so_at_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(shutil.copytree(MODEL, tmp_path / "chat"))
    (folder / "chat_template.jinja").write_text("{% for each in messages %}{{ each.content }}\n{% endfor %}")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "max_position_embeddings": 8192}))
    warning = "warning: the engine transformers does not hold answers to the JSON schemas of the prompt set instruct"
    small = ["--number", "3", "--sampling.propose.max_tokens", "8", "--sampling.instantiate.max_tokens", "8"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        assert main(["try", "--prompts", "instruct", "--model", str(folder), *small]) == 0
    assert warning in capsys.readouterr().err
    assert main(["try", "--engine", "template", "--prompts", "instruct", "--number", "3"]) == 0
    assert "JSON schemas" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("proposer", "labeller", "named"),
    [("transformers", None, ["transformers"]), ("template", "transformers", ["transformers"]), ("template", None, [])],
)
def test_a_run_says_so_too(proposer: str, labeller: str | None, named: list[str]) -> None:
    for prompts, wanted in (("instruct", named), ("chat", [])):
        settings = GenerateSettings(
            out="run", prompts=prompts, engine=proposer, label=LabelPoolSettings(engine=labeller)
        )
        warnings = [each for each in warnings_about(settings, read_inputs(settings)) if "JSON schemas" in each]
        assert [each.split()[2] for each in warnings] == wanted
