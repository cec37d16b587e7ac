"""`label`: instructions that are there, labelled later, all of them or the chosen."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from jobs.main import main
from selfinstruct.engines import EngineSettings, TemplateOptions, identify, open_engine
from selfinstruct.prompts import PromptSet
from selfinstruct.records import Completion, Request, Table
from selfinstruct.reuse.label import instructions, label, labelled_facts, prompts_of
from selfinstruct.run.loop import SingleCompleter
from selfinstruct.storage.store import RunStore
from selfinstruct.storage.verify import digest, verify
from tests.tools.runs import make_run

ENGINE = EngineSettings(engine="template", template=TemplateOptions(failure_rate=0.05, cut_rate=0.05))
SAME = ["--engine", "template", "--replicas", "0", "--template.failure_rate", "0.05", "--template.cut_rate", "0.05"]
SAME += ["--max_failed", "1"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    """A run that is labelled."""
    return make_run(tmp_path_factory.mktemp("whole") / "run")


@pytest.fixture(scope="module")
def bare(whole: RunStore, tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    """The same, as it was before it was labelled."""
    folder = tmp_path_factory.mktemp("bare") / "run"
    shutil.copytree(whole.blobs.url, folder)
    for number in whole.rounds(Table.INSTANCES)[1:]:
        for table in (Table.LABELS, Table.INSTANCES):
            (folder / table / f"{number:06d}.parquet").unlink()
    return RunStore(str(folder))


def rows(store: RunStore, table: Table) -> list[dict[str, object]]:
    return [row for number in store.rounds(table) for row in store.read_table(table, number).to_pylist()]


def ids_file(path: Path, ids: Sequence[str]) -> str:
    path.write_text("".join(json.dumps({"id": id}) + "\n" for id in ids))
    return str(path)


class Dying(SingleCompleter):
    """An engine whose process ends after some answers."""

    def __init__(self, prompts: PromptSet, lives: int) -> None:
        super().__init__(open_engine(ENGINE, prompts), 7)
        self.asked: list[str] = []
        self._lives = lives

    def add(self, requests: Sequence[Request]) -> None:
        self.asked += [request.id for request in requests]
        super().add(requests)

    def step(self) -> list[Completion]:
        self._lives -= 1
        if self._lives < 0:
            raise KeyboardInterrupt
        return super().step()


def test_labelled_later_is_as_labelled_at_once(whole: RunStore, bare: RunStore, tmp_path: Path) -> None:
    out = tmp_path / "labelled"
    assert main(["label", bare.blobs.url, "--out", str(out), *SAME]) == 0
    store = RunStore(str(out))
    assert digest(store) == digest(whole)
    assert verify(store) == []
    assert len(bare.rounds(Table.INSTANCES)) == 1


def test_a_run_of_instructions_alone_is_labelled_as_one_begun_so(tmp_path: Path) -> None:
    begin = ["generate", "--recipe", "paper", "--replicas", "0", "--engine", "template", "--target", "40"]
    model = ["--engine", "template", "--replicas", "0"]
    assert main([*begin, "--out", str(tmp_path / "whole")]) == 0
    assert main([*begin, "--out", str(tmp_path / "bare"), "--label.as", "none"]) == 0
    assert main(["label", str(tmp_path / "bare"), "--out", str(tmp_path / "later"), *model]) == 0
    assert digest(RunStore(str(tmp_path / "later"))) == digest(RunStore(str(tmp_path / "whole")))


def test_answers_are_labelled_by_the_prompts_of_answers(tmp_path: Path) -> None:
    begin = ["generate", "--recipe", "paper", "--replicas", "0", "--engine", "template", "--target", "40"]
    model = ["--engine", "template", "--replicas", "0"]
    whole, later = tmp_path / "whole", tmp_path / "later"
    assert main([*begin, "--out", str(whole), "--prompts", "chat", "--label.as", "answer"]) == 0
    assert main(["label", str(whole), "--out", str(later), "--prompts", "chat", *model]) == 0
    assert digest(RunStore(str(later))) == digest(RunStore(str(whole)))


def test_only_what_is_chosen_is_asked_about(whole: RunStore, bare: RunStore, tmp_path: Path) -> None:
    chosen = sorted(instructions(bare))[::3]
    out = tmp_path / "labelled"
    only = ids_file(tmp_path / "chosen.jsonl", chosen)
    assert main(["label", bare.blobs.url, "--out", str(out), "--only", only, *SAME]) == 0
    store = RunStore(str(out))
    assert verify(store) == []
    assert rows(store, Table.LABELS) == [row for row in rows(whole, Table.LABELS) if row["instruction_id"] in chosen]
    made = [row for row in rows(store, Table.INSTANCES) if row["round"] != 0]
    theirs = [row for row in rows(whole, Table.INSTANCES) if row["round"] != 0]
    assert [row for row in made if row["instruction_id"] in chosen] == [
        row for row in theirs if row["instruction_id"] in chosen
    ]
    others = [row for row in made if row["instruction_id"] not in chosen]
    assert {(row["reason"], row["input"], row["output"], row["accepted"]) for row in others} == {
        ("not_selected", "", "", False)
    }
    assert [row["instruction_id"] for row in others] == [id for id in instructions(bare) if id not in chosen]
    for table in (Table.PROPOSALS, Table.CANDIDATES):
        assert rows(store, table) == rows(bare, table)


def test_the_chosen_of_select_are_labelled_and_exported(bare: RunStore, tmp_path: Path) -> None:
    only, out = tmp_path / "chosen.parquet", tmp_path / "labelled"
    assert main(["select", bare.blobs.url, "--number", "20", "--by", "random", "--out", str(only)]) == 0
    assert main(["label", bare.blobs.url, "--out", str(out), "--only", str(only), *SAME]) == 0
    export = ["export", str(out), "--out", str(tmp_path / "set"), "--validation", "0"]
    assert main(export) == 0
    plain = json.loads((tmp_path / "set" / "export.json").read_text())["rows"]
    assert main([*export, "--only", str(only)]) == 0
    assert json.loads((tmp_path / "set" / "export.json").read_text())["rows"] == plain


@pytest.mark.parametrize("lives", [1, 3])
def test_however_often_it_is_killed_the_tables_are_the_same(bare: RunStore, tmp_path: Path, lives: int) -> None:
    chosen = set(sorted(instructions(bare))[::2])
    prompts, facts = prompts_of(bare), labelled_facts(bare, identify(ENGINE), chosen)
    straight, killed = RunStore(str(tmp_path / "straight")), str(tmp_path / "killed")
    once = Dying(prompts, 10**6)
    label(bare, straight, prompts, once, facts, chosen, max_failed=1)
    asked: list[str] = []
    for _ in range(1000):
        completer = Dying(prompts, lives)
        try:
            label(bare, RunStore(killed), prompts, completer, facts, chosen, max_failed=1)
        except KeyboardInterrupt:
            asked += completer.asked
        else:
            break
    assert digest(RunStore(killed)) == digest(straight)
    assert verify(RunStore(killed)) == []
    assert asked
    assert set(asked) <= set(once.asked)
    assert len(once.asked) == len(set(once.asked))


def test_the_same_command_asks_nothing_again(bare: RunStore, tmp_path: Path) -> None:
    prompts, facts = prompts_of(bare), labelled_facts(bare, identify(ENGINE))
    out = str(tmp_path / "out")
    label(bare, RunStore(out), prompts, Dying(prompts, 10**6), facts, max_failed=1)
    again = Dying(prompts, 10**6)
    label(bare, RunStore(out), prompts, again, facts, max_failed=1)
    assert again.asked == []


def test_a_labelled_run_goes_on_and_says_by_whom_it_was_labelled(whole: RunStore, tmp_path: Path) -> None:
    out = tmp_path / "labelled"
    model = ["--engine", "template", "--replicas", "0"]  # without failures: another labeller
    assert main(["label", whole.blobs.url, "--out", str(out), *model]) == 0
    store = RunStore(str(out))
    facts = store.metadata(Table.CANDIDATES, 0).facts
    assert facts["proposer.failure_rate"] == "0.05"
    assert facts["labeller.failure_rate"] == "0.0"
    assert facts["origin"]["command"] == "label"
    more = ["--target", str(len(instructions(store)) + 5), "--recipe", "paper", *model]
    assert main(["generate", "--out", str(out), *more]) == 2  # the proposer is another one
    assert main(["reparse", str(out), "--out", str(tmp_path / "reparsed")]) == 0
    assert rows(RunStore(str(tmp_path / "reparsed")), Table.INSTANCES) == rows(store, Table.INSTANCES)


def test_what_does_not_fit_the_run_is_refused(
    bare: RunStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    command = ["label", bare.blobs.url, "--out", str(out), *SAME]
    first = next(iter(instructions(bare)))
    cases = {
        "1 of 2 ids are no accepted instructions": ["--only", ids_file(tmp_path / "other.jsonl", [first, "000001/9"])],
        "is labelled with the same": ["--prompts", "instruct"],
        "was kept clear of no evaluation sets": ["--decontaminate", bare.blobs.url + "/../sets.jsonl"],
        "was made with the filters []": ["--plugin", "json:loads"],
        "is the run itself": ["--out", bare.blobs.url],
    }
    Path(bare.blobs.url, "../sets.jsonl").write_text('{"instruction": "Say what day it is.", "output": "Monday"}\n')
    (tmp_path / "texts.jsonl").write_text(json.dumps({"id": first, "text": "another one"}) + "\n")
    cases["it was chosen from another run"] = ["--only", str(tmp_path / "texts.jsonl")]
    for told, options in cases.items():
        assert main([*command, *options]) == 2, told
        assert told in capsys.readouterr().err
        assert not out.exists()


def test_another_choice_is_another_run(bare: RunStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, ids = tmp_path / "out", sorted(instructions(bare))
    command = ["label", bare.blobs.url, "--out", str(out), *SAME]
    assert main([*command, "--only", ids_file(tmp_path / "one.jsonl", ids[:5])]) == 0
    assert main([*command, "--only", ids_file(tmp_path / "two.jsonl", ids[:6])]) == 2
    assert "chosen: the run has" in capsys.readouterr().err
