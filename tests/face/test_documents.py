"""The section "From Python" of docs/index.md, the examples, and the list of names."""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest

import selfinstruct as si
from tests.tools.head import start_ray
from tests.tools.texts import one_by_one, reworded_seeds

ROOT = Path(__file__).parents[2]
START = (ROOT / "docs/index.md").read_text(encoding="utf-8")


def blocks(text: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


def section(name: str) -> str:
    return START.partition(f"## {name}\n")[2].partition("\n## ")[0]


def test_what_the_readme_does_from_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(ROOT / "examples")
    names: dict[str, Any] = {}
    for block in blocks(section("From Python")):
        exec(compile(block, "index.md", "exec"), names)
    sys.modules.pop("my_engine")
    shown = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in shown[-3:-1]] == ["True", "False"]
    assert shown[-1].startswith("[NearestText(id='0'")
    assert len(names["frame"]) > 50
    assert names["run"].sample(1)[0].instruction.startswith("Say something about")
    assert (tmp_path / "report.html").is_file()
    assert (tmp_path / "tasks" / "README.md").is_file()


def test_every_name_is_listed_as_stable_or_open() -> None:
    rows = [line for line in (ROOT / "docs/python.md").read_text().splitlines() if line.startswith("| `")]
    listed = [name for row in rows for name in re.findall(r"`([A-Za-z_]\w*)[(`]", row.split(" | ")[0])]
    assert sorted(listed) == si.__all__
    assert all(re.match(r"(stable|open)\b", row.rstrip(" |").rpartition(" | ")[2]) for row in rows)


def test_the_example_for_ray_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq
    import ray

    texts = reworded_seeds(120, seed=6)
    (tmp_path / "runs/demo/instances").mkdir(parents=True)
    told = {"origin": ["model"] * 120, "accepted": [True] * 120}
    pq.write_table(pa.table({"instruction": texts} | told), tmp_path / "runs/demo/instances/000001.parquet")
    seeds = {"instruction": ["Given, and not to be read."] * 2, "origin": ["seed", "model"], "accepted": [True, False]}
    pq.write_table(pa.table(seeds), tmp_path / "runs/demo/instances/000000.parquet")
    monkeypatch.chdir(tmp_path)
    start_ray(num_cpus=2)
    try:
        runpy.run_path(str(ROOT / "examples/ray_data.py"), run_name="__main__")
    finally:
        ray.shutdown()
    expected = [text for text, (new, _) in zip(texts, one_by_one(texts), strict=True) if new]
    assert pq.read_table(tmp_path / "novel")["instruction"].to_pylist() == expected
