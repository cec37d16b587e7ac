"""The vLLM engine: its options everywhere, and the engine itself where vLLM is installed (its CPU build will do)."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from cluster.settings import GenerateSettings
from jobs.main import main
from selfinstruct.draws import seed_of
from selfinstruct.engines import EngineSettings, VLLMOptions, identify, in_flight_of, open_engine, pinned, traits, vllm
from selfinstruct.errors import InputError
from selfinstruct.prompts import Prompt, PromptSet, Sampling, load_prompts
from selfinstruct.protocols import Engine
from selfinstruct.records import Completion, Finish, Kind, Request
from selfinstruct.storage.store import RunStore
from selfinstruct.storage.verify import verify
from selfinstruct.tiny import MODEL

INSTALLED = importlib.util.find_spec("vllm") is not None
needs_vllm = pytest.mark.skipif(not INSTALLED, reason="vLLM is not installed (pip install 'selfinstruct[vllm]')")
pytestmark = pytest.mark.filterwarnings("default")  # vLLM and what it needs have warnings of their own

ROOT = Path(__file__).parents[2]
SCHEMA = {"type": "object", "properties": {"yes": {"type": "boolean"}}, "required": ["yes"]}
TINY = load_prompts("tiny")


def settings_for(*args: str, **options: Any) -> EngineSettings:
    return EngineSettings("vllm", vllm=VLLMOptions(args=args, **options))


# options


@pytest.mark.parametrize(
    ("args", "problem"),
    [
        (("max_model_len",), "'max_model_len' is not of the form name=value"),
        (("=3",), "'=3' is not of the form name=value"),
        (("a=[",), "'a' is not YAML"),
        (("model=other",), "'model' is not for here; --model names it"),
        (("trust_remote_code=true",), "give --vllm.trust_remote_code"),
        (("data_parallel_size=2",), "give --replicas"),
        (("tensor_parallel_size=many",), "must be a whole number"),
        (("pipeline_parallel_size=0",), "must be a whole number"),
    ],
)
def test_wrong_arguments_are_said_by_name(args: tuple[str, ...], problem: str) -> None:
    with pytest.raises(InputError, match=problem) as caught:
        identify(settings_for(*args))
    assert "--vllm.args" in str(caught.value)


def test_the_identity_is_the_models_content_and_what_alters_the_data() -> None:
    plain = identify(settings_for())
    assert plain["weights"] == identify(EngineSettings())["weights"]
    assert identify(settings_for("gpu_memory_utilization=0.5", "tensor_parallel_size=2", "enforce_eager=true")) == plain
    altered = identify(settings_for("dtype=float32", "kv_cache_dtype=fp8", "max_num_seqs=4"))
    assert json.loads(altered["args"]) == {"dtype": "float32", "kv_cache_dtype": "fp8"}
    assert {**altered, "args": plain["args"]} == plain
    assert pinned(settings_for(), {"model": "a/b", "weights": "abc"}).vllm.revision == "abc"


def test_how_many_gpus_a_replica_is_spread_over() -> None:
    assert traits(settings_for("tensor_parallel_size=4", "pipeline_parallel_size=2")).devices == 8
    assert traits(settings_for()).devices == 1
    with pytest.raises(InputError, match="tensor_parallel_size=many must be a whole number"):
        traits(settings_for("tensor_parallel_size=many"))


def test_the_options_reach_the_engine_also_from_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "run.yaml"
    config.write_text("engine: vllm\nvllm:\n  args: {data_parallel_size: 2, hf_overrides: {rope_theta: 1.0}}\n")
    assert main(["generate", "--config", str(config), "--out", str(tmp_path / "run")]) == 2
    assert "--vllm.args: 'data_parallel_size' is not for here; give --replicas" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
    options = VLLMOptions(args=("max_model_len=512",))
    settings = GenerateSettings(engine="vllm", vllm=options)
    assert settings.proposer == settings.labeller == EngineSettings("vllm", vllm=options)


def test_an_end_that_the_model_spells_out_is_cut() -> None:
    def ended(text: str, reason: str) -> tuple[str, Finish]:
        answer = SimpleNamespace(text=text, token_ids=[1, 2], finish_reason=reason)
        output = SimpleNamespace(request_id="r", outputs=[answer], prompt_token_ids=[1], num_cached_tokens=None)
        draft = vllm._Draft()
        draft.take(output)
        completion = draft.completion(output, ["<|end|>"], looping=False)
        return completion.text, completion.finish

    assert ended("9<|end|>", "length") == ("9", Finish.STOP)
    assert ended("9 ", "length") == ("9 ", Finish.LENGTH)
    assert ended("9</s>", "stop") == ("9</s>", Finish.STOP)


@pytest.mark.skipif(INSTALLED, reason="vLLM is installed")
def test_without_vllm_the_extra_is_named() -> None:
    with pytest.raises(InputError, match=r"pip install 'selfinstruct\[vllm\]'"):
        open_engine(settings_for(), TINY)


# vLLM itself


def prompts_with(**changes: Any) -> PromptSet:
    """Prompts that the embedded model goes on with at length."""
    values = {"temperature": 0.9, "top_p": 1.0, "frequency_penalty": 0.0, "presence_penalty": 0.0, "max_tokens": 40}
    sampling = Sampling(**{**values, "stop": (), **changes})
    prompt = Prompt("Task: ", "{instruction}", "\n", sampling)
    held = replace(prompt, schema=json.dumps(SCHEMA), sampling=replace(sampling, stop=()))
    kinds = dict.fromkeys((Kind.PROPOSE, Kind.CLASSIFY, Kind.INPUT_FIRST), prompt)
    return PromptSet("test", False, {**kinds, Kind.OUTPUT_FIRST: held}, "")


def make_requests(count: int, kind: Kind = Kind.PROPOSE, text: str = "Write a poem about number {}.") -> list[Request]:
    return [Request(f"{kind}/{n}", kind, text.format(n), seed_of(kind, n)) for n in range(count)]


def complete(engine: Engine, requests: Sequence[Request]) -> dict[str, Completion]:
    engine.add(requests)
    done: dict[str, Completion] = {}
    while len(done) < len(requests):
        for completion in engine.step():
            assert completion.request_id not in done
            done[completion.request_id] = completion
    assert engine.step() == []
    return done


@pytest.fixture(scope="module")
def opened() -> Iterator[Any]:
    """One vLLM for all: loading it takes most of the time. It completes with the prompts that it is given."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")
        settings = settings_for("dtype=float32", "enforce_eager=true", "max_model_len=512")
        with closing(cast(vllm.VLLMEngine, open_engine(settings, prompts_with()))) as engine:
            yield engine


