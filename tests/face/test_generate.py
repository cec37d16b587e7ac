"""A run in one process, by the command and from Python: the files of a run on replicas, whoever carries it on."""

from __future__ import annotations

import gc
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
import ray

import selfinstruct as si
from cluster.settings import GenerateSettings
from jobs.main import main
from selfinstruct.records import Table
from selfinstruct.run.inputs import read_inputs
from selfinstruct.storage.checks import check_sets
from selfinstruct.storage.store import RunStore
from selfinstruct.storage.verify import digest, verify

ROOT = Path(__file__).parents[2]
OPTIONS: dict[str, Any] = {"engine": "template", "seed": 5, "rounds": {"least": 4, "most": 8}}
COMMAND = ["generate", "--engine", "template", "--seed", "5", "--rounds.least", "4", "--rounds.most", "8"]


def digest_of(folder: Path) -> str:
    store = RunStore(str(folder))
    assert verify(store) == []
    return digest(store)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The digest of a run of 60 in one process that nobody disturbed."""
    folder = tmp_path_factory.mktemp("run") / "whole"
    assert main([*COMMAND, "--out", str(folder), "--target", "60", "--replicas", "0"]) == 0
    return digest_of(folder)


def test_a_run_that_is_begun_without_ray_is_carried_on_by_replicas(tmp_path: Path, expected: str) -> None:
    assert main([*COMMAND, "--out", str(tmp_path), "--target", "20", "--replicas", "0"]) == 0
    si.generate(tmp_path, target=60, replicas=2, shards=2, **OPTIONS)
    assert not ray.is_initialized()
    assert digest_of(tmp_path) == expected


def test_without_replicas_ray_is_not_even_loaded(tmp_path: Path) -> None:
    program = f"""
import sys
from jobs.main import main
import selfinstruct as si

class Silent:
    identity = {{"version": "1"}}

    def __init__(self):
        self.held = []

    def add(self, requests):
        self.held += requests

    def step(self):
        held, self.held = self.held, []
        return [si.Completion(each.id, "", si.Finish.STOP, 1, 0) for each in held]

assert main({[*COMMAND, "--out", str(tmp_path / "run"), "--target", "10", "--replicas", "0"]!r}) == 0
try:
    si.generate({str(tmp_path / "silent")!r}, engine=Silent(), target=10, rounds={{"least": 1, "most": 1}})
except si.YieldError as error:
    assert "the last 5 rounds accepted nothing; 0 instructions are there" in str(error)
else:
    raise AssertionError("it found something")
assert not {{"ray", "torch"}} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "in this process" in done.stderr
    [line] = [line for line in done.stderr.splitlines() if line.startswith("accepted ")]
    assert "tokens/s" in line
    assert "replicas" not in line


def test_killed_again_and_again_it_ends_with_the_same_files(tmp_path: Path, expected: str) -> None:
    draw, kills = random.Random(4), 0
    command = [sys.executable, "-m", "jobs.main", *COMMAND, "--out", str(tmp_path), "--target", "60", "--replicas", "0"]
    command += ["--template.latency", "0.1", "--template.batch", "8"]
    while True:
        before = files(tmp_path)
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while kills < 4 and process.poll() is None and files(tmp_path) == before:
            time.sleep(0.02)
        if kills < 4 and process.poll() is None:
            time.sleep(draw.uniform(0, 0.5))
            process.send_signal(signal.SIGKILL)
        if process.wait(timeout=900) == 0:
            break
        assert process.returncode == -signal.SIGKILL
        kills += 1
    assert kills >= 3
    assert digest_of(tmp_path) == expected


def files(folder: Path) -> int:
    return sum(len(list((folder / table).glob("*.parquet"))) for table in Table)


