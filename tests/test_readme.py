"""What README and docs/index.md say is done, done."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from selfinstruct.records import Table
from tests.tools.runs import make_run

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
START = (ROOT / "docs/index.md").read_text(encoding="utf-8")


def test_snippets_that_read_a_run_give_what_the_report_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    store = make_run(tmp_path / "runs/demo", target=60)
    counted = store.totals()[Table.INSTANCES]["instances.accepted"]
    snippets = [code for code in re.findall(r"```python\n(.*?)```", START, re.DOTALL) if "runs/demo/instances" in code]
    assert len(snippets) == 2
    for snippet in snippets:
        names: dict[str, Any] = {}
        exec(snippet, names)
        assert len(names["instances"]) == counted
        assert set(names["instances"].to_pandas()["origin"]) == {"model"}


def test_the_first_lines_of_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (snippet,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    exec(snippet, {})
    assert capsys.readouterr().out.count(" -> ") >= 3


def test_readme_is_a_door() -> None:
    assert len(README.splitlines()) <= 150
