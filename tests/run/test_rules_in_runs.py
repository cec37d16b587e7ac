"""The rules within runs: on by default, off as in the paper, switched on for a run that exists."""

from __future__ import annotations

import json
import random
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

import selfinstruct as si
from jobs.main import main
from selfinstruct.pool import Pool
from selfinstruct.prompts import SHIPPED
from selfinstruct.records import Candidate, Origin, Table
from selfinstruct.run.facts import RULED_BY
from selfinstruct.storage.store import RunStore
from selfinstruct.storage.verify import digest, verify

WORDS = ("amber", "bridge", "candle", "desert", "forest", "garden", "harbour", "island", "jacket", "kettle", "lantern")
RULES = ["rules.echo=true", "rules.prompt=true", "rules.repetition=true"]
REASONS = ("asks_nothing", "echoes_instruction", "from_prompt", "repeats_itself")
OPTIONS: dict[str, Any] = {"rounds": {"least": 6, "most": 8}, "seed": 3}


class Poor:
    """Writes tasks, and what poor models write: echoes, the prompt's own text, circles, demonstrations."""

    identity: ClassVar = {"version": "1"}

    def __init__(self, prompts: si.PromptSet) -> None:
        self.waiting: list[si.Request] = []
        self.example = next(line for line in prompts[si.Kind.INPUT_FIRST].prefix.splitlines() if len(line) > 90)

    def add(self, requests: Sequence[si.Request]) -> None:
        self.waiting += requests

    def step(self) -> list[si.Completion]:
        now, self.waiting = self.waiting[:8], self.waiting[8:]
        return [si.Completion(each.id, self.answer(each), si.Finish.STOP, 1, 1) for each in now]

    def answer(self, request: si.Request) -> str:
        draw = random.Random(request.seed)
        words = " ".join(draw.choices(WORDS, k=7))
        if request.kind is si.Kind.CLASSIFY:
            return " No"
        if request.kind is si.Kind.PROPOSE:
            shown = max((line.partition(". ")[2] for line in request.suffix.splitlines()), key=len)
            return f" Make up a tale of {words}\n10. {shown} Then, of {words}, {words}, {words}, make up a tale.\n"
        task = request.suffix.partition("Make up a tale of ")[2].partition("\n")[0]
        answers = [f"Make up a tale of {task}", self.example, f"{words}; " * 3, f"A tale of {words}."]
        return f"Output: {draw.choice(answers)}"


def reasons(run: Path | str) -> Counter[str]:
    """Rejected rows of each rule."""
    store = RunStore(str(run))
    assert verify(store) == []
    counts: Counter[str] = Counter()
    for table in (Table.CANDIDATES, Table.INSTANCES):
        for key, n in store.totals()[table].items():
            counts[key.rpartition(".")[2]] += n if "rejected." in key and key.endswith(REASONS) else 0
    return +counts


def facts_of(run: Path) -> dict[str, Any]:
    facts: dict[str, Any] = RunStore(str(run)).metadata(Table.CANDIDATES, 0).notes["facts"]
    return facts


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run without rules."""
    folder = tmp_path_factory.mktemp("paper") / "run"
    rules = {"echo": False, "prompt": False, "repetition": False}
    si.generate(folder, engine=Poor(si.load_prompts("base")), target=60, rules=rules, **OPTIONS)
    return folder


@pytest.fixture(scope="module")
def ruled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with those of `recommended`."""
    folder = tmp_path_factory.mktemp("ruled") / "run"
    si.generate(folder, engine=Poor(si.load_prompts("base")), target=60, **OPTIONS)
    return folder


def test_what_a_poor_model_writes_is_dropped_by_reason(paper: Path, ruled: Path) -> None:
    assert reasons(paper) == {}
    found = reasons(ruled)
    assert found.keys() == {"echoes_instruction", "from_prompt", "repeats_itself"}
    assert min(found.values()) > 3
    rows = [row for number in RunStore(str(ruled)).rounds(Table.CANDIDATES) for row in _candidates(ruled, number)]
    copied = [row for row in rows if row.reason == "from_prompt"]
    assert copied
    assert all(row.text.endswith("make up a tale.") for row in copied)  # a whole demonstration that goes on
    kept = [row for number in RunStore(str(ruled)).rounds(Table.INSTANCES)[1:] for row in _instances(ruled, number)]
    assert all(row.output.startswith("A tale of ") for row in kept if row.accepted)


def _candidates(run: Path, number: int) -> Sequence[Any]:
    return RunStore(str(run)).read(Table.CANDIDATES, number).rows


def _instances(run: Path, number: int) -> Sequence[Any]:
    return RunStore(str(run)).read(Table.INSTANCES, number).rows


