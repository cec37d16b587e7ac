"""The benches run, and what they write holds."""

from __future__ import annotations

import json
import math
import random
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.bench.bed import geometric
from jobs.bench.estimate import JUDGES, Held, table
from jobs.bench.overhead import HEAD, Figures, row
from jobs.main import main
from selfinstruct.engines.wide import WideTasks, expected_acceptance, vocabulary
from selfinstruct.novelty.check import admit
from selfinstruct.novelty.index import NoveltySettings
from selfinstruct.records import Table
from selfinstruct.storage.store import RunStore
from selfinstruct.storage.verify import verify
from tests.tools.runs import make_run


class Counting:
    """Draws that a test can repeat."""

    def __init__(self, seed: int) -> None:
        import random

        self._random = random.Random(seed)

    def below(self, n: int) -> int:
        return self._random.randrange(n)

    def fraction(self) -> float:
        return self._random.random()


def test_wide_tasks_look_like_real_ones() -> None:
    """16 words on average, at most 60; about a quarter comes back where a run has 50 thousand candidates (formula)."""
    tasks, draws = WideTasks(30_000, 4.0), Counting(0)
    texts = [tasks.instruction(draws) for _ in range(3000)]
    lengths = [len(text.split()) for text in texts]
    assert 14 < sum(lengths) / len(lengths) < 18
    assert max(lengths) <= 60
    assert len(set(vocabulary(30_000))) == 30_000
    new = [new for new, _ in admit(NoveltySettings(), 0, texts, [None] * len(texts))]
    assert abs(sum(new[-1000:]) / 1000 - expected_acceptance(3000, 4.0)) < 0.12


def test_bench_scale_measures_a_run(tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert main(["bench", "scale", "--out", str(out), "--target", "400", "--most", "40"]) == 0
    figures = json.loads((out / "scale.json").read_text())
    assert figures["summary"]["accepted"] >= 400
    assert figures["summary"]["shards_mib"] > 0
    assert figures["machine"]["cores"] >= 1
    assert [each["round"] for each in figures["rounds"]] == list(range(len(figures["rounds"])))
    assert verify(RunStore(str(out))) == []


def test_bench_overhead_measures_busy_replicas(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--uneven", "2", "--replicas", "1", "--requests", "512", "--seconds", "3"]
    assert main(["bench", "overhead", "--out", str(tmp_path), *options]) == 0
    assert "| uneven | 2 |" in capsys.readouterr().out
    figures = json.loads((tmp_path / "overhead.json").read_text())
    for run in (figures["uneven"], *figures["scaling"]):
        assert 0 < run["least_busy"] <= run["busy"] <= 1
        assert run["of_ideal"] > 0
        assert run["batch_seconds"] > 0.05
        assert run["driver_ms_per_request"] > 0
        assert run["seconds"] >= 3


def test_bench_overhead_names_bad_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "overhead", "--uneven", "1", "--replicas", "0", "--seconds", "0"]) == 2
    complaint = capsys.readouterr().err
    assert "--uneven: is 1, must be 0 or at least 2" in complaint
    assert "--replicas: is 0, must be at least 1" in complaint
    assert "--seconds: is 0.0, must be above 0" in complaint


