"""Each number of each command has bounds beside its field; what is out of them is one line before anything begins."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import math
import pkgutil
import typing
from collections.abc import Iterator

import pytest

import jobs
from jobs.main import main
from selfinstruct.novelty.index import NoveltySettings
from selfinstruct.run.settings import RunSettings
from selfinstruct.settings import facts_of, fingerprint_of, problems_of


def settings_classes() -> Iterator[type]:
    """The settings of all commands, and the groups within them."""
    seen: set[type] = set()
    for module in pkgutil.walk_packages(jobs.__path__, "jobs."):
        if module.name.endswith(("__main__", "distilabel_pipeline")):  # the second runs where distilabel is
            continue
        for name, found in vars(importlib.import_module(module.name)).items():
            if inspect.isclass(found) and dataclasses.is_dataclass(found) and name.endswith("Settings"):
                seen |= with_groups(found)
    yield from sorted(seen, key=lambda each: (each.__module__, each.__qualname__))


def with_groups(settings: type) -> set[type]:
    groups = filter(dataclasses.is_dataclass, typing.get_type_hints(settings).values())
    return {settings}.union(*map(with_groups, groups))  # type: ignore[arg-type]


def numbers(settings: type) -> Iterator[dataclasses.Field[object]]:
    """Its own fields that are numbers, or hold some."""
    hints = typing.get_type_hints(settings)
    for field in dataclasses.fields(settings):
        hint = hints[field.name]
        if hint in (int, float) or {int, float} & set(typing.get_args(hint)):
            yield field


CLASSES = list(settings_classes())


@pytest.mark.parametrize("settings", CLASSES, ids=lambda each: f"{each.__module__}.{each.__name__}")
def test_each_number_says_its_bounds(settings: type) -> None:
    for field in numbers(settings):
        assert field.metadata.get("bounds"), f"{settings.__name__}.{field.name}"


def whole(settings: type) -> object | None:
    """An object of a class of settings, if all of its options have defaults or are texts."""
    required = {
        field.name: 1 if field.type == "int" else "x"
        for field in dataclasses.fields(settings)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    }
    return settings(**required)


@pytest.mark.parametrize("settings", CLASSES, ids=lambda each: f"{each.__module__}.{each.__name__}")
def test_what_is_out_of_bounds_or_no_finite_number_is_named(settings: type) -> None:
    good = whole(settings)
    for field in numbers(settings):
        value = getattr(good, field.name)
        wrong = [math.nan, math.inf]
        for word, bound in field.metadata.get("bounds", {}).items():
            wrong.append({"at least": bound - 1, "at most": bound + 1}.get(word, bound))
        for each in wrong:
            given = (each,) if isinstance(value, tuple) else each
            bad = dataclasses.replace(good, **{field.name: given})  # type: ignore[type-var]
            assert any(problem.startswith(f"--{field.name}: ") for problem in problems_of(bad)), (field.name, each)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (
            ["generate", "--out", "x", "--novelty.threshold", "nan"],
            "--novelty.threshold: is nan, must be a finite number",
        ),
        (["generate", "--out", "x", "--budget.hours", "nan"], "--budget.hours: is nan, must be a finite number"),
        (["generate", "--out", "x", "--screen.shortest", "9", "--screen.longest", "3"], "--screen.longest: is 3"),
        (["generate", "--out", "x", "--rounds.least", "9", "--rounds.most", "3"], "--rounds.most: is 3"),
        (["plan", "x", "--target", "0"], "--target: is 0, must be at least 1"),
        (["sample", "x", "--number", "-1"], "--number: is -1, must be at least 0"),
        (["repair", "x", "--to_round", "-1"], "--to_round: is -1, must be at least 0"),
        (["try", "--number", "2"], "--number: is 2, must be at least 3"),
        (["finetune", "x", "--out", "y", "--epochs", "inf"], "--epochs: is inf, must be a finite number"),
        (["generate", "--out", "x", "--budget.hours", "1e400"], "--budget.hours: is inf, must be a finite number"),
        (["generate", "--out", "x", "--timeouts.load", "1e30"], "--timeouts.load: is 1.000e+30, must be at least 1"),
        (["generate", "--out", "x", "--target", "9" * 400], "--target: is a huge number, must be at least 1"),
        (["generate", "--out", "x", "--target", "9" * 5000], "--target: is too long, must be a whole number; --help"),
        (["generate", "--out", "x", "--target", "nan"], "--target: is 'nan', must be a whole number; --help"),
        (["generate", "--out", "x", "--novelty.threshold", "x"], "--novelty.threshold: is 'x', must be a number; --h"),
        (["repair", "x", "--to_round", "1.5"], "--to_round: is '1.5', must be a whole number; --help"),
        (["export", "x", "--out", "y", "--seed", str(2**64)], "--seed: is 18446744073709551616, must be at least -9"),
    ],
)
def test_a_command_says_it_in_one_line(command: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"selfinstruct {command[0]}: {said}")


def test_a_zero_with_a_sign_is_zero() -> None:
    without, signed = (facts_of(RunSettings(novelty=NoveltySettings(threshold=value))) for value in (0.0, -0.0))
    assert fingerprint_of(without) == fingerprint_of(signed)
