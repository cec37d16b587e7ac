"""The files under deploy/: what Kubernetes and Docker would be told, as far as it shows without either of them.

KubeRay's own schema cannot be had from a package registry. The autoscaler's half of it can: Ray reads the manifest with
the code that runs beside a head on Kubernetes, and its result is held against Ray's schema. The names of fields are
those of KubeRay's public API (`ray.io/v1`), as far as we use them.
"""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import tyro
import yaml

from cluster.settings import GenerateSettings
from cluster.watch.metrics import COUNTERS, FROM_POOLS, GAUGES
from selfinstruct.settings import problems_of

ROOT = Path(__file__).parents[2]
PINS = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)

KNOWN = {
    "": {"apiVersion", "kind", "metadata", "spec"},
    "spec": {
        "entrypoint",
        "submissionMode",
        "backoffLimit",
        "submitterConfig",
        "shutdownAfterJobFinishes",
        "ttlSecondsAfterFinished",
        "rayClusterSpec",
    },
    "rayClusterSpec": {
        "rayVersion",
        "authOptions",
        "enableInTreeAutoscaling",
        "autoscalerOptions",
        "headGroupSpec",
        "workerGroupSpecs",
    },
    "headGroupSpec": {"rayStartParams", "serviceType", "template"},
    "workerGroupSpecs": {"groupName", "replicas", "minReplicas", "maxReplicas", "rayStartParams", "template"},
}


@pytest.fixture
def job() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "deploy/rayjob.yaml").read_text())
    return loaded


def test_rays_autoscaler_reads_the_manifest(job: dict[str, Any]) -> None:
    from ray.autoscaler._private.kuberay.autoscaling_config import _derive_autoscaling_config_from_ray_cr

    cluster = {"metadata": {"name": "c", "namespace": "n"}, "spec": job["spec"]["rayClusterSpec"]}
    types = _derive_autoscaling_config_from_ray_cr(cluster)["available_node_types"]
    assert types["headgroup"]["resources"]["GPU"] == 0
    assert types["replicas"]["resources"]["GPU"] == 1
    assert (types["replicas"]["min_workers"], types["replicas"]["max_workers"]) == (0, 8)


def test_fields_and_values_of_the_manifest(job: dict[str, Any]) -> None:
    spec, cluster = job["spec"], job["spec"]["rayClusterSpec"]
    head, [replicas] = cluster["headGroupSpec"], cluster["workerGroupSpecs"]
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    for name, part in (("", job), ("spec", spec), ("rayClusterSpec", cluster), ("headGroupSpec", head)):
        assert set(part) <= KNOWN[name]
    assert set(replicas) <= KNOWN["workerGroupSpecs"]
    assert cluster["authOptions"] == {"mode": "token"}
    assert cluster["rayVersion"] == PINS["ray"]
    assert all(isinstance(value, str) for group in (head, replicas) for value in group["rayStartParams"].values())
    assert spec["backoffLimit"] > 0
    assert "on-demand" in head["template"]["spec"]["nodeSelector"].values()
    assert "spot" in replicas["template"]["spec"]["nodeSelector"].values()
    pod = replicas["template"]["spec"]
    mounted = {mount["name"]: mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}
    assert set(mounted) == {volume["name"] for volume in pod["volumes"]}
    caches = {each["name"]: each["value"] for each in pod["containers"][0]["env"] if "value" in each}
    assert {"HF_HOME", "SELFINSTRUCT_CACHE"} <= set(caches)
    assert all(value.startswith(mounted["cache"]) for value in caches.values())


def test_the_manifests_command_is_one_that_we_take(job: dict[str, Any]) -> None:
    program, command, *options = shlex.split(re.sub("<[^>]*>", "x", job["spec"]["entrypoint"]))
    assert (program, command) == ("selfinstruct", "generate")
    settings = tyro.cli(GenerateSettings, args=options, use_underscores=True)
    assert problems_of(settings) == []
    assert settings.replicas == job["spec"]["rayClusterSpec"]["workerGroupSpecs"][0]["maxReplicas"]


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's, with continued lines joined."""
    text = re.sub(r"^#.*\n", "", (ROOT / "deploy/Dockerfile").read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines if line.strip())]


def test_the_image_has_our_pins_and_our_files() -> None:
    parsed = instructions()
    assert {word for word, _ in parsed} <= {"FROM", "ARG", "RUN", "USER", "WORKDIR", "COPY", "ENV", "CMD"}
    assert parsed[0] == ("FROM", "python:3.11-slim-bookworm")
    copied = {source for word, rest in parsed if word == "COPY" for source in rest.split()[:-1]}
    assert all((ROOT / source).exists() for source in copied)
    assert {"constraints.txt", "pyproject.toml", "selfinstruct", "cluster", "jobs"} <= copied
    [install] = [rest for word, rest in parsed if word == "RUN" and "pip install" in rest]
    assert len(re.findall(r"pip install --no-cache-dir", install)) == len(re.findall("--constraint", install)) == 3
    [loosened] = re.findall(r"\^\(([^)]*)\)==", install)  # in the GPU form, where vLLM decides
    names = {name for name in PINS if re.fullmatch(loosened, name)}
    assert names == {
        "torch",
        "transformers",
        "tokenizers",
        "safetensors",
        "huggingface_hub",
        "numpy",
        "numba",
        "llvmlite",
    }
    assert "ray" in PINS
    [vllm] = [rest.partition("=")[2] for word, rest in parsed if word == "ARG" and rest.startswith("VLLM=")]
    least = re.findall(r'"vllm>=([\d.]+)"', (ROOT / "pyproject.toml").read_text())[0]
    assert [int(part) for part in vllm.split(".")] >= [int(part) for part in least.split(".")]
    assert ("USER", "ray") in parsed  # and not root


def test_the_dashboard_asks_for_what_is_exported() -> None:
    """Names and labels; tests/cluster/test_submit.py looks for the names in what a head really exports."""
    panels = json.loads((ROOT / "deploy/grafana.json").read_text())["panels"]
    exported = {f"{name}_total": labels for name, (_, labels) in COUNTERS.items()}
    exported |= {name: labels for name, (_, labels) in GAUGES.items()}
    asked = set()
    for target in (target for panel in panels for target in panel.get("targets", ())):
        for name, selector in re.findall(r"ray_selfinstruct_(\w+)(?:\{([^}]*)\})?", target["expr"]):
            asked.add(name)
            assert set(re.findall(r"(\w+)[!=~]", selector)) <= set(exported[name]), target["expr"]
        for label in re.findall(r"by \((\w+)\) \(?(?:rate\()?ray_selfinstruct", target["expr"]):
            assert any(label in labels for labels in exported.values())
    assert len(asked) > 10
    assert {name for name, _, _ in FROM_POOLS} <= asked
