"""`selfinstruct bench vllm`: the engine that runs vLLM beside vLLM's own `LLM.generate`, on the same requests.

Both use one `LLM` in this process: one model, one cache, one scheduler. Bare generation is given all requests at once,
the engine `--in_flight` of them at most, as a pool feeds a replica. Each repeat has other requests, both ways right
after each other and in turn first, so that what else the machine does falls on both; the ratio of a repeat is of
tokens a second. The share of prompt tokens that the prefix cache had is counted from what vLLM says of each request.

With `--ray_data` the same requests go through `ray.data.llm`, too: one batch of all of them in an engine of Ray's own,
in an actor, with the same arguments, after a batch that warms it up. Its seconds are those of the slowest request.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, TypeAlias

from jobs.command_line import run
from jobs.commands import Command, Outcome
from selfinstruct.engines import EMBEDDED, EngineSettings, VLLMOptions
from selfinstruct.errors import InputError
from selfinstruct.prompts import load_prompts
from selfinstruct.records import Completion, Kind, Request
from selfinstruct.settings import group, option


@dataclass(frozen=True)
class VLLMBenchSettings:
    """Measure the vLLM engine against bare generation.

    Args:
        out: Folder for vllm.json; without it there are lines only.
        model: The model.
        prompts: The prompt set.
        requests: Requests in a repeat.
        in_flight: Requests that the engine holds at most.
        repeats: How often both ways are measured.
        ray_data: Measure `ray.data.llm`, too.
    """

    out: str | None = None
    model: str = EMBEDDED
    prompts: str = "tiny"
    requests: int = option(256, least=1)
    in_flight: int = option(64, least=1)
    repeats: int = option(5, least=1)
    ray_data: bool = False
    vllm: VLLMOptions = group(VLLMOptions)


@dataclass(frozen=True, slots=True)
class Pace:
    """What one way made of the requests of a repeat."""

    prompt_tokens: int
    cached_tokens: int
    new_tokens: int
    seconds: float

    @property
    def rate(self) -> float:
        """New tokens a second."""
        return self.new_tokens / self.seconds


COMMAND = Command("bench vllm", VLLMBenchSettings)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure; returns the exit code."""
    return run(COMMAND, bench, argv)


def bench(settings: VLLMBenchSettings) -> Outcome:
    """Measure, print, and write JSON."""
    from jobs.bench.bed import Texts
    from jobs.bench.machine import machine
    from selfinstruct.engines.vllm import around, engine_arguments

    of = EngineSettings("vllm", settings.model, vllm=settings.vllm)
    prompts = load_prompts(settings.prompts)
    arguments = engine_arguments(of)
    try:
        import vllm
    except ImportError as error:
        raise InputError(f"{error}; pip install 'selfinstruct[vllm]'") from error
    llm = vllm.LLM(**arguments)
    engine, texts = around(llm.llm_engine, of, prompts), Texts(prompts, 0)

    def bare(requests: Sequence[Request]) -> Pace:
        asked = [engine.asked(request) for request in requests]
        begun = time.perf_counter()
        outputs = llm.generate(
            [{"prompt_token_ids": ids} for ids, _ in asked], [each for _, each in asked], use_tqdm=False
        )
        seconds = time.perf_counter() - begun
        prompt_tokens = sum(len(output.prompt_token_ids) for output in outputs)
        new_tokens = sum(len(output.outputs[0].token_ids) for output in outputs)
        return Pace(prompt_tokens, sum(output.num_cached_tokens or 0 for output in outputs), new_tokens, seconds)

    def ours(requests: Sequence[Request]) -> Pace:
        begun = time.perf_counter()
        done = _complete(engine, requests, settings.in_flight)
        seconds = time.perf_counter() - begun
        prompt_tokens, cached_tokens = (
            sum(each.prompt_tokens for each in done),
            sum(each.cached_tokens for each in done),
        )
        return Pace(prompt_tokens, cached_tokens, sum(each.completion_tokens for each in done), seconds)

    def by_ray(requests: Sequence[Request]) -> Pace:
        first = [texts.request(Kind.PROPOSE, f"first/{at}") for at in range(len(requests))]
        return _by_ray_data(arguments, *([engine.asked(request) for request in each] for each in (first, requests)))

    ways: dict[str, Callable[[Sequence[Request]], Pace]] = {"bare": bare, "engine": ours}
    ways |= {"ray_data": by_ray} if settings.ray_data else {}
    bare([texts.request(Kind.PROPOSE, f"warm/{at}") for at in range(settings.in_flight)])
    repeats: list[dict[str, Pace]] = []
    for repeat in range(settings.repeats):
        requests = [texts.request(Kind.PROPOSE, f"{repeat}/{at:05d}") for at in range(settings.requests)]
        order = sorted(ways, reverse=repeat % 2 == 1)
        repeats.append({way: ways[way](requests) for way in order})
        print(f"measured {repeat + 1} of {settings.repeats} times", file=sys.stderr)
    scheduler = llm.llm_engine.vllm_config.scheduler_config
    figures = {
        "settings": dataclasses.asdict(settings),
        "machine": machine() | {"vllm": vllm.__version__},
        "max_num_seqs": scheduler.max_num_seqs,
        "max_num_batched_tokens": scheduler.max_num_batched_tokens,
        "repeats": [{way: dataclasses.asdict(pace) for way, pace in each.items()} for each in repeats],
        "share_of_bare": {way: median(_shares(repeats, way)) for way in ways if way != "bare"},
        "cached_share": median(each["engine"].cached_tokens / each["engine"].prompt_tokens for each in repeats),
    }
    _print(figures, repeats)
    if settings.out is not None:
        folder = Path(settings.out)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "vllm.json").write_text(json.dumps(figures, indent=1) + "\n")
    return Outcome(figures)