def test_the_report_counts_them_by_itself(ruled: Path, tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    assert main(["report", str(ruled), "--out", str(tmp_path / "page.html"), f"--json={figures}"]) == 0
    lost = {reason for step in json.loads(figures.read_text())["figures"]["funnel"] for reason in step["lost"]}
    assert {"echoes_instruction", "from_prompt", "repeats_itself"} <= lost
    assert "echoes instruction" in (tmp_path / "page.html").read_text()


def test_a_run_is_not_carried_on_by_other_rules(paper: Path, tmp_path: Path) -> None:
    run, engine = Path(shutil.copytree(paper, tmp_path / "run")), Poor(si.load_prompts("base"))
    with pytest.raises(si.FingerprintError, match=r"rules\.echo: the run has False, this command True"):
        si.generate(run, engine=engine, target=80, **OPTIONS)


def test_they_are_switched_on_for_a_run_that_exists(
    paper: Path, ruled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "again"
    assert main(["reparse", str(paper), "--out", str(out), "--change", *RULES]) == 0
    said = capsys.readouterr().out
    assert set(reasons(out)) == set(reasons(ruled))
    for table, reason in (("", "from_prompt"), ("instances.", "from_prompt"), ("instances.", "echoes_instruction")):
        assert f"  {table}rejected.{reason}: 0 before, " in said
    assert RULED_BY not in facts_of(out)
    assert main(["reparse", str(out), "--out", str(tmp_path / "back"), "--change", *_off()]) == 0
    assert reasons(tmp_path / "back") == {}
    both = tmp_path / "merged"
    assert main(["merge", str(out), str(ruled), "--out", str(both)]) == 0
    assert main(["reparse", str(both), "--out", str(tmp_path / "both")]) == 0
    assert set(reasons(tmp_path / "both")) == set(reasons(ruled))


def _off() -> list[str]:
    return [change.replace("true", "false") for change in RULES]


def test_without_a_change_rules_drop_the_same(ruled: Path, tmp_path: Path) -> None:
    assert main(["reparse", str(ruled), "--out", str(tmp_path / "again")]) == 0
    assert digest(RunStore(str(tmp_path / "again"))) == digest(RunStore(str(ruled)))


def test_prompts_of_ones_own_are_named_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = Path(shutil.copytree(SHIPPED / "base", tmp_path / "own"))
    (own / "set.toml").write_text('description = "mine"\n')
    run, out = tmp_path / "run", tmp_path / "again"
    si.generate(run, engine=Poor(si.load_prompts(str(own))), target=20, prompts=str(own), **OPTIONS)
    assert main(["reparse", str(run), "--out", str(out)]) == 2
    assert "--prompts: " in capsys.readouterr().err
    assert list(out.glob("**/*.parquet")) == []
    assert main(["reparse", str(run), "--out", str(out), "--change", "rules.prompt=false"]) == 0
    assert main(["reparse", str(run), "--out", str(tmp_path / "same"), "--prompts", str(own)]) == 0
    assert digest(RunStore(str(tmp_path / "same"))) == digest(RunStore(str(run)))
    assert RULED_BY not in facts_of(tmp_path / "same")
    assert main(["reparse", str(run), "--out", str(tmp_path / "other"), "--prompts", "chat"]) == 0
    assert facts_of(tmp_path / "other")[RULED_BY] == [si.load_prompts("chat").digest]
    grown = si.generate(
        tmp_path / "other", engine=Poor(si.load_prompts(str(own))), target=40, prompts=str(own), **OPTIONS
    )
    assert RunStore(grown.url).totals()[Table.CANDIDATES]["accepted"] >= 40


def test_they_stand_in_files_and_not_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["generate", "--engine", "template", "--out", str(tmp_path / "run"), "--replicas", "0", "--target", "5"]
    for option in (["--rules.echo", "false"], ["--no_rules.echo"], ["--rules.repeated=0.7"]):
        assert main([*command, *option]) == 2
        assert f"{option[0]}: is no option here; it stands in a recipe or a --config file" in capsys.readouterr().err
    assert main(["generate", "--help-all"]) == 0
    assert "rules." not in capsys.readouterr().out
    config = tmp_path / "config.yaml"
    config.write_text("rules: {repeated: 1.7}\n")
    assert main([*command, "--config", str(config)]) == 2
    assert "'rules.repeated' is 1.7, must be above 0 and at most 1" in capsys.readouterr().err
    config.write_text("rules: {echo: false, repeated: 0.7}\n")
    assert main([*command, "--config", str(config)]) == 0
    facts = facts_of(tmp_path / "run")
    assert (facts["rules.echo"], facts["rules.prompt"], facts["rules.repeated"]) == (False, True, 0.7)


def test_texts_of_the_pool_are_found_by_id() -> None:
    def row(id: str, origin: Origin) -> Candidate:
        return Candidate(id, 0, None, 0, origin, f"text of {id}", True, None, None, None)

    given = [row("seed/a", Origin.SEED), row("seed/9", Origin.SEED), row("imported/0:3", Origin.IMPORTED)]
    model = [row(f"00000{n}/{request:05d}/0{at}", Origin.MODEL) for n in (1, 3) for request in (2, 7) for at in (1, 4)]
    pool = Pool()
    for rows in (given, model[:4], [], model[4:]):
        pool.extend(rows)
    ids = {each.id for each in (*given, *model)}
    assert pool.texts_of(ids) == {id: f"text of {id}" for id in ids}
    assert pool.texts_of({"seed/9", "000003/00002/04"}) == {
        "seed/9": "text of seed/9",
        "000003/00002/04": "text of 000003/00002/04",
    }
    assert pool.texts_of({"seed/none"}) == {}
    assert "000009/00000/00" not in pool.texts_of({"000009/00000/00"})