def with_prompts(opened: Any, prompts: PromptSet) -> Engine:
    from selfinstruct.engines.encoding import PromptEncoder

    return vllm.VLLMEngine(opened._engine, PromptEncoder(opened._encoder._tokenizer, prompts), prompts, 512)


def test_more_is_held_than_vllm_runs_at_once() -> None:
    """So that none of its places is ever empty."""
    assert in_flight_of(settings_for(), on_gpu=True) == 512
    assert in_flight_of(settings_for("max_num_seqs=1024"), on_gpu=True) == 1280


@needs_vllm
def test_batches_are_as_large_as_those_of_bare_generation(opened: Any) -> None:
    """vLLM's defaults depend on who asks: 128 sequences for an engine, 256 and more for `LLM` and for a server."""
    from vllm import EngineArgs
    from vllm.usage.usage_lib import UsageContext

    tokens, sequences = EngineArgs.get_batch_defaults(1)
    scheduler = opened._engine.vllm_config.scheduler_config
    assert scheduler.max_num_seqs == sequences[UsageContext.LLM_CLASS]
    assert scheduler.max_num_batched_tokens >= tokens[UsageContext.LLM_CLASS]


@needs_vllm
def test_unknown_arguments_are_found_before_anything_starts() -> None:
    with pytest.raises(InputError, match="no engine argument 'max_modle_len'; did you mean 'max_model_len'"):
        identify(settings_for("max_modle_len=512"))