def test_bench_novelty_measures_every_method(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "figures"
    sizes = ["--sizes", "300", "700", "--candidates", "120", "--repeats", "2"]
    assert main(["bench", "novelty", "--out", str(out), *sizes]) == 0
    assert "prefix" in capsys.readouterr().out
    figures = json.loads((out / "novelty.json").read_text())
    assert [size["pool"] for size in figures["sizes"]] == [300, 700]
    for size in figures["sizes"]:
        methods = size["methods"]
        assert list(methods) == ["reference", "brute force", "minhash", "prefix"]
        assert all(method["candidates_per_second"] > 0 for method in methods.values())
        assert 20 < size["duplicates"] < 100
        assert methods["prefix"]["found"] == size["duplicates"]
        recall, low, high = methods["minhash"]["recall"]
        assert 0.85 < low <= recall <= high
        assert methods["minhash"]["false_duplicates"] == methods["prefix"]["false_duplicates"] == 0
        assert methods["minhash"]["shortlist_mean"] < methods["minhash"]["shortlist_p99"] < size["pool"]


def test_bench_novelty_goes_without_reference_and_plot(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("rouge_score", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, module, None)
    sizes = ["--sizes", "250", "--candidates", "20", "--repeats", "2"]
    assert main(["bench", "novelty", "--out", str(tmp_path), *sizes]) == 0
    shown = capsys.readouterr().out
    assert "pip install rouge-score" in shown
    assert "pip install 'selfinstruct[evaluate]'" in shown
    figures = json.loads((tmp_path / "novelty.json").read_text())
    assert "reference" not in figures["sizes"][0]["methods"]
    assert [path.name for path in tmp_path.iterdir()] == ["novelty.json"]


def test_bench_novelty_names_bad_sizes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "novelty", "--sizes", "300", "200", "--candidates", "3"]) == 2
    complaint = capsys.readouterr().err
    assert "--sizes: are 300, 200; name some, in ascending order" in complaint
    assert "--repeats: is 5, must be at most --candidates, 3" in complaint


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Threads that wait for each other cost a small model far more than they give."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_bench_semantic_measures_both_ways_to_search(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("selfinstruct.semantic.index.EXACT", 300)
    options = ["--sizes", "200", "900", "--candidates", "40"]
    assert main(["bench", "semantic", "--out", str(tmp_path), *options]) == 0
    small, large = json.loads((tmp_path / "semantic.json").read_text())["sizes"]
    assert (small["pool"], small["whole"], large["pool"], large["whole"]) == (200, True, 900, False)
    assert small["found"] == small["near"]
    assert large["bytes_per_text"] >= 258
    assert "900 texts, 16 cells" in capsys.readouterr().out


@pytest.mark.usefixtures("one_thread")
def test_bench_engine_measures_both_ways(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    few = ["--size", "1m", "--plain", "2", "--plain_batch", "2", "--times", "2", "--proposals", "2", "--accepted", "2"]
    short = ["--propose_mean", "8", "--instantiate_mean", "5", "--device", "cpu", "--repeats", "3"]
    assert main(["bench", "engine", "--out", str(tmp_path), *few, *short]) == 0
    shown = capsys.readouterr().out
    assert "whole round" in shown
    assert "a step of 64 rows of classify" in shown
    figures = json.loads((tmp_path / "engine.json").read_text())
    assert figures["model"]["attention"] == ["sdpa", "selfinstruct_shared_prefix"]
    assert figures["kinds"].keys() == {"propose", "classify", "input_first"}
    for kind in figures["kinds"].values():
        assert kind["plain"]["prompt_tokens"] > 2 * kind["prefix_tokens"]
        assert kind["steps"]["rows"] == 64
        assert kind["steps"]["seconds"] > 0
        assert kind["steps"]["least_seconds"] > 0
        for way, requests in (("plain", 2), ("engine", 4)):
            assert kind[way]["requests"] == requests
            assert kind[way]["seconds"] > 0
    for each in (*figures["kinds"].values(), figures["round"]):
        assert len(each["times_each"]) == 3
        assert each["times_as_fast"] == sorted(each["times_each"])[1]
    assert figures["kinds"]["classify"]["engine"]["new_tokens"] == 4 * 3
    assert figures["round"]["engine"]["requests"] == 2 + 2 * 2 * 2


def test_imposed_lengths_are_geometric() -> None:
    lengths = geometric(60, 500, 350, random.Random(0))
    assert sum(lengths) / 500 == pytest.approx(60, rel=0.05)  # cutting takes a little off
    assert sum(length <= 60 * math.log(2) for length in lengths) / 500 == pytest.approx(0.5, abs=0.02)
    assert max(lengths) == 350
    assert min(lengths) == 1
    assert geometric(1, 3, 9, random.Random(0)) == [1, 1, 1]


def test_bench_engine_names_bad_settings(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "engine", "--size", "2m", "--plain", "0", "--propose_mean", "0.5"]) == 2
    complaint = capsys.readouterr().err
    assert "--size: there is no '2m'" in complaint
    assert "--plain: is 0, must be at least 1" in complaint
    assert "--propose_mean: is 0.5, must be at least 1" in complaint


