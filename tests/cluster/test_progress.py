"""What a live run tells `selfinstruct status` about its replicas and its cost, on a real Ray and moto's S3 server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cluster.watch import progress
from cluster.watch.progress import FILE, lines, read_progress
from jobs.status import main
from selfinstruct.errors import FailureError
from selfinstruct.records import (
    By,
    Candidate,
    CheckRow,
    Completion,
    Finish,
    InstanceRow,
    Judgement,
    Origin,
    Reason,
    RoundFile,
    Table,
)
from selfinstruct.run.spending import Spending
from selfinstruct.storage.store import RunStore
from selfinstruct.storage.verify import verify

ROOT = Path(__file__).parents[2]


def accepted(count: int) -> RoundFile:
    rows = tuple(
        Candidate(
            f"000001/00000/{n:02d}", 1, "000001/00000", n, Origin.MODEL, "Text", reason is None, reason, None, None
        )
        for n, reason in enumerate([None] * count + [Reason.SIMILAR])
    )
    return RoundFile(Table.CANDIDATES, 1, rows)


def test_money_and_seconds_for_each_accepted_instruction() -> None:
    """Four GPU replicas for an hour, at 1.50 an hour each; then the same without a GPU, a price, or a row."""
    spending = Spending(lambda: 4 * 3600, 2, 1.5)
    assert spending.text() == "spent 6.00, nothing accepted yet"
    spending.committed(accepted(8))
    assert spending.text() == "spent 6.00: 0.75 and 3600.00 GPU-seconds per accepted instruction"
    cheap = Spending(lambda: 36.0, 0, 0.5)
    cheap.committed(accepted(8))
    assert cheap.text() == "spent 0.01: 0.000625 and 4.50 replica-seconds per accepted instruction"
    assert Spending(lambda: 36.0, 1, None).text() == ""


def test_tokens_and_money_for_each_row_that_the_judge_passes() -> None:
    """Ten accepted rows, of which four were judged, half of them right: about five of the ten."""
    for price, money in ((1.5, ", in money 0.3"), (None, "")):
        spending = Spending(lambda: 3600, 0, price)
        spending.completed(Completion("000001/00000", "text", Finish.STOP, 150, 50))
        spending.committed(RoundFile(Table.INSTANCES, 1, tuple(map(instance, range(10)))))
        assert "judge" not in spending.text()
        spending.judged(1, [verdict(n, Judgement.NO) for n in range(2)])
        assert spending.text().endswith("the judge says: 0% of 2 rows right in all")
        spending.judged(2, [verdict(n, Judgement.YES) for n in range(2, 4)])
        told = "the judge says: 50% of 4 rows right in all; an accepted row took 20 tokens, one of these 40"
        assert spending.text().endswith(told + money)


def instance(n: int) -> InstanceRow:
    id = f"000001/00000/{n:02d}"
    return InstanceRow(f"{id}/0", 1, id, "Text", False, "", "text", True, None, Origin.MODEL)


def verdict(n: int, said: Judgement) -> CheckRow:
    return CheckRow(f"000001/00000/{n:02d}/0", 1, (Judgement.YES, said), By.MODEL, "", Finish.STOP, 5, 5, None)


def test_a_live_run_says_what_its_replicas_are_at(
    bucket: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [
        sys.executable,
        "-m",
        "jobs.generate",
        "--out",
        bucket,
        "--engine",
        "template",
        "--template.latency",
        "0.2",
    ]
    command += ["--replicas", "2", "--shards", "1", "--budget.price", "3600", "--target", "100000"]
    environment = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "PYTHONPATH": str(ROOT)}
    driver = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    store = RunStore(bucket)
    live = None
    try:
        end = time.monotonic() + 900
        while time.monotonic() < end and not (live and live["spent"]["accepted"] and live["spent"]["money"] > 0):
            time.sleep(0.5)
            live = read_progress(store.blobs)
        assert live is not None
        assert main([bucket]) == 0
        shown = capsys.readouterr().out
        assert "of 100,000 accepted" in shown
        assert "tokens/s" in shown
        assert "2 ready" in shown
        assert "replica-seconds per accepted instruction" in shown
        assert main([bucket, "--json"]) == 0
        assert [each["step"] for each in json.loads(capsys.readouterr().out)["figures"]["live"]["replicas"]] == [
            "ready"
        ] * 2
        driver.terminate()
        assert driver.wait(timeout=300) == 128 + signal.SIGTERM
    finally:
        driver.kill()
        driver.wait()
    heads = {age: lines({**live, "age": age})[0] for age in (3.0, 30.0, 300.0)}
    assert heads[3.0].startswith("at work, 3 s ago: ")
    assert heads[30.0] == "not heard of for 30 s, perhaps killed, or unable to write"
    assert heads[300.0] == "not heard of for 5 min, killed or unable to write"
    assert read_progress(store.blobs) is None
    store.blobs.replace(FILE, json.dumps({**live, "written": time.time() - 300}).encode())  # as a kill would leave it
    monkeypatch.setattr(progress, "STALE", 2.0)
    assert main([bucket, "--follow"]) == FailureError.exit_code
    assert "not heard of" in capsys.readouterr().out
    store.blobs.remove(FILE)
    assert main([bucket]) == 0
    assert "at work" not in capsys.readouterr().out
    assert verify(store) == []


def test_a_long_step_of_an_engine_does_not_look_like_a_death(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is told for a while; that the process lives is."""
    monkeypatch.setattr(progress, "EVERY", 0.1)
    store = RunStore(str(tmp_path))
    told = progress.Progress(store, 100)
    seen: set[float] = set()
    end = time.monotonic() + 60
    while time.monotonic() < end and len(seen) < 4:
        if live := read_progress(store.blobs):
            seen.add(live["written"])
        time.sleep(0.05)
    assert len(seen) == 4
    assert (live or {})["target"] == 100
    told.close()
    assert read_progress(store.blobs) is None
