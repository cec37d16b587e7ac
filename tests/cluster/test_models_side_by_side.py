"""One cluster for several models at once: proposing, labelling, checking, polishing, each with its own replicas."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from selfinstruct.records import InstanceRow, Table
from selfinstruct.storage.checks import the_check
from selfinstruct.storage.store import RunStore
from selfinstruct.storage.verify import verify
from tests.tools.head import Head, ray_head


@pytest.fixture(scope="module")
def head() -> Iterator[Head]:
    with ray_head(cpus=6) as found:
        yield found


def start(head: Head, *command: str) -> subprocess.Popen[str]:
    full = [sys.executable, "-m", "jobs.main", *command, "--engine", "template", "--ray.address", head.address]
    return subprocess.Popen(
        full, env=dict(head.environment), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def finished(process: subprocess.Popen[str]) -> str:
    output = process.communicate(timeout=300)[0]
    assert process.returncode == 0, output
    return output


def test_four_models_work_on_one_cluster(head: Head, tmp_path: Path) -> None:
    run, other = str(tmp_path / "run"), str(tmp_path / "other")
    growing = [
        "generate",
        "--prompts",
        "chat",
        "--replicas",
        "1",
        "--shards",
        "1",
        "--seed",
        "3",
        "--rounds.least",
        "4",
    ]
    finished(start(head, *growing, "--out", run, "--target", "30", "--label.as", "answer", "--label.samples", "3"))
    # two pools of one command, beside them a pool of each of two more: none waits for another's replicas
    slow = ["--template.latency", "0.3", "--rounds.most", "4"]
    generating = start(head, *growing, *slow, "--out", other, "--target", "150", "--label.model", "another")
    try:
        checking = start(head, "check", run, "--replicas", "1")
        polishing = start(head, "polish", run, "--out", str(tmp_path / "new"), "--replicas", "1")
        for process in (checking, polishing):
            finished(process)
        while not list((tmp_path / "other" / "labels").glob("*.parquet")) and generating.poll() is None:
            time.sleep(0.1)
    finally:
        output = finished(generating)
    assert "2 of 2 replicas ready" in output
    for each in (run, other, str(tmp_path / "new")):
        assert verify(RunStore(each)) == []
    rows: list[InstanceRow] = [row for row in RunStore(run).read(Table.INSTANCES, 1).rows if row.accepted]
    assert {row.id for row in rows} == {row.id for row in the_check(RunStore(run)).read(1)}
    facts = RunStore(str(tmp_path / "new")).metadata(Table.CANDIDATES, 0).facts
    assert facts["polisher.engine"] == "template"
