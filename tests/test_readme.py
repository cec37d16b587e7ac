"""What README says is done with a run's files, done."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from selfinstruct.records import Table
from tests.tools.runs import make_run

README = (Path(__file__).parent.parent / "README.md").read_text()


def test_snippets_that_read_a_run_give_what_the_report_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    store = make_run(tmp_path / "runs/demo", target=60)
    counted = store.totals()[Table.INSTANCES]["instances.accepted"]
    snippets = [code for code in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "runs/demo/instances" in code]
    assert len(snippets) == 2
    for snippet in snippets:
        names: dict[str, Any] = {}
        exec(snippet, names)
        assert len(names["instances"]) == counted
        assert set(names["instances"].to_pandas()["origin"]) == {"model"}
