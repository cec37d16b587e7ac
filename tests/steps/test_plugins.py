"""Filters of the user's own: what is one, what it drops, and that a run is known by it and read without it."""

from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jobs.main import main
from selfinstruct.engines import EngineSettings, open_engine
from selfinstruct.errors import FingerprintError, InputError
from selfinstruct.novelty.check import make_index
from selfinstruct.prompts import load_prompts
from selfinstruct.records import Instance, Reason, Table
from selfinstruct.run.facts import gather_facts
from selfinstruct.run.loop import SingleCompleter, drive
from selfinstruct.run.rounds import Run, Stage
from selfinstruct.run.settings import RoundSettings, RunSettings
from selfinstruct.settings import Facts
from selfinstruct.sources.seeds import SEED_TASKS, load_seeds
from selfinstruct.steps.instantiate import InstanceSettings, filter_instances
from selfinstruct.steps.plugins import load_plugins, plugin_facts
from selfinstruct.steps.readers.read import whole
from selfinstruct.steps.screen import Screen, ScreenSettings
from selfinstruct.storage.store import RunStore
from selfinstruct.storage.verify import digest, verify

FILTERS = """
from functools import wraps

def asks(instruction):
    return instruction.endswith("?")

def polite(instruction, *, word="please"):
    return word in instruction.lower()

def long_winded(instruction, input, output):
    return len(output) > len(instruction)

class Counting:
    @staticmethod
    def even(instruction):
        return len(instruction) % 2 == 0

def traced(function):
    @wraps(function)
    def tracing(*texts):
        return function(*texts)
    return tracing

@traced
def sings(instruction):
    return "sing" in instruction

unnamed = lambda instruction: "unnamed" in instruction

def two(instruction, input):
    return False

def any_number(*texts):
    return False

def fails(instruction):
    return {}["a\\x1b[31m"]

def forgets(instruction):
    "..." in instruction

copied = exec("def copied(instruction): return True") or copied
"""
NAMES = ("filters:asks", "filters:long_winded")


@pytest.fixture(autouse=True)
def filters(modules: Path) -> Path:
    (modules / "filters.py").write_text(FILTERS)
    return modules


def screen(*names: str) -> Screen:
    return Screen(ScreenSettings(plugin=names))


def test_of_one_text_about_instructions_of_three_about_instances() -> None:
    ours = screen(*NAMES)
    assert ours("What is the largest lake in Africa?") == "plugin:asks"
    assert ours("What is it?") is Reason.TOO_SHORT  # built-in filters go before
    assert ours("Name the largest lake in Africa.") is None
    assert ours.of_instance("Say yes.", Instance("", "yes " * 20)) == "plugin:long_winded"
    assert ours.of_instance("Say yes.", Instance("", "yes")) is None
    assert screen().of_instance("Say yes.", Instance("", "yes " * 20)) is None


def test_the_first_that_holds_gives_the_reason() -> None:
    text = "Could you sing an unnamed song, please?"
    names = ["asks", "polite", "sings", "unnamed"]
    for first in names:
        order = [first, *[name for name in names if name != first]]
        assert screen(*[f"filters:{name}" for name in order])(text) == f"plugin:{first}"
    assert screen("filters:Counting.even")("Write me a poem.") == "plugin:even"


def test_instances_that_a_plugin_drops_count_for_nothing() -> None:
    ours = screen("filters:long_winded")
    found = whole([Instance("a", "b"), Instance("a", "c" * 50), Instance("b", ""), Instance("c", "d" * 50)])
    verdicts = filter_instances(
        found, InstanceSettings(), 0, "id", judge=lambda each: ours.of_instance("Say it twice.", each)
    )
    dropped = Reason("plugin:long_winded")
    assert [reason for _, reason in verdicts] == [None, dropped, Reason.EMPTY_OUTPUT, dropped]  # none is conflicting


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        (["filters"], "'filters' is not of the form package.module:Name"),
        (["filtres:asks"], "filtres:asks: there is no module 'filtres' to import; install it, or put its folder on PY"),
        (["filters:aks"], "filters:aks: the module filters has no 'aks'"),
        (["filters:Counting"], "filters:Counting: is a type; name a function"),
        (
            ["filters:two"],
            "filters:two: takes (instruction, input); a filter takes (instruction), or (",
        ),
        (["filters:any_number"], "filters:any_number: takes (*texts); a filter takes (instruction), or (instruction,"),
        (["filters:copied"], "filters:copied: the file that defines it cannot be read ("),
        (["filters:asks", "filters:asks"], "2 of the functions give the reason plugin:asks; give each another name"),
    ],
)
def test_what_is_no_filter(names: list[str], problem: str) -> None:
    for asked in (load_plugins, plugin_facts):
        with pytest.raises(InputError) as caught:
            asked(names)
        assert str(caught.value).startswith(f"--screen.plugin: {problem}")