@needs_vllm
def test_the_arguments_that_we_know_of_are_vllms() -> None:
    from vllm import EngineArgs

    assert {field.name for field in fields(EngineArgs)} >= vllm.NEUTRAL | vllm.OURS.keys()


@needs_vllm
def test_a_value_that_vllm_refuses_is_one_line() -> None:
    with pytest.raises(InputError, match=r"vLLM refuses it: .*dtype") as caught:
        open_engine(settings_for("dtype=float3"), TINY)
    assert len(str(caught.value).splitlines()) == 1


@needs_vllm
def test_greedy_completions_are_those_of_transformers(opened: Any) -> None:
    prompts = prompts_with(temperature=0.0, top_p=0.0, stop=("\n",))
    requests = make_requests(6, Kind.CLASSIFY)
    ours = complete(with_prompts(opened, prompts), requests)
    theirs = complete(open_engine(EngineSettings(), prompts), requests)
    assert {id: (each.text, each.finish, each.prompt_tokens) for id, each in ours.items()} == {
        id: (each.text, each.finish, each.prompt_tokens) for id, each in theirs.items()
    }


@needs_vllm
def test_what_was_read_before_comes_from_the_prefix_cache(opened: Any) -> None:
    """In whole blocks (128 tokens on a CPU), and the last token of a prompt is always read anew."""
    engine = with_prompts(opened, prompts_with())
    requests = make_requests(4, text="Write a poem about owls and the sea. " * 20)
    complete(engine, requests)
    block = opened._engine.vllm_config.cache_config.block_size
    for each in complete(engine, requests).values():
        assert each.prompt_tokens > block
        assert each.cached_tokens == (each.prompt_tokens - 1) // block * block


@needs_vllm
def test_a_request_is_drawn_by_its_seed(opened: Any) -> None:
    engine = with_prompts(opened, prompts_with())
    requests = make_requests(8, text="Write a poem.")
    first = complete(engine, requests)
    assert len({each.text for each in first.values()}) == 8
    assert complete(engine, requests) == first
    assert all(each.finish in (Finish.STOP, Finish.LENGTH) for each in first.values())
    assert all(0 < each.completion_tokens <= 40 for each in first.values())


@needs_vllm
def test_stop_strings_and_the_presence_penalty(opened: Any) -> None:
    requests = make_requests(8)
    free = complete(with_prompts(opened, prompts_with(temperature=0.0)), requests)
    stopped = complete(with_prompts(opened, prompts_with(temperature=0.0, stop=("e",))), requests)
    for id, completion in free.items():
        assert stopped[id].text == completion.text.partition("e")[0]
    penalised = complete(with_prompts(opened, prompts_with(temperature=0.0, presence_penalty=2.0)), requests)
    assert [each.text for each in penalised.values()] != [each.text for each in free.values()]


@needs_vllm
def test_answers_are_held_to_the_schema(opened: Any) -> None:
    for completion in complete(with_prompts(opened, prompts_with()), make_requests(4, Kind.OUTPUT_FIRST)).values():
        assert completion.text in ('{"yes":true}', '{"yes":false}')


@needs_vllm
def test_a_completion_in_pieces_is_the_same(opened: Any) -> None:
    requests = [*make_requests(6), *make_requests(3, Kind.OUTPUT_FIRST)]
    for stop in ((), ("e",), ("a b", "\n")):
        whole = prompts_with(stop=stop, max_tokens=150)
        pieces = replace(whole, stop_repetition=True)
        assert complete(with_prompts(opened, pieces), requests) == complete(with_prompts(opened, whole), requests)


