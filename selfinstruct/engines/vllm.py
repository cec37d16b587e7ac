"""The engine that runs a model with vLLM in the replica's own process.

- Prompts are encoded as for the transformers engine (`encoding`) and handed over as ids. Prefix caching is on, so that
  the constant part of a kind's prompt is computed once.
- Requests are fed as they come; vLLM batches them anew with each token. A step lasts a moment, not a token.
- Each request has its own seed. What it draws depends on the logits alone, and these on the batch in their last bits:
  in bfloat16 another order of requests or another number of replicas may give another text. VLLM_BATCH_INVARIANT=1 in
  the replicas' environment has vLLM compute each row alike in any batch, where its kernels can.
- vLLM's core runs in this process, and not in one of its own: that would outlive a replica that is killed, and keep
  its GPU. The workers of a tensor-parallel model are children that end with it (`mp`); all their GPUs are the
  replica's (`cluster.placement`).
- Answers are held to the prompt set's JSON schema where it has one. They end at the model's end tokens (`ends`), of
  which vLLM itself knows those that are named.
- Where the prompt set says so, vLLM hands out pieces of completions, and one that goes in circles is ended
  (`repetition`). vLLM's own `repetition_detection` has one number of times for n-grams of every length, and tries all
  lengths with each token.
- A prompt that leaves no room for `max_tokens` fails alone, as does one that vLLM refuses.

vLLM is an optional extra; this file imports it when an engine is opened, or arguments are to be checked.
"""

from __future__ import annotations

import importlib.util
import json
import math
import os
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from typing import Any

from selfinstruct.engines.checkpoint import fingerprint, locate
from selfinstruct.engines.contents import may_be_its_fault, told
from selfinstruct.engines.encoding import PromptEncoder
from selfinstruct.engines.ends import end_tokens, spelt
from selfinstruct.engines.repetition import EVERY, repeats
from selfinstruct.engines.settings import EngineSettings, Traits
from selfinstruct.errors import InputError
from selfinstruct.prompts import PromptSet, Sampling
from selfinstruct.records import Completion, Finish, Request
from selfinstruct.sources.options import named_values
from selfinstruct.steps.readers.ends import without_end

STEP = 0.1
"""Seconds that a step goes on, so that a replica exchanges requests a few times a second and not with each token."""

ENVIRONMENT = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_NO_USAGE_STATS": "1",
}
"""Defaults of vLLM's own variables; what the environment has goes first."""

OURS = {
    "model": "--model names it",
    "revision": "give --vllm.revision",
    "trust_remote_code": "give --vllm.trust_remote_code",
    "distributed_executor_backend": "it follows from tensor_parallel_size",
    "data_parallel_size": "give --replicas",
}
"""Arguments that are decided elsewhere, and where."""

PARALLEL = ("tensor_parallel_size", "pipeline_parallel_size")

NEUTRAL = {
    *PARALLEL,
    "async_scheduling",
    "attention_backend",
    "block_size",
    "compilation_config",
    "cpu_offload_gb",
    "cudagraph_capture_sizes",
    "disable_custom_all_reduce",
    "disable_log_stats",
    "distributed_timeout_seconds",
    "download_dir",
    "enable_chunked_prefill",
    "enable_expert_parallel",
    "enable_prefix_caching",
    "enforce_eager",
    "gpu_memory_utilization",
    "kv_cache_memory_bytes",
    "kv_offloading_backend",
    "kv_offloading_size",
    "load_format",
    "log_level",
    "max_cudagraph_capture_size",
    "max_num_batched_tokens",
    "max_num_seqs",
    "max_parallel_loading_workers",
    "num_gpu_blocks_override",
    "numa_bind",
    "optimization_level",
    "performance_mode",
    "prefix_caching_hash_algo",
    "safetensors_load_strategy",
    "scheduling_policy",
    "use_tqdm_on_load",
}
"""Arguments that say where and how fast, as `--transformers.device` does, and may change between two lives of a run.

They touch the last bits of a result at most. All others (dtype, quantization, kv_cache_dtype, max_model_len ...) are
part of the run's fingerprint.
"""