def test_one_that_fails_is_named_with_the_texts_beginning() -> None:
    text = "Write a poem about \x1b[31m a very long road that has no end and no beginning."
    with pytest.raises(InputError) as caught:
        screen("filters:fails")(text)
    assert str(caught.value) == (
        "--screen.plugin: filters:fails: asked about 'Write a poem about \\x1b[31m a very long road that has no end"
        " an', it raised KeyError: \"'a\\\\x1b[31m'\""
    )
    with pytest.raises(InputError, match=r"'Write a poem.*, it returned None; it must return True \(drop it\) or Fal"):
        screen("filters:forgets")("Write a poem about it.")


def test_the_facts_change_with_the_file_and_with_nothing_else(filters: Path) -> None:
    assert plugin_facts(()) == {}
    before = plugin_facts(NAMES)
    assert {*before["plugins"]} == {*NAMES}
    assert plugin_facts(NAMES) == json.loads(json.dumps(before))
    (filters / "filters.py").write_text(FILTERS + "# longer\n")
    assert plugin_facts(NAMES) != before


def test_reasons_of_plugins_are_reasons() -> None:
    reason = Reason("plugin:asks")
    assert isinstance(reason, Reason)
    assert (str(reason), f"{reason}", reason.value, {reason: 1}["plugin:asks"]) == (*["plugin:asks"] * 3, 1)
    assert reason is Reason("plugin:asks") is pickle.loads(pickle.dumps(reason)) is copy.deepcopy(reason)
    assert reason not in list(Reason)
    for wrong in ("plugin:", "plugin:two words", "plugin:a.b", "plugin", "asks", "", None):
        with pytest.raises(ValueError, match="is not a valid Reason"):
            Reason(wrong)


# ---- a whole run


SEEDS = load_seeds(SEED_TASKS)
PROMPTS = load_prompts("tiny")


def generate(url: str, *names: str, target: int = 60, since: bool = True) -> RunStore:
    """A run from wherever it stands. `since`: the program knows of plugins."""
    settings = RunSettings(
        seed=3, target=target, rounds=RoundSettings(least=4, most=8), screen=ScreenSettings(plugin=names)
    )
    facts = gather_facts(settings, SEEDS, [], PROMPTS, None, {"engine": "template"}, {"engine": "template"})
    if not since:
        facts = {key: fact for key, fact in facts.items() if "plugin" not in key}
    store = RunStore(url)
    line = SingleCompleter(open_engine(EngineSettings("template"), PROMPTS), 64)
    drive(
        Run(settings, PROMPTS, SEEDS),
        store,
        make_index(settings.novelty),
        [(line, (Stage.PROPOSE, Stage.LABEL))],
        facts,
    )
    return store


def generated(store: RunStore, table: Table) -> Iterator[Any]:
    """The rows of all rounds but the one that was given."""
    for number in store.rounds(table)[1:]:
        yield from store.read(table, number).rows


def facts(store: RunStore) -> Facts:
    found: Facts = store.metadata(Table.CANDIDATES, 0).notes["facts"]
    return found


def test_a_run_with_plugins(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = generate(str(tmp_path / "run"), *NAMES)
    assert not verify(store)
    candidates, instances = list(generated(store, Table.CANDIDATES)), list(generated(store, Table.INSTANCES))
    asked = [row for row in candidates if row.reason == "plugin:asks"]
    wordy = [row for row in instances if row.reason == "plugin:long_winded"]
    assert asked
    assert wordy
    assert (
        {row.text.endswith("?") for row in asked} == {len(row.output) > len(row.instruction) for row in wordy} == {True}
    )
    assert not any(row.text.endswith("?") for row in candidates if row.accepted)
    assert not any(len(row.output) > len(row.instruction) for row in instances if row.accepted)
    totals = store.totals()
    assert totals[Table.CANDIDATES]["rejected.plugin:asks"] == len(asked)
    assert totals[Table.INSTANCES]["instances.rejected.plugin:long_winded"] == len(wordy)

    # the same again goes on; without plugins, with others, or with a changed file it does not
    before = digest(store)
    assert digest(generate(store.blobs.url, *NAMES)) == before
    for others in ((), NAMES[:1], NAMES[::-1]):
        with pytest.raises(FingerprintError, match=r"screen.plugin: the run has \['filters:asks', 'filters:long"):
            generate(store.blobs.url, *others, target=100)
    (tmp_path / "filters.py").write_text(FILTERS + "\n\n")
    with pytest.raises(FingerprintError, match=r"plugins: the run has \{'filters:asks': '"):
        generate(store.blobs.url, *NAMES, target=100)
    assert digest(store) == before


def test_a_run_that_is_older_than_plugins_goes_on_without_them(tmp_path: Path) -> None:
    url = str(tmp_path / "run")
    store = generate(url, since=False)
    assert not [key for key in facts(store) if "plugin" in key]
    with pytest.raises(FingerprintError, match=r"screen.plugin: the run has \[\], this command \['filters:asks'\]"):
        generate(url, "filters:asks", target=100)
    assert generate(url, target=100).totals()[Table.CANDIDATES]["accepted"] >= 100


def test_a_plugin_that_fails_ends_the_run_with_nothing_half_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"filters:fails: asked about '.*', it raised KeyError"):
        generate(str(tmp_path / "run"), "filters:fails")
    store = RunStore(str(tmp_path / "run"))
    assert not verify(store)
    assert [*store.rounds(Table.PROPOSALS), *store.rounds(Table.CANDIDATES)] == [1, 0]  # what was paid for is there


