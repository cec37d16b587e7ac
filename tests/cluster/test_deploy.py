"""The files under deploy/: what Kubernetes and Docker would be told, as far as it shows without either of them.

KubeRay's own schema cannot be had from a package registry (pod templates and policy were held against the models of
the `kubernetes` client by hand, every name of a field). The autoscaler's half of it can: Ray reads the manifest with
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
        "submitterPodTemplate",
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
    return documents()[1]


def documents() -> list[dict[str, Any]]:
    """The network policy, and the job."""
    return list(yaml.safe_load_all((ROOT / "deploy/rayjob.yaml").read_text()))


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


def test_pods_are_restricted_and_closed_to_others(job: dict[str, Any]) -> None:
    """Kubernetes' pod security standard "restricted", for all containers that we describe; and who may reach them."""
    cluster = job["spec"]["rayClusterSpec"]
    templates = [job["spec"]["submitterPodTemplate"], cluster["headGroupSpec"]["template"]]
    templates += [group["template"] for group in cluster["workerGroupSpecs"]]
    containers = [container for template in templates for container in template["spec"]["containers"]]
    contexts = [container["securityContext"] for container in containers]
    for context in [*contexts, cluster["autoscalerOptions"]["securityContext"]]:
        assert context == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    for template in templates:
        pod = template["spec"]["securityContext"]
        assert pod["runAsNonRoot"] is True
        assert pod["runAsUser"] == 1000  # the image's user
        assert pod["seccompProfile"] == {"type": "RuntimeDefault"}
        assert template["spec"].get("hostNetwork") is None
    assert {container["image"] for container in containers} == {"<registry>/selfinstruct@sha256:<digest>"}
    policy = documents()[0]
    assert policy["kind"] == "NetworkPolicy"
    chosen = policy["spec"]["podSelector"]["matchLabels"]
    assert all(chosen.items() <= template["metadata"]["labels"].items() for template in templates)
    own, operator, prometheus = policy["spec"]["ingress"]
    assert own == {"from": [{"podSelector": {"matchLabels": chosen}}]}
    assert [port["port"] for rule in (operator, prometheus) for port in rule["ports"]] == [8265, 8080]


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's, with continued lines joined."""
    text = re.sub(r"^#.*\n", "", (ROOT / "deploy/Dockerfile").read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines if line.strip())]


def test_the_image_has_our_pins_and_our_files() -> None:
    parsed = instructions()
    assert {word for word, _ in parsed} <= {"FROM", "ARG", "RUN", "USER", "WORKDIR", "COPY", "ENV", "CMD"}
    assert parsed[:2] == [("ARG", "BASE=python:3.11-slim-bookworm"), ("FROM", "$BASE")]
    copied = {source for word, rest in parsed if word == "COPY" for source in rest.split()[:-1]}
    assert all((ROOT / source).exists() for source in copied)
    assert {"deploy/requirements-cpu.txt", "deploy/requirements-gpu.txt"} <= copied
    assert {"pyproject.toml", "selfinstruct", "cluster", "jobs"} <= copied
    installs = [rest for word, rest in parsed if word == "RUN" and "pip install" in rest]
    assert all("--no-deps" in each for install in installs for each in install.split("pip install")[1:])
    assert "--require-hashes --requirement requirements-$FORM.txt" in installs[0]
    assert ("USER", "ray") in parsed  # and not root


DECIDED_BY_VLLM = {"certifi", "llvmlite", "numba", "numpy", "torch", "transformers"}


@pytest.mark.parametrize("form", ["cpu", "gpu"])
def test_what_is_installed_by_hash_are_our_pins(form: str) -> None:
    text = (ROOT / f"deploy/requirements-{form}.txt").read_text()
    blocks = re.split(r"\n(?=\S)", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).strip())
    assert all(re.match(r"[\w.-]+==\S+ \\\n    --hash=sha256:[0-9a-f]{64}", block) for block in blocks)
    pinned = {name.lower().replace("_", "-"): version for name, version in PINS.items()}
    found = dict(re.match(r"([\w.-]+)==(\S+)", block).groups() for block in blocks)  # type: ignore[union-attr]
    assert {"ray", "transformers", "setuptools"} <= set(found)
    others = {name for name, version in found.items() if pinned.get(name, version) != version}
    assert others == (DECIDED_BY_VLLM if form == "gpu" else set())
    assert ("torch" in found) is (form == "gpu")  # the build for CPUs is not on PyPI
    if form == "gpu":
        least = re.findall(r'"vllm>=([\d.]+)"', (ROOT / "pyproject.toml").read_text())[0]
        assert [int(part) for part in found["vllm"].split(".")] >= [int(part) for part in least.split(".")]
        assert "boto3" in found  # Ray's autoscaler on AWS


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