def test_the_documents_has_the_figures_of_the_committed_engine_bench() -> None:
    root = Path(__file__).parents[2]
    document = (root / "docs/benchmarks.md").read_text(encoding="utf-8")
    figures = json.loads((root / "docs/bench/engine.json").read_text())
    for name, each in {**figures["kinds"], "whole round": figures["round"]}.items():
        plain, engine = each["plain"], each["engine"]
        single = "prefix_tokens" in each
        cells = (
            f"`{name}`" if single else name,
            f"{plain['prompt_tokens'] / plain['requests']:,.0f}" if single else "",
            f"{each['prefix_tokens']:,}" if single else "",
            f"{engine['new_tokens'] / engine['requests']:.0f}",
            *(f"{way['requests'] / way['seconds']:.2f}" for way in (plain, engine)),
            f"{each['times_as_fast']:.1f}",
        )
        assert "| " + " | ".join(cells) + " |" in document


def test_the_documents_has_the_figures_of_the_committed_bench() -> None:
    root = Path(__file__).parents[2]
    document = (root / "docs/benchmarks.md").read_text(encoding="utf-8")
    for size in json.loads((root / "docs/bench/novelty.json").read_text())["sizes"]:
        for name in ("minhash", "prefix"):
            method = size["methods"][name]
            cells = (
                f"{size['pool']:,}",
                f"`{name}`",
                f"{method['candidates_per_second']:,.0f}",
                f"{method['over_reference']:,.0f}",
                f"{method['over_brute_force']:.1f}",
                f"{method['insert_microseconds']:.0f}",
                f"{method['bytes_per_text']:,.0f}",
                f"{method['found']:,} of {size['duplicates']:,} ({method['recall'][1]:.4f})",
                f"{method['shortlist_mean']:,.0f}, {method['shortlist_p99']:,.0f}",
            )
            assert f"| {' | '.join(cells)} |" in document


def test_the_documents_has_the_overhead_of_the_committed_bench() -> None:
    root = Path(__file__).parents[2]
    figures = json.loads((root / "docs/bench/overhead.json").read_text())
    runs = [("uneven", figures["uneven"]), *(("even", each) for each in figures["scaling"])]
    lines = [*HEAD, *(row(name, Figures(**each)) for name, each in runs)]
    assert "\n".join(lines) in (root / "docs/benchmarks.md").read_text(encoding="utf-8")


def test_bench_estimate_measures_every_judge(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "estimate", "--out", str(tmp_path), "--samples", "200"]) == 0
    lines = [Held(**each) for each in json.loads((tmp_path / "estimate.json").read_text())["lines"]]
    assert {each.judge for each in lines} == set(JUDGES)
    assert capsys.readouterr().out == "\n".join(table(lines)) + "\n"


def test_bench_rules_counts_what_each_rule_finds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = make_run(tmp_path / "run", target=20)
    circle = "She went to the market, and bought a basket of ripe plums. " * 4
    rows = [
        {"instruction": "I am going home. It is late.", "input": "", "output": "Good night."},
        {"instruction": "Tell me a story.", "input": "", "output": circle},
        {"instruction": "Build a car that can drive itself.", "output": "Build a car that can drive itself."},
    ]
    (tmp_path / "own.json").write_text(json.dumps(rows))
    sets = [str(tmp_path / "own.json"), store.blobs.url]
    assert main(["bench", "rules", *sets, "--out", str(tmp_path), "--show", "1"]) == 0
    told = capsys.readouterr().out
    lines = json.loads((tmp_path / "rules.json").read_text())["lines"]
    assert {each["name"] for each in lines} == {"the seeds", "own.json", "run"}
    hits = {(each["name"], each["rule"]): (each["instruction_hits"], each["instance_hits"]) for each in lines}
    assert {key: found for key, found in hits.items() if key[0] != "run" and any(found)} == {
        ("own.json", "echo"): (0, 1),
        ("own.json", "repetition"): (0, 1),
        ("own.json", "statement"): (1, 0),
    }
    run = next(each for each in lines if each["name"] == "run" and each["rule"] == "prompt")
    totals = store.totals()
    assert run["instructions"] == totals[Table.CANDIDATES]["accepted"]
    assert run["instances"] == totals[Table.INSTANCES]["instances.accepted"]
    assert f"statement, {sets[0]}: 'I am going home. It is late.'" in told
    assert main(["bench", "rules", str(tmp_path / "none")]) == 2