READING = """
import sys
from jobs.main import main
run, out = sys.argv[1:]
codes = [
    main(["sample", run, "--reason", "plugin:asks", "--number", "3"]),
    main(["status", run]),
    main(["verify", run]),
    main(["report", run, "--out", f"{out}/report.html", f"--json={out}/figures.json"]),
    main(["export", run, "--out", f"{out}/set"]),
]
assert codes == [0] * 5, codes
assert "filters" not in sys.modules
"""


def test_a_run_is_read_by_a_program_that_has_not_got_the_plugin(tmp_path: Path, filters: Path) -> None:
    run = generate(str(tmp_path / "run"), *NAMES).blobs.url
    (filters / "filters.py").unlink()
    read = [sys.executable, "-c", READING, run, str(tmp_path)]
    shown = subprocess.run(read, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert shown.returncode == 0, shown.stderr
    lines = shown.stdout.splitlines()[:3]
    assert [line for line in lines if "] plugin:asks: " in line and line.endswith("?")] == lines
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert "plugin:asks" in json.dumps(figures)
    assert "plugin:long winded" in (tmp_path / "report.html").read_text()
    assert "plugin:long_winded" in (tmp_path / "set" / "README.md").read_text()


def test_a_sample_is_asked_for_a_reason_that_there_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = generate(str(tmp_path / "run"), target=10).blobs.url
    assert main(["sample", run, "--reason", "simlar"]) == 2
    assert "--reason: there is no 'simlar'; there are: failed, cut_by_length," in capsys.readouterr().err
    assert main(["sample", run, "--reason", "plugin:asks"]) == 0
    assert capsys.readouterr().out == ""


# ---- other commands


def test_stored_answers_are_filtered_anew(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Reading a run runs no code that it names: plugins have to be given again."""
    plain, filtered = generate(str(tmp_path / "plain")), generate(str(tmp_path / "filtered"), *NAMES)
    command = ["reparse", filtered.blobs.url, "--out"]
    assert main([*command, str(tmp_path / "again")]) == 2
    assert "(filters:asks, filters:long_winded), which are run only where you name them" in capsys.readouterr().err
    assert not (tmp_path / "again").exists() or not list((tmp_path / "again").rglob("*.parquet"))
    assert main([*command, str(tmp_path / "again"), "--change", f"screen.plugin=[{', '.join(NAMES)}]"]) == 0
    assert digest(RunStore(str(tmp_path / "again"))) == digest(filtered)
    assert main([*command, str(tmp_path / "none"), "--change", "screen.plugin=[]"]) == 0
    reasons = {row.reason for row in generated(RunStore(str(tmp_path / "none")), Table.CANDIDATES)}
    assert "plugin:asks" not in reasons
    assert "plugins" not in facts(RunStore(str(tmp_path / "none")))
    more = ["reparse", plain.blobs.url, "--out", str(tmp_path / "more"), "--change", "screen.plugin=[filters:asks]"]
    assert main(more) == 0
    assert RunStore(str(tmp_path / "more")).totals()[Table.CANDIDATES]["rejected.plugin:asks"]


def test_instruction_sets_are_filtered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    texts = ["Which city lies farthest to the north?", "Name a city that lies far to the north."]
    given = tmp_path / "given.jsonl"
    given.write_text("".join(json.dumps({"instruction": text, "output": "Oslo"}) + "\n" for text in texts))
    out = str(tmp_path / "out")
    assert main(["dedup", str(given), "--out", out, "--limits.plugin", "filters:asks"]) == 0
    assert "2 texts: 1 plugin:asks, 1 accepted" in capsys.readouterr().out
    assert main(["dedup", str(given), "--out", f"{out}2", "--limits.plugin", *NAMES]) == 2
    assert "no instances to ask filters:long_winded about" in capsys.readouterr().err
    assert main(["import", str(given), "--out", f"{out}3", "--screen.plugin", "filters:asks"]) == 0
    assert facts(RunStore(f"{out}3"))["screen.plugin"] == ["filters:asks"]
    assert RunStore(f"{out}3").totals()[Table.CANDIDATES]["rejected.plugin:asks"] == 1
