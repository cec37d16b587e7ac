"""Checks of a run's instances: asked once, kept beside the run, and used to choose rows."""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.main import main
from selfinstruct.finetune.examples import read_examples
from selfinstruct.quality.findings import find
from selfinstruct.quality.only import Only
from selfinstruct.records import CheckRow, Completion, Finish, Judgement, Table
from selfinstruct.steps.judging import judgements, overall
from selfinstruct.storage.checks import CheckSet, check_sets
from selfinstruct.storage.store import RunStore
from selfinstruct.storage.timings import Timing
from tests.tools.runs import make_run

YES, NO, UNREADABLE, NONE = Judgement.YES, Judgement.NO, Judgement.UNREADABLE, Judgement.NONE
KEYS = ("task", "input", "output")
JUDGE = ["--engine", "template", "--replicas", "0", "--rubric", "base"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    """A run with a check by the template engine of every row."""
    folder = tmp_path_factory.mktemp("checked") / "run"
    store = make_run(folder)
    assert main(["check", str(folder), *JUDGE]) == 0
    return store


@pytest.fixture
def store(whole: RunStore, tmp_path: Path) -> RunStore:
    shutil.copytree(whole.blobs.url, tmp_path / "run")
    return RunStore(str(tmp_path / "run"))


def accepted(store: RunStore) -> dict[int, list[str]]:
    rounds = {number: store.read(Table.INSTANCES, number).rows for number in store.rounds(Table.INSTANCES)}
    return {number: [row.id for row in rows if row.accepted] for number, rows in rounds.items() if number > 0}  # type: ignore[union-attr]


def judged(checks: CheckSet) -> dict[str, tuple[Judgement, ...]]:
    return {row.id: tuple(map(Judgement, row.judgements)) for number in checks.rounds() for row in checks.read(number)}


def files(store: RunStore) -> dict[str, bytes]:
    folder = Path(store.blobs.url)
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_accepted_instance_is_judged_once_in_its_round(whole: RunStore) -> None:
    (checks,) = check_sets(whole)
    there = {number: [row.id for row in checks.read(number)] for number in checks.rounds()}
    assert there == accepted(whole)
    assert set(judged(checks).values()) >= {(YES, YES, YES), (UNREADABLE,) * 3}


def test_the_same_command_asks_nothing_again(store: RunStore, capsys: pytest.CaptureFixture[str]) -> None:
    before = files(store)
    assert main(["check", store.blobs.url, *JUDGE]) == 0
    told = capsys.readouterr()
    assert "asking" not in told.err
    assert "judged" in told.out
    assert files(store) == before


def test_what_a_killed_check_lacks_is_judged_as_it_would_have_been(store: RunStore) -> None:
    (checks,) = check_sets(store)
    before = files(store)
    for number in checks.rounds()[1:]:
        Path(store.blobs.url, checks.file(number)).unlink()
    assert main(["check", store.blobs.url, *JUDGE]) == 0
    assert files(store) == before


def test_a_larger_share_takes_in_a_smaller_one(store: RunStore) -> None:
    for share in ("0.1", "0.4"):
        assert main(["check", store.blobs.url, *JUDGE, "--share", share]) == 0
    by_share = {checks.facts["share"]: judged(checks) for checks in check_sets(store)}
    assert 0 < len(by_share[0.1]) < len(by_share[0.4]) < len(by_share[1.0])
    assert by_share[0.1].items() <= by_share[0.4].items() <= by_share[1.0].items()


def test_rows_are_chosen_by_their_judgements(store: RunStore, tmp_path: Path) -> None:
    (checks,) = check_sets(store)
    good = {id for id, said in judged(checks).items() if overall(said) is YES}
    assert good
    only = ["--only", "checks.all == yes"]
    assert main(["export", store.blobs.url, "--out", str(tmp_path / "set"), "--validation", "0", *only]) == 0
    table = pq.read_table(tmp_path / "set" / "default")
    assert set(table["id"].to_pylist()) == good
    tuned = read_examples([store.blobs.url], seeds=False, only=only[1]).examples
    assert {example.id for example in tuned} <= good


def test_people_s_sheet_is_a_check_of_its_own(
    store: RunStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = [id for round_ids in accepted(store).values() for id in round_ids[:2]]
    rows = [{"id": id, "task": True, "input": None, "output": at % 2 == 0} for at, id in enumerate(ids)]
    sheet = tmp_path / "sheet.json"
    sheet.write_text(json.dumps({"answers": rows}))
    assert main(["check", store.blobs.url, "--sheet", str(sheet)]) == 0
    assert f"{len(ids)} instances judged" in capsys.readouterr().out
    (people,) = [checks for checks in check_sets(store) if checks.facts["by"] == "people"]
    assert judged(people) == {row["id"]: (YES, NONE, YES if row["output"] else NO) for row in rows}
    assert main(["export", store.blobs.url, "--out", str(tmp_path / "set"), "--only", "checks.output == no"]) == 2
    assert f"--check: {store.blobs.url} has several checks" in capsys.readouterr().err


def test_a_report_is_about_the_chosen_rows_and_says_so(store: RunStore, tmp_path: Path) -> None:
    (checks,) = check_sets(store)
    good = {id for id, said in judged(checks).items() if overall(said) is YES}
    every = {id for round_ids in accepted(store).values() for id in round_ids}
    page, json_ = tmp_path / "page.html", tmp_path / "figures.json"
    drawn = ["--review_rows", "1000", "--rows", "1000", "--rejected", "0"]
    options = ["--out", str(page), f"--json={json_}", *drawn]
    assert main(["report", store.blobs.url, *options]) == 0
    whole = json.loads(json_.read_text())["figures"]
    assert main(["report", store.blobs.url, *options, "--only", "checks.all == yes"]) == 0
    figures, text = json.loads(json_.read_text())["figures"], page.read_text()
    instructions = {id.rpartition("/")[0] for id in good}
    assert (whole["chosen"], whole["instances"]) == (None, len(every))
    assert (figures["chosen"], figures["instances"]) == ("checks.all == yes", len(good))
    assert figures["accepted"] == figures["labelled"] == len(instructions)
    assert figures["lengths"]["output"]["count"] == len(good)
    assert figures["lengths"]["instruction"]["count"] == len(instructions)
    assert (figures["funnel"][:4], figures["rounds"]) == (whole["funnel"], whole["rounds"])
    assert figures["funnel"][4]["lost"] == {"not_chosen": len(every) - len(good)}
    assert figures["tokens"] == whole["tokens"]
    assert figures["checks"] is None  # the check that chose them says nothing new
    assert f"Of {len(every)} valid instances this report is about the {len(good)} for which" in text
    assert set(re.findall(r'data-id="([^"]+)"', text)) == good
    assert "Nobody has looked at these rows" in text


def test_nothing_may_be_chosen(store: RunStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--out", str(tmp_path / "page.html"), "--only", "checks.all == yes and checks.task == no"]
    assert main(["report", store.blobs.url, *options]) == 0
    assert "0 instructions, 0 instances for which checks.all == yes and" in capsys.readouterr().out
    assert main(["report", store.blobs.url, *options[:-1], "checks.style == yes"]) == 2
    assert "--only: the check" in capsys.readouterr().err


def test_what_people_say_of_the_chosen_rows_is_said_of_those(
    store: RunStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """People find half of what the judge passes right, and nothing else."""
    (checks,) = check_sets(store)
    passed = [id for id, said in judged(checks).items() if overall(said) is YES][:20]
    failed = [id for id, said in judged(checks).items() if overall(said) is NO][:20]
    rows = [{"id": id, **dict.fromkeys(KEYS, at % 2 == 0)} for at, id in enumerate(passed)]
    rows += [{"id": id, **dict.fromkeys(KEYS, False)} for id in failed]
    sheet = tmp_path / "sheet.json"
    sheet.write_text(json.dumps({"answers": rows}))
    assert main(["check", store.blobs.url, "--sheet", str(sheet)]) == 0
    only = Only("checks.all == yes", store, checks.name)
    found, whole = find(store, only=only), find(store)
    assert found is not None
    assert whole is not None
    share = found.questions[-1].share
    assert (share.by, share.people, share.judged) == ("people", 20, 0)
    assert share.share == pytest.approx(0.5, abs=0.1)  # strata weigh differently
    assert found.rows == sum(overall(said) is YES for said in judged(checks).values())
    assert found.tokens == whole.tokens > 0  # of all rows, and of the check that chose among them
    options = ["--only", "checks.all == yes", "--check", checks.name]
    assert main(["export", store.blobs.url, "--out", str(tmp_path / "set"), *options]) == 0
    card = (tmp_path / "set" / "README.md").read_text()
    assert "Only rows for which `checks.all == yes` holds were taken." in card
    assert f"that were chosen and are right in all (task, input, output): {share.text}." in card
    assert f"Usable rows: about {share.share * found.rows:.0f} " in card
    assert f" of {found.rows} chosen; a chosen row took {found.tokens / found.rows:,.0f} tokens" in card
    assert f"The rows were chosen by check {checks.name}" in card


def sheet_of(store: RunStore, tmp_path: Path, answer: Callable[[tuple[Judgement, ...]], bool]) -> Path:
    """A sheet about sixty rows, filled in by what the judge said of each."""
    (checks,) = check_sets(store)
    said = [(id, each) for id, each in judged(checks).items() if UNREADABLE not in each][:60]
    rows = [{"id": id, **dict.fromkeys(KEYS, answer(each))} for id, each in said]
    path = tmp_path / "sheet.json"
    path.write_text(json.dumps({"answers": rows}))
    return path


def test_a_judge_alone_gives_no_quality(store: RunStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", store.blobs.url, *JUDGE]) == 0
    told = capsys.readouterr().out
    assert re.search(r"^all +the judge says \d+ % \(\d+ rows; no person has looked\)$", told, re.MULTILINE)
    rows = sum(map(len, accepted(store).values()))
    assert re.search(
        rf"^the judge says: about \d+ of {rows} accepted rows are right in all; an accepted", told, re.MULTILINE
    )
    for command in (["plan", store.blobs.url, "--target", "500"], ["status", store.blobs.url]):
        assert main(command) == 0
        told += capsys.readouterr().out
    assert main(["export", store.blobs.url, "--out", str(tmp_path / "set")]) == 0
    told += (tmp_path / "set" / "README.md").read_text()
    assert told.lower().count("the judge says: about") == 5  # plan has two
    assert "The judge says: about" in told
    assert "usable" not in told.lower()
    assert "quality" not in told.lower()


def tokens_of(row: CheckRow) -> int:
    return row.prompt_tokens + row.completion_tokens


def test_a_row_s_cost_is_that_of_making_and_checking_it(
    store: RunStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (checks,) = check_sets(store)
    sheet = sheet_of(store, tmp_path, lambda said: overall(said) is YES)
    assert main(["check", store.blobs.url, "--sheet", str(sheet)]) == 0
    totals = store.totals()
    tokens = sum(
        totals[table][f"tokens.{way}"] for table in ("proposals", "labels") for way in ("prompt", "completion")
    )
    answers = [row for number in checks.rounds() for row in checks.read(number)]
    tokens += sum(map(tokens_of, answers))
    found = find(store)
    assert found is not None
    assert found.usable is not None
    share, rows = found.questions[-1].share, len(answers)
    assert (found.tokens, found.rows) == (tokens, rows)
    assert found.usable.each == pytest.approx(tokens / (share.share * rows))
    assert found.usable.each_low == pytest.approx(tokens / (share.high * rows))
    assert found.usable.each_high == pytest.approx(tokens / (share.low * rows))
    assert f"an accepted row took {tokens / rows:,.0f} tokens, one of these {found.usable.span}" in found.cost
    assert found.cost.endswith("checking included")
    capsys.readouterr()
    assert main(["status", store.blobs.url, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["figures"]
    assert told["checks"]["usable"]["each_high"] == pytest.approx(found.usable.each_high)
    assert [each["tokens"] for each in told["checks"]["tallies"]] == [0, sum(map(tokens_of, answers))]
    money = found.usable_at(3.0)
    assert money is not None
    assert money.each == pytest.approx(3.0 / (share.share * rows))


def test_a_plan_prices_usable_rows(store: RunStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sheet = sheet_of(store, tmp_path, lambda said: overall(said) is YES)
    assert main(["check", store.blobs.url, "--sheet", str(sheet)]) == 0
    timings = Path(store.blobs.url, "timings")
    timings.mkdir()
    timing = Timing(1, seconds=60, replica_seconds=7200, completions=9, prompt_tokens=9, completion_tokens=9)
    (timings / "000001.json").write_text(json.dumps(dataclasses.asdict(timing)))
    capsys.readouterr()
    assert main(["plan", store.blobs.url, "--target", "500", "--price", "3", "--json"]) == 0
    plan, found = json.loads(capsys.readouterr().out)["figures"]["usable"], find(store)
    assert found is not None
    assert found.usable is not None
    accepted_ = store.totals()[Table.CANDIDATES]["accepted"]
    assert plan["by"] == "people and judge"
    assert plan["rows"]["low"] == pytest.approx(found.usable.low * 500 / accepted_)
    assert plan["tokens"]["middle"] == pytest.approx(found.usable.each)
    assert plan["money"]["high"] == pytest.approx(6 / found.usable.low)
    assert main(["plan", store.blobs.url, "--target", "500", "--price", "3"]) == 0
    assert "In money, without what `selfinstruct check` took: " in capsys.readouterr().out


def test_of_several_checks_it_is_said_which_is_the_judge(
    store: RunStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (whole,) = check_sets(store)
    assert main(["check", store.blobs.url, *JUDGE, "--share", "0.3"]) == 0
    told = capsys.readouterr().out
    (part,) = [checks for checks in check_sets(store) if checks.name != whole.name]
    assert f"the judge: check {part.name} (" in told  # the one that was just made
    assert "0.3 of the rows)" in told
    assert f"left out: check {whole.name} (" in told
    assert main(["status", store.blobs.url]) == 0
    told = capsys.readouterr().out
    assert f"the judge: check {whole.name} (" in told  # the one that looked at most
    assert f"left out: check {part.name} (" in told
    assert main(["export", store.blobs.url, "--out", str(tmp_path / "set"), "--check", part.name]) == 0
    assert f"The judge: check {part.name} (" in (tmp_path / "set" / "README.md").read_text()
    page = tmp_path / "page.html"
    assert main(["report", store.blobs.url, "--out", str(page), "--check", part.name]) == 0
    assert f"the judge: check {part.name} (" in page.read_text()
    assert main(["report", store.blobs.url, "--out", str(page), "--check", "none"]) == 2
    assert "has no check 'none'" in capsys.readouterr().err


def test_a_check_of_other_questions_is_no_judge_beside_people(store: RunStore, tmp_path: Path) -> None:
    (whole,) = check_sets(store)
    own = tmp_path / "own.toml"
    own.write_text('chat = false\n[questions]\ntask = "Is it about birds?"\n')
    assert main(["check", store.blobs.url, *JUDGE[:-1], str(own)]) == 0
    (birds,) = [checks for checks in check_sets(store) if checks.name != whole.name]
    shutil.rmtree(Path(store.blobs.url, "checks", whole.name))
    Path(store.blobs.url, "checks", f"{whole.name}.json").unlink()
    sheet = tmp_path / "sheet.json"
    ids = [id for round_ids in accepted(store).values() for id in round_ids[:4]]
    sheet.write_text(json.dumps({"answers": [{"id": id, **dict.fromkeys(KEYS, True)} for id in ids]}))
    assert main(["check", store.blobs.url, "--sheet", str(sheet)]) == 0
    found = find(store)
    assert found is not None
    assert (found.questions[-1].share.by, found.questions[-1].share.judged) == ("people", 0)
    assert any(f"left out: check {birds.name}" in note for note in found.notes)
    meant = find(store, birds.name)
    assert meant is not None
    assert meant.asked == ["task"]
    assert any("left out: check" in note and "people" in note for note in meant.notes)


def test_rounds_that_came_after_a_check_are_named(store: RunStore, capsys: pytest.CaptureFixture[str]) -> None:
    (checks,) = check_sets(store)
    by_round = accepted(store)
    late = checks.rounds()[-2:]
    for number in late:
        Path(store.blobs.url, checks.file(number)).unlink()
    assert main(["status", store.blobs.url]) == 0
    rows = sum(len(by_round[number]) for number in late)
    told = capsys.readouterr().out
    assert f"the judge has not seen 2 rounds with {rows} accepted rows; the same check goes on with them" in told
    assert f"of {sum(map(len, by_round.values()))} accepted rows" in told  # the estimate is of all


def test_a_sheet_without_a_whole_answer_says_nothing_of_whole_rows(
    store: RunStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(Path(store.blobs.url, "checks"))
    ids = [id for round_ids in accepted(store).values() for id in round_ids[:4]]
    sheet = tmp_path / "sheet.json"
    sheet.write_text(json.dumps({"answers": [{"id": id, "task": True} for id in ids]}))
    assert main(["check", store.blobs.url, "--sheet", str(sheet)]) == 0
    assert main(["status", store.blobs.url]) == 0
    assert "rows that are right in all: nobody answered all questions of any row" in capsys.readouterr().out
    assert main(["plan", store.blobs.url, "--target", "500"]) == 0
    assert main(["report", store.blobs.url, "--out", str(tmp_path / "page.html")]) == 0


def test_a_judge_that_people_confirm_sharpens_their_estimate(store: RunStore, tmp_path: Path) -> None:
    sheet = sheet_of(store, tmp_path, lambda said: overall(said) is YES)
    assert main(["check", store.blobs.url, "--sheet", str(sheet)]) == 0
    found = find(store)
    assert found is not None
    last = found.questions[-1]
    assert last.judge is not None
    assert last.judge.kappa == 1
    assert (last.share.by, last.share.people) == ("people and judge", 60)
    assert last.share.effective > 100


def test_a_useless_judge_is_called_so_and_left_out(
    store: RunStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    turns = {judgement: itertools.cycle((True, False)) for judgement in Judgement}
    sheet = sheet_of(store, tmp_path, lambda said: next(turns[overall(said)]))
    assert main(["check", store.blobs.url, "--sheet", str(sheet), "--by", "author"]) == 0
    told = capsys.readouterr().out
    assert "The judge is useless" in told
    assert "60 rows by the author" in told
    assert "By the author's verdict" in told
    assert "usable rows: about" in told
    assert main(["export", store.blobs.url, "--out", str(tmp_path / "set")]) == 0
    assert main(["report", store.blobs.url, "--out", str(tmp_path / "page.html")]) == 0
    for page in (tmp_path / "set" / "README.md", tmp_path / "page.html"):
        assert "60 rows by the author" in page.read_text()
    capsys.readouterr()
    assert main(["status", store.blobs.url]) == 0
    assert re.search(r"rows that are right in all: \d+ % .*60 rows by the author", capsys.readouterr().out)
    assert main(["plan", store.blobs.url, "--target", "500"]) == 0
    assert "Usable rows at 500 accepted instructions: about" in capsys.readouterr().out


def test_a_sheet_is_read_beside_several_models_checks(
    store: RunStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", store.blobs.url, *JUDGE, "--share", "0.3"]) == 0
    ids = [id for round_ids in accepted(store).values() for id in round_ids[:2]]
    sheet = tmp_path / "sheet.json"
    sheet.write_text(json.dumps({"answers": [{"id": id, **dict.fromkeys(KEYS, True)} for id in ids]}))
    assert main(["check", store.blobs.url, "--sheet", str(sheet)]) == 0
    assert f"{len(ids)} rows by people" in capsys.readouterr().out


def test_a_run_that_checks_itself_tells_what_the_judge_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(json.dumps({"version": 1, "check": {"rubric": "base", "share": 0.5}}))
    options = ["--engine", "template", "--replicas", "0", "--target", "60", "--recipe", str(recipe)]
    assert main(["generate", "--out", str(tmp_path / "run"), *options]) == 0
    told = capsys.readouterr().err
    (checks,) = check_sets(RunStore(str(tmp_path / "run")))
    rows = len(judged(checks))
    right = sum(overall(said) is YES for said in judged(checks).values())
    line = f"the judge says: {right / rows:.0%} of {rows:,} rows right in all; an accepted row took "
    assert line in told


def test_a_card_says_that_nobody_looked(tmp_path: Path) -> None:
    store = make_run(tmp_path / "run", target=20)
    assert main(["export", store.blobs.url, "--out", str(tmp_path / "set")]) == 0
    assert "No person has looked over them." in (tmp_path / "set" / "README.md").read_text()
    assert main(["report", store.blobs.url, "--out", str(tmp_path / "page.html")]) == 0
    assert "Nobody has looked yet" in (tmp_path / "page.html").read_text()


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("checks.all ==", "is no expression"),
        ("checks.style == yes", "asks no 'style'; give one of checks.task, checks.input, checks.output, checks.all"),
        ("quality > 0.5", "there is no 'quality'; there are id, round"),
        ("__import__('os').system('true')", "there is no '__import__'"),
        ("len(output) > output", "cannot be computed of row 0000"),
        ("output.__class__.__mro__", "cannot be computed of row 0000"),
        ("(" * 500 + "1" + ")" * 500, "is no expression"),
        ("9 ** 9 ** 9 > 1", "cannot be computed of row 0000"),
    ],
)
def test_an_expression_that_cannot_be_meant_is_refused(
    store: RunStore, tmp_path: Path, capsys: pytest.CaptureFixture[str], expression: str, problem: str
) -> None:
    assert main(["export", store.blobs.url, "--out", str(tmp_path / "set"), "--only", expression]) == 2
    told = capsys.readouterr().err
    assert problem in told
    assert len(told.splitlines()) == 1
    assert not (tmp_path / "set").exists()


def test_rows_without_a_check_are_not_chosen_by_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = make_run(tmp_path / "run", target=20)
    assert main(["export", store.blobs.url, "--out", str(tmp_path / "set"), "--only", "checks.all == yes"]) == 2
    assert "nothing of it was checked yet; `selfinstruct check" in capsys.readouterr().err
    assert main(["export", store.blobs.url, "--out", str(tmp_path / "set"), "--only", "len(input) > 0"]) == 0
    assert all(pq.read_table(tmp_path / "set" / "default")["input"].to_pylist())


def test_a_damaged_check_is_found_and_mended(store: RunStore, capsys: pytest.CaptureFixture[str]) -> None:
    (checks,) = check_sets(store)
    first = Path(store.blobs.url, checks.file(1))
    first.write_bytes(first.read_bytes()[:-30])
    assert main(["verify", store.blobs.url]) == 6
    assert f"{checks.file(1)}: torn, altered or foreign" in capsys.readouterr().err
    assert main(["export", store.blobs.url, "--out", "none", "--only", "checks.all == yes"]) == 6
    assert main(["repair", store.blobs.url]) == 0
    assert main(["check", store.blobs.url, *JUDGE]) == 0
    assert main(["verify", store.blobs.url]) == 0


def test_judgements_go_with_the_rows_that_they_are_about(store: RunStore) -> None:
    (checks,) = check_sets(store)
    assert main(["repair", store.blobs.url, "--to_round", "1"]) == 0
    assert checks.rounds() == [1]
    assert main(["verify", store.blobs.url]) == 0


def test_judgements_of_other_rows_are_refused(
    store: RunStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = make_run(tmp_path / "other", seed=1)
    shutil.copytree(Path(store.blobs.url, "checks"), Path(other.blobs.url, "checks"))
    assert main(["verify", other.blobs.url]) == 6
    assert "made from another instances/000001.parquet than the one that is there" in capsys.readouterr().err


def test_too_many_failures_commit_nothing(store: RunStore, capsys: pytest.CaptureFixture[str]) -> None:
    before = check_sets(store)
    assert main(["check", store.blobs.url, *JUDGE, "--template.failure_rate", "0.5"]) == 5
    assert "requests for checks failed, most often with 'the template engine was told" in capsys.readouterr().err
    (begun,) = [checks for checks in check_sets(store) if checks.name != before[0].name]
    assert begun.rounds() == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[questions]\nall = 'Is it good?'", "[questions] 'all': must be a word"),
        ("[questions]\nOne = 'Is it good?'", "[questions] 'One': must be a word"),
        ("[questions]\nshort = 3", "[questions] 'short' must be a text"),
        ("[questions]", "must hold a key and a text for each question"),
        ("questions = 3", "must hold a key and a text for each question"),
        ("colour = 'red'", "unknown key 'colour'"),
        ("suffix = '{instruction}'", "'suffix' must hold {output}"),
        ("chat = 'yes'", "'chat' must be true or false"),
        ("[sampling]\ntemperature = 0.0", "sampling.top_p is missing"),
        ("[questions", "cannot be read"),
    ],
)
def test_a_rubric_s_problems_are_named(
    whole: RunStore, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, problem: str
) -> None:
    path = tmp_path / "own.toml"
    path.write_text(text)
    assert main(["check", whole.blobs.url, *JUDGE[:-1], str(path)]) == 2
    told = capsys.readouterr().err
    assert str(path) in told
    assert problem in told


def test_rules_of_the_user_s_own(store: RunStore, tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text('chat = false\n[questions]\ntask = "Is it about birds?"\nharmless = "Is it harmless?"\n')
    assert main(["check", store.blobs.url, *JUDGE[:-1], str(path)]) == 0
    (own,) = [checks for checks in check_sets(store) if len(checks.questions) == 2]
    assert own.questions == ("task", "harmless")
    assert {said[1] for said in judged(own).values()} == {UNREADABLE}  # the engine answers the paper's three


FORMS: Mapping[str, tuple[Judgement, ...]] = {
    "task: yes\ninput: no\noutput: yes": (YES, NO, YES),
    "Task: Yes, it is clear.\nInput: No, because there is none.\nOutput: no": (YES, NO, NO),
    "**task:** yes\n**input:** yes\n**output:** **no** - it is wrong": (YES, YES, NO),
    "1. task: yes, because it can be done\n2. input: no, because\n3. output: no": (YES, NO, NO),
    "Here is my review.\n\ntask: yes\ninput: yes\noutput: maybe": (YES, YES, UNREADABLE),
    "task: yes or no, because ...\ninput: no\noutput: no": (UNREADABLE, NO, NO),
    "task:\nyes\ninput:\nno\noutput:\nno": (YES, NO, NO),
    "yes\nno\nno": (YES, NO, NO),
    "1. Yes\n2. No\n3. Yes": (YES, NO, YES),
    "- yes, because it is\n- yes\n- no": (YES, YES, NO),
    "yes\nno": (UNREADABLE,) * 3,
    '{"task": "yes", "input": false, "output": {"verdict": "No", "reason": "It is wrong."}}': (YES, NO, NO),
    '```json\n{"answers": {"Task": true, "Input": true, "Output": "unsure"}}\n```': (YES, YES, UNREADABLE),
    "I cannot judge that.": (UNREADABLE,) * 3,
    "": (UNREADABLE,) * 3,
    "<think>task: no</think>task: yes\ninput: yes\noutput: yes<|im_end|>": (YES, YES, YES),
    "<think>task: no": (UNREADABLE,) * 3,
}


@pytest.mark.parametrize("text", FORMS)
def test_answers_in_many_forms(text: str) -> None:
    completion = Completion("id", text, Finish.STOP, 1, 1)
    assert judgements(completion, KEYS, chat=True) == FORMS[text]


@given(st.text(), st.lists(st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True), min_size=1, unique=True))
def test_no_answer_is_a_mistake(text: str, questions: list[str]) -> None:
    said = judgements(Completion("id", text, Finish.STOP, 1, 1), questions, chat=True)
    assert len(said) == len(questions)
    assert overall(said) in Judgement


@given(st.dictionaries(st.sampled_from(KEYS), st.booleans(), min_size=3))
def test_what_is_said_plainly_is_read(answers: dict[str, bool]) -> None:
    text = "\n".join(f"{key}: {'yes' if said else 'no'}" for key, said in answers.items())
    expected = tuple(YES if answers[key] else NO for key in KEYS)
    for form in (text, json.dumps(answers)):
        assert judgements(Completion("id", form, Finish.STOP, 1, 1), KEYS, chat=False) == expected


def test_a_failed_request_says_nothing() -> None:
    assert judgements(Completion("id", "", Finish.FAILED, 1, 0, "too long"), KEYS, chat=True) == (NONE,) * 3


@pytest.mark.parametrize(
    ("said", "expected"),
    [((YES, YES), YES), ((YES, NO), NO), ((NONE, NO), NO), ((YES, UNREADABLE), UNREADABLE), ((NONE, YES), NONE)],
)
def test_a_row_is_good_if_all_is(said: tuple[Judgement, ...], expected: Judgement) -> None:
    assert overall(said) is expected