def traits(settings: EngineSettings) -> Traits:
    """A checkpoint, spread over the GPUs of its parallel arguments.

    Raises:
        InputError: one of those is wrong.
    """
    arguments = named_values("vllm.args", settings.vllm.args)
    running = arguments.get("max_num_seqs")
    holds = 5 * running // 4 if isinstance(running, int) else 0  # some wait, so that no place is ever empty
    return Traits(checkpoint=True, devices=_devices(arguments), raw="yes", holds=holds)


def identify(settings: EngineSettings) -> dict[str, str]:
    """The model's content (a hub repository's commit), and the arguments that alter the data.

    Raises:
        InputError: the model cannot be reached, or an argument is unknown (where vLLM is installed).
    """
    altering = {name: value for name, value in _arguments(settings).items() if name not in NEUTRAL}
    return {"engine": "vllm", **fingerprint(settings), "args": json.dumps(altering, sort_keys=True)}


def open_engine(settings: EngineSettings, prompts: PromptSet) -> VLLMEngine:
    """Load model and tokenizer, and encode the constant part of each kind's prompt.

    Raises:
        InputError: vLLM is not installed, it refuses an argument or the model, a chat set meets a model without a chat
            template, or the model's context cannot hold a kind's constant part and completion.
    """
    arguments = engine_arguments(settings)
    try:
        from vllm import EngineArgs
        from vllm.usage.usage_lib import UsageContext
        from vllm.v1.engine.llm_engine import LLMEngine
    except ImportError as error:
        raise InputError(
            f"--engine: vllm cannot be imported where the replica runs ({error}); pip install 'selfinstruct[vllm]'"
        ) from error
    try:
        # Without the context that `LLM` has itself, vLLM runs 128 sequences at most and reads 2,048 tokens in a step.
        engine = LLMEngine.from_engine_args(EngineArgs(**arguments), usage_context=UsageContext.LLM_CLASS)
    except Exception as error:
        if not may_be_its_fault(error):
            raise
        raise InputError(
            f"--model: {settings.model}: vLLM refuses it: {told(error)}; give other --vllm.args, or take another model"
        ) from error
    return around(engine, settings, prompts)


def engine_arguments(settings: EngineSettings) -> dict[str, Any]:
    """Those of vLLM's `EngineArgs`: what the user gives, and this project's defaults. Sets vLLM's variables, too.

    Raises:
        InputError: an argument is wrong, or the model is not found.
    """
    arguments, at = _arguments(settings), locate(settings)
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    defaults: dict[str, Any] = {
        "enable_prefix_caching": True,
        "disable_log_stats": True,
        "use_tqdm_on_load": False,
        # where any white space is allowed, a weak model may write nothing else until it is cut
        "structured_outputs_config": {"backend": "xgrammar", "disable_any_whitespace": True},
    }
    if _devices(arguments) > 1:
        arguments["distributed_executor_backend"] = "mp"
    if _on_cpu():  # there vLLM 0.32 cannot take a seeded draw back, as it does for half a prompt
        defaults["enable_chunked_prefill"] = False
    return {"model": str(at.folder), "trust_remote_code": at.code, **defaults, **arguments}


def _on_cpu() -> bool:
    with suppress(ImportError):
        from vllm.platforms import current_platform

        return bool(current_platform.is_cpu())
    return False


def around(engine: Any, settings: EngineSettings, prompts: PromptSet) -> VLLMEngine:
    """The engine around a `LLMEngine` of vLLM's that holds the model.

    Raises:
        InputError: a chat set meets a model without a chat template, or the model's context is too small.
    """
    from selfinstruct.engines.opening import open_tokenizer

    at = locate(settings)
    tokenizer = open_tokenizer(at)
    encoder = PromptEncoder(tokenizer, prompts)
    ends = end_tokens(at, tokenizer, encoder.turn_ends)
    context = int(engine.vllm_config.model_config.max_model_len)
    _check_context(settings.model, encoder, prompts, context)
    return VLLMEngine(engine, encoder, prompts, context, ends, spelt(tokenizer, ends))


