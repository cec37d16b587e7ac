"""A stranger's engine on a real Ray: the documents' own lines, the tables of one process, one line where it is bad."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import ray

from cluster.replicas import ReplicaPool, replicate
from cluster.settings import RaySettings
from selfinstruct.engines import EngineSettings, open_engine
from selfinstruct.errors import InputError
from selfinstruct.novelty.check import make_index
from selfinstruct.prompts import load_prompts
from selfinstruct.protocols import Engine
from selfinstruct.records import Kind, Request, Table
from selfinstruct.run.loop import Completer, SingleCompleter, drive
from selfinstruct.run.rounds import Run, Stage
from selfinstruct.run.settings import RoundSettings, RunSettings
from selfinstruct.settings import facts_of
from selfinstruct.sources.seeds import SEED_TASKS, load_seeds
from selfinstruct.storage.store import RunStore
from selfinstruct.storage.verify import digest, verify
from tests.tools.head import start_ray

ROOT = Path(__file__).parents[2]
SECTION = (ROOT / "docs/models.md").read_text().split("## Your own engine, your own filters")[1].split("\n## ")[0]
FILES = {name: (ROOT / "examples" / name).read_text() for name in ("my_engine.py", "my_filters.py")}
COMMANDS = re.findall(r"```sh\n(.*?)```", SECTION, re.DOTALL)
PROMPTS = load_prompts("base")

OTHERS = """
import os
from pathlib import Path
from my_engine import Babble
from selfinstruct.records import Completion

class Seen(Babble):
    '''Leaves a file for its process in the folder that is its model.'''

    def __init__(self, model, prompts):
        super().__init__(model, prompts)
        Path(model, str(os.getpid())).touch()

class Closed(Babble):
    def __init__(self, model, prompts):
        raise RuntimeError("no such device")

class Mistaken(Babble):
    def step(self):
        return [each.id for each in self.waiting]
"""


def environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}", "RAY_USAGE_STATS_ENABLED": "0"}


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The examples, and others, where this process and those that it starts look for modules."""
    folder = tmp_path_factory.mktemp("modules")
    for name, text in {**FILES, "others.py": OTHERS}.items():
        (folder / name).write_text(text)
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))
    for name in ("my_engine", "my_filters", "others"):
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def cluster(modules: Path) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment(modules).items():
            patch.setenv(name, value)
        start_ray(num_cpus=2)
        yield
        ray.shutdown()


def make_pool(engine: str, model: str = "") -> ReplicaPool:
    return replicate(EngineSettings(engine, model), PROMPTS, 2, 8, RaySettings(cpus=0.5))


def test_what_readme_says_works_as_it_stands(modules: Path, tmp_path: Path) -> None:
    assert re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL) == [*FILES.values()]
    (command,) = COMMANDS
    lines = command.replace("\\\n", " ").splitlines()
    assert [line.split()[0] for line in lines] == ["export", *[".venv/bin/selfinstruct"] * 2]
    for line in lines[1:]:
        words = [sys.executable, "-m", "jobs.main", *shlex.split(line)[1:]]
        done = subprocess.run(words, cwd=tmp_path, env=environment(modules), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert "plugin:two_lanterns: Say something about" in done.stdout
    store = RunStore(str(tmp_path / "runs/own"))
    assert not verify(store)
    facts = store.metadata(Table.CANDIDATES, 0).notes["facts"]
    identity = {"engine": "my_engine:Babble", "version": "1"}
    for stage in ("proposer", "labeller"):
        assert {key: fact for key, fact in facts.items() if key.startswith(stage)} == {
            f"{stage}.{key}": value for key, value in identity.items()
        }
    assert {*facts["plugins"]} == {"my_filters:two_lanterns", "my_filters:begins_with_amber"}
    totals = store.totals()
    assert totals[Table.CANDIDATES]["accepted"] >= 50
    assert totals[Table.CANDIDATES]["rejected.plugin:two_lanterns"]
    assert totals[Table.INSTANCES]["instances.rejected.plugin:begins_with_amber"]


def run_to_the_end(line: Completer, url: Path) -> RunStore:
    settings, store = RunSettings(target=60, rounds=RoundSettings(least=8, most=16)), RunStore(str(url))
    lines = [(line, (Stage.PROPOSE, Stage.LABEL))]
    run = Run(settings, PROMPTS, load_seeds(SEED_TASKS))
    drive(run, store, make_index(settings.novelty), lines, facts_of(settings))
    return store


def test_two_replicas_give_the_tables_that_one_process_gives(cluster: None, tmp_path: Path) -> None:
    (seen := tmp_path / "seen").mkdir()
    pool = make_pool("others:Seen", str(seen))
    while pool.alive < 2:
        pool.step()
    assert len(list(seen.iterdir())) == 2
    assert not (seen / str(os.getpid())).exists()
    on_ray = run_to_the_end(pool, tmp_path / "ray")
    pool.close()
    engine: Engine = open_engine(EngineSettings("my_engine:Babble"), PROMPTS)
    assert digest(on_ray) == digest(run_to_the_end(SingleCompleter(engine, 64), tmp_path / "here"))


@pytest.mark.parametrize(
    ("engine", "problem"),
    [
        ("others:Closed", "others:Closed: cannot be opened: RuntimeError: 'no such device'"),
        ("others:Mistaken", "others:Mistaken: step() must return completions, not 'r0'"),
        ("not_here:Engine", "not_here:Engine: there is no module 'not_here' to import; install it, or put its folder"),
    ],
)
def test_a_bad_engine_ends_the_work_with_one_line(
    cluster: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str, problem: str
) -> None:
    (tmp_path / "not_here.py").write_text("from my_engine import Babble as Engine")
    monkeypatch.syspath_prepend(tmp_path)  # of this process alone, as on a driver whose nodes lack a package
    pool = make_pool(engine)
    pool.add([Request("r0", Kind.PROPOSE, "1.", 0)])
    with pytest.raises(InputError) as caught:
        step_on(pool)
    assert str(caught.value).startswith(f"--engine: {problem}")
    assert "\n" not in str(caught.value)
    pool.close()


def step_on(pool: ReplicaPool, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pool.step()
