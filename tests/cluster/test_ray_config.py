"""The cluster launcher's config against Ray's own launcher: its schema, and its nodes on an EC2 of moto's.

tests/tools/launcher.py goes further, by hand: it brings a head up with `ray up`.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from cfnlint.api import lint_all

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "ray_config.yaml"
TEMPLATE = (ROOT / "deploy/aws.yaml").read_text()


@pytest.fixture
def config() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(CONFIG.read_text())
    return loaded


@pytest.fixture
def account(s3_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An account in which deploy/aws.yaml was deployed, but for the bucket's policy, which moto does not know."""
    for name, value in {"ENDPOINT_URL": s3_server, "ACCESS_KEY_ID": "k", "SECRET_ACCESS_KEY": "s"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("HOME", str(tmp_path))  # the launcher puts its key into ~/.ssh
    boto3.client("cloudformation").create_stack(
        StackName="selfinstruct",
        TemplateBody=re.sub(r"  OverTlsOnly:.*?\n\n", "", TEMPLATE, flags=re.DOTALL),
        Parameters=[{"ParameterKey": "Bucket", "ParameterValue": "runs"}],
    )


def test_ray_accepts_it(config: dict[str, Any]) -> None:
    from ray.autoscaler._private.util import fillout_defaults, prepare_config, validate_config

    validate_config(fillout_defaults(config))
    validate_config(prepare_config(config))


def test_ray_would_refuse_a_slip(config: dict[str, Any]) -> None:
    from ray.autoscaler._private.util import validate_config

    with pytest.raises(Exception, match="max_wrkers"):
        validate_config({**config, "max_wrkers": 3})


def test_the_head_has_no_gpu_and_the_replicas_are_spot_nodes(config: dict[str, Any]) -> None:
    head, replica = config["available_node_types"]["head"], config["available_node_types"]["replica"]
    assert config["head_node_type"] == "head"
    assert head["resources"]["GPU"] == 0
    assert "InstanceMarketOptions" not in head["node_config"]
    assert replica["node_config"]["InstanceMarketOptions"]["MarketType"] == "spot"
    assert all("RAY_AUTH_MODE=token" in config[key][-1] for key in config if key.endswith("start_ray_commands"))


@pytest.mark.usefixtures("account")
def test_the_launcher_starts_its_nodes(config: dict[str, Any]) -> None:
    """What `ray up` asks of EC2 before it logs on: resources, key, security group, roles, one instance of each type."""
    from ray.autoscaler._private.aws.config import DEFAULT_AMI
    from ray.autoscaler._private.aws.node_provider import AWSNodeProvider
    from ray.autoscaler._private.util import prepare_config, validate_config

    filled = AWSNodeProvider.fillout_available_node_types_resources(prepare_config(config))
    validate_config(filled)
    resolved = AWSNodeProvider.bootstrap_config(filled)
    provider = AWSNodeProvider(resolved["provider"], resolved["cluster_name"])
    for name, kind in resolved["available_node_types"].items():
        stated = config["available_node_types"][name]
        found = {each: kind["resources"].get(each, 0) for each in ("CPU", "GPU")}
        assert found == stated["resources"]  # as EC2 describes the instance type, too
        [instance] = provider.create_node(kind["node_config"], {"ray-user-node-type": name}, 1).values()
        assert instance.image_id not in DEFAULT_AMI.values()  # those are of 2022, with Python 3.6
        role = "selfinstruct-head" if name == "head" else "selfinstruct-replica"
        assert instance.iam_instance_profile["Arn"].endswith(f"instance-profile/{role}")
        assert instance.instance_lifecycle == (None if name == "head" else "spot")
        assert instance.metadata_options["HttpTokens"] == "required"
        instance.terminate()
    [group] = boto3.resource("ec2").security_groups.filter(Filters=[{"Name": "group-name", "Values": ["selfinstruct"]}])
    assert [each["FromPort"] for each in group.ip_permissions if each["IpRanges"]] == [22]


def test_roles_and_bucket_are_a_template_that_amazon_would_take() -> None:
    assert [each for each in lint_all(TEMPLATE) if not each.rule.id.startswith("I")] == []


def test_nothing_of_rays_default_commands_is_left(config: dict[str, Any]) -> None:
    """They call pip, and install a Ray of their own. What is called is a shell's, and every mounted file is there."""
    from ray.autoscaler._private.util import prepare_config

    prepared = prepare_config(config)
    commands = prepared["initialization_commands"] + prepared["head_setup_commands"] + prepared["worker_setup_commands"]
    commands += prepared["head_start_ray_commands"] + prepared["worker_start_ray_commands"]
    assert "ray-wheels" not in " ".join(commands)
    assert [each for each in commands if re.search(r"(?<!/)\bpip install", each.replace("uv pip", ""))] == []
    for command in commands:
        assert subprocess.run(["bash", "-n", "-c", command], capture_output=True).stderr == b""
    for remote, local in prepared["file_mounts"].items():
        assert remote.startswith("/home/ubuntu/")
        assert local.startswith("~") or (ROOT / local).exists()
