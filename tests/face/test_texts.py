"""`dedup` and `read_seeds` from Python: what the commands say."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import selfinstruct as si
from jobs.main import main
from selfinstruct.sources.seeds import SEED_TASKS
from tests.tools.texts import reworded_seeds

TEXTS = [*reworded_seeds(120, seed=3), "Sing.", "Draw a map of the town."]
COLUMNS = ["text", "accepted", "reason", "nearest_id", "rouge_l"]


@pytest.mark.parametrize(
    ("options", "given"),
    [
        ({}, []),
        ({"seeds": None, "screen": False}, ["--seeds", "none", "--no_screen"]),
        (
            {"novelty": {"index": "prefix", "threshold": 0.5}, "limits": {"shortest": 6, "banned": ["a"]}},
            [
                "--novelty.index",
                "prefix",
                "--novelty.threshold",
                "0.5",
                "--limits.shortest",
                "6",
                "--limits.banned",
                "a",
            ],
        ),
    ],
)
def test_the_verdicts_are_those_of_the_command(tmp_path: Path, options: dict[str, object], given: list[str]) -> None:
    path = tmp_path / "set.jsonl"
    path.write_text("\n".join(json.dumps({"instruction": text}) for text in TEXTS))
    assert main(["dedup", str(path), "--out", str(tmp_path / "out"), *given]) == 0
    rows = pq.read_table(tmp_path / "out/verdicts.parquet").to_pylist()
    verdicts = si.dedup(TEXTS, [row["id"] for row in rows], **options)  # type: ignore[arg-type]
    assert [{name: getattr(verdict, name) for name in ["id", *COLUMNS]} for verdict in verdicts] == rows
    assert all((verdict.nearest is None) is (verdict.nearest_id is None) for verdict in verdicts)


def test_seeds_of_ones_own_count(tmp_path: Path) -> None:
    path = tmp_path / "seeds.jsonl"
    seed = {"id": "s1", "instruction": "Name three birds of the sea.", "is_classification": False}
    path.write_text(json.dumps(seed | {"instances": [{"input": "", "output": "Gull, tern, puffin."}]}))
    [verdict] = si.dedup(["Name three birds of the sea now."], seeds=path)
    assert (verdict.reason, verdict.nearest_id, verdict.nearest) == (
        si.Reason.SIMILAR,
        "seed/s1",
        "Name three birds of the sea.",
    )
    assert [seed.id for seed in si.read_seeds(path)] == ["s1"]
    assert len(si.read_seeds(SEED_TASKS)) == 200


def test_what_is_given_wrongly_is_said_in_the_words_of_the_command(tmp_path: Path) -> None:
    with pytest.raises(si.InputError) as caught:
        si.dedup(TEXTS, novelty={"treshold": 0.5}, limits={"shortest": "four"}, shards=-1, screen=object())
    assert caught.value.problems == ("dedup: 'screen' cannot be of type object",)
    with pytest.raises(si.InputError) as caught:
        si.dedup(TEXTS, novelty={"treshold": 0.5}, limits={"shortest": "four"}, shards=-1)
    assert caught.value.problems == (
        "dedup: 'novelty.treshold' is no option here; did you mean 'novelty.threshold'?",
        "dedup: 'limits.shortest' takes one whole number, not the text 'four'",
        "dedup: 'shards' is -1, must be at least 0 and at most 10000",
    )
    with pytest.raises(si.InputError, match=r"--limits\.longest: is 3, must be at least"):
        si.dedup(TEXTS, limits={"longest": 3})
    with pytest.raises(si.InputError, match="cannot be read"):
        si.dedup(TEXTS, seeds=tmp_path / "none.jsonl")
    with pytest.raises(TypeError, match="give a list of texts"):
        si.dedup("Name a bird.")
