"""The cluster launcher's config against Ray's own schema and checks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

CONFIG = Path(__file__).parents[2] / "ray_config.yaml"


@pytest.fixture
def config() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(CONFIG.read_text())
    return loaded


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
