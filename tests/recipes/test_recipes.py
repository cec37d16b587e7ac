"""Recipes: what the shipped ones hold, in which order they and other options win, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from cluster.settings import GenerateSettings
from jobs.command_line import run
from jobs.commands import Outcome
from jobs.generate import COMMAND
from jobs.main import main
from selfinstruct.recipes import RECOMMENDED, load_recipe, read_recipe, shipped
from selfinstruct.records import Table
from selfinstruct.run.inputs import read_inputs
from selfinstruct.run.rounds import Run, Write
from selfinstruct.run.settings import RunSettings
from selfinstruct.settings import facts_of, fingerprint_of, with_options
from selfinstruct.storage.store import RunStore

ALTERING = facts_of(RunSettings())


def generate_with(*arguments: str) -> GenerateSettings:
    """The settings of `generate` with these arguments."""
    seen: list[GenerateSettings] = []
    given = ["--engine", "template", "--out", "run", *arguments]
    assert run(COMMAND, lambda settings: seen.append(settings) or Outcome({}), given) == 0
    return seen[0]


@pytest.mark.parametrize("name", shipped())
def test_a_shipped_recipe_says_all_that_alters_the_data(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.options.keys() == ALTERING.keys()
    assert len(recipe.description) > 20


def test_what_is_recommended_is_what_fields_say_for_themselves() -> None:
    assert set(shipped()) == {"paper", "recommended"}
    assert facts_of(with_options(RunSettings(seed=7, check_pool=False), read_recipe(RECOMMENDED))) == ALTERING


def test_where_the_paper_differs() -> None:
    assert read_recipe("paper").items() - read_recipe(RECOMMENDED).items() == {
        ("reading", "paper"),
        ("stop_repetition", False),
        ("rules.echo", False),
        ("rules.prompt", False),
        ("rules.repetition", False),
    }


def test_the_values_make_the_fingerprint_and_the_name_does_not(tmp_path: Path) -> None:
    copy = tmp_path / "mine.yaml"
    shutil.copy(shipped()["paper"], copy)
    by_hand = [
        *(
            "--seed",
            "0",
            "--reading",
            "paper",
            "--no_stop_repetition",
            "--check_pool",
            "--propose.seeds",
            "6",
            "--propose.generated",
            "2",
            "--instances.most",
            "5",
        ),
        *(
            "--screen.shortest",
            "4",
            "--screen.longest",
            "150",
            "--screen.ascii_start",
            "--screen.plugin",
            "--rounds.lag",
            "2",
        ),
        *("--screen.banned", "image", "images", "graph", "graphs", "picture", "pictures", "file", "files"),
        *("map", "maps", "draw", "plot", "go to"),
        "--screen.plugin",
        *("--novelty.threshold", "0.7", "--novelty.tokeniser", "rouge", "--novelty.index", "minhash"),
        *("--label.as", "task", "--label.samples", "1"),
    ]
    named = {option.removeprefix("--").removeprefix("no_") for option in by_hand if option.startswith("--")}
    rules = {f"rules.{name}": False for name in ("echo", "prompt", "repetition", "statement")}
    rules |= {"rules.echo_words": 8, "rules.prompt_words": 12, "rules.repeated": 0.5}
    feedback = {"feedback.proven": False, "feedback.lookback": 6, "check.rubric": "", "check.share": 1.0}
    feedback |= {"strategies.paper": 1.0, "evolve.similar": 0.9, "spread.seeds": 2, "spread.generated": 6}
    feedback |= dict.fromkeys((f"strategies.{name}" for name in ("spread", "query", "evolve", "document")), 0.0)
    feedback |= dict.fromkeys(("strategies.auto", "strategies.judged"), False)
    feedback |= {"documents.answer": True, "documents.copied": 1.0}
    index = {"novelty.bands": 79, "novelty.rows": 4, "novelty.seed": 1}
    other = {"constraints.share", "constraints.two", "semantic.measure", "semantic.gate", "semantic.cosine"}
    assert named | rules.keys() | feedback.keys() | index.keys() | other == ALTERING.keys()
    config = tmp_path / "rules.yaml"
    config.write_text(json.dumps(rules | feedback | index))
    ways = [["--recipe", "paper"], [f"--recipe={copy}"], [*by_hand, "--config", str(config)]]
    assert len({fingerprint_of(read_inputs(generate_with(*way)).facts) for way in ways}) == 1
    copy.write_text("version: 1\ninstances.most: 4\n")
    changed = read_inputs(generate_with("--recipe", str(copy))).facts
    assert fingerprint_of(changed) == fingerprint_of(read_inputs(generate_with("--instances.most", "4")).facts)
    assert fingerprint_of(changed) != fingerprint_of(read_inputs(generate_with()).facts)


def test_a_config_file_wins_over_a_recipe_and_options_over_both(tmp_path: Path) -> None:
    recipe, config = tmp_path / "recipe.yaml", tmp_path / "config.yaml"
    recipe.write_text(
        "version: 1\nnovelty: {threshold: 0.1, bands: 11}\ninstances: {most: 1}\nscreen: {banned: [cat]}\n"
    )
    config.write_text("novelty: {bands: 12}\ninstances: {most: 2}\ntarget: 9\n")
    given = generate_with("--instances.most", "3", "--config", str(config), "--recipe", str(recipe))
    assert (given.novelty.threshold, given.novelty.bands, given.novelty.rows) == (0.1, 12, 4)
    assert (given.instances.most, given.screen.banned, given.target) == (3, ("cat",), 9)


def test_a_config_file_may_name_the_recipe(tmp_path: Path) -> None:
    recipe, config = tmp_path / "recipe.yaml", tmp_path / "config.yaml"
    recipe.write_text("version: 1\ndescription: Few instances.\ninstances: {most: 1}\n")
    config.write_text(f"recipe: {recipe}\nrounds: {{lag: 3}}\n")
    given = generate_with("--config", str(config))
    assert (given.instances.most, given.rounds.lag) == (1, 3)
    given = generate_with("--config", str(config), "--recipe", "paper")
    assert (given.instances.most, given.rounds.lag) == (5, 3)


def test_a_run_goes_on_with_its_values_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = generate_with("--recipe", "paper")
    inputs, store = read_inputs(settings), RunStore("run")
    begun = Run(settings, inputs.prompts, inputs.seeds)
    begun.begin(inputs.facts)
    effect = next(effect for effect in begun.effects() if isinstance(effect, Write))
    store.commit(effect.make(), fingerprint_of(inputs.facts))
    Path("later.yaml").write_text("version: 1\nnovelty: {index: prefix}\nrounds: {lag: 1}\n")
    assert main(["generate", "--engine", "template", "--out", "run", "--recipe", "later.yaml"]) == 2
    error = capsys.readouterr().err
    assert "novelty.index: the run has 'minhash', this command 'prefix'" in error
    assert "rounds.lag: the run has 2, this command 1" in error
    assert list(store.rounds(Table.CANDIDATES)) == [0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "version: 2\nnovel: {spread: 3}",
            ":1: 'version' must be 1; a recipe of a later one needs a later selfinstruct",
        ),
        ("version: '1'", ":1: 'version' must be 1"),
        ("version: true", ":1: 'version' takes one whole number, not true"),
        ("novelty: {threshold: 0.6}", ": is no recipe; it must hold 'version: 1'"),
        ("version:", ":1: 'version' must be 1"),
        ("", ": is no recipe"),
        ("- version: 1", ": is no recipe"),
        ("version: 1\nmodel: tiny", ":2: 'model' is nothing for a recipe: those hold what alters any run's data"),
        ("version: 1\ntarget: 5", ":2: 'target' is nothing for a recipe"),
        ("version: 1\nreplicas: 5", ":2: 'replicas' is nothing for a recipe"),
        ("version: 1\nrounds: {least: 5}", ":2: 'rounds.least' is nothing for a recipe"),
        ("version: 1\nnovelty: {treshold: 1}", "did you mean 'novelty.threshold'?"),
        ("version: 1\nnovelty: {threshold: 2}", ":2: 'novelty.threshold' is 2.0, must be at least 0 and at most 1"),
        ("version: 1\ndescription: [a]", ":2: 'description' takes a text, not a list"),
        ("version: 1\nversion: 1", ":2: 'version' is there already"),
        ("version: 1\nseed: 010", ":2: 'seed' is 010, which"),
    ],
)
def test_a_bad_recipe_is_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(text)
    assert main(["generate", "--out", str(tmp_path / "run"), "--recipe", str(recipe)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"selfinstruct generate: {recipe}:")
    assert error.count("\n") == 1
    assert said in error


@pytest.mark.parametrize("command", ["generate", "doctor"])
def test_a_recipe_that_is_not_there(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("papre", "x" * 300):
        assert main([command, "--out", str(tmp_path / "run"), "--recipe", name]) == 2
        error = capsys.readouterr().err
        assert f"--recipe: there is no file '{name}'; recipes with a name: paper, recommended\n" in error
    assert main([command, "--out", str(tmp_path / "run"), "--recipe", str(tmp_path)]) == 2
    assert f"{tmp_path}: is a folder; name a file\n" in capsys.readouterr().err


def test_the_command_lists_recipes_and_shows_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["recipes"]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in listed] == ["paper", "recommended"]
    assert main(["recipes", "paper"]) == 0
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(capsys.readouterr().out)
    assert read_recipe("mine.yaml") == read_recipe("paper")
    assert main(["recipes", "papre"]) == 2
    assert capsys.readouterr().err == "selfinstruct recipes: there is no recipe 'papre'; there are paper, recommended\n"
