"""What options say of themselves: bounds, and what stands for one that a run was begun without."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from cluster.settings import GenerateSettings
from jobs.command_line import run
from jobs.commands import Command, Outcome
from selfinstruct.novelty.index import NoveltySettings
from selfinstruct.run.budget import BudgetSettings
from selfinstruct.run.settings import RoundSettings, RunSettings
from selfinstruct.settings import facts_before, facts_of, group, option, problems_of, with_facts
from selfinstruct.sources.options import kinds_of
from selfinstruct.steps.screen import ScreenSettings


@dataclass(frozen=True)
class Inner:
    share: float = option(0.5, least=0, below=1)
    sizes: tuple[int, ...] = option((1, 2), above=0)
    shortest: int = 1
    longest: int = 5

    def problems(self) -> Iterator[str]:
        if self.longest < self.shortest:
            yield f"longest: is {self.longest}, must be at least --inner.shortest"


@dataclass(frozen=True)
class Outer:
    number: int = option(3, least=1, most=9)
    price: float | None = option(None, least=0, alters_data=False)
    free: float = 1.0
    flag: bool = option(True, least=5)
    inner: Inner = group(Inner)
    later: str = option("new", before="old")
    many: tuple[str, ...] = option(("a",), before=())


@pytest.mark.parametrize(
    ("settings", "problems"),
    [
        (Outer(), []),
        (Outer(number=1), []),
        (Outer(number=9), []),
        (Outer(number=0), ["--number: is 0, must be at least 1 and at most 9"]),
        (Outer(number=10), ["--number: is 10, must be at least 1 and at most 9"]),
        (Outer(price=-0.5), ["--price: is -0.5, must be at least 0"]),
        (Outer(price=math.nan), ["--price: is nan, must be a finite number"]),
        (Outer(free=-math.inf), ["--free: is -inf, must be a finite number"]),
        (Outer(inner=Inner(share=1.0)), ["--inner.share: is 1.0, must be at least 0 and below 1"]),
        (Outer(inner=Inner(sizes=(4, 0))), ["--inner.sizes: is 0, must be above 0"]),
        (Outer(inner=Inner(longest=0)), ["--inner.longest: is 0, must be at least --inner.shortest"]),
    ],
)
def test_what_is_out_of_bounds_is_named_with_its_bounds(settings: Outer, problems: list[str]) -> None:
    assert problems_of(settings) == problems


def numbers(settings: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The dotted keys of all options that hold a number, and how to change one."""
    for field in fields(settings):
        value, key = getattr(settings, field.name), f"{prefix}{field.name}"
        if is_dataclass(value):
            for inner, change in numbers(value, f"{key}."):
                yield inner, lambda number, name=field.name, change=change: replace(settings, **{name: change(number)})
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield key, lambda number, name=field.name: replace(settings, **{name: number})


def test_every_number_of_generate_must_be_finite() -> None:
    settings = GenerateSettings(out="runs/a")
    assert problems_of(settings) == []
    keys = dict(numbers(settings))
    assert {"seed", "rounds.max_failed", "novelty.threshold", "template.latency", "timeouts.load"} <= set(keys)
    for key, change in keys.items():
        for number in (math.nan, math.inf, -math.inf):
            assert f"--{key}: is {number}, must be a finite number" in problems_of(change(number))


def test_options_of_generate_that_depend_on_each_other() -> None:
    settings = GenerateSettings(
        out="",
        budget=BudgetSettings(cost=5),
        rounds=RoundSettings(least=9, most=8),
        screen=ScreenSettings(shortest=5, longest=4),
        novelty=NoveltySettings(bands=100, rows=100),
    )
    problems = problems_of(settings)
    for said in (
        "--out: is missing",
        "--budget.cost: needs --budget.price",
        "--rounds.most: is 8, must be at least --rounds.least, 9",
        "--screen.longest: is 4, must be at least --screen.shortest, 5",
        "--novelty.bands: 100 of 100 --novelty.rows each",
    ):
        assert [said in problem for problem in problems].count(True) == 1, said
    assert len(problems) == 5


def test_an_option_that_came_later_has_its_old_value_in_runs_begun_before() -> None:
    assert facts_before(Outer()) == {"later": "old", "many": []}
    assert with_facts(Outer(), {"number": 4}) == Outer(number=4, later="old", many=())
    assert with_facts(Outer(), facts_of(Outer(later="third"))) == Outer(later="third")
    assert with_facts(RunSettings(), facts_of(RunSettings(seed=3))) == RunSettings(seed=3)


@dataclass(frozen=True)
class Named:
    as_: str = option("one", before="none")
    held: int = option(1, least=1, on_command_line=False)


@dataclass(frozen=True)
class Naming:
    inner: Named = group(Named)


def test_an_option_may_be_called_by_a_word_of_python() -> None:
    settings = Naming(Named(as_="two"))
    assert facts_of(settings) == {"inner.as": "two", "inner.held": 1}
    assert facts_before(settings) == {"inner.as": "none"}
    assert with_facts(Naming(), facts_of(settings)) == settings
    assert set(kinds_of(Naming)) == {"inner.as", "inner.held"}


def test_a_command_takes_it_and_leaves_out_what_stands_in_files_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found: list[Naming] = []

    def parse(*arguments: str) -> int:
        return run(Command("name", Naming), lambda settings: found.append(settings) or Outcome({}), arguments)

    (tmp_path / "held.yaml").write_text("inner: {held: 4}\n")
    assert parse("--inner.as", "two", "--config", str(tmp_path / "held.yaml")) == 0
    assert found == [Naming(Named("two", 4))]
    assert [type(found[0]), type(found[0].inner)] == [Naming, Named]
    for argument in ("--inner.held", "--inner.held=4"):
        assert parse(argument, "4") == 2
        assert "is no option here; it stands in a recipe or a --config file" in capsys.readouterr().err
    assert parse("--config", str(tmp_path / "held.yaml"), "--inner.as_", "two") == 2