class VLLMEngine:
    """Implements `protocols.Engine`.

    Args:
        engine: vLLM's `LLMEngine`.
        encoder: Gives each request its prompt's ids.
        prompts: The sampling settings of each kind.
        context: The most tokens, prompt and completion, that the engine was set up for.
        ends: The tokens that end a completion.
        spelt: How those are spelt that no ordinary text gives.
    """

    def __init__(
        self,
        engine: Any,
        encoder: PromptEncoder,
        prompts: PromptSet,
        context: int,
        ends: Sequence[int] = (),
        spelt: Sequence[str] = (),
    ) -> None:
        self._engine = engine
        self._encoder = encoder
        self._spelt = spelt
        loops = {kind: prompts.of(kind).stop_repetition for kind in prompts.kinds}
        self._loops = any(loops.values())
        self._sampling = {
            kind: {**_sampling(prompts[kind].sampling, prompts[kind].schema, ends), **_handing_out(loops[kind])}
            for kind in prompts.kinds
        }
        self._drafts: defaultdict[str, _Draft] = defaultdict(_Draft)
        self._context = context
        self._failed: list[Completion] = []

    def asked(self, request: Request) -> tuple[Sequence[int], Any]:
        """The tokens of a request's prompt, and its `SamplingParams`."""
        from vllm import SamplingParams

        ids = self._encoder.encode(request).ids
        return ids, SamplingParams(**self._sampling[request.kind], seed=request.seed)

    def add(self, requests: Sequence[Request]) -> None:
        """Hand requests to vLLM's scheduler."""
        for request in requests:
            ids, params = self.asked(request)
            room = params.max_tokens
            if len(ids) + room > self._context:
                problem = f"prompt of {len(ids)} tokens leaves no room for {room} more in a context of {self._context}"
                self._fail(request.id, len(ids), problem)
                continue
            try:
                (prompt,) = self._engine.renderer.render_cmpl([{"prompt_token_ids": ids}])
                self._engine.add_request(request.id, prompt, params)
            except ValueError as error:  # what vLLM checks of a single request
                self._fail(request.id, len(ids), " ".join(str(error).split()))

    def step(self) -> list[Completion]:
        """Decode for a moment and return what is finished."""
        completions, self._failed = self._failed, []
        end = time.monotonic() + STEP
        while self._engine.has_unfinished_requests() and time.monotonic() < end:
            completions += [done for output in self._engine.step() if (done := self._taken(output)) is not None]
        return completions

    def _taken(self, output: Any) -> Completion | None:
        """Take what vLLM hands out of a completion; returns it if this is its end."""
        draft = self._drafts[output.request_id]
        draft.take(output)
        looping = self._loops and not output.finished and draft.has_begun_to_repeat()
        if not (output.finished or looping):
            return None
        if looping:
            self._engine.abort_request([output.request_id])
        return self._drafts.pop(output.request_id).completion(output, self._spelt, looping)

    def close(self) -> None:
        """End vLLM's workers and give back its memory."""
        self._engine.engine_core.shutdown()

    def _fail(self, request_id: str, prompt_tokens: int, problem: str) -> None:
        self._failed.append(Completion(request_id, "", Finish.FAILED, prompt_tokens, 0, problem))


def _sampling(sampling: Sampling, schema: str, ends: Sequence[int]) -> dict[str, Any]:
    """Arguments of vLLM's `SamplingParams`, all but the seed."""
    from vllm.sampling_params import StructuredOutputsParams

    return {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p if sampling.temperature > 0 else 1.0,
        "frequency_penalty": sampling.frequency_penalty,
        "presence_penalty": sampling.presence_penalty,
        "max_tokens": sampling.max_tokens,
        "stop": list(sampling.stop),
        "stop_token_ids": list(ends),
        "structured_outputs": StructuredOutputsParams(json=schema) if schema else None,
    }


def _handing_out(loops: bool) -> dict[str, Any]:
    """Arguments of vLLM's `SamplingParams` that say what it hands out: a completion as a whole, or in pieces."""
    from vllm.sampling_params import RequestOutputKind

    if loops:
        return {"output_kind": RequestOutputKind.DELTA, "stream_interval": EVERY}
    return {"output_kind": RequestOutputKind.FINAL_ONLY}


