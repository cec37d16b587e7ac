"""What differs between engines is said by their modules, at no cost, and nobody else compares names."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from selfinstruct.engines import (
    ENGINES,
    IN_FLIGHT,
    EngineSettings,
    OpenAIOptions,
    TransformersOptions,
    fetch,
    in_flight_of,
    pinned,
    traits,
)
from selfinstruct.errors import InputError
from selfinstruct.run.inputs import prompt_set_for

ROOT = Path(__file__).parents[2]


def test_what_the_engines_say() -> None:
    of = {name: traits(EngineSettings(name)) for name in ENGINES}
    assert {name for name in ENGINES if of[name].checkpoint} == {"transformers", "vllm"}
    assert {name: of[name].devices for name in ENGINES} == {"transformers": 1, "vllm": 1, "openai": 0, "template": 0}
    assert {name for name in ENGINES if of[name].writer} == {"template"}
    assert {in_flight_of(EngineSettings(name), on_gpu=True) for name in ("transformers", "vllm")} == {IN_FLIGHT["gpu"]}
    two = OpenAIOptions(url="http://a/v1, http://b/v1", concurrency=5)
    assert in_flight_of(EngineSettings("openai", "m", openai=two), on_gpu=False) == 40
    assert traits(EngineSettings(transformers=TransformersOptions(device="cpu"))).devices == 0


def test_the_prompt_set_meant_by_auto() -> None:
    assert {prompt_set_for("auto", EngineSettings(name)) for name in ENGINES} == {"tiny"}
    assert {prompt_set_for("auto", EngineSettings(name, "owner/name")) for name in ENGINES} == {"base"}
    assert prompt_set_for("chat", EngineSettings()) == "chat"


def test_an_engine_without_a_checkpoint_fetches_and_pins_nothing() -> None:
    settings = EngineSettings("template", "s3://bucket/no/such/model")
    fetch(settings)
    assert pinned(settings, {"engine": "template", "weights": "c0ffee"}) == settings


def test_an_unknown_engine_is_told_which_there_are() -> None:
    with pytest.raises(InputError) as caught:
        traits(EngineSettings("vlm"))
    assert str(caught.value) == (
        "--engine: there is no engine 'vlm' (there are: transformers, vllm, openai, template); name one of your own as"
        " package.module:Name"
    )


def test_asking_for_traits_imports_nothing_heavy() -> None:
    program = (
        "import sys\n"
        "from selfinstruct.engines import ENGINES, EngineSettings, traits\n"
        "for name in ENGINES: traits(EngineSettings(name))\n"
        "heavy = {'torch', 'transformers', 'vllm', 'aiohttp', 'httpx2', 'huggingface_hub', 'obstore', 'ray'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT).returncode == 0


def test_nobody_but_the_engines_compares_their_names() -> None:
    found = []
    for path in [path for package in ("selfinstruct", "cluster", "jobs") for path in (ROOT / package).rglob("*.py")]:
        if path.parent.name == "engines":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Compare | ast.MatchValue):
                names = {each.value for each in ast.walk(node) if isinstance(each, ast.Constant)} & {*ENGINES}
                found += [f"{path}:{node.lineno}: {name}" for name in names]
    assert not found
