"""Runs whose requests are made in other ways than the paper's: what their tables hold, and that they are repeatable."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import selfinstruct
from selfinstruct.errors import InputError
from selfinstruct.records import Table
from selfinstruct.sources.slots import read_slots
from selfinstruct.storage.store import RunStore

ROUNDS = {"least": 8, "most": 12, "max_failed": 1.0}


def make(folder: Path, target: int = 60, **options: Any) -> RunStore:
    """A run of the template engine in this process."""
    given = {"engine": "template", "target": target, "replicas": 0, "rounds": ROUNDS, "prompts": "chat"} | options
    selfinstruct.generate(str(folder), **given)
    return RunStore(str(folder))


def proposals(store: RunStore) -> list[Any]:
    return [row for number in store.rounds(Table.PROPOSALS) for row in store.read(Table.PROPOSALS, number).rows]


def contents(store: RunStore) -> dict[tuple[Table, int], str]:
    return {(table, number): store.metadata(table, number).content for table in Table for number in store.rounds(table)}


# ---- slots


def test_values_of_slots_are_drawn_and_named(tmp_path: Path) -> None:
    slots = {"topic": "builtin", "task_type": "builtin"}
    store = make(tmp_path / "run", prompts="topics", slots=slots)
    known = {name: set(read_slots([f"{name}=builtin"])[name].names) for name in slots}
    rows = proposals(store)
    for row in rows:
        topic, task_type = row.sources
        assert topic.removeprefix("topic:") in known["topic"]
        assert task_type.removeprefix("task_type:") in known["task_type"]
        assert row.strategy == "paper"
    assert len({row.sources for row in rows}) > len(rows) // 2


def test_a_run_goes_on_with_the_same_values_wherever_they_lie(tmp_path: Path) -> None:
    for name, text in (("a", "wood\nstone\n"), ("b", "wood\nstone\n"), ("c", "wood\n")):
        (tmp_path / f"{name}.txt").write_text(text)

    def go_on(folder: str, name: str, target: int) -> RunStore:
        slots = {"topic": str(tmp_path / f"{name}.txt"), "task_type": "builtin"}
        return make(tmp_path / folder, target, prompts="topics", slots=slots)

    whole = contents(go_on("whole", "a", 120))
    go_on("parts", "a", 30)
    assert contents(go_on("parts", "a", 120)) == whole
    with pytest.raises(InputError, match=r"slots\.topic: the run has"):
        go_on("parts", "c", 200)


def test_a_slot_without_values_is_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"topics/propose\.toml: holds the slot {topic}"):
        make(tmp_path / "run", prompts="topics", slots={"task_type": "builtin"})
    assert not (tmp_path / "run").exists()


# ---- demonstrations


def test_demonstrations_may_be_generated_ones_alone(tmp_path: Path) -> None:
    rows = proposals(make(tmp_path / "run", 200, propose={"seeds": 0, "generated": 8}))
    first = [row for row in rows if row.round == 1]
    assert all(len(row.demonstrations) == 8 for row in rows)
    assert all(id.startswith("seed/") for row in first for id in row.demonstrations)
    assert not any(id.startswith("seed/") for id in rows[-1].demonstrations)


def test_a_prompt_shows_one_demonstration_at_least(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a prompt shows one demonstration at least"):
        make(tmp_path / "run", propose={"seeds": 0, "generated": 0})
