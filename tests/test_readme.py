"""What README and the documents say is done, done. Blocks of commands marked with `<!-- run -->` run as they stand."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from selfinstruct.records import Table
from tests.tools.runs import make_run

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
START = (ROOT / "docs/index.md").read_text(encoding="utf-8")
MARKED = {
    str(path.relative_to(ROOT)): re.findall(r"<!-- run -->\n```sh\n(.*?)```", path.read_text("utf-8"), re.DOTALL)
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
}


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


@pytest.mark.parametrize("document", [name for name, blocks in MARKED.items() if blocks])
def test_marked_commands_run_as_they_stand(document: str, tmp_path: Path) -> None:
    make_run(tmp_path / "runs/demo", target=60)
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv/bin").symlink_to(Path(sys.executable).parent)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "RAY_USAGE_STATS_ENABLED": "0"}
    environment.pop("RAY_AUTH_MODE")  # as a user's shell has it
    script = "set -eu\n" + "".join(MARKED[document])
    done = subprocess.run(["sh", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