@needs_vllm
def test_a_completion_that_goes_in_circles_is_ended(opened: Any) -> None:
    prompts = prompts_with(temperature=0.0, frequency_penalty=-2.0, max_tokens=200)  # what was said is said again
    requests = make_requests(8)
    free = complete(with_prompts(opened, prompts), requests)
    ended = complete(with_prompts(opened, replace(prompts, stop_repetition=True)), requests)
    ours = complete(open_engine(EngineSettings(), replace(prompts, stop_repetition=True)), requests)
    assert {id: each.finish for id, each in ended.items()} == {id: each.finish for id, each in ours.items()}
    looped = {id for id, each in ended.items() if each.finish is Finish.REPETITION}
    assert looped
    for id, completion in ended.items():
        if id not in looped:
            assert completion.text == free[id].text
            continue
        assert ours[id].completion_tokens <= completion.completion_tokens <= ours[id].completion_tokens + 1
        assert completion.text.startswith(ours[id].text.rstrip("\ufffd"))
        assert free[id].text.startswith(completion.text.rstrip("\ufffd"))
    assert opened.step() == []


@needs_vllm
def test_a_prompt_too_long_fails_alone(opened: Any) -> None:
    long = Request("long", Kind.PROPOSE, "word " * 600, 1)
    done = complete(with_prompts(opened, prompts_with()), [*make_requests(2), long])
    failed = done.pop("long")
    assert failed.finish is Finish.FAILED
    assert "leaves no room for 40 more in a context of 512" in str(failed.error)
    assert all(each.finish is not Finish.FAILED for each in done.values())


@needs_vllm
def test_a_context_that_cannot_hold_the_prompts(opened: Any) -> None:
    encoder = opened._encoder
    prompts = prompts_with(max_tokens=600)
    with pytest.raises(InputError, match="context of 512 tokens cannot hold the propose prompt") as caught:
        vllm._check_context("tiny", encoder, prompts, 512)
    assert len(caught.value.problems) == 4


@needs_vllm
@pytest.mark.parametrize("chat", [False, True])
def test_a_run_behind_a_real_server(tmp_path: Path, chat: bool) -> None:
    """The engine `openai` against vLLM's own server, base prompts on one endpoint and chat prompts on the other."""
    model = tmp_path / "model"
    shutil.copytree(MODEL, model)
    (model / "chat_template.jinja").write_text("{{ messages[-1].content }}")
    prompts = tmp_path / "prompts"
    shutil.copytree(Path(MODEL).parent.parent / "prompts" / "tiny", prompts)
    header = prompts / "set.toml"
    header.write_text(header.read_text().replace("chat = false", f"chat = {str(chat).lower()}"))
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    server = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(model), "--port", str(port)]
    server += ["--host", "127.0.0.1", "--served-model-name", "tiny-served", "--dtype", "float32", "--enforce-eager"]
    server += ["--no-enable-chunked-prefill", "--generation-config", "vllm"]
    environment = {**os.environ, "VLLM_CPU_KVCACHE_SPACE": "1", "NO_PROXY": "127.0.0.1", "RAY_USAGE_STATS_ENABLED": "0"}
    command = [sys.executable, "-m", "jobs.generate", "--engine", "openai", "--model", "tiny-served", "--target", "10"]
    command += ["--openai.url", f"http://127.0.0.1:{port}/v1", "--prompts", str(prompts), "--replicas", "1"]
    command += ["--shards", "1", "--seed", "1", "--out", str(tmp_path / "run")]
    with (tmp_path / "log").open("w") as log:
        running = subprocess.Popen(server, env=environment, stdout=log, stderr=log)
        try:
            for _ in range(300):
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                    break
                assert running.poll() is None, (tmp_path / "log").read_text()[-3000:]
                time.sleep(1)
            done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=300)
        finally:
            running.terminate()
            running.wait(60)
    assert done.returncode == 0, done.stderr
    assert verify(RunStore(str(tmp_path / "run"))) == []
    said = re.search(r"(\d+) accepted instructions and their instances", done.stdout)
    assert said is not None
    assert int(said.group(1)) >= 10