def test_from_python_it_is_the_run_of_the_command(
    tmp_path: Path, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    collections = gc.get_threshold()
    run = si.generate(tmp_path, target=20, replicas=0, **OPTIONS)
    assert capsys.readouterr().out == ""
    assert gc.get_threshold() == collections  # a run has its own; the program that called has its again
    run = si.generate(tmp_path, target=60, replicas=0, progress=True, **OPTIONS)
    assert capsys.readouterr().err.startswith("accepted ")
    assert (run.url, digest_of(tmp_path)) == (str(tmp_path), expected)
    with pytest.raises(si.FingerprintError, match=r"novelty\.threshold: the run has 0\.7, this command 0\.6"):
        si.generate(tmp_path, target=60, replicas=0, novelty={"threshold": 0.6}, **OPTIONS)


def test_a_budget_ends_it_early(tmp_path: Path, expected: str) -> None:
    run = si.generate(tmp_path, target=60, replicas=0, budget={"hours": 0.0}, **OPTIONS)
    assert 0 < RunStore(run.url).totals()[Table.CANDIDATES]["accepted"] < 60
    si.generate(tmp_path, target=60, replicas=0, budget={"cost": 9.0, "price": 1.0}, **OPTIONS)
    assert digest_of(tmp_path) == expected


def test_what_is_given_wrongly_begins_nothing(tmp_path: Path) -> None:
    out = tmp_path / "run"
    with pytest.raises(si.InputError) as caught:
        si.generate(out, tagret=5, rounds={"lag": "two"}, replicas=-1)
    assert caught.value.problems == (
        "generate: 'tagret' is no option here; did you mean 'target'?",
        "generate: 'rounds.lag' takes one whole number, not the text 'two'",
        "generate: 'replicas' is -1, must be at least 0 and at most 10000",
    )
    with pytest.raises(si.InputError, match="there is no engine 'tepmlate'"):
        si.generate(out, engine="tepmlate")
    with pytest.raises(si.InputError, match="--recipe: there is no file 'papre'"):
        si.generate(out, recipe="papre")
    with pytest.raises(si.InputError, match="--out: is missing"):
        si.generate("")
    assert not out.exists()


def test_unwise_seeds_are_warned_of(tmp_path: Path) -> None:
    seeds = tmp_path / "seeds.jsonl"
    line = '{"instruction": "Name three birds.", "is_classification": false, "instances": [{"output": "Gull"}]}'
    seeds.write_text(f"{line}\n")
    with pytest.warns(UserWarning, match="1 seed task, fewer than the 8 demonstrations"):
        si.generate(tmp_path / "run", seeds=seeds, target=1, replicas=0, **OPTIONS)


# ---- a stranger's engine

WORDS = ("amber", "bridge", "candle", "desert", "forest", "garden", "harbour", "island", "jacket", "kettle", "lantern")


class Babble:
    identity: ClassVar = {"version": "1"}

    def __init__(self, prompts: si.PromptSet) -> None:
        self.prompts = prompts
        self.waiting: list[si.Request] = []

    def add(self, requests: Sequence[si.Request]) -> None:
        self.waiting += requests

    def step(self) -> list[si.Completion]:
        now, self.waiting = self.waiting[:8], self.waiting[8:]
        return [si.Completion(each.id, self.answer(each), si.Finish.STOP, 1, 1) for each in now]

    def answer(self, request: si.Request) -> str:
        assert self.prompts[request.kind].sampling.max_tokens > 0
        words = " ".join(random.Random(request.seed).choices(WORDS, k=6))
        known = {si.Kind.PROPOSE: f" Say something about {words}.\n", si.Kind.CLASSIFY: " No"}
        return known.get(request.kind, f"Output: {words}")


def make_babble() -> Babble:
    return Babble(si.load_prompts("base"))


def test_an_engine_of_a_strangers_own(tmp_path: Path) -> None:
    options: dict[str, Any] = {"seed": 3, "rounds": {"least": 4, "most": 8}}
    whole = si.generate(tmp_path / "whole", engine=make_babble(), target=40, **options)
    assert all(task.instruction.startswith("Say something about") for task in whole.sample(5))
    si.generate(tmp_path / "parts", engine=make_babble(), target=10, **options)
    si.generate(tmp_path / "parts", engine=make_babble(), target=40, in_flight=3, **options)
    assert digest_of(tmp_path / "parts") == digest_of(tmp_path / "whole")
    other = make_babble()
    other.identity = {"version": "2"}
    with pytest.raises(si.FingerprintError, match=r"proposer\.version: the run has '1', this command '2'"):
        si.generate(tmp_path / "parts", engine=other, target=50, **options)


class Elsewhere(Babble):
    """Writes in scripts without blanks."""

    LETTERS: ClassVar = ("请说一首关于河山人大小春天雪月花鸟风云", "กขคงจดตทนบปพมยรลวส")

    def answer(self, request: si.Request) -> str:
        draw = random.Random(request.seed)
        text = "".join(draw.choices(draw.choice(self.LETTERS), k=12)).replace("น", "น้ำ")
        return {si.Kind.PROPOSE: f" {text}\n", si.Kind.CLASSIFY: " No"}.get(request.kind, f"Output: {text}")


def test_a_run_in_scripts_without_blanks(tmp_path: Path) -> None:
    options: dict[str, Any] = {"rounds": {"least": 4, "most": 8}, "novelty": {"tokeniser": "unicode"}}
    engine = Elsewhere(si.load_prompts("base"))
    run = si.generate(tmp_path / "whole", engine=engine, target=30, **options)
    totals = RunStore(run.url).totals()
    assert totals[Table.CANDIDATES]["accepted"] >= 30
    assert totals[Table.INSTANCES]["instances.accepted"] >= 30
    assert not any(key.startswith(("rejected.too_", "rejected.starts")) for key in totals[Table.CANDIDATES])
    assert all(not task.instruction.isascii() for task in run.sample(5))
    si.generate(tmp_path / "parts", engine=engine, target=10, **options)
    si.generate(tmp_path / "parts", engine=engine, target=30, **options)
    assert digest_of(tmp_path / "parts") == digest_of(tmp_path / "whole")
    with pytest.raises(si.YieldError):
        si.generate(tmp_path / "default", engine=engine, target=30)


def test_by_its_name_it_is_the_same_engine() -> None:
    settings = GenerateSettings(out="run", engine=f"{__name__}:Babble")
    assert read_inputs(settings).facts == read_inputs(GenerateSettings(out="run"), make_babble()).facts


def test_another_engine_may_label(tmp_path: Path) -> None:
    run = si.generate(tmp_path, engine=make_babble(), target=10, prompts="tiny", label={"engine": "template"})
    facts = RunStore(run.url).metadata(Table.CANDIDATES, 0).notes["facts"]
    assert (facts["proposer.version"], facts["labeller.engine"]) == ("1", "template")
    assert run.accepted().num_rows > 0


def test_another_engine_may_judge(tmp_path: Path) -> None:
    judge = {"rubric": "base", "engine": "template"}
    run = si.generate(tmp_path, engine=make_babble(), target=10, prompts="tiny", check=judge)
    (checks,) = check_sets(RunStore(run.url))
    judged = [row.id for number in checks.rounds() for row in checks.read(number)]
    assert len(judged) == len(set(judged)) == run.accepted().num_rows > 0


@pytest.mark.parametrize(
    ("engine", "options", "problem"),
    [
        (make_babble(), {"replicas": 2}, "with replicas=0"),
        (object(), {}, "engine: builtins:object: has no add and no step"),
        (Babble, {}, "is a class; give an object of it"),
        (make_babble(), {"check": {"rubric": "base"}}, "check.rubric: an engine that is open was not told"),
    ],
)
def test_what_is_no_open_engine(tmp_path: Path, engine: Any, options: dict[str, Any], problem: str) -> None:
    with pytest.raises(si.InputError, match=problem):
        si.generate(tmp_path / "run", engine=engine, **options)
    assert not (tmp_path / "run").exists()


def test_an_engine_that_answers_nonsense_is_named(tmp_path: Path) -> None:
    engine = make_babble()
    engine.step = lambda: ["text"]  # type: ignore[method-assign, list-item, return-value]
    with pytest.raises(si.InputError, match=r"Babble: step\(\) must return completions, not 'text'"):
        si.generate(tmp_path, engine=engine, target=10)
