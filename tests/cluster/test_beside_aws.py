"""deploy/slurm.sh and deploy/sky.yaml on two made-up nodes: network and processes of each are its own, Ray is real.

Neither Slurm nor a cloud can be had here. `srun` starts its command on both nodes, as with one task for each; of
SkyPilot's task the part `run` is run on both, with the variables that SkyPilot sets (the file itself was read by
SkyPilot 0.14.1 by hand). It takes root, for the namespaces.
"""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml

from selfinstruct.storage.store import RunStore
from selfinstruct.storage.verify import verify

ROOT = Path(__file__).parents[2]

ON = """#!/bin/bash
exec ip netns exec "$NODES-$1" unshare --pid --fork --kill-child --mount-proc "${@:2}"
"""
SRUN = """#!/bin/bash
if [[ $1 == --nodes=1 ]]; then
    while [[ $1 == --* ]]; do shift; done
    on 1 "$@"
else
    on 2 "$@" &
    on 1 "$@"
    code=$?
    wait
    exit $code
fi
"""
SCONTROL = """#!/bin/bash
[[ "$*" == "show hostnames node[1-2]" ]] && printf 'node1\\nnode2\\n'
"""
ENGINE = """
import random, time
from pathlib import Path
import ray
from selfinstruct.records import Completion, Finish, Kind

class Both:
    "Answers when it has been opened on two nodes."
    identity = {"version": "1"}

    def __init__(self, model, prompts):
        self.waiting = []
        Path(f"node-{ray.util.get_node_ip_address()}").touch()

    def add(self, requests):
        self.waiting += requests

    def step(self):
        if len(list(Path().glob("node-*"))) < 2:
            time.sleep(0.1)
            return []
        now, self.waiting = self.waiting[:8], self.waiting[8:]
        return [self.complete(request) for request in now]

    def complete(self, request):
        words = " ".join(random.Random(request.seed).choices("amber bridge candle desert forest garden".split(), k=6))
        text = {Kind.PROPOSE: f" Say something about {words}.\\n", Kind.CLASSIFY: " No"}.get(
            request.kind, f"Output: {words}"
        )
        return Completion(request.id, text, Finish.STOP, 1, 1)
"""


@pytest.fixture
def nodes() -> Iterator[str]:
    """Two network namespaces with a cable between them; the beginning of their names."""
    name = f"si{secrets.token_hex(3)}"
    steps = [f"netns add {name}-1", f"netns add {name}-2", f"link add {name}a netns {name}-1 type veth peer {name}b"]
    steps += [f"link set {name}b netns {name}-2"]
    for number, end in (("1", "a"), ("2", "b")):
        inside = f"-n {name}-{number}"
        steps += [f"{inside} addr add 10.77.0.{number}/24 dev {name}{end}"]
        steps += [f"{inside} link set lo up", f"{inside} link set {name}{end} up"]
        steps += [f"{inside} route add default dev {name}{end}"]  # by which Ray finds its own address
    try:
        for step in steps:
            done = subprocess.run(["ip", *step.split()], capture_output=True, text=True)
            if done.returncode:
                pytest.skip(f"no network namespaces here: {done.stderr.strip()}")
        yield name
    finally:
        for number in (1, 2):
            subprocess.run(["ip", "netns", "del", f"{name}-{number}"], capture_output=True)


@pytest.fixture
def environment(nodes: str, tmp_path: Path) -> Mapping[str, str]:
    """With a home, a token and an engine for both nodes, and programs in Slurm's place."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in (("on", ON), ("srun", SRUN), ("scontrol", SCONTROL)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    for name in (".venv", "venv"):
        (tmp_path / name).symlink_to(sys.prefix)
    (tmp_path / "both.py").write_text(ENGINE)
    plain = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    path = f"{programs}:{os.environ['PATH']}"
    given = {"PATH": path, "HOME": str(tmp_path), "NODES": nodes, "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    return plain | given | {"PYTHONPATH": f"{ROOT}:{tmp_path}"}


def well_done(folder: Path) -> None:
    assert {path.name for path in folder.glob("node-*")} == {"node-10.77.0.1", "node-10.77.0.2"}
    assert verify(RunStore(str(folder / "run"))) == []


def test_slurm(environment: Mapping[str, str], tmp_path: Path) -> None:
    given = {"SLURM_JOB_NODELIST": "node[1-2]", "SLURM_JOB_NUM_NODES": "2", "SLURM_GPUS_ON_NODE": "1"}
    words = ["bash", str(ROOT / "deploy/slurm.sh"), "--out", "run", "--engine", "both:Both", "--target", "30"]
    words += ["--ray.gpus", "1", "--shards", "1"]
    done = subprocess.run(words, cwd=tmp_path, env={**environment, **given}, capture_output=True, timeout=500)
    shown = (done.stdout + done.stderr).decode()
    assert done.returncode == 0, shown
    assert "On worker node. Connecting to Ray cluster at 10.77.0.1:6379" in shown
    well_done(tmp_path)


def test_skypilot(environment: Mapping[str, str], tmp_path: Path) -> None:
    task = yaml.safe_load((ROOT / "deploy/sky.yaml").read_text())
    script = task["run"].replace("--engine vllm", "--engine both:Both --ray.gpus 1")
    script = script.replace("ray start", "ray start --num-gpus=1")  # in Ray's books
    given = {"SKYPILOT_NODE_IPS": "10.77.0.1\n10.77.0.2", "SKYPILOT_NUM_NODES": "2", "SKYPILOT_NUM_GPUS_PER_NODE": "1"}
    given |= {"RUN": "run", "MODEL": "", "TARGET": "30"}
    ranks = [
        subprocess.Popen(
            ["on", str(rank + 1), "bash", "-c", script],
            cwd=tmp_path,
            env={**environment, **given, "SKYPILOT_NODE_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for rank in (0, 1)
    ]
    try:
        shown = [rank.communicate(timeout=500)[0].decode() for rank in ranks]
    finally:
        for rank in ranks:
            rank.kill()
    assert [rank.returncode for rank in ranks] == [0, 0], "\n".join(shown)
    well_done(tmp_path)


def test_both_files_set_up_what_the_other_ways_do() -> None:
    task = yaml.safe_load((ROOT / "deploy/sky.yaml").read_text())
    config = yaml.safe_load((ROOT / "ray_config.yaml").read_text())
    versions = [re.findall(r"uv==([\d.]+)", text) for text in (task["setup"], " ".join(config["setup_commands"]))]
    assert versions[0] == versions[1]
    for script in (task["setup"], task["run"], (ROOT / "deploy/slurm.sh").read_text()):
        assert subprocess.run(["bash", "-n", "-c", script], capture_output=True).stderr == b""
    assert set(task["envs"]) == {"RUN", "MODEL", "TARGET"}
    assert all(f"${name}" in task["run"] for name in task["envs"])