Asked: TypeAlias = Sequence[tuple[Sequence[int], Any]]
"""The tokens of prompts, and their `SamplingParams`."""


def _by_ray_data(arguments: Mapping[str, Any], first: Asked, asked: Asked) -> Pace:
    """What Ray's own batch inference makes of prompts, after as many first ones, which are not counted."""
    import ray
    from ray.data.llm import build_processor, vLLMEngineProcessorConfig
    from vllm import SamplingParams

    usual = SamplingParams()
    names = [name for name in usual.__struct_fields__ if not name.startswith("_")]

    def changed(params: Any) -> dict[str, Any]:
        return {name: getattr(params, name) for name in names if getattr(params, name) != getattr(usual, name)}

    rows = [
        {"counted": counts, "tokenized_prompt": list(ids), "sampling_params": changed(params)}
        for counts, batch in ((False, first), (True, asked))
        for ids, params in batch
    ]
    apart = {"chat_template_stage", "tokenize_stage", "detokenize_stage", "prepare_multimodal_stage"}
    config = vLLMEngineProcessorConfig(
        model_source=arguments["model"],
        engine_kwargs={name: value for name, value in arguments.items() if name != "model"},
        batch_size=len(asked),
        max_concurrent_batches=1,
        concurrency=1,
        log_engine_metrics=False,
        placement_group_config={"bundles": [{"CPU": 1}]},
        **dict.fromkeys(apart, False),
    )
    answered = build_processor(config)(ray.data.from_items(rows, override_num_blocks=1)).take_all()
    done = [row for row in answered if row["counted"]]
    return Pace(
        sum(row["num_input_tokens"] for row in done),
        0,  # which it does not tell
        sum(row["num_generated_tokens"] for row in done),
        max(row["time_taken_llm"] for row in done),
    )


def _shares(repeats: Sequence[dict[str, Pace]], way: str) -> list[float]:
    return [each[way].rate / each["bare"].rate for each in repeats]


def _complete(engine: Any, requests: Sequence[Request], in_flight: int) -> list[Completion]:
    """Feed an engine as a pool feeds a replica."""
    waiting, held, done = deque(requests), 0, []
    while waiting or held:
        share = min(len(waiting), in_flight - held)
        engine.add([waiting.popleft() for _ in range(share)])
        completions = engine.step()
        held += share - len(completions)
        done += completions
    return done


def _print(figures: dict[str, Any], repeats: Sequence[dict[str, Pace]]) -> None:
    for way in repeats[0]:
        rates = ", ".join(f"{each[way].rate:,.0f}" for each in repeats)
        print(f"{way}: {median(each[way].rate for each in repeats):,.0f} tokens a second (in turn {rates})")
    for way, share in figures["share_of_bare"].items():
        each = ", ".join(f"{share:.2f}" for share in _shares(repeats, way))
        print(f"{way} has {share:.2f} of bare generation's tokens a second (in turn {each})")
    print(
        f"{figures['cached_share']:.0%} of prompt tokens came from the prefix cache;"
        f" {figures['max_num_seqs']:,} sequences at once, {figures['max_num_batched_tokens']:,} tokens in a step"
    )


if __name__ == "__main__":
    sys.exit(main())
