"""Other values for a prompt set's sampling: on the command line, in files, from Python, and among a run's facts."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.settings import GenerateSettings
from jobs.command_line import run
from jobs.commands import Outcome
from jobs.generate import COMMAND
from jobs.main import main
from selfinstruct.engines import EngineSettings, open_engine
from selfinstruct.errors import FingerprintError, InputError
from selfinstruct.face.options import settings_of
from selfinstruct.novelty.check import make_index
from selfinstruct.prompts import SHIPPED, load_prompts
from selfinstruct.records import Kind
from selfinstruct.run.inputs import read_inputs
from selfinstruct.run.loop import SingleCompleter, drive
from selfinstruct.run.rounds import Run, Stage
from selfinstruct.settings import fingerprint_of
from selfinstruct.storage.history import facts_by_round
from selfinstruct.storage.store import RunStore

BASE = load_prompts("base")
GIVEN = ["--engine", "template", "--out", "run", "--prompts", "base"]


def generate_with(*arguments: str) -> GenerateSettings:
    """The settings of `generate` with these arguments."""
    seen: list[GenerateSettings] = []
    assert run(COMMAND, lambda settings: seen.append(settings) or Outcome({}), [*GIVEN, *arguments]) == 0
    return seen[0]


def changed_by(*arguments: str) -> dict[str, Any]:
    return dict(read_inputs(generate_with(*arguments)).prompts.changed)


def test_values_are_given_one_by_one_or_together(tmp_path: Path) -> None:
    config = tmp_path / "run.yaml"
    wanted = {"propose.temperature": 0.9, "propose.stop": ["\n\n", "16."], "input_first.max_tokens": 200}
    ways = [
        [
            *("--sampling.propose.temperature", "0.9", "--sampling.propose.stop", r'["\n\n", "16."]'),
            "--sampling.input_first.max_tokens=200",
        ],
        ["--sampling", "propose.temperature=0.9", r'propose.stop=["\n\n", "16."]', "input_first.max_tokens=200"],
        [
            *("--sampling", r'propose={temperature: 0.9, stop: ["\n\n", "16."]}'),
            *("--sampling.input_first.max_tokens", "200"),
        ],
    ]
    for way in ways:
        assert changed_by(*way) == wanted
    for text in (
        "sampling: {propose: {temperature: 0.9, stop: [\"\\n\\n\", '16.']}, input_first: {max_tokens: 200}}",
        "sampling: {propose.temperature: 0.9}\nsampling.propose.stop: [\"\\n\\n\", '16.']\n"
        "sampling.input_first.max_tokens: 200",
    ):
        config.write_text(text)
        assert changed_by("--config", str(config)) == wanted
    python = settings_of(GenerateSettings(out="run", engine="template", prompts="base"), {"sampling": wanted}, "call")
    assert read_inputs(python).prompts.changed == wanted


def test_options_win_over_a_file_value_by_value(tmp_path: Path) -> None:
    config = tmp_path / "run.yaml"
    config.write_text("sampling: {propose: {temperature: 0.9, top_p: 0.7}, classify.max_tokens: 5}\n")
    found = changed_by("--config", str(config), "--sampling.propose.temperature", "0.3")
    assert found == {"propose.temperature": 0.3, "propose.top_p": 0.7, "classify.max_tokens": 5}
    assert changed_by("--config", str(config), "--sampling", "propose.top_p=0.6") == {"propose.top_p": 0.6}


def test_other_options_that_hold_values_by_name_can_be_given_so_too() -> None:
    settings = generate_with("--openai.body.top_k", "40", "--vllm.args.dtype=half", "--vllm.args", "seed=3")
    assert settings.openai.body == ("top_k=40",)
    assert settings.vllm.args == ("seed=3", "dtype=half")


def test_engines_see_the_values() -> None:
    prompts = BASE.with_sampling({"propose.temperature": 0, "output_first": {"max_tokens": 7, "stop": "Task:"}})
    assert prompts[Kind.PROPOSE].sampling.temperature == 0.0
    assert (prompts[Kind.OUTPUT_FIRST].sampling.max_tokens, prompts[Kind.OUTPUT_FIRST].sampling.stop) == (7, ("Task:",))
    assert prompts[Kind.INPUT_FIRST] == BASE[Kind.INPUT_FIRST]
    assert prompts[Kind.PROPOSE].suffix == BASE[Kind.PROPOSE].suffix


NUMBERS = st.floats(0.01, 1.0) | st.just(1)


@given(st.dictionaries(st.sampled_from(["temperature", "top_p", "presence_penalty"]), NUMBERS))
def test_what_is_as_in_the_files_is_no_change(values: dict[str, float]) -> None:
    prompts = BASE.with_sampling({f"propose.{name}": value for name, value in values.items()})
    sampling = prompts[Kind.PROPOSE].sampling
    for name in ("temperature", "top_p", "presence_penalty"):
        value = values.get(name, getattr(BASE[Kind.PROPOSE].sampling, name))
        assert getattr(sampling, name) == value
        assert (f"propose.{name}" in prompts.changed) == (value != getattr(BASE[Kind.PROPOSE].sampling, name))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--sampling.propose.temprature", "0.7"], "--sampling: propose.temprature is unknown (known: temperature, "),
        (["--sampling.instantiate.top_p", "1"], "--sampling: the prompt set 'base' asks no 'instantiate'; give kind.f"),
        (["--sampling", "temperature=1"], "asks no 'temperature'; give kind.field=value (its kinds: propose, classify"),
        (["--sampling.propose.temperature", "warm"], "--sampling: propose.temperature must be a number"),
        (["--sampling.propose.temperature", "-1"], "--sampling: propose.temperature must be at least 0"),
        (["--sampling.propose.top_p", "1.5"], "--sampling: propose.top_p must be above 0 and at most 1 when the"),
        (["--sampling.propose.max_tokens", "2.5"], "--sampling: propose.max_tokens must be a whole number"),
        (["--sampling.propose.max_tokens", "true"], "--sampling: propose.max_tokens must be a whole number"),
        (["--sampling.propose.max_tokens", "0"], "--sampling: propose.max_tokens must be at least 1"),
        (["--sampling.propose.stop", "['']"], "--sampling: propose.stop must be a list of texts that are not empty"),
        (["--sampling.propose", "5"], "--sampling: propose. is unknown"),
        (["--sampling.propose.temperature"], "--sampling.propose.temperature: is without a value"),
        (["--sampling.propose.temperature", "--seed", "3"], "--sampling.propose.temperature: is without a value"),
        (["--sampling", "propose.top_p=1", "propose.top_p=1"], "--sampling: 'propose.top_p' is there twice"),
    ],
)
def test_what_does_not_fit_is_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    out = tmp_path / "run"
    assert main(["generate", *GIVEN, "--out", str(out), *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("selfinstruct generate: ")
    assert error.count("\n") == 1
    assert said in error
    assert not out.exists()


def test_a_sampling_that_is_wrong_in_a_file_is_named_with_it(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    shutil.copytree(SHIPPED / "base", folder)
    file = folder / "propose.toml"
    text = file.read_text()
    for before, after, said in [
        ("temperature = 0.7", "temperature = nan", "sampling.temperature must be a number"),
        ("temperature = 0.7", f"temperature = 1{'0' * 400}", "sampling.temperature must be a number"),
        ("temperature = 0.7", "", "sampling.temperature is missing; it must be a number"),
        ("max_tokens = 1024", "max_tokens = 0\ntop_k = 3", "sampling.top_k is unknown"),
    ]:
        assert before in text
        file.write_text(text.replace(before, after))
        with pytest.raises(InputError) as caught:
            load_prompts(str(folder))
        assert f"{file}: {said}" in str(caught.value)


def test_the_values_are_part_of_the_fingerprint_and_the_spelling_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def facts(*arguments: str) -> dict[str, Any]:
        return dict(read_inputs(generate_with(*arguments)).facts)

    plain, warm = facts(), facts("--sampling.propose.temperature", "1")
    assert warm == facts("--sampling", "propose.temperature=1.0") == {**plain, "sampling.propose.temperature": 1.0}
    assert fingerprint_of(warm) != fingerprint_of(plain)
    assert facts("--sampling.propose.temperature", "0.70") == plain  # as the set has it

    out = str(tmp_path / "run")
    settings = generate_with(
        "--out", out, "--target", "5", "--rounds.least", "2", "--sampling.propose.temperature", "1"
    )
    inputs, store = read_inputs(settings), RunStore(out)
    engine = open_engine(EngineSettings("template"), inputs.prompts)
    run_ = Run(settings, inputs.prompts, inputs.seeds)
    drive(run_, store, make_index(settings.novelty), [(SingleCompleter(engine, 50), tuple(Stage))], inputs.facts)
    assert next(facts_by_round(store))[1]["sampling.propose.temperature"] == 1.0
    assert main(["generate", *GIVEN, "--out", out]) == FingerprintError.exit_code
    assert "sampling.propose.temperature: the run has 1.0, this command None" in capsys.readouterr().err
