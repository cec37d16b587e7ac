"""The options of engines, and what others must know of one. No heavy imports, so that `--help` starts at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from selfinstruct.settings import NamedValues, group, option

EMBEDDED = "tiny"
"""The name under which `--model` finds the embedded demonstration model."""

ENGINES = ("transformers", "vllm", "openai", "template")
"""The engines of this project: each is a module in this folder, and has its options in `EngineSettings` by its name."""

LEAST_WORDS, MOST_WORDS = 1000, 1_000_000
"""Of a made-up vocabulary."""


IN_FLIGHT = {"cpu": 64, "gpu": 512}
"""Requests that an engine holds at most, by where it runs: a GPU's step takes about as long for few as for many."""

HELD = 4
"""How many times as many requests as may be under way at servers an engine holds, so that each answer is followed by
the next request while what came back is judged and written."""


@dataclass(frozen=True, slots=True)
class Traits:
    """What others must know of an engine without opening it.

    Args:
        checkpoint: It reads a model's files (`checkpoint`), at the revision that its options name.
        devices: GPUs that a replica makes use of, where there are any.
        prompts: The prompt set that `auto` means; empty: that of the embedded model for the embedded model, else base.
        writer: Under which name its texts go where no model writes them; empty: under the model's.
        revision: The key of its identity that tells one state of the model, or of the writer, from another.
        schemas: It holds answers to a prompt set's JSON schemas, or nobody knows.
        holds: Requests that it holds at most where nobody says so; 0: as `IN_FLIGHT` has it.
        light: It only waits for servers, or has next to nothing to do, so that one does as well as many.
        raw: Whether it goes on with a prompt that is no conversation, as the beginning of a user's turn is: yes, no, or
            told, if the prompt set says how a turn begins.
    """

    checkpoint: bool = False
    devices: int = 0
    prompts: str = ""
    writer: str = ""
    revision: str = "weights"
    schemas: bool = True
    holds: int = 0
    light: bool = False
    raw: Literal["yes", "no", "told"] = "no"


@dataclass(frozen=True)
class TransformersOptions:
    """Options of the transformers engine.

    Args:
        dtype: Number format of weights and activations (auto: as the checkpoint says, float32 on a CPU).
        device: Where the model runs (auto: the first GPU, else the CPU).
        tokens_per_batch: Tokens that the requests under way hold at most, padding and room for completions included;
            what all prompts of a kind begin with counts once (default: as many as half of the GPU's memory that the
            model leaves free holds, on a CPU 2 GiB).
        revision: Branch, tag or commit of a model from the hub.
        trust_remote_code: Run code that comes with the model.
    """

    dtype: str = "auto"
    device: str = "auto"
    tokens_per_batch: int | None = option(None, least=1)
    revision: str = "main"
    trust_remote_code: bool = False


@dataclass(frozen=True)
class TemplateOptions:
    """Options of the template engine, which fills a grammar's templates without a model.

    Args:
        latency: Seconds that one batch takes.
        token_latency: Seconds that it takes besides for each token of its longest completion.
        batch: Requests in one batch.
        failure_rate: Share of requests that fail.
        cut_rate: Share of completions that are cut by length.
        words: Size of a made-up vocabulary in place of the grammar's (0: the grammar), for runs of millions.
        diversity: With words: decimal logarithm of how many different tasks there are.
    """

    latency: float = option(0.0, least=0)
    token_latency: float = option(0.0, least=0, on_command_line=False)
    batch: int = option(32, least=1)
    failure_rate: float = option(0.0, least=0, most=1)
    cut_rate: float = option(0.0, least=0, most=1)
    words: int = option(0, least=0, most=MOST_WORDS)
    diversity: float = option(12.0, above=0, most=300, on_command_line=False)

    def problems(self) -> Iterator[str]:
        """What is wrong with the options together."""
        if self.failure_rate + self.cut_rate > 1:
            yield f"cut_rate: is {self.cut_rate}, must be at most 1 together with --template.failure_rate"
        if 0 < self.words < LEAST_WORDS:
            yield f"words: is {self.words}, must be 0 or at least {LEAST_WORDS}"


@dataclass(frozen=True)
class OpenAIOptions:
    """Options of the engine that asks a server with OpenAI's HTTP protocol. The key itself is no option.

    Args:
        url: The server's address, most often ending with /v1. Of several with commas between them each request goes to
            the one that has the fewest under way, and away from one that is gone.
        key_env: Name of the environment variable that holds the key, where the replicas run.
        key_file: File that holds the key, where the replicas run.
        endpoint: Which of the server's endpoints is asked: completions or chat (auto: chat for chat prompt sets).
        body: Fields of each request's body as name=value, in place of those of the same names; null leaves one out.
        structured: Ask the server to hold its answers to the prompt set's JSON schemas (response_format).
        concurrency: Requests that each replica has under way at each server at most.
        timeout: Seconds in which the server must have answered a request whole.
        retries: How often a request is made again before its replica gives up.
    """

    url: str = "http://127.0.0.1:8000/v1"
    key_env: str | None = None
    key_file: Path | None = None
    endpoint: str = "auto"
    body: NamedValues = ()
    structured: bool = False
    concurrency: int = option(64, least=1)
    timeout: float = option(300.0, above=0)
    retries: int = option(8, least=0)


@dataclass(frozen=True)
class VLLMOptions:
    """Options of the engine that runs a model with vLLM in the replica's process.

    Args:
        args: vLLM's own engine arguments as name=value (quantization=fp8 tensor_parallel_size=2 ...).
        revision: Branch, tag or commit of a model from the hub.
        trust_remote_code: Run code that comes with the model.
    """

    args: NamedValues = ()
    revision: str = "main"
    trust_remote_code: bool = False


@dataclass(frozen=True)
class EngineSettings:
    """Which engine serves a stage, and how."""

    engine: str = "transformers"
    model: str = EMBEDDED
    transformers: TransformersOptions = group(TransformersOptions)
    template: TemplateOptions = group(TemplateOptions)
    openai: OpenAIOptions = group(OpenAIOptions)
    vllm: VLLMOptions = group(VLLMOptions)

    @property
    def model_name(self) -> str:
        """The last part of the model's name or folder."""
        return self.model.rstrip("/").rpartition("/")[2] or self.model

    @property
    def source(self) -> TransformersOptions | VLLMOptions:
        """The options that say which revision of a checkpoint is meant, and whether its code may run."""
        options: TransformersOptions | VLLMOptions = getattr(self, self.engine)
        return options