def test_the_documents_has_what_the_committed_bench_says_of_the_rules() -> None:
    root = Path(__file__).parents[2]
    lines = json.loads((root / "docs/bench/rules.json").read_text())["lines"]
    assert not any(each["instruction_hits"] or each["instance_hits"] for each in lines)
    rows = {each["name"]: each["instances"] for each in lines if each["rule"] == "echo"}
    by_people = {name: rows.pop(name) for name in ("the seeds", "seed_tasks.jsonl", "user_oriented_instructions.jsonl")}
    assert list(by_people.values()) == [293, 175, 252]
    document = " ".join((root / "docs/quality.md").read_text(encoding="utf-8").split())
    assert f"252 user tasks of the release, and {sum(rows.values()):,} rows of GPTeacher" in document
    on = [each for each in lines if each["rule"] != "statement"]
    for kind, text in (("instruction", "an instruction"), ("instance", "an instance")):
        sums = [
            sum(each[f"{kind}_microseconds"] or 0 for each in on if each["name"] == name)
            for name in (*by_people, *rows)
        ]
        low, high = re.search(rf"(\d+) to (\d+) µs {text}", document).groups()  # type: ignore[union-attr]
        assert (int(low), int(high)) == (round(min(sums)), round(max(sums)))


def test_the_documents_on_quality_has_the_figures_of_the_committed_bench() -> None:
    docs = Path(__file__).parents[2] / "docs"
    lines = json.loads((docs / "bench/estimate.json").read_text())["lines"]
    assert "\n".join(table([Held(**each) for each in lines])) in (docs / "quality.md").read_text(encoding="utf-8")


def test_a_scale_run_without_enough_different_tasks_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "run")
    assert main(["bench", "scale", "--out", out, "--target", "100000", "--diversity", "4"]) == 2
    assert "--diversity" in capsys.readouterr().err


def test_a_made_up_run_is_a_whole_run(tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert main(["bench", "scale", "--out", str(out), "--target", "2000", "--most", "100", "--store_only"]) == 0
    store = RunStore(str(out))
    assert verify(store) == []
    assert store.totals()[Table.CANDIDATES]["accepted"] >= 2000
    assert store.totals()[Table.INSTANCES]["instances.accepted"] >= 2000


def test_bench_yield_writes_what_it_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "yield", "--simulated", "--worlds", "1", "--candidates", "3000", "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    figures = json.loads((tmp_path / "yield-simulated.json").read_text())
    (world,) = figures["worlds"]
    for outcome in world["outcomes"]:
        assert f"{outcome['topics']:,.0f}" in printed
        assert 0 < outcome["usable"] <= outcome["topics"] <= world["tokens"]
        assert all(0 <= figure <= 1 for figure in (*outcome["lexical"], *outcome["semantic"], outcome["acceptance"]))
    assert len(figures["summary"]["holds"]) == 4
    assert all(goal in printed for goal in figures["summary"]["holds"])
    for shares, most in world["best"].values():
        assert sum(shares.values()) == pytest.approx(1)
        assert min(shares.values()) >= 0.05
        assert most > 0


def test_bench_yield_measures_in_made_up_worlds_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "yield"]) == 2
    assert "--simulated" in capsys.readouterr().err