@dataclass(slots=True)
class _Draft:
    """What vLLM has handed out of a completion."""

    text: str = ""
    tokens: list[int] = field(default_factory=list)
    seen: int = 0  # so many tokens were looked at already

    def take(self, output: Any) -> None:
        """A `RequestOutput` of vLLM's."""
        (piece,) = output.outputs
        self.text += piece.text
        self.tokens += piece.token_ids

    def has_begun_to_repeat(self) -> bool:
        """Whether it had at one of the lengths that are looked at; pieces end a token or so behind those."""
        lengths = range(self.seen + EVERY, len(self.tokens) + 1, EVERY)
        self.seen += EVERY * len(lengths)
        return any(repeats(self.tokens[:length]) for length in lengths)

    def completion(self, last: Any, spelt: Sequence[str], looping: bool) -> Completion:
        """As the last `RequestOutput` has it. `completion_tokens` counts all drawn tokens, those of the stop included.

        An end token that the model has spelt out sign by sign ends a text where nothing follows.
        """
        (answer,) = last.outputs
        tokens = len(last.prompt_token_ids), len(self.tokens)
        finish = Finish.REPETITION if looping else _FINISHES.get(answer.finish_reason, Finish.FAILED)
        if finish is Finish.FAILED:
            problem = f"vLLM ended it with {answer.finish_reason!r}"
            return Completion(last.request_id, "", finish, *tokens, problem)
        text = without_end(self.text, spelt)
        if text != self.text:
            finish = Finish.STOP
        return Completion(last.request_id, text, finish, *tokens, cached_tokens=last.num_cached_tokens or 0)


_FINISHES = {"stop": Finish.STOP, "length": Finish.LENGTH}
"""vLLM's reasons for which a completion ends."""


def _arguments(settings: EngineSettings) -> dict[str, Any]:
    """The engine arguments given, checked against those of the installed vLLM, if there is one."""
    arguments = named_values("vllm.args", settings.vllm.args)
    problems = [f"--vllm.args: {name!r} is not for here; {OURS[name]}" for name in arguments.keys() & OURS.keys()]
    problems += _wrong_sizes(arguments)
    known = _known() if arguments else {}
    for name in sorted(arguments.keys() - known.keys() - OURS.keys()) if known else ():
        close = get_close_matches(name.replace("-", "_"), known, n=1)
        problems.append(
            f"--vllm.args: vLLM has no engine argument {name!r}" + (f"; did you mean {close[0]!r}?" * bool(close))
        )
    if problems:
        raise InputError(*problems)
    return arguments


def _devices(arguments: Mapping[str, Any]) -> int:
    """How many GPUs one replica is spread over."""
    if problems := _wrong_sizes(arguments):
        raise InputError(*problems)
    return math.prod(arguments.get(name, 1) for name in PARALLEL)


def _wrong_sizes(arguments: Mapping[str, Any]) -> list[str]:
    return [
        f"--vllm.args: {name}={size} must be a whole number of at least 1"
        for name in PARALLEL
        if not isinstance(size := arguments.get(name, 1), int) or size < 1
    ]


def _known() -> Mapping[str, Any]:
    """The fields of vLLM's `EngineArgs`; none where it is not installed, as on a driver's node it need not be."""
    if importlib.util.find_spec("vllm") is None:
        return {}
    from vllm import EngineArgs

    return {field.name: field for field in fields(EngineArgs) if not field.name.startswith("_")}


def _check_context(model: str, encoder: PromptEncoder, prompts: PromptSet, context: int) -> None:
    problems = []
    for kind in prompts.kinds:
        constant, room = sum(map(len, encoder.frame(kind))), prompts[kind].sampling.max_tokens
        if constant + room >= context:
            problems.append(
                f"--model: {model}: its context of {context} tokens cannot hold the {kind} prompt of {constant}, an "
                f"instruction and {room} new tokens; take another model, other --prompts, or a larger max_model_len"
            )
    if problems:
        raise InputError(*problems)
